"""What the spool asks of a disk and of threads. `real_disk` is the machine's; the tests bring one that crashes.

All calls block and raise `OSError`. Paths are text. Nothing is durable unless it says so.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from dxops.base.clock import Clock

Buffer = bytes | bytearray | memoryview
Mode = Literal["read", "write", "create"]
T = TypeVar("T")

FULL = (errno.ENOSPC, errno.EDQUOT)


class File(Protocol):
    """An open file. Used by one thread at a time."""

    def write(self, parts: Sequence[Buffer], offset: int) -> int:
        """Write the parts one after the other at `offset`; how many bytes were taken, which may be fewer."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer only at the end of the file."""
        ...

    def size(self) -> int: ...

    def truncate(self, size: int) -> None: ...

    def sync(self) -> None:
        """The bytes (not the name) are durable when this returns. When it raises, what was written since the last
        good sync is in doubt for ever: it may be readable now and gone after a power loss."""
        ...

    def close(self) -> None: ...


class Lock(Protocol):
    """Held until closed or until the process ends, however it ends."""

    def close(self) -> None: ...


class Disk(Protocol):
    """Files and directories by path."""

    def make_directory(self, path: str) -> None:
        """With its parents; durable. No fault when it is there."""
        ...

    def names(self, path: str) -> list[str]:
        """Names in a directory, in no order; empty when there is no such directory, or it is a file."""
        ...

    def open(self, path: str, mode: Mode) -> File:
        """`read` and `write` want an existing file (`FileNotFoundError`), `create` one that is not there yet."""
        ...

    def replace(self, old: str, new: str) -> None: ...

    def remove(self, path: str) -> None:
        """No fault when it is not there."""
        ...

    def sync_directory(self, path: str) -> None:
        """Names that came, went or moved in `path` are durable when this returns."""
        ...

    def space(self, path: str) -> tuple[int, int]:
        """Bytes free for us, and bytes in all, of the file system that holds `path`."""
        ...

    def lock(self, path: str) -> Lock | None:
        """Take the lock named by this file, or None when somebody else holds it. Never waits."""
        ...


class Runner(Protocol):
    """Runs blocking work beside the event loop."""

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises."""
        ...

    def close(self) -> None:
        """No more work comes."""
        ...


class Machine:
    """The three things the spool needs from outside: disk, threads and time."""

    __slots__ = ("clock", "disk", "runner")

    def __init__(self, disk: Disk, runner: Runner, clock: Clock) -> None:
        self.disk = disk
        self.runner = runner
        self.clock = clock

    def now_ms(self) -> int:
        """Wall clock, milliseconds since 1970."""
        return int(self.clock.now().timestamp() * 1000)


async def run_to_end(runner: Runner, work: Callable[[], T]) -> T:
    """`runner.run`, but a caller that is cancelled leaves only when the work has ended: a file that is still being
    written must not be taken for free."""
    doing = asyncio.ensure_future(runner.run(work))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise


_MOST_PARTS = 512  # below IOV_MAX, which is 1024 on Linux and macOS


def write_all(file: File, parts: Sequence[Buffer], offset: int) -> int:
    """Write every byte of the parts at `offset`, however short the single writes are; the offset behind them."""
    for start in range(0, len(parts), _MOST_PARTS):
        rest: list[Buffer] = list(parts[start : start + _MOST_PARTS])
        left = sum(len(part) for part in rest)
        while left:
            taken = file.write(rest, offset)
            offset += taken
            left -= taken
            if left:
                rest = _without(rest, taken)
    return offset


def _without(parts: list[Buffer], taken: int) -> list[Buffer]:
    for index, part in enumerate(parts):
        if taken < len(part):
            return [memoryview(part)[taken:], *parts[index + 1 :]]
        taken -= len(part)
    return []


def write_whole(disk: Disk, path: str, data: bytes, *, durable: bool = True) -> None:
    """Replace the file at `path`: whole or not at all. Without `durable`, only against crashes of the process."""
    directory, _, _ = path.rpartition("/")
    temporary = f"{path}.tmp"
    disk.remove(temporary)
    file = disk.open(temporary, "create")
    try:
        write_all(file, [data], 0)
        if durable:
            file.sync()
    finally:
        file.close()
    disk.replace(temporary, path)
    if durable:
        disk.sync_directory(directory)


def read_whole(disk: Disk, path: str) -> bytes | None:
    """The file's bytes, or None when it is not there."""
    try:
        file = disk.open(path, "read")
    except FileNotFoundError:
        return None
    try:
        return file.read(0, file.size())
    finally:
        file.close()
