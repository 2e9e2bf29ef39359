"""One file: read on from a place, cut into records, with what was taken checked against what is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import msgspec

from dxops.rooms.logs.tail.places import TAIL_BYTES, Place, at_offset, holds
from dxops.wire.logs.splitting import Record, Splitter

READ_BYTES: Final = 256 << 10
JOIN_S: Final = 1.0
"""How long a record of several lines may wait for its next line."""
LINE_S: Final = 10.0
"""How long a line may wait for its end; then it is taken as it is."""


class Chunk(msgspec.Struct, frozen=True):
    """Records of one file, and the place behind the last. `start` is the offset of the first."""

    path: str
    place: Place
    start: int
    records: list[Record]


class Rewritten(Exception):
    """The file is not the one that was read: it was truncated, or another one has its inode."""


class Reading:
    """Not for several threads at once. The file is opened when it is read, and closed by `close`."""

    def __init__(self, path: str, place: Place, splitter: Callable[[], Splitter]) -> None:
        self.path = path
        self.place = place  # behind the last record given out
        self._make_splitter = splitter
        self._splitter = splitter()
        self._descriptor = -1
        self._tail = b""  # the bytes before `_read`, to see that they are still there
        self._read = place.offset
        self._moved_s = 0.0

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    @property
    def read_offset(self) -> int:
        """Everything before was read; the last of it may be in no record yet."""
        return self._read

    @property
    def pending(self) -> bool:
        return self._splitter.pending_bytes > 0

    def open(self) -> None:
        """Raises `OSError`; `Rewritten` when the path is another file by now, or this one was written anew."""
        if self._descriptor >= 0:
            return
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) != self.place.key:
                raise FileNotFoundError(self.path)
            if not holds(self.place, descriptor):
                raise Rewritten
            size = min(TAIL_BYTES, self._read)
            self._tail = os.pread(descriptor, size, self._read - size)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def size(self) -> int:
        """Of the open file. Raises `OSError`."""
        return os.fstat(self._descriptor).st_size

    def read(self, now_s: float, seen: int) -> tuple[Chunk | None, bool]:
        """What was added, at most `READ_BYTES`, and whether there is more. Raises `OSError`, `Rewritten`."""
        self.open()
        before = len(self._tail)
        data = os.pread(self._descriptor, READ_BYTES + before, self._read - before)
        if data[:before] != self._tail or self.size() < self._read:
            raise Rewritten
        added = data[before:]
        if not added:
            return self._waited(now_s, seen), False
        start = self._read - self._splitter.pending_bytes
        records = self._splitter.feed(added)
        self._read += len(added)
        self._tail = data[-TAIL_BYTES:]
        self._moved_s = now_s
        return self._chunk(start, records, seen), len(added) == READ_BYTES

    def finish(self, seen: int, *, whole: bool) -> Chunk | None:
        """What is left when the file grows no more; with `whole` a last line without an end too."""
        start = self._read - self._splitter.pending_bytes
        return self._chunk(start, self._splitter.end() if whole else self._splitter.flush(), seen)

    def close(self) -> None:
        """What was read and is in no record is read again when the file is opened the next time."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._splitter = self._make_splitter()
        self._read = self.place.offset

    def _waited(self, now_s: float, seen: int) -> Chunk | None:
        start = self._read - self._splitter.pending_bytes
        waited = now_s - self._moved_s
        if not self._splitter.pending_bytes or waited < JOIN_S:
            return None
        late = self._splitter.waits_for_line and waited >= LINE_S
        return self._chunk(start, self._splitter.end() if late else self._splitter.flush(), seen)

    def _chunk(self, start: int, records: list[Record], seen: int) -> Chunk | None:
        if not records:
            return None
        end = start + sum(record.size_bytes for record in records)
        self.place = at_offset(self.place, self._descriptor, end, seen)
        return Chunk(self.path, self.place, start, records)
