"""Upkeep as background work: one run of a kind at a time, whoever asks; live figures; workers that end early."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from dxops.base.actors import SYSTEM, Actor, Scope
from dxops.base.clock import ManualClock
from dxops.base.errors import Forbidden, Missing
from dxops.engines.blocks.files import FileBlocks
from dxops.engines.blocks.port import StoredBlock
from dxops.engines.postgres.database import COLLECTION_LOCK, Database
from dxops.rooms.content import upkeep_repo
from dxops.rooms.content.config import ContentConfig
from dxops.rooms.content.meter import Meter
from dxops.rooms.content.model import Progress, Step, Upkeep, UpkeepKind, UpkeepState
from dxops.rooms.content.rules import percent
from dxops.rooms.content.service import ContentService
from dxops.wire.cid import Cid

VERIFY, COLLECT, PREVIEW, COUNT = UpkeepKind.VERIFY, UpkeepKind.COLLECT, UpkeepKind.PREVIEW, UpkeepKind.COUNT


class Gate(FileBlocks):
    """Blocks that wait, each time one is listed, until the test lets it pass."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.open = threading.Event()
        self.reached = threading.Event()

    def all(self) -> Iterator[StoredBlock]:
        for place, stored in enumerate(super().all()):
            if place == 2:
                self.reached.set()
                assert self.open.wait(30)
            yield stored


@pytest.fixture
def gate(blocks: FileBlocks) -> Gate:
    return Gate(blocks.root)


@pytest.fixture
async def gated(database: Database, gate: Gate, clock: ManualClock) -> AsyncIterator[ContentService]:
    made = ContentService(database, gate, ContentConfig(), clock)
    await made.store_many([bytes([n]) * 1000 for n in range(8)])
    yield made
    gate.open.set()


async def until(check: object, *, content: ContentService, run_id: str) -> Upkeep:
    """The run once `check` is true of it."""
    async with asyncio.timeout(20):
        while True:
            run = await content.upkeep.get(run_id)
            if check(run):  # type: ignore[operator]
                return run
            await asyncio.sleep(0.02)


async def test_a_run_is_started_joined_and_reported(content: ContentService, database: Database) -> None:
    await content.store_many([bytes([n]) * 100 for n in range(5)])
    other = Actor(kind="person", id="p", name="ada", scopes=frozenset({Scope.OPERATE}))
    first = await content.upkeep.start(SYSTEM, VERIFY)
    assert (first.state, first.actor, first.percent) == (UpkeepState.WAITING, SYSTEM.name, None)
    joined = await content.upkeep.start(other, VERIFY)
    assert (joined.id, joined.actor) == (first.id, SYSTEM.name)
    assert (await content.upkeep.start(other, COUNT)).id != first.id
    assert (await content.stats()).blocks is None
    assert await content.upkeep.work() == 2
    done = await content.upkeep.get(first.id)
    assert (done.state, done.percent, done.error) == (UpkeepState.DONE, 100, None)
    assert done.verified
    assert (done.verified.blocks, done.verified.bytes, done.verified.ok) == (5, 500, True)
    assert done.finished_at
    stats = await content.stats()
    assert (stats.blocks, stats.bytes) == (5, 500)
    assert await content.upkeep.work() == 0
    assert (await content.upkeep.start(other, VERIFY)).id != first.id
    assert {run.kind for run in await content.upkeep.newest()} == {VERIFY, COUNT}


async def test_only_operators_start_and_ids_are_looked_up(content: ContentService) -> None:
    viewer = Actor(kind="person", id="p", name="eva", scopes=frozenset({Scope.READ}))
    with pytest.raises(Forbidden):
        await content.upkeep.start(viewer, VERIFY)
    with pytest.raises(Missing):
        await content.upkeep.get("upk_nothing")


async def test_progress_is_seen_while_it_runs_and_another_worker_keeps_off(
    gated: ContentService, gate: Gate, content: ContentService
) -> None:
    run = await gated.upkeep.start(SYSTEM, VERIFY)
    working = asyncio.create_task(gated.upkeep.work())
    seen = await until(lambda one: one.progress.blocks == 2, content=content, run_id=run.id)
    assert (seen.state, seen.progress.step, seen.progress.bytes) == (UpkeepState.RUNNING, Step.COUNTING, 2000)
    assert await content.upkeep.work() == 0
    assert (await content.upkeep.start(SYSTEM, VERIFY)).id == run.id
    gate.open.set()
    assert await working == 1
    assert (await content.upkeep.get(run.id)).state is UpkeepState.DONE


