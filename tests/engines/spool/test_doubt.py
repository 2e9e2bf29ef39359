"""Refusals of which nobody knows whose fault they are: borne, told, and in the end one record in quarantine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dxops.base.errors import Unavailable
from dxops.engines.spool import (
    Batch,
    Consumer,
    Doubtful,
    Loader,
    LoadResult,
    Patience,
    Quarantine,
    Refusal,
    Spool,
    read_stats,
    this_machine,
)
from dxops.engines.spool.doubt import Doubts
from tests.engines.spool.driving import QUICK, KeepingSink

QUICKLY = Patience(tries=3, for_s=0.4, alone_tries=2)


class Doubting(KeepingSink):
    """Refuses what has `strange` in it, or, while it is `sick`, all; `away`, it does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.sick = False
        self.away = False
        self.asked = 0

    async def load(self, batch: Batch) -> LoadResult:
        if self.away:
            raise Unavailable("away")
        if self.sick or any(b"strange" in piece.frame.payload.split(b"\n")[index]
                            for piece in batch.pieces for index in range(piece.start, piece.stop)):  # fmt: skip
            raise Doubtful("some reason", code="store_49")
        return await super().load(batch)

    async def vouches(self) -> bool:
        self.asked += 1
        return not self.sick


async def refusal_of(root: str) -> Refusal | None:
    (stream,) = await read_stats(this_machine(1), root)
    (consumer,) = stream.consumers
    return consumer.refusal


async def until_told(root: str, tries: int) -> Refusal:
    async with asyncio.timeout(10):
        while (found := await refusal_of(root)) is None or found.tries < tries:
            await asyncio.sleep(0.01)
    return found


async def test_neighbours_are_loaded_and_the_record_is_put_aside_with_the_reason(tmp_path: Path) -> None:
    root, machine, sink = str(tmp_path / "spool"), this_machine(), Doubting()
    spool = await Spool.open(root)
    lines = [b"%d" % number for number in range(40)]
    lines[17] = lines[29] = b"strange"
    await spool.append("logs", [b"\n".join(lines)], records=40, tenant="house")
    consumer = await Consumer.open(machine, root, "logs", "store")
    loading = asyncio.create_task(Loader(machine, consumer, sink, QUICK, most_pause_s=0.05, patience=QUICKLY).run())
    told = await until_told(root, 2)
    assert (told.code, told.reason, told.records, told.from_seq) == ("store_49", "some reason", 40, 0)
    assert told.since_ms < told.next_try_ms < told.since_ms + 60_000
    assert told.decided_at_ms == told.since_ms + 400
    async with asyncio.timeout(10):
        await spool.loaded("logs", 39, consumer="store")
    assert [seq for seq, _ in sink.rows] == [seq for seq in range(40) if seq not in (17, 29)]
    found = await Quarantine(machine, root, "logs", "store").records()
    assert [(record.seq, record.data, record.tenant) for record in found] == [
        (17, b"strange", "house"), (29, b"strange", "house"),
    ]  # fmt: skip
    assert found[0].reason == "some reason (store_49, 2 tries)"
    async with asyncio.timeout(10):
        while await refusal_of(root) is not None:
            await asyncio.sleep(0.01)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    await consumer.close()
    await spool.close()


async def test_nothing_is_taken_apart_while_the_store_takes_nothing(tmp_path: Path) -> None:
    root, machine, sink = str(tmp_path / "spool"), this_machine(), Doubting()
    sink.sick = True
    spool = await Spool.open(root)
    await spool.append("logs", [b"a\nb"], records=2)
    consumer = await Consumer.open(machine, root, "logs", "store")
    loading = asyncio.create_task(Loader(machine, consumer, sink, QUICK, most_pause_s=0.05, patience=QUICKLY).run())
    async with asyncio.timeout(10):
        while sink.asked < 3:
            await asyncio.sleep(0.01)
    sink.sick = False
    async with asyncio.timeout(10):
        await spool.loaded("logs", 1, consumer="store")
    assert sink.rows == [(0, b"a"), (1, b"b")]
    assert len(sink.tokens) == 1
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    await consumer.close()
    await spool.close()


def test_patience_needs_tries_and_time() -> None:
    doubts = Doubts(Patience(tries=3, for_s=100.0, alone_tries=2, most=2))
    for now_s in (0.0, 1.0, 2.0, 3.0):
        doubts.refused((0, 10), "49", now_s)
        assert not doubts.over(10, now_s)
    doubts.refused((0, 10), "49", 100.0)
    assert doubts.over(10, 100.0)


def test_another_reason_or_a_success_begins_anew() -> None:
    doubts = Doubts(Patience(tries=1, for_s=100.0))
    doubts.refused((0, 10), "49", 0.0)
    doubts.refused((0, 10), "48", 99.0)
    assert not doubts.over(10, 101.0)
    doubts.stored((0, 10))
    doubts.refused((10, 11), "48", 200.0)
    assert not doubts.over(1, 201.0)
    assert doubts.over(1, 300.0)
    doubts.cleared()  # an outage: whether the batch is in is not known
    doubts.refused((10, 11), "48", 301.0)
    assert not doubts.over(1, 302.0)


def settled() -> Doubts:
    doubts = Doubts(Patience(tries=1, for_s=100.0, alone_tries=2, most=2))
    doubts.refused((0, 2), "49", 0.0)
    doubts.refused((0, 2), "49", 100.0)
    assert doubts.over(2, 100.0)
    doubts.settled(2, 100.0)
    return doubts


def test_once_settled_a_record_alone_is_tried_twice() -> None:
    doubts = settled()
    doubts.refused((0, 1), "49", 101.0)
    assert not doubts.over(1, 101.0)
    doubts.refused((0, 1), "49", 102.0)
    assert doubts.over(1, 102.0)


def test_what_goes_in_at_the_second_try_shows_that_the_store_was_at_fault() -> None:
    doubts = settled()
    doubts.refused((0, 1), "49", 101.0)
    doubts.stored((0, 1))
    doubts.refused((1, 2), "49", 102.0)
    doubts.refused((1, 2), "49", 103.0)
    assert not doubts.over(1, 103.0)


@pytest.mark.parametrize("between", [False, True])
def test_too_many_records_in_a_row_bring_doubt_back(between: bool) -> None:
    doubts = settled()
    for seq in (0, 1):
        doubts.refused((seq, seq + 1), "49", 102.0)
        doubts.refused((seq, seq + 1), "49", 103.0)
        doubts.settled(1, 103.0)
        if between:
            doubts.stored((seq + 100, seq + 101))
    doubts.refused((2, 3), "49", 104.0)
    doubts.refused((2, 3), "49", 105.0)
    assert doubts.over(1, 105.0) == between
