"""Our client on the real store: values, errors, streams, tokens; and migrations."""

from __future__ import annotations

import asyncio
import uuid
from array import array
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from dxops.base.errors import Conflict, Refused, TooLarge, Unavailable
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.clickhouse.ddl import Alter, Statement, Table
from dxops.engines.clickhouse.migrate import Migration, current, migrate, migrations
from dxops.wire.clickhouse_native import Column, block, numbers, strings
from tests.engines.store_process import StoreProcess


@pytest.fixture
async def clickhouse(store: StoreProcess) -> AsyncIterator[ClickHouse]:
    """A client on a database of its own."""
    name = f"test_{uuid.uuid4().hex[:10]}"
    store.sql(f"CREATE DATABASE {name} ENGINE = Atomic")
    made = ClickHouse(f"http://dxops:{store.password()}@127.0.0.1:{store.port}/{name}")
    yield made
    await made.close()
    store.sql(f"DROP DATABASE {name}")


async def test_values_come_back_as_they_are(clickhouse: ClickHouse) -> None:
    found = await clickhouse.query(
        "SELECT {text:String} AS text, {big:UInt64} AS big, {list:Array(String)} AS list, "
        "{map:Map(String, UInt8)} AS map, {flag:Bool} AS flag, {none:Nullable(String)} AS none, "
        "toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC') AS at, 'a' || unhex('FF') AS odd",
        {
            "text": "it's \\ a\ttab\nand\0more 'x'",
            "big": 2**64 - 1,
            "list": ["a'b", "c\\d", "e\nf"],
            "map": {"k'": 1},
            "flag": True,
            "none": None,
        },
    )
    assert found.columns == ["text", "big", "list", "map", "flag", "none", "at", "odd"]
    assert found.rows == [
        [
            "it's \\ a\ttab\nand\0more 'x'",
            2**64 - 1,
            ["a'b", "c\\d", "e\nf"],
            {"k'": 1},
            True,
            None,
            "2026-01-02T03:04:05.678Z",
            "a\ufffd",
        ]
    ]


async def test_errors_are_ours(clickhouse: ClickHouse) -> None:
    with pytest.raises(Refused) as bad:
        await clickhouse.query("SELECT 1 FRM x y")
    assert (bad.value.code, bad.value.field) == ("clickhouse_62", "sql")
    assert "character 14" in (bad.value.hint or "") or "character 10" in (bad.value.hint or "")
    with pytest.raises(Refused) as missing:
        await clickhouse.query("SELECT * FROM nowhere")
    assert missing.value.code == "clickhouse_60"
    with pytest.raises(TooLarge):
        await clickhouse.query(
            "SELECT count() FROM numbers(1e12) WHERE sipHash64(number) = 1", settings={"max_execution_time": 1}
        )
    with pytest.raises(TooLarge):
        await clickhouse.query("SELECT groupArray(repeat('x', 1000)) FROM numbers(1000000)")
    with pytest.raises(TooLarge):
        await clickhouse.query("SELECT repeat('x', 1000) FROM numbers(100000)")  # result_mb = 20
    away = ClickHouse("http://dxops:x@127.0.0.1:1/x")
    with pytest.raises(Unavailable):
        await away.query("SELECT 1")
    await away.close()


async def test_wrong_credentials_are_not_the_callers_fault(store: StoreProcess) -> None:
    stranger = ClickHouse(f"http://dxops:wrong@127.0.0.1:{store.port}/dxops")
    with pytest.raises(Unavailable) as refused:
        await stranger.query("SELECT 1")
    assert "clickhouse.url" in (refused.value.hint or "")
    await stranger.close()


async def test_native_blocks_with_a_token(clickhouse: ClickHouse) -> None:
    table = Table(name="events", columns="id UInt64, text String", order_by="id")
    assert await migrate(clickhouse, [Migration(1, "events", (table,))]) == 1
    count = 5000
    ids = numbers("UInt64", array("Q", range(count)))
    data = block([Column("id", "UInt64", ids), Column("text", "String", strings([b"x" * 455] * count))], count)
    assert await clickhouse.insert_native("events", data, token="a") == count
    await clickhouse.insert_native("events", data, token="a")
    await clickhouse.insert_native("events", data, token="b")
    await clickhouse.insert_native("events", data, token=None)
    found = await clickhouse.query("SELECT count(), uniqExact(id), sum(length(text)) FROM events")
    assert found.rows == [[3 * count, count, 3 * count * 455]]


