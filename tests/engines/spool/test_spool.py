"""The spool on a real disk, as receivers and loaders use it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dxops.base.errors import Conflict, Refused, Throttled, TooLarge, Unavailable
from dxops.engines.spool import (
    Batch,
    Consumer,
    Loader,
    LoadResult,
    PoisonBatch,
    Quarantine,
    Spool,
    SpoolConfig,
    SpoolFull,
    read_stats,
    this_machine,
)
from tests.engines.spool.driving import QUICK, KeepingSink, limits, loading


async def test_records_come_out_as_they_went_in(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool, sink = await Spool.open(root), KeepingSink()
    async with loading(root, sink):
        assert await spool.append("logs", [b"a\n", memoryview(b"b")], records=2, tenant="house", kind=7) == 0
        assert await spool.append("logs", [b"c"], records=1) == 2
        async with asyncio.timeout(10):
            await spool.loaded("logs", 2)
        assert sink.rows == [(0, b"a"), (1, b"b"), (2, b"c")]
        (stream,) = await read_stats(this_machine(), root)
    await spool.close()
    (consumer,) = stream.consumers
    assert (stream.stream, stream.received, stream.received_bytes) == ("logs", 3, 4)
    assert (consumer.loaded, consumer.pending, consumer.lost, consumer.oldest_pending_s) == (3, 0, 0, None)


@pytest.mark.parametrize("level", [0, 3])
async def test_batches_keep_tenant_kind_and_payload_through_a_restart(tmp_path: Path, level: int) -> None:
    root = str(tmp_path / "spool")
    spool = await Spool.open(root, SpoolConfig(zstd_level=level))
    await spool.append("logs", [b"x" * 5000], records=1, tenant="house", kind=7)
    await spool.close()
    spool = await Spool.open(root, SpoolConfig(zstd_level=level))
    assert await spool.append("logs", [b"y"], records=1, tenant="guest") == 1
    consumer = await Consumer.open(this_machine(), root, "logs", "store")
    batch = await consumer.next_batch(QUICK)
    first, second = (piece.frame for piece in batch.pieces)
    assert (first.tenant, first.kind, first.payload) == ("house", 7, b"x" * 5000)
    assert (second.tenant, second.kind, second.payload) == ("guest", 0, b"y")
    await consumer.close()
    await spool.close()
    (stream,) = await read_stats(this_machine(), root)
    assert {name: tenant.received.records for name, tenant in stream.tenants.items()} == {"house": 1, "guest": 1}


async def test_a_batch_comes_back_the_same_until_it_is_committed(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool, machine = await Spool.open(root), this_machine()
    await spool.append("logs", [b"a"], records=1)
    consumer = await Consumer.open(machine, root, "logs", "store")
    first = await consumer.next_batch(QUICK)
    await consumer.close()
    await spool.append("logs", [b"b"], records=1)
    consumer = await Consumer.open(machine, root, "logs", "store")
    again = await consumer.next_batch(QUICK)
    assert (again.token, again.from_seq, again.to_seq) == (first.token, 0, 1)
    assert again.pieces == first.pieces
    await consumer.commit(again)
    following = await consumer.next_batch(QUICK)
    assert [piece.frame.payload for piece in following.pieces] == [b"b"]
    with pytest.raises(ValueError, match="not the one"):
        await consumer.commit(again)
    await consumer.close()
    await spool.close()


@pytest.mark.parametrize("level", [0, 3])
async def test_payloads_of_kinds_that_a_consumer_does_not_want_are_passed_over(tmp_path: Path, level: int) -> None:
    root = str(tmp_path / "spool")
    spool = await Spool.open(root, SpoolConfig(zstd_level=level))
    appended = [(0, b"a" * 100_000), (1, b"ids"), (0, b"b"), (2, b"c" * 70_000), (0, b"d" * 100_000), (1, b"more ids")]
    for kind, payload in appended:
        await spool.append("logs", [payload, b"\n"], records=3, kind=kind)
    consumer = await Consumer.open(this_machine(), root, "logs", "ids", kinds=frozenset({1, 2}))
    batch = await consumer.next_batch(QUICK)
    assert [piece.frame.payload for piece in batch.pieces] == [
        payload + b"\n" if kind else b"" for kind, payload in appended
    ]
    assert [piece.frame.seq for piece in batch.pieces] == [0, 3, 6, 9, 12, 15]
    await consumer.commit(batch)
    assert (consumer.state.position.seq, consumer.state.loaded, consumer.state.lost) == (18, 18, 0)
    await consumer.close()
    await spool.close()


async def test_a_payload_of_many_parts_comes_out_whole(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool = await Spool.open(root)
    parts = [b"%d" % number for number in range(3000)]
    await spool.append("logs", parts, records=3000)
    consumer = await Consumer.open(this_machine(), root, "logs", "store")
    (piece,) = (await consumer.next_batch(QUICK)).pieces
    assert piece.frame.payload == b"".join(parts)
    await consumer.close()
    await spool.close()


async def test_what_others_put_into_the_directory_disturbs_nobody(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    spool = await Spool.open(str(root))
    assert await spool.append("logs", [b"a"], records=1) == 0
    await spool.close()
    (root / "notes").write_text("a file")
    (root / "empty").mkdir()
    (root / "logs" / "consumers" / "notes").mkdir()
    (root / "logs" / "quarantine-copy").write_text("a file")
    spool, sink = await Spool.open(str(root)), KeepingSink()
    async with loading(str(root), sink):
        assert await spool.append("logs", [b"b"], records=1) == 1
        async with asyncio.timeout(10):
            await spool.loaded("logs", 1, consumer="store")
    (stream,) = await read_stats(this_machine(), str(root))
    assert (stream.stream, stream.received, [consumer.name for consumer in stream.consumers]) == ("logs", 2, ["store"])
    await spool.close()


async def test_one_writer_and_one_process_per_consumer(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool, machine = await Spool.open(root), this_machine()
    with pytest.raises(Conflict, match="another process writes"):
        await Spool.open(root)
    consumer = await Consumer.open(machine, root, "logs", "store")
    with pytest.raises(Conflict, match="in use by another"):
        await Consumer.open(machine, root, "logs", "store")
    other = await Consumer.open(machine, root, "logs", "other")
    await other.close()
    await consumer.close()
    await spool.close()
    await (await Spool.open(root)).close()


async def test_a_new_consumer_may_begin_at_the_newest(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool, machine = await Spool.open(root), this_machine()
    await spool.append("logs", [b"old"], records=1)
    consumer = await Consumer.open(machine, root, "logs", "tail", start="newest")
    await spool.append("logs", [b"new"], records=1)
    batch = await consumer.next_batch(QUICK)
    assert [piece.frame.payload for piece in batch.pieces] == [b"new"]
    await consumer.close()
    await spool.close()


async def test_segments_go_once_every_consumer_has_passed_them(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool, machine = await Spool.open(root, limits(segment_bytes=10_000)), this_machine()
    slow = await Consumer.open(machine, root, "logs", "slow")
    sink = KeepingSink()
    async with loading(root, sink):
        for _ in range(20):
            await spool.append("logs", [b"x" * 4000], records=1, tenant="house")
        await spool.loaded("logs", 19, consumer="store")
        assert len(list((tmp_path / "spool" / "logs").glob("*.seg"))) == 10
        task = asyncio.create_task(Loader(machine, slow, KeepingSink(), QUICK).run())
        async with asyncio.timeout(10):
            while len(list((tmp_path / "spool" / "logs").glob("*.seg"))) > 1:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
    await slow.close()
    await spool.close()
    (stream,) = await read_stats(machine, root)
    assert stream.tenants["house"].received.records == stream.received == 20
    assert stream.tenants["house"].on_disk.records < 3
    spool = await Spool.open(root)
    await spool.append("logs", [b"x"], records=1, tenant="house")
    await spool.close()
    (stream,) = await read_stats(machine, root)
    assert stream.tenants["house"].received.records == 21


async def test_bad_calls_are_refused(tmp_path: Path) -> None:
    spool = await Spool.open(str(tmp_path / "spool"), limits(frame_bytes=100))
    for name in ("", "Logs", "../x", "a" * 65, "lock"):
        with pytest.raises(Refused, match="no stream name"):
            await spool.append(name, [b"x"], records=1)
    with pytest.raises(TooLarge, match="100"):
        await spool.append("logs", [b"x" * 101], records=1)
    with pytest.raises(TooLarge):
        spool.check("logs", size=101)
    with pytest.raises(ValueError, match="records"):
        await spool.append("logs", [b"x"], records=0)
    with pytest.raises(ValueError, match="ASCII"):
        await spool.append("logs", [b"x"], records=1, tenant="\ud800")
    await spool.close()
    with pytest.raises(Unavailable, match="closing"):
        await spool.append("logs", [b"x"], records=1)


async def test_a_full_spool_holds_then_refuses_then_takes_again(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    small = limits(spool_bytes=40_000, stream_bytes=40_000, segment_bytes=10_000, hold_s=0.3, tenant_share=1.0)
    spool = await Spool.open(root, small)
    taken = 0

    async def flood() -> None:
        nonlocal taken
        while True:
            await spool.append("logs", [b"x" * 3000], records=1)
            taken += 1

    with pytest.raises(SpoolFull, match="is full") as refused:
        await flood()
    assert 10 <= taken <= 13
    assert refused.value.retry_after_s > 0
    with pytest.raises(SpoolFull):
        spool.check("logs", size=3000)
    held = asyncio.create_task(spool.append("logs", [b"held"], records=1))
    await asyncio.sleep(0)
    sink = KeepingSink()
    async with loading(root, sink):
        assert await held == taken
        await spool.loaded("logs", taken)
        await spool.append("logs", [b"x" * 3000], records=1)
    await spool.close()
    (stream,) = await read_stats(this_machine(), root)
    assert (stream.refused, stream.held) == (2, 2)
    assert len(sink.rows) >= taken + 1


async def test_one_tenant_cannot_fill_the_spool_for_others(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool = await Spool.open(root, limits(spool_bytes=40_000, stream_bytes=40_000, hold_s=0.05, tenant_share=0.5))

    async def flood() -> None:
        while True:
            await spool.append("logs", [b"x" * 3000], records=1, tenant="flood")

    with pytest.raises(Throttled) as refused:
        await flood()
    assert refused.value.retry_after_s > 0
    await spool.append("logs", [b"x" * 3000], records=1, tenant="quiet")
    await spool.close()


class PickySink(KeepingSink):
    """Refuses every batch with a poison record, as a whole."""

    async def load(self, batch: Batch) -> LoadResult:
        for piece in batch.pieces:
            if any(b"poison" in line for line in piece.frame.payload.split(b"\n")[piece.start : piece.stop]):
                raise PoisonBatch("cannot parse 'poison'")
        return await super().load(batch)


async def test_poison_goes_to_quarantine_and_its_neighbours_pass(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool, sink, machine = await Spool.open(root), PickySink(), this_machine()
    sink.bad = b"odd"
    lines = [b"%03d" % number for number in range(100)]
    lines[17], lines[63], lines[64] = b"poison 17", b"odd 63", b"poison 64"
    await spool.append("logs", [b"\n".join(lines[:40])], records=40, tenant="house", kind=3)
    await spool.append("logs", [b"\n".join(lines[40:])], records=60, tenant="house", kind=3)
    async with loading(root, sink):
        await spool.loaded("logs", 99)
    assert [line for _, line in sink.rows] == [line for line in lines if line.isdigit()]
    quarantine = Quarantine(machine, root, "logs", "store")
    kept = await quarantine.records()
    assert [(record.seq, record.data, record.reason) for record in kept] == [
        (17, b"poison 17", "cannot parse 'poison'"),
        (63, b"odd 63", "bad"),
        (64, b"poison 64", "cannot parse 'poison'"),
    ]
    assert await quarantine.discard([64]) == 1
    sink.bad = None
    assert await quarantine.redrive(spool, [63]) == 1
    async with loading(root, sink):
        await spool.loaded("logs", 100)
    assert sink.rows[-1] == (100, b"odd 63")
    assert [record.seq for record in await quarantine.records()] == [17]
    counts = await quarantine.counts()
    assert (counts.added, counts.resolved, counts.present) == (3, 2, 1)
    await spool.close()


async def test_a_redrive_that_is_cut_off_is_in_doubt(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool, sink = await Spool.open(root), KeepingSink()
    sink.bad = b"odd"
    await spool.append("logs", [b"odd 1\nodd 2\nodd 3"], records=3)
    async with loading(root, sink):
        await spool.loaded("logs", 2)

    class Failing:
        async def append(self, stream: str, parts: object, *, records: int, tenant: str, kind: int = 0) -> int:
            if parts == [b"odd 2"]:
                raise Unavailable("no")
            return await spool.append(stream, parts, records=records, tenant=tenant, kind=kind)  # type: ignore[arg-type]

    quarantine = Quarantine(this_machine(), root, "logs", "store")
    with pytest.raises(Unavailable):
        await quarantine.redrive(Failing())
    assert [(record.seq, record.in_doubt) for record in await quarantine.records()] == [(1, True), (2, False)]
    assert await quarantine.redrive(spool) == 1
    assert await quarantine.redrive(spool, also_in_doubt=True) == 1
    assert await quarantine.records() == []
    await spool.close()


async def test_the_quarantine_is_bounded_and_says_what_it_dropped(tmp_path: Path) -> None:
    from dxops.engines.spool import Quarantined

    quarantine = Quarantine(this_machine(), str(tmp_path), "logs", "store", most_bytes=600_000)
    for number in range(20):
        record = Quarantined(
            seq=number, at_ms=2**41, reason="bad", tenant="", kind=0, received_at_ms=0, data=bytes(60_000)
        )
        await quarantine.add([record])
        await quarantine.add([record])  # as after a crash
    counts = await quarantine.counts()
    assert counts.added == 20
    assert 0 < counts.dropped < 20
    assert counts.present == len(await quarantine.records(limit=1000))


async def test_a_sink_that_is_away_is_asked_again(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    spool = await Spool.open(root)

    class Away(KeepingSink):
        tries = 0

        async def load(self, batch: Batch) -> LoadResult:
            self.tries += 1
            if self.tries < 3:
                raise Unavailable("away") if self.tries == 1 else RuntimeError("a fault of the sink")
            return await super().load(batch)

    sink = Away()
    async with loading(root, sink):
        await spool.append("logs", [b"a"], records=1)
        await spool.loaded("logs", 0)
    assert sink.rows == [(0, b"a")]
    assert sink.tries == 3
    await spool.close()
