"""Reading a stream from a position on, up to the mark and never beyond. Blocks; for one thread at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeGuard

import msgspec

from dxops.engines.spool.disk import Disk
from dxops.engines.spool.frames import (
    NO_SEGMENT,
    SEGMENT_BYTES,
    ZSTD,
    FrameHead,
    SegmentHead,
    segment_key,
)
from dxops.engines.spool.model import Mark, Position, SpoolPaths, decode_mark
from dxops.engines.spool.segments import SegmentReader, list_segments, segment_path
from dxops.engines.spool.slots import Slots

_HEADS_BYTES = 16 << 10
"""What is read at a time where most payloads are passed over."""


class Frame(msgspec.Struct, frozen=True):
    """One append as it was given. Its records are numbered `seq` to `seq + records - 1`."""

    seq: int
    records: int
    tenant: str
    kind: int
    received_at_ms: int
    payload: bytes


class Piece(msgspec.Struct, frozen=True):
    """The records `start` to `stop` (exclusive, counted from 0) of a frame; nearly always all of them."""

    frame: Frame
    start: int
    stop: int

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.stop == self.frame.records

    @property
    def records(self) -> int:
        return self.stop - self.start


class Damage(msgspec.Struct, frozen=True):
    """Bytes of a segment that could not be read as frames."""

    segment: int
    offset: int
    end: int


class Read(msgspec.Struct, frozen=True):
    """What was read, where to go on, and what could not be read (`lost` counts records)."""

    pieces: list[Piece]
    after: Position
    lost: int = 0
    damages: tuple[Damage, ...] = ()

    @property
    def first_received_at_ms(self) -> int:
        return self.pieces[0].frame.received_at_ms if self.pieces else 0


class StreamReader:
    """Reads one stream. Readers do not disturb each other or the writer.

    `kinds`: the payloads of other kinds of frames are neither read nor checked, and come as b"".
    """

    def __init__(
        self, disk: Disk, root: str, stream: str, spool_id: str, *, kinds: frozenset[int] | None = None
    ) -> None:
        self.kinds = kinds
        self._disk = disk
        self._paths = SpoolPaths(root, stream)
        self._stream = stream
        self._spool_id = spool_id
        self._mark = Slots(disk, self._paths.mark)
        self._open: SegmentReader | None = None

    def mark(self) -> Mark | None:
        """What may be read now; None before the stream's first append."""
        return decode_mark(self._mark.read())

    def oldest_received_at_ms(self, at: Position, mark: Mark) -> int | None:
        """When the frame at `at` came; None when nothing is there or it is damaged."""
        if at.segment == mark.segment:
            segment = self.segment(at.segment) if at.offset < mark.offset else None
            head = segment.frame_head(at.offset, mark.offset) if segment is not None else None
            return head.received_at_ms if head is not None else None
        read = self.read(at, mark, records=1, size_bytes=0)
        return read.first_received_at_ms or None

    def read(self, at: Position, mark: Mark, *, records: int, size_bytes: int, until: int | None = None) -> Read:
        """Whole frames from `at` on: at least one if there is one, then up to `records` and `size_bytes` of payload.

        With `until`, exactly the records before that number, and the last frame may be cut. Raises `OSError`.
        """
        return _Reading(self, mark, at, records, size_bytes, until).run()

    def close(self) -> None:
        self._mark.close()
        if self._open is not None:
            self._open.close()
            self._open = None

    # --- for the reading --------------------------------------------------------------------------------------

    def segment(self, base: int) -> SegmentReader | None:
        """The segment, opened; None when its file is gone."""
        if self._open is None or self._open.base != base:
            opened = self._opened(base)
            if opened is None:
                return None
            if self._open is not None:
                self._open.close()
            self._open = opened
        return self._open

    def reopened(self, base: int) -> SegmentReader | None:
        """The file that has the segment's name now."""
        if self._open is not None:
            self._open.close()
            self._open = None
        return self.segment(base)

    def successor(self, base: int, mark: Mark) -> tuple[int, SegmentHead | None] | None:
        """The segment that follows, and its header unless damaged. Of several that say so the newest is right: those
        before it were left behind when their first batch failed."""
        found: tuple[int, SegmentHead | None] | None = None
        for other, head in self._heads(base, mark):
            if found is not None and (head is None or head.previous != base):
                break
            found = other, head
        return found

    def oldest(self, mark: Mark, above: int | None) -> tuple[int, SegmentHead | None] | None:
        """The oldest segment there is, above `above` if given."""
        for base, head in self._heads(above, mark):
            follows = self.successor(base, mark)
            previous = follows[1].previous if follows is not None and follows[1] is not None else base
            if base <= previous != NO_SEGMENT:  # else it was left behind
                return base, head
        return None

    def _heads(self, above: int | None, mark: Mark) -> Iterator[tuple[int, SegmentHead | None]]:
        for base in list_segments(self._disk, self._paths):
            if base > mark.segment or (above is not None and base <= above):
                continue
            opened = self._opened(base)
            if opened is None:
                continue  # gone meanwhile
            try:
                head = opened.head()
            finally:
                opened.close()
            yield base, head

    def _opened(self, base: int) -> SegmentReader | None:
        try:
            file = self._disk.open(segment_path(self._paths, base), "read")
        except FileNotFoundError:
            return None
        key = segment_key(self._spool_id, self._stream, base)
        return SegmentReader(file, key, base) if self.kinds is None else SegmentReader(file, key, base, _HEADS_BYTES)