async def test_streams_come_whole_and_fail_loudly(clickhouse: ClickHouse) -> None:
    sql = "SELECT number, repeat('x', 200) FROM numbers(200000)"
    async with aclosing(clickhouse.stream(sql)) as pieces:
        text = b"".join([piece async for piece in pieces])
    lines = text.splitlines()
    assert (len(lines), lines[0][:3], lines[-1][:7]) == (200000, b"[0,", b"[199999")
    failing = clickhouse.stream(sql.replace("number,", "throwIf(number = 150000),"))
    with pytest.raises(Refused) as failed:
        b"".join([piece async for piece in failing])
    assert failed.value.code == "clickhouse_395"


async def test_a_cancelled_query_ends(clickhouse: ClickHouse, store: StoreProcess) -> None:
    sql = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 33"
    running = "SELECT count() FROM system.processes WHERE query LIKE '%= 33%' AND query NOT LIKE '%system.processes%'"
    task = asyncio.create_task(clickhouse.query(sql))
    async with asyncio.timeout(10):
        while (await clickhouse.query(running)).scalar != 1:
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        while (await clickhouse.query(running)).scalar != 0:
            await asyncio.sleep(0.02)
    query_id = str(uuid.uuid4())
    task = asyncio.create_task(clickhouse.query(sql, query_id=query_id))
    async with asyncio.timeout(10):
        while (await clickhouse.query(running)).scalar != 1:
            await asyncio.sleep(0.02)
    await clickhouse.kill(query_id)
    with pytest.raises(Unavailable) as ended:
        await task
    assert ended.value.code == "clickhouse_394"


TABLE = Table(name="things", columns="id UInt32, text String", order_by="id")
GROWN = Alter("things", "ADD COLUMN IF NOT EXISTS level LowCardinality(String)")
COUNTED = Statement(
    "CREATE MATERIALIZED VIEW IF NOT EXISTS counted ENGINE = SummingMergeTree ORDER BY id AS "
    "SELECT id, count() AS n FROM ${local_things} GROUP BY id"
)
CHAIN = [Migration(1, "things", (TABLE,)), Migration(2, "grown", (GROWN, COUNTED))]


async def test_migrations_run_once_and_in_order(clickhouse: ClickHouse) -> None:
    assert await current(clickhouse) == 0
    assert await migrate(clickhouse, CHAIN[:1]) == 1
    assert await migrate(clickhouse, CHAIN) == 1
    assert await migrate(clickhouse, CHAIN) == 0
    assert await current(clickhouse) == 2
    await clickhouse.execute("INSERT INTO things VALUES (1, 'a', 'info')")
    assert (await clickhouse.query("SELECT sum(n) FROM counted")).scalar == 1
    recorded = await clickhouse.query("SELECT number, name FROM dxops_migrations ORDER BY number")
    assert recorded.rows == [[1, "things"], [2, "grown"]]
    with pytest.raises(Conflict):
        await migrate(clickhouse, CHAIN[:1])


async def test_a_migration_that_died_half_way_is_run_again(clickhouse: ClickHouse) -> None:
    broken = Migration(2, "grown", (GROWN, Statement("CREATE TABLE IF NOT EXISTS no_columns ENGINE = Nonsense")))
    with pytest.raises(Refused):
        await migrate(clickhouse, [CHAIN[0], broken])
    assert await current(clickhouse) == 1
    assert await migrate(clickhouse, CHAIN) == 1
    assert await current(clickhouse) == 2


async def test_two_that_migrate_at_once_do_no_harm(clickhouse: ClickHouse, store: StoreProcess) -> None:
    other = ClickHouse(f"http://dxops:{store.password()}@127.0.0.1:{store.port}/{clickhouse.database}")
    await asyncio.gather(migrate(clickhouse, CHAIN), migrate(other, CHAIN))
    assert await current(other) == 2
    await other.close()


def test_our_own_migrations_are_sound() -> None:
    assert [migration.number for migration in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_gap_in_the_numbers_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "0001_a.py").write_text("STEPS = ()")
    (tmp_path / "0003_b.py").write_text("STEPS = ()")
    with pytest.raises(ValueError, match="gap"):
        migrations(tmp_path)
