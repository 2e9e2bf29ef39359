"""The spool's own processes killed at random, and its disk filled to the last byte."""

from __future__ import annotations

import asyncio
import os
import random
import selectors
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dxops.base.errors import Unavailable
from dxops.engines.spool import Spool, SpoolConfig, read_stats, this_machine
from tests.engines.spool.driving import KeepingSink, limits, loading
from tests.harness import eventually
from tests.small_disk import filled, mounted

pytestmark = pytest.mark.fault


class Victim:
    """A process of `spool_processes`, and what it printed until it died."""

    def __init__(self, role: str, directory: Path) -> None:
        command = [sys.executable, "-m", "tests.faults.spool_processes", role, str(directory)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.output = b""

    def read(self, enough: int, timeout_s: float) -> None:
        """Until so many lines came, or the time is up."""
        end = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while self.output.count(b"\n") < enough and (left := end - time.monotonic()) > 0:
                if selector.select(left):
                    self.output += os.read(self.process.stdout.fileno(), 1 << 16)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        while self.process.stdout is not None and (data := self.process.stdout.read()):
            self.output += data
        self.process.stdout.close()


def store_rows(directory: Path) -> Counter[tuple[int, str]]:
    rows: Counter[tuple[int, str]] = Counter()
    for path in (directory / "store").iterdir():
        if not path.name.startswith("."):
            for line in path.read_text().splitlines():
                seq, record = line.split()
                rows[int(seq), record] += 1
    return rows


def acknowledged(output: bytes) -> set[tuple[int, str]]:
    found = set()
    for line in output.decode().splitlines():
        seq, count, name = line.split()
        found.update((int(seq) + index, f"{name}.{index}") for index in range(int(count)))
    return found


def kill_them(directory: Path, times: int) -> None:
    rng = random.Random(times)
    answered: set[tuple[int, str]] = set()
    loader = Victim("loader", directory)
    for _ in range(times):
        writer = Victim("writer", directory)
        writer.read(rng.randint(1, 600), 30)
        if rng.random() < 0.5:
            loader.kill()
            loader = Victim("loader", directory)
        writer.read(writer.output.count(b"\n") + rng.randint(1, 300), 30)
        writer.kill()
        assert writer.output, "the writer did not come up"
        answered |= acknowledged(writer.output)
    last = asyncio.run(reopened(directory))
    machine = this_machine()

    def drained() -> bool:
        (stream,) = asyncio.run(read_stats(machine, str(directory / "spool")))
        return stream.received > last and not stream.consumers[0].pending

    eventually(drained, 60)
    loader.kill()
    rows = store_rows(directory)
    assert [row for row, count in rows.items() if count > 1] == []
    assert answered - rows.keys() == set()
    assert len(answered) > times


async def reopened(directory: Path) -> int:
    """Recover what the last kill left; how many records there are."""
    spool = await Spool.open(str(directory / "spool"), SpoolConfig(segment_mb=1))
    await spool.append("logs", [b"end.0"], records=1)
    received = spool._streams["logs"].mark.records
    await spool.close()
    return received - 1


def test_kill_9_of_writer_and_loader_loses_and_doubles_nothing(tmp_path: Path) -> None:
    kill_them(tmp_path, 8)


@pytest.mark.slow
def test_kill_9_a_hundred_times(tmp_path: Path) -> None:
    kill_them(tmp_path, 100)


def test_two_writers_of_one_directory_are_refused_across_processes(tmp_path: Path) -> None:
    first = Victim("writer", tmp_path)
    first.read(1, 30)
    command = [sys.executable, "-m", "tests.faults.spool_processes", "writer", str(tmp_path)]
    second = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert b"another process writes to the spool" in second.stderr
    before = first.output.count(b"\n")
    first.read(before + 10, 30)
    first.kill()
    assert first.output.count(b"\n") >= before + 10


# --- a full disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 16 MB of its own."""
    with mounted("16m") as disk:
        yield disk


async def test_a_disk_that_fills_up_refuses_and_loses_nothing(small_disk: Path) -> None:
    root = str(small_disk / "spool")
    spool, sink = await Spool.open(root, limits(segment_bytes=1 << 20, hold_s=0.1)), KeepingSink()
    answered: dict[int, bytes] = {}

    async def produce(name: int) -> str:
        for number in range(1000):
            line = b"%d.%d" % (name, number)
            try:
                seq = await spool.append("logs", [line, b"x" * 50_000], records=1)
            except Unavailable as error:
                return error.message
            answered[seq] = line
        raise AssertionError("the disk never filled up")

    reasons = await asyncio.gather(*(produce(name) for name in range(8)))
    assert all("full" in reason for reason in reasons), reasons
    await drain_and_compare(spool, root, sink, answered)
    assert await produce(9), "there is room again"
    assert len(answered) > 300
    await spool.close()


async def test_a_disk_that_others_fill_to_the_last_byte(small_disk: Path) -> None:
    root = str(small_disk / "spool")
    spool, sink = await Spool.open(root, limits(segment_bytes=1 << 20, hold_s=0.1, min_free_bytes=0)), KeepingSink()
    answered: dict[int, bytes] = {}
    for number in range(40):
        answered[await spool.append("logs", [b"a%d" % number, b"x" * 50_000], records=1)] = b"a%d" % number
    async with loading(root, sink):
        await spool.loaded("logs", 19)
    refused = 0
    with filled(small_disk, 0):
        for number in range(40):
            try:
                answered[await spool.append("logs", [b"b%d" % number, b"x" * 50_000], records=1)] = b"b%d" % number
            except Unavailable:
                refused += 1
        assert refused
        await spool.close()
        spool = await Spool.open(root, limits(min_free_bytes=0))  # a restart in the middle of it
        async with loading(root, sink):
            await spool.loaded("logs", max(answered))
        await spool.close()
    spool = await Spool.open(root)
    answered[await spool.append("logs", [b"c", b"x"], records=1)] = b"c"
    await drain_and_compare(spool, root, sink, answered)
    await spool.close()


async def test_a_first_loader_begins_on_a_full_disk(small_disk: Path) -> None:
    root = str(small_disk / "spool")
    spool, sink = await Spool.open(root, limits(segment_bytes=1 << 20, min_free_bytes=0)), KeepingSink()
    answered = {await spool.append("logs", [b"%d" % n, b"x" * 50_000], records=1): b"%d" % n for n in range(40)}
    with filled(small_disk, 0):
        await drain_and_compare(spool, root, sink, answered)
        async with asyncio.timeout(30):  # what is loaded makes room
            while len(list((small_disk / "spool" / "logs").glob("*.seg"))) > 1:
                await asyncio.sleep(0.05)
    await spool.close()
    assert not list(small_disk.rglob("*.spare"))


async def drain_and_compare(spool: Spool, root: str, sink: KeepingSink, answered: dict[int, bytes]) -> None:
    async with loading(root, sink), asyncio.timeout(30):
        await spool.loaded("logs", max(answered))
    assert {seq: line.rstrip(b"x") for seq, line in sink.rows} == answered
    assert len(sink.rows) == len(answered)
