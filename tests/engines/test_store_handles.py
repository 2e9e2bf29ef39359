"""The store's handles go from one request to the next that is set alike: nothing of the one shows in the other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from dxops.base.errors import TooLarge, Unavailable
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.clickhouse.spares import Spare, Spares
from tests.engines.store_process import StoreProcess

TAG = "SELECT getSetting('log_comment')"


@pytest.fixture
async def clickhouse(store: StoreProcess) -> AsyncIterator[ClickHouse]:
    made = ClickHouse(f"http://dxops:{store.password()}@127.0.0.1:{store.port}/dxops")
    yield made
    await made.close()


async def test_a_handle_is_used_again_by_who_asks_alike(clickhouse: ClickHouse) -> None:
    first = (await clickhouse.query(TAG, settings={"max_rows_to_group_by": 11})).scalar
    assert (await clickhouse.query(TAG, settings={"max_rows_to_group_by": 11})).scalar == first
    assert (await clickhouse.query(TAG, settings={"max_rows_to_group_by": 12})).scalar != first


async def test_two_at_once_have_a_handle_each(clickhouse: ClickHouse) -> None:
    slow = f"{TAG}, sleep(0.3)"
    one, two = await asyncio.gather(clickhouse.query(slow), clickhouse.query(slow))
    assert one.scalar != two.scalar


async def test_caps_are_the_request_s_own(clickhouse: ClickHouse) -> None:
    capped = {"max_rows_to_read": 10}
    for _ in range(3):
        with pytest.raises(TooLarge):
            await clickhouse.query("SELECT count() FROM numbers(100) WHERE number % 7 = 1", settings=capped)
        found = await clickhouse.query("SELECT count() FROM numbers(100) WHERE number % 7 = 1")
        assert found.scalar == 15
    inside = "SELECT getSetting('max_block_size')"
    assert int((await clickhouse.query(f"{inside} SETTINGS max_block_size = 77")).scalar) == 77
    assert int((await clickhouse.query(inside)).scalar) != 77


async def test_values_do_not_stay(clickhouse: ClickHouse) -> None:
    assert (await clickhouse.query("SELECT {a:String}", {"a": "x"})).scalar == "x"
    for _ in range(2):
        with pytest.raises(Exception, match="a"):
            await clickhouse.query("SELECT {a:String}")


async def test_what_failed_or_was_killed_leaves_its_handle_to_nobody(clickhouse: ClickHouse) -> None:
    settings = {"max_rows_to_group_by": 13}
    first = (await clickhouse.query(TAG, settings=settings)).scalar
    with pytest.raises(Exception, match="throwIf"):
        await clickhouse.query("SELECT throwIf(1)", settings=settings)
    second = (await clickhouse.query(TAG, settings=settings)).scalar
    assert second != first
    query_id = str(uuid.uuid4())
    sql = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 34"
    running = "SELECT count() FROM system.processes WHERE query LIKE '%= 34%' AND query NOT LIKE '%system.processes%'"
    long = asyncio.create_task(clickhouse.query(sql, settings=settings, query_id=query_id))
    async with asyncio.timeout(10):
        while (await clickhouse.query(running)).scalar != 1:
            await asyncio.sleep(0.02)
    await clickhouse.kill(query_id)
    with pytest.raises(Unavailable):
        await long
    assert (await clickhouse.query(TAG, settings=settings)).scalar not in (first, second)


class Closing:
    """Stands in for a handle: what `Spares` keeps is not looked into."""


def test_the_longest_unused_goes_first() -> None:
    spares = Spares(2)
    handles = [Spare(Closing(), str(place)) for place in range(3)]  # type: ignore[arg-type]
    assert spares.keep("a", handles[0]) is None
    assert spares.keep("b", handles[1]) is None
    assert spares.keep("a", handles[2]) is handles[0].handle
    assert spares.take("c") is None
    assert spares.take("a") is handles[2]
    assert spares.take("a") is None
    assert spares.empty() == [handles[1].handle]
    assert spares.empty() == []
