"""Durable acknowledgements per second of the spool, beside a bare loop of writev and fdatasync, 64 payloads each.

10 KiB payloads, 64 senders that each wait for their answer, on the disk of the temporary directory (`TMPDIR`). The bare
loop has no event loop, no checksums and no numbers: it is what the disk gives.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from dxops.engines.spool import BatchLimits, Consumer, Spool, SpoolConfig, this_machine

SENDERS = 64
PAYLOAD_BYTES = 10 * 1024
APPENDS = 40_000
SEGMENT_BYTES = 64 << 20
ROUNDS = 3
TARGET_RATIO = 0.6


def bare(directory: Path, count: int) -> float:
    """Payloads per second, 64 of them per fdatasync, appended to files of the size of a segment."""
    payload = os.urandom(PAYLOAD_BYTES)
    parts = [part for _ in range(SENDERS) for part in (b"12345678", payload)]
    descriptor, offset = -1, SEGMENT_BYTES
    begun = time.perf_counter()
    for number in range(count // SENDERS):
        if offset >= SEGMENT_BYTES:
            if descriptor >= 0:
                os.close(descriptor)
            descriptor, offset = os.open(directory / f"bare-{number}", os.O_CREAT | os.O_RDWR), 0
        offset += os.pwritev(descriptor, parts, offset)
        os.fdatasync(descriptor)
    took_s = time.perf_counter() - begun
    os.close(descriptor)
    for path in directory.iterdir():
        path.unlink()
    return count / took_s


async def appends(root: str, count: int) -> tuple[float, list[float]]:
    """Acknowledgements per second, and each one's milliseconds."""
    spool = await Spool.open(root, SpoolConfig(min_free_mb=64))
    payload = os.urandom(PAYLOAD_BYTES)
    took_ms: list[float] = []

    async def send() -> None:
        for _ in range(count // SENDERS):
            begun = time.perf_counter()
            await spool.append("logs", [payload], records=20, tenant="house")
            took_ms.append((time.perf_counter() - begun) * 1000)

    await spool.append("logs", [payload], records=20)
    begun = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(SENDERS)))
    rate = len(took_ms) / (time.perf_counter() - begun)
    await spool.close()
    return rate, took_ms


async def reads(root: str) -> float:
    """Megabytes per second that a consumer forms into batches and commits."""
    machine = this_machine()
    consumer = await Consumer.open(machine, root, "logs", "store")
    limits = BatchLimits(age_s=0)
    begun, size = time.perf_counter(), 0
    while size < APPENDS // SENDERS * SENDERS * PAYLOAD_BYTES:
        batch = await consumer.next_batch(limits)
        size += batch.payload_bytes
        await consumer.commit(batch)
    rate = size / (time.perf_counter() - begun) / 1e6
    await consumer.close()
    machine.runner.close()
    return rate


def run() -> list[dict[str, object]]:
    raw, ours, took_ms, read = [], [], [], []
    for _ in range(ROUNDS):
        directory = Path(tempfile.mkdtemp(prefix="dxops-bench-"))
        try:
            raw.append(bare(directory, APPENDS))
            rate, took = uvloop.run(appends(str(directory / "spool"), APPENDS))
            ours.append(rate)
            took_ms += took
            read.append(uvloop.run(reads(str(directory / "spool"))))
        finally:
            shutil.rmtree(directory)
    took_ms.sort()
    rate, limit = statistics.median(ours), statistics.median(raw)
    return [
        {
            "name": "durable appends of 10 KiB, 64 senders; bare fdatasync loop",
            "ours": rate,
            "peer": limit,
            "unit": "acks/s",
            "ratio": rate / limit,
            "target": TARGET_RATIO,
            "ok": rate / limit >= TARGET_RATIO or rate >= 25_000,
        },
        _row("acknowledgement, p50", took_ms[len(took_ms) // 2], "ms", 10.0),
        _row("acknowledgement, p99", took_ms[len(took_ms) * 99 // 100], "ms", 100.0),
        {
            "name": "read, checked, in batches",
            "ours": statistics.median(read),
            "peer": None,
            "unit": "MB/s",
            "ratio": None,
            "target": 100.0,
            "ok": statistics.median(read) >= 100,
        },
    ]


def _row(name: str, ours: float, unit: str, target: float) -> dict[str, object]:
    return {
        "name": name,
        "ours": round(ours, 2),
        "peer": None,
        "unit": unit,
        "ratio": None,
        "target": target,
        "ok": ours <= target,
    }


if __name__ == "__main__":
    for row in run():
        print(row)