async def test_a_stopped_worker_puts_its_run_back(
    gated: ContentService, gate: Gate, content: ContentService, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = asyncio.Event()
    original = Meter.stop

    def stop_meter(meter: Meter) -> None:
        original(meter)
        told.set()

    monkeypatch.setattr(Meter, "stop", stop_meter)
    run = await gated.upkeep.start(SYSTEM, COUNT)
    stop = asyncio.Event()
    attending = asyncio.create_task(gated.upkeep.attend(stop))
    await until(lambda one: one.progress.blocks == 2, content=content, run_id=run.id)
    stop.set()
    async with asyncio.timeout(10):
        await told.wait()
        gate.open.set()
        await attending
    found = await content.upkeep.get(run.id)
    assert (found.state, found.progress) == (UpkeepState.WAITING, Progress())
    assert await content.upkeep.work() == 1
    assert (await content.upkeep.get(run.id)).counted is not None


@pytest.mark.fault
async def test_what_a_dead_worker_left_is_begun_again_but_not_for_ever(
    content: ContentService, database: Database, clock: ManualClock
) -> None:
    """A worker that died has left a row that says `running`, and no lock."""
    run = await content.upkeep.start(SYSTEM, VERIFY)
    for _ in range(2):
        async with database.begin() as tx:
            await upkeep_repo.begin(tx, run.id, clock.now())
    assert (await content.upkeep.get(run.id)).state is UpkeepState.RUNNING
    assert await content.upkeep.work() == 1
    assert (await content.upkeep.get(run.id)).state is UpkeepState.DONE
    again = await content.upkeep.start(SYSTEM, VERIFY)
    for _ in range(3):
        async with database.begin() as tx:
            await upkeep_repo.begin(tx, again.id, clock.now())
    await content.upkeep.work()
    found = await content.upkeep.get(again.id)
    assert found.state is UpkeepState.FAILED
    assert "3 workers died" in (found.error or "")


@pytest.mark.fault
async def test_a_worker_without_its_connection_gives_up_and_the_next_one_does_it(
    gated: ContentService, gate: Gate, content: ContentService, database: Database
) -> None:
    run = await gated.upkeep.start(SYSTEM, COUNT)
    stop = asyncio.Event()
    attending = asyncio.create_task(gated.upkeep.attend(stop))
    await until(lambda one: one.progress.blocks == 2, content=content, run_id=run.id)
    async with database.begin() as tx:
        await tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
        )
    gate.open.set()
    done = await until(lambda one: not one.active, content=content, run_id=run.id)
    assert done.state is UpkeepState.DONE
    stop.set()
    await attending


async def test_a_collection_during_a_backup_says_so(content: ContentService, database: Database) -> None:
    run = await content.upkeep.start(SYSTEM, COLLECT)
    async with database.begin() as other:
        await other.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": COLLECTION_LOCK})
        await content.upkeep.work()
    found = await content.upkeep.get(run.id)
    assert found.state is UpkeepState.FAILED
    assert "backup" in (found.error or "")


async def test_collections_tell_what_is_left(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    content = ContentService(database, FileBlocks(tmp_path / "timed", clock), ContentConfig(), clock)
    await content.store_many([bytes([n]) * 100 for n in range(5)])
    clock.advance(2 * 24 * 3600)
    young = await content.store(b"young")
    for kind, left in ((PREVIEW, 6), (COLLECT, 1)):
        run = await content.upkeep.start(SYSTEM, kind)
        await content.upkeep.work()
        report = (await content.upkeep.get(run.id)).collected
        assert report
        assert (report.removed_blocks, report.removed_bytes, report.young_blocks) == (5, 500, 1)
        assert (await content.stats()).blocks == left
    assert await content.missing([young]) == []


@pytest.mark.fault
async def test_faults_are_counted_as_they_are_found(content: ContentService, blocks: FileBlocks) -> None:
    cid = await content.store(b"damaged")
    root = await content.store_node({}, [cid])
    await content.holds.pin(root)
    path = blocks.path(Cid.parse(cid))
    assert path
    path.chmod(0o600)
    path.write_bytes(b"DAMAGED")
    run = await content.upkeep.start(SYSTEM, VERIFY)
    await content.upkeep.work()
    found = await content.upkeep.get(run.id)
    assert found.progress.faults == 2  # the block, and the root that lacks it
    assert found.verified
    assert (found.verified.corrupt, found.verified.incomplete) == ((cid,), {root: cid})


async def test_old_runs_are_forgotten(content: ContentService, database: Database) -> None:
    for _ in range(25):
        await content.upkeep.start(SYSTEM, COUNT)
        await content.upkeep.work()
    async with database.begin() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM content.upkeep"))).scalar() == 20


async def test_a_store_that_was_never_counted_is_counted(content: ContentService) -> None:
    await content.store(b"x")
    stop = asyncio.Event()
    attending = asyncio.create_task(content.upkeep.attend(stop))
    async with asyncio.timeout(20):
        while (await content.stats()).blocks != 1:
            await asyncio.sleep(0.02)
    run = await content.upkeep.start(SYSTEM, VERIFY)  # heard of, long before the next look
    assert (await until(lambda one: not one.active, content=content, run_id=run.id)).verified
    stop.set()
    await attending


@pytest.mark.parametrize(
    ("kind", "step", "done", "total", "expected"),
    [
        (VERIFY, Step.WAITING, 0, 0, None),
        (VERIFY, Step.COUNTING, 50, 0, None),
        (VERIFY, Step.READING, 0, 1000, 2),
        (VERIFY, Step.READING, 500, 1000, 43),
        (VERIFY, Step.READING, 2000, 1000, 85),
        (VERIFY, Step.WALKING, 7, 7, 99),
        (COLLECT, Step.MARKING, 1, 2, 25),
        (COLLECT, Step.SWEEPING, 0, 0, 50),
        (PREVIEW, Step.SWEEPING, 5, 10, 75),
        (COUNT, Step.COUNTING, 9, 10, 90),
        (COUNT, Step.READING, 9, 10, None),
    ],
)
def test_percent(kind: UpkeepKind, step: Step, done: int, total: int, expected: int | None) -> None:
    assert percent(kind, Progress(step=step, done=done, total=total)) == expected
