"""The newest operations, in memory: what can be read before the loader has put it into the store.

Bounded by bytes, not by time: what has gone from here is in the spool, and soon in the store.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import msgspec

from dxops.wire.logs.frame import TIME_GIVEN, LogFrame

_MAX_BYTES: Final = 16 << 20
_MAX_PLAIN_BYTES: Final = 64 << 10
_DOCUMENT_BYTES: Final = 120  # what one costs beside its text


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it is kept. `id` is "" for ids that are made from sequence numbers."""

    seq: int
    stream: str
    id: str
    version: int
    ts_ms: int
    flags: int
    source: bytes


class Recent:
    """Frames by the number of their first operation, in order. Large frames without ids are not kept: shippers send
    them, and do not read them back."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bases: list[int] = []
        self._frames: list[LogFrame] = []
        self._sizes: list[int] = []
        self._ended: set[int] = set()
        self._erased: dict[str, list[tuple[int, int]]] = {}
        self._bytes = 0

    def keep(self, base: int, frame: LogFrame) -> None:
        """`frame` is `settled`."""
        size = sum(map(len, frame.documents)) + _DOCUMENT_BYTES * len(frame.documents)
        if size > (self._max_bytes // 2 if frame.ids is not None else _MAX_PLAIN_BYTES):
            return
        at = bisect_right(self._bases, base)  # nearly always the end
        self._bases.insert(at, base)
        self._frames.insert(at, frame)
        self._sizes.insert(at, size)
        self._bytes += size
        if frame.replaced is not None:
            self._ended.update(number for number in frame.replaced if number >= 0)
        drop = 0
        while self._bytes > self._max_bytes:
            self._bytes -= self._sizes[drop]
            self._ended.difference_update(self._frames[drop].replaced or ())
            drop += 1
        if drop:
            del self._bases[:drop], self._frames[:drop], self._sizes[:drop]

    def find(self, seq: int) -> Stored | None:
        """The operation of this number, if it is here and wrote a document."""
        at = bisect_right(self._bases, seq) - 1
        if at < 0 or seq - self._bases[at] >= len(self._frames[at].documents):
            return None
        stored = stored_of(self._frames[at], self._bases[at], seq)
        return None if stored is None or self.is_erased(stored) else stored

    def forget(self, stream: str, before_seq: int, from_seq: int = 0) -> None:
        """A stream's documents with these numbers were deleted and are not there any more."""
        others = [span for span in self._erased.get(stream, []) if span[0] < from_seq or span[1] > before_seq]
        self._erased[stream] = [*others, (from_seq, before_seq)]

    def is_erased(self, stored: Stored) -> bool:
        """Whether its stream, or the part of it that it was in, was deleted since."""
        return any(first <= stored.seq < end for first, end in self._erased.get(stored.stream, ()))

    def has_ended(self, seq: int) -> bool:
        """Whether one of the operations here overwrote or deleted that document."""
        return seq in self._ended


def stored_of(frame: LogFrame, base: int, seq: int) -> Stored | None:
    """One operation of a frame; None for a deletion."""
    at = seq - base
    if not frame.documents[at]:
        return None
    return Stored(
        seq=seq,
        stream=frame.indices[0 if frame.index_of is None else frame.index_of[at]],
        id="" if frame.ids is None else frame.ids[at],
        version=1 if frame.versions is None else frame.versions[at],
        ts_ms=frame.times_ms[at],
        flags=TIME_GIVEN if frame.flags is None else frame.flags[at],
        source=frame.documents[at],
    )
