"""A writer and a loader to be killed. `python -m tests.faults.spool_processes writer|loader DIRECTORY`.

The writer prints `first number, count, id` of each batch once it is acknowledged. The loader stores each batch in a
file named by its token, whole or not at all, as a store with deduplication tokens would.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from pathlib import Path

from dxops.base.files import write_atomic
from dxops.engines.spool import (
    Batch,
    BatchLimits,
    Consumer,
    Frame,
    Loader,
    LoadResult,
    Spool,
    SpoolConfig,
    this_machine,
)


async def write(directory: Path) -> None:
    spool = await Spool.open(str(directory / "spool"), SpoolConfig(segment_mb=1))

    async def produce() -> None:
        while True:
            name = uuid.uuid4().hex
            lines = [f"{name}.{index}".encode() + b"x" * 400 for index in range(1 + name.count("0"))]
            seq = await spool.append("logs", [b"\n".join(lines)], records=len(lines), tenant="house")
            os.write(1, f"{seq} {len(lines)} {name}\n".encode())  # short enough for a pipe to take it whole

    await asyncio.gather(*(produce() for _ in range(16)))


class FileSink:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def load(self, batch: Batch) -> LoadResult:
        path = self._directory / batch.token
        if not path.exists():
            rows = [
                b"%d %s" % (piece.frame.seq + index, line.rstrip(b"x"))
                for piece in batch.pieces
                for index, line in enumerate(piece.frame.payload.split(b"\n"))
            ]
            write_atomic(path, b"\n".join(rows))
        return LoadResult()

    def extract(self, frame: Frame, index: int) -> bytes:
        return frame.payload.split(b"\n")[index]


async def load(directory: Path) -> None:
    machine = this_machine()
    consumer = await Consumer.open(machine, str(directory / "spool"), "logs", "store")
    store = directory / "store"
    store.mkdir(exist_ok=True)
    await Loader(machine, consumer, FileSink(store), BatchLimits(records=500, age_s=0.02)).run()


if __name__ == "__main__":
    asyncio.run({"writer": write, "loader": load}[sys.argv[1]](Path(sys.argv[2])))
