"""Our own logs through a real spool: exactly once, whatever dies and whenever files are rotated."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dxops.base.clock import SystemClock
from dxops.engines.spool import Consumer, Limits, Spool, SpoolConfig, this_machine
from dxops.engines.spool.config import BatchLimits
from dxops.rooms.logs.catching_up import CONSUMER, catch_up
from dxops.rooms.logs.following import OwnLogs, Places
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.sink import STREAM
from dxops.wire.logs.frame import decode_frame

ACCESS = '{{"@timestamp":"2026-01-01T00:00:00.000Z","message":"GET /{0} 200"}}\n'


class Ingest:
    """What the role `ingest` has of it, on a directory that outlives it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logs = root / "logs"
        self.logs.mkdir(exist_ok=True)
        (root / "identities").mkdir(exist_ok=True)

    async def start(self) -> None:
        self.spool = await Spool.open(str(self.root / "spool"), Limits.of(SpoolConfig(min_free_mb=0)))
        self.identities = Identities(self.root / "identities" / "logs.sqlite")
        places = Places(self.root / "identities" / "own_logs")
        self.keeping = await catch_up(self.spool.root, self.identities, places)
        self.own = asyncio.create_task(OwnLogs(self.logs, places, self.spool, SystemClock()).run())

    async def stop(self) -> None:
        for task in (self.own, self.keeping):
            task.cancel()
        await asyncio.gather(self.own, self.keeping, return_exceptions=True)
        await self.spool.close()
        self.identities.close()

    async def documents(self) -> list[tuple[str, dict[str, object]]]:
        """Everything that is in the spool, by stream."""
        consumer = await Consumer.open(this_machine(), self.spool.root, STREAM, "test")
        found = []
        with suppress(TimeoutError):
            while True:
                batch = await asyncio.wait_for(consumer.next_batch(BatchLimits(age_s=0)), 0.3)
                for piece in batch.pieces:
                    frame = decode_frame(piece.frame.payload)
                    found += [(frame.indices[0], json.loads(document)) for document in frame.documents]
                await consumer.commit(batch)
        await consumer.close()
        return found

    async def until(self, count: int) -> list[tuple[str, dict[str, object]]]:
        found = []
        for _ in range(100):
            found += await self.documents()
            if len(found) >= count:
                return found
        raise AssertionError(f"{len(found)} of {count} documents")


async def _be_killed(root: Path) -> None:
    ingest = Ingest(root)
    await ingest.start()
    print("up", flush=True)
    await asyncio.wait([ingest.own])


@pytest.mark.fault
async def test_killed_again_and_again_each_line_is_there_once(tmp_path: Path) -> None:
    choose = random.Random(5)
    ingest = Ingest(tmp_path)
    await ingest.start()
    assert await ingest.documents() == []  # from now on no segment is deleted that was not looked at
    await ingest.stop()
    log = ingest.logs / "access.log"
    written = 0
    rotations = 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.rooms.logs.test_own_logs", str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert process.stdout is not None
        process.stdout.readline()
        end = time.monotonic() + 0.3 + choose.random()
        while time.monotonic() < end:
            with log.open("a") as file:
                for _ in range(20):
                    file.write(ACCESS.format(written))
                    written += 1
            if choose.random() < 0.2:
                rotations += 1
                log.rename(ingest.logs / f"access.{rotations}.log")
            time.sleep(0.005)
        process.kill()
        process.wait()
    await ingest.start()
    try:
        found = await ingest.until(written)
        found += await ingest.documents()
    finally:
        await ingest.stop()
    messages = [str(document["message"]) for _, document in found]
    assert len(messages) == written
    assert set(messages) == {f"GET /{number} 200" for number in range(written)}
    assert rotations > 3


@pytest.mark.fault
async def test_lines_of_roles_and_access_lines(tmp_path: Path) -> None:
    ingest = Ingest(tmp_path)
    line = {"ts": "2026-01-01T00:00:01.000+00:00", "level": "warning", "role": "web", "logger": "dxops.app.web"}
    (ingest.logs / "web.log").write_text(
        json.dumps({**line, "message": "slow", "app": "hello", "error": "Trace\n  x"})
        + "\nTraceback (most recent call last):\n  File\nValueError: no\nplain words\n"
    )
    (ingest.logs / "access.3.log").write_text(
        ACCESS.format(1) + '{"@timestamp":"2026-01-01T00:00:0\n' + ACCESS.format(2)
    )
    await ingest.start()
    try:
        found = await ingest.until(6)
    finally:
        await ingest.stop()
    roles = [document for stream, document in found if stream == "dxops-roles"]
    access = [document for stream, document in found if stream == "dxops-access"]
    assert [document["message"] for document in access] == [
        "GET /1 200",
        '{"@timestamp":"2026-01-01T00:00:0',  # torn by a crash: kept as text
        "GET /2 200",
    ]
    assert roles[0] | {"host.name": ""} == {
        "@timestamp": "2026-01-01T00:00:01.000Z",
        "log.level": "warning",
        "log.logger": "dxops.app.web",
        "message": "slow",
        "error.stack_trace": "Trace\n  x",
        "service.name": "dxops-web",
        "host.name": "",
        "event.dataset": "dxops.roles",
        "dxops.app": "hello",
    }
    assert [document["message"] for document in roles[1:]] == [
        "Traceback (most recent call last):\n  File\nValueError: no",
        "plain words",
    ]


@pytest.mark.fault
async def test_a_disk_that_fails_for_a_moment_keeps_no_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dxops.rooms.logs.catching_up._AGAIN_S", 0.01)
    ingest = Ingest(tmp_path)
    await ingest.start()
    failures = iter([sqlite3.OperationalError("database or disk is full"), OSError(28, "No space left")])
    apply = ingest.identities.apply

    def failing(frames: Any, next_seq: int) -> None:
        for error in failures:
            raise error
        apply(frames, next_seq)

    monkeypatch.setattr(ingest.identities, "apply", failing)
    (tmp_path / "logs" / "web.log").write_text("a line\n")
    await ingest.until(1)
    for _ in range(500):
        if ingest.spool.loaded_before(STREAM, CONSUMER) == 1:
            break
        await asyncio.sleep(0.01)
    assert (ingest.spool.loaded_before(STREAM, CONSUMER), ingest.keeping.done()) == (1, False)
    await ingest.stop()


async def test_a_start_goes_on_where_the_spool_ends(tmp_path: Path) -> None:
    ingest = Ingest(tmp_path)
    log = ingest.logs / "access.log"
    log.write_text(ACCESS.format(1))
    await ingest.start()
    await ingest.until(1)
    await ingest.stop()
    with log.open("a") as file:
        file.write(ACCESS.format(2))
    log.rename(ingest.logs / "access.1.log")
    log.write_text(ACCESS.format(3))
    await ingest.start()
    try:
        found = await ingest.until(2)
    finally:
        await ingest.stop()
    assert sorted(str(document["message"]) for _, document in found) == ["GET /2 200", "GET /3 200"]


if __name__ == "__main__":
    asyncio.run(_be_killed(Path(sys.argv[1])))
