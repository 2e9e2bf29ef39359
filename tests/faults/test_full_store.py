"""The store's disk fills up: inserts fail for all to see, ingest refuses in time, and nothing that was acknowledged is
lost."""

from __future__ import annotations

import asyncio
import random
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dxops.app.data import DataDirectory
from dxops.app.disks import store_disk
from dxops.app.settings import Settings
from dxops.app.store_guard import guard, too_full
from dxops.base.errors import TooLarge, Unavailable
from dxops.base.spooled import DiskSpace
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.clickhouse.migrate import migrate
from dxops.engines.spool import Consumer, Loader, Spool, SpoolFull, this_machine
from dxops.rooms.logs.config import LogsConfig
from dxops.rooms.logs.sink import CONSUMER, STREAM, LogSink
from dxops.wire.logs.frame import LogFrame, encode_frame
from tests.engines.spool.driving import QUICK, limits
from tests.engines.store_process import StoreProcess
from tests.small_disk import filled, mounted

pytestmark = [pytest.mark.fault, pytest.mark.system]

_EACH = 200
_NOW_MS = 1_790_000_000_000


class Standing:
    """A store on a disk of its own, and its client."""

    def __init__(self, disk: Path, store: StoreProcess, client: ClickHouse) -> None:
        self.disk = disk
        self.store = store
        self.client = client

    async def documents(self) -> tuple[int, int]:
        """How many there are, and how many different ones."""
        ((found, different),) = (await self.client.query("SELECT count(), uniqExact(seq) FROM log_events")).rows
        return int(found), int(different)


@pytest.fixture
async def standing() -> AsyncIterator[Standing]:
    with mounted("160m") as disk:
        store = StoreProcess(disk)
        await asyncio.to_thread(store.start)
        client = ClickHouse(f"http://dxops:{store.password()}@127.0.0.1:{store.port}/dxops")
        try:
            await migrate(client)
            yield Standing(disk, store, client)
        finally:
            await client.close()
            store.kill()


def frame(number: int) -> list[bytes]:
    """Documents that compress badly."""
    source = random.Random(number)
    documents = [b'{"message":"%s"}' % source.randbytes(400).hex().encode() for _ in range(_EACH)]
    return encode_frame(LogFrame(indices=("logs",), times_ms=array("q", [_NOW_MS] * _EACH), documents=documents))


async def test_what_a_full_store_did_not_take_is_loaded_once_there_is_room(standing: Standing, tmp_path: Path) -> None:
    root, machine = str(tmp_path / "spool"), this_machine()
    spool = await Spool.open(root)
    consumer = await Consumer.open(machine, root, STREAM, CONSUMER)
    loading = asyncio.create_task(Loader(machine, consumer, LogSink(standing.client), QUICK).run())
    with filled(standing.disk, 2_000_000):
        for number in range(30):
            await spool.append(STREAM, frame(number), records=_EACH)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(spool.loaded(STREAM, 30 * _EACH - 1, consumer=CONSUMER), 3)
        assert (await standing.documents())[0] < 30 * _EACH
        with pytest.raises(Unavailable, match="not enough space") as refused:
            await insert_until_full(standing.client)
        assert refused.value.code == "clickhouse_243"
    await asyncio.wait_for(spool.loaded(STREAM, 30 * _EACH - 1, consumer=CONSUMER), 40)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    await consumer.close()
    await spool.close()
    assert await standing.documents() == (30 * _EACH, 30 * _EACH)


async def insert_until_full(client: ClickHouse) -> None:
    """By INSERT … SELECT, which has always said so."""
    await client.execute("CREATE TABLE IF NOT EXISTS more (x String) ENGINE = MergeTree ORDER BY tuple()")
    for _ in range(50):
        await client.execute("INSERT INTO more SELECT randomPrintableASCII(500) FROM numbers(2000)")


async def test_ingest_holds_then_refuses_and_lets_in_again(standing: Standing, tmp_path: Path) -> None:
    data = DataDirectory(standing.disk / "data")
    settings = Settings(logs=LogsConfig(min_free_mb=8))
    spool = await Spool.open(str(tmp_path / "spool"), limits(hold_s=0.2))
    watching = asyncio.create_task(guard(data, settings, spool, standing.client))
    try:
        await spool.append(STREAM, frame(0), records=_EACH)
        with filled(standing.disk, 4_000_000):
            with pytest.raises(SpoolFull, match="disk of the store"):
                await append_for_ever(spool)
            with pytest.raises(SpoolFull):
                spool.check(STREAM, size=10)
            space = await store_disk(data, settings, standing.client)
            assert space is not None
            assert space.low
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while True:
                try:
                    await spool.append(STREAM, frame(2), records=_EACH)
                    break
                except SpoolFull:
                    await asyncio.sleep(0.05)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await spool.close()


async def append_for_ever(spool: Spool) -> None:
    """Ten seconds at most."""
    async with asyncio.timeout(10):
        while True:
            await spool.append(STREAM, frame(1), records=_EACH)
            await asyncio.sleep(0.05)


async def test_queries_fill_no_disk_with_what_they_put_aside(standing: Standing) -> None:
    sql = "SELECT number FROM numbers(30000000) ORDER BY sipHash64(number) LIMIT 1 OFFSET 20000000"
    settings = {"max_bytes_before_external_sort": 10_000_000, "max_bytes_ratio_before_external_sort": 0}
    with filled(standing.disk, 8_000_000), pytest.raises(TooLarge):
        await standing.client.query(sql, settings=settings)


def test_letting_in_again_needs_a_little_more_than_going_on() -> None:
    space = DiskSpace(free_bytes=1000, total_bytes=100_000, least_bytes=1000)
    assert not too_full(space, shut=False)
    assert too_full(space, shut=True)