class _Reading:
    """One call of `read`."""

    def __init__(
        self, reader: StreamReader, mark: Mark, at: Position, records: int, size_bytes: int, until: int | None
    ) -> None:
        self._reader = reader
        self._mark = mark
        self._at = at
        self._records = records
        self._size_bytes = size_bytes
        self._until = until
        self._pieces: list[Piece] = []
        self._taken_records = 0
        self._taken_bytes = 0
        self._lost = 0
        self._damages: list[Damage] = []

    def run(self) -> Read:
        while not self._reached() and self._mark.segment != NO_SEGMENT:
            segment = self._reader.segment(self._at.segment) if self._at.segment != NO_SEGMENT else None
            if segment is None:
                if not self._jump():
                    break
                continue
            if self._at.segment > self._mark.segment:
                break  # the mark is older than a power loss; the writer will renew it
            if self._at.segment == self._mark.segment:
                self._frames(segment, self._mark.offset)
                break
            follows = self._reader.successor(self._at.segment, self._mark)
            if follows is None:
                break
            base, head = follows
            known = head is not None and head.previous == self._at.segment
            end = min(head.previous_end, segment.size()) if known and head is not None else segment.size()
            if not self._frames(segment, end) or self._reached():
                break
            self._enter(base, head)
        return Read(self._pieces, self._at, self._lost, tuple(self._damages))

    def _reached(self) -> bool:
        return self._until is not None and self._at.seq >= self._until

    def _jump(self) -> bool:
        """From before the first segment, or from one that is gone, to the oldest that is there."""
        above = None if self._at.segment == NO_SEGMENT else self._at.segment
        found = self._reader.oldest(self._mark, above)
        if found is None:
            return False
        self._enter(*found)
        return True

    def _enter(self, base: int, head: SegmentHead | None) -> None:
        at = self._at
        passed = head.records_before if head is not None else at.passed + max(0, base - at.seq)
        if at.segment != NO_SEGMENT:
            self._lost += max(0, passed - at.passed)
        self._at = Position(base, base, SEGMENT_BYTES, passed)

    def _frames(self, segment: SegmentReader, end: int) -> bool:
        """Take frames below `end`; whether all of them were taken."""
        doubted = -1
        while self._at.offset < end:
            if self._reached():
                return False
            head = segment.frame_head(self._at.offset, end)
            if head is not None and self._pieces and self._is_full(head):
                return False
            whole = (head, b"") if self._is_passed_over(head) else segment.frame(self._at.offset, end)
            if whole is not None and whole[0].seq <= self._at.seq < whole[0].next_seq:
                self._take(*whole)
            elif doubted != self._at.offset:
                doubted = self._at.offset  # recovery may have put another file in the place of the one that is open
                segment = self._reader.reopened(segment.base) or segment
            else:
                self._skip(segment, end)
        return True

    def _is_passed_over(self, head: FrameHead | None) -> TypeGuard[FrameHead]:
        kinds = self._reader.kinds
        return head is not None and kinds is not None and head.kind not in kinds

    def _is_full(self, head: FrameHead) -> bool:
        if self._until is not None:
            return False
        return self._taken_records + head.records > self._records or self._taken_bytes + head.length > self._size_bytes

    def _take(self, head: FrameHead, payload: bytes) -> None:
        at = self._at
        stop_seq = head.next_seq if self._until is None else min(head.next_seq, self._until)
        frame = Frame(
            head.seq, head.records, head.tenant, head.kind, head.received_at_ms, unpacked(payload, head.flags)
        )
        self._pieces.append(Piece(frame, at.seq - head.seq, stop_seq - head.seq))
        self._taken_records += stop_seq - at.seq
        self._taken_bytes += head.length
        offset = at.offset + head.size if stop_seq == head.next_seq else at.offset
        self._at = Position(stop_seq, at.segment, offset, at.passed + stop_seq - at.seq)

    def _skip(self, segment: SegmentReader, end: int) -> None:
        """Behind damage: to the next good frame, or to `end`."""
        at = self._at
        good = segment.search(at.offset + 1, end, at.seq)
        self._damages.append(Damage(at.segment, at.offset, end if good is None else good))
        seq = at.seq
        if good is not None:
            head = segment.frame_head(good, end)
            seq = head.seq if head is not None else seq
        elif at.segment == self._mark.segment:
            seq = self._mark.next_seq
        self._lost += seq - at.seq
        self._at = Position(seq, at.segment, end if good is None else good, at.passed + seq - at.seq)


def unpacked(payload: bytes, flags: int) -> bytes:
    """The payload as it was given."""
    if not flags & ZSTD or not payload:
        return payload
    import zstandard

    return zstandard.ZstdDecompressor().decompress(payload)


def damaged_bytes(reader: StreamReader, damage: Damage, most: int) -> Sequence[bytes]:
    """The raw bytes of a damaged range, at most `most` of them."""
    segment = reader.segment(damage.segment)
    return [] if segment is None else [segment.raw(damage.offset, min(damage.end - damage.offset, most))]
