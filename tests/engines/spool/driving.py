"""What the tests of the real disk share: a quick configuration, a sink that keeps everything, a process to kill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from dxops.engines.spool import (
    BadRecord,
    Batch,
    BatchLimits,
    Consumer,
    Doubtful,
    Frame,
    Limits,
    Loader,
    LoadResult,
    SpoolConfig,
)
from dxops.engines.spool import this_machine as this_machine

QUICK = BatchLimits(age_s=0.01)


def limits(**changes: object) -> Limits:
    """The defaults, in bytes, with these changed."""
    import msgspec

    return msgspec.structs.replace(Limits.of(SpoolConfig()), **changes)


class KeepingSink:
    """Records are lines. Keeps what it loaded, by token; leaves out what has `bad` in it, doubts `doubtful`."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, bytes]] = []
        self.tokens: list[str] = []
        self.bad: bytes | None = None
        self.doubtful: bytes | None = None
        self.loads = asyncio.Semaphore(1_000_000)

    async def load(self, batch: Batch) -> LoadResult:
        bad = []
        if self.doubtful is not None and any(self.doubtful in piece.frame.payload for piece in batch.pieces):
            raise Doubtful("some reason", code="store_49")
        for piece in batch.pieces:
            for index, line in enumerate(piece.frame.payload.split(b"\n")[piece.start : piece.stop]):
                seq = piece.frame.seq + piece.start + index
                if self.bad is not None and self.bad in line:
                    bad.append(BadRecord(seq, "bad"))
                else:
                    self.rows.append((seq, line))
        self.tokens.append(batch.token)
        return LoadResult(tuple(bad))

    def extract(self, frame: Frame, index: int) -> bytes:
        return frame.payload.split(b"\n")[index]


@asynccontextmanager
async def loading(root: str, sink: object, stream: str = "logs") -> AsyncIterator[Consumer]:
    """A loader that runs meanwhile."""
    machine = this_machine()
    consumer = await Consumer.open(machine, root, stream, "store")
    task = asyncio.create_task(Loader(machine, consumer, sink, QUICK).run())  # type: ignore[arg-type]
    try:
        yield consumer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await consumer.close()
        machine.runner.close()
