"""Appending to a stream: whole batches, durable or not at all. Runs on one thread at a time, beside the event loop."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec

from dxops.engines.spool.disk import Buffer, Disk, File, write_all
from dxops.engines.spool.frames import (
    NO_SEGMENT,
    SEGMENT_BYTES,
    Key,
    SegmentHead,
    encode_frame_head,
    encode_segment_head,
    segment_key,
)
from dxops.engines.spool.ledger import Segment, SummaryBuilder, write_summary
from dxops.engines.spool.model import Mark, SpoolPaths, encode_mark
from dxops.engines.spool.segments import segment_path
from dxops.engines.spool.slots import Slots


class Outgoing(msgspec.Struct, frozen=True):
    """A frame before it has a number. `crc` and `length` are of the payload as stored."""

    parts: Sequence[Buffer]
    records: int
    length: int
    crc: int
    tenant: str
    kind: int
    flags: int
    received_at_ms: int


class Written(msgspec.Struct, frozen=True):
    """A durable batch: the first number of each frame in order, what is durable now, and the segment that ended."""

    seqs: list[int]
    mark: Mark
    sealed: Segment | None = None


class SegmentWriter:
    """The end of one stream. After any error the segment is left behind for good and the next batch begins another.

    Numbers that a failed batch used are never used again, and the next segment's header ends the failed one before it.
    """

    def __init__(
        self, disk: Disk, root: str, stream: str, spool_id: str, mark: Mark, *, segment_bytes: int, segment_age_ms: int
    ) -> None:
        self._disk = disk
        self._paths = SpoolPaths(root, stream)
        self._stream = stream
        self._spool_id = spool_id
        self._segment_bytes = segment_bytes
        self._segment_age_ms = segment_age_ms
        self.unpublished = False
        """Whether readers do not know yet all that is durable, because the mark could not be written."""
        self._durable = Slots(disk, self._paths.mark)
        self._mark = mark
        self._next_seq = mark.next_seq
        self._file: File | None = None
        self._base = NO_SEGMENT
        self._sealed: Segment | None = None
        self._key = Key(b"", 0)
        self._offset = SEGMENT_BYTES
        self._begun_at_ms = 0
        self._summary = SummaryBuilder()

    def publish(self) -> None:
        """Write the mark: what it covers may be read. Raises `OSError`."""
        if self._durable.read() is None:
            self._durable.renew(encode_mark(self._mark))
        else:
            self._durable.write(encode_mark(self._mark), sync=False)
        self.unpublished = False

    def append(self, frames: Sequence[Outgoing], now_ms: int) -> Written:
        """Write and sync the frames. Raises `OSError`; then none of them is acknowledged and no reader will see them
        unless this process ends first, in which case recovery may find them whole."""
        size = sum(frame.length for frame in frames)
        if self._is_full(size, now_ms):
            self._seal()
        first = self._next_seq
        created = self._file is None
        try:
            file = self._begin(now_ms) if self._file is None else self._file
            parts, seqs = self._numbered(frames)
            offset = write_all(file, parts, self._offset)
            file.sync()
            if created:
                self._disk.sync_directory(self._paths.directory)
        except BaseException:
            self._abandon(established=not created)
            self._next_seq = max(self._next_seq, first + 1)
            raise
        before = self._mark
        count = sum(frame.records for frame in frames)
        mark = Mark(self._base, offset, self._next_seq, before.records + count, before.payload_bytes + size)
        self._publish(mark)
        self._offset = offset
        for frame in frames:
            self._summary.add(frame.tenant, frame.records, frame.length, frame.received_at_ms)
        return Written(seqs, mark, self._taken_sealed())

    def begin_next(self, now_ms: int) -> Written:
        """End the current segment and make the next one, empty, so that all before it can be deleted."""
        self._seal()
        try:
            file = self._begin(now_ms)
            file.sync()
            self._disk.sync_directory(self._paths.directory)
        except BaseException:
            self._abandon(established=False)
            self._next_seq += 1
            raise
        mark = msgspec.structs.replace(self._mark, segment=self._base, offset=SEGMENT_BYTES, next_seq=self._next_seq)
        self._publish(mark)
        return Written([], mark, self._taken_sealed())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._durable.close()

    # --- inside -----------------------------------------------------------------------------------------------

    def _publish(self, mark: Mark) -> None:
        """What is durable stays so when the mark cannot be written: readers may have seen it, whatever the disk says.
        They see it later otherwise."""
        self._mark = mark
        try:
            self._durable.write(encode_mark(mark), sync=False)
            self.unpublished = False
        except OSError:
            self.unpublished = True

    def _is_full(self, size: int, now_ms: int) -> bool:
        if self._file is None or self._offset == SEGMENT_BYTES:
            return False
        return self._offset + size > self._segment_bytes or now_ms - self._begun_at_ms > self._segment_age_ms

    def _seal(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        with contextlib.suppress(OSError):
            file.close()  # all that counts was synced
        self._sealed = Segment(self._mark.segment, self._mark.offset, self._summary.done())
        write_summary(self._disk, self._paths, self._sealed.base, self._sealed.summary)

    def _taken_sealed(self) -> Segment | None:
        sealed, self._sealed = self._sealed, None
        return sealed

    def _begin(self, now_ms: int) -> File:
        """A new segment file with its header, neither of them durable yet."""
        last = self._mark.segment
        if last != NO_SEGMENT and self._next_seq <= last:
            self._next_seq = last + 1  # the last segment is empty and keeps its name
        base = self._next_seq
        head = SegmentHead(
            base,
            last,
            self._mark.offset if last != NO_SEGMENT else 0,
            self._mark.records,
            self._mark.payload_bytes,
            now_ms,
            self._spool_id,
        )
        self._base = base
        file = self._disk.open(segment_path(self._paths, base), "create")
        self._file = file
        self._offset = write_all(file, [encode_segment_head(head)], 0)
        self._key = segment_key(self._spool_id, self._stream, base)
        self._begun_at_ms = now_ms
        self._summary = SummaryBuilder()
        return file

    def _numbered(self, frames: Sequence[Outgoing]) -> tuple[list[Buffer], list[int]]:
        parts: list[Buffer] = []
        seqs: list[int] = []
        for frame in frames:
            seqs.append(self._next_seq)
            parts.append(
                encode_frame_head(
                    self._key,
                    seq=self._next_seq,
                    records=frame.records,
                    length=frame.length,
                    crc=frame.crc,
                    tenant=frame.tenant.encode(),
                    kind=frame.kind,
                    flags=frame.flags,
                    received_at_ms=frame.received_at_ms,
                )
            )
            parts.extend(frame.parts)
            self._next_seq += frame.records
        return parts, seqs

    def _abandon(self, *, established: bool) -> None:
        """Leave the segment: its durable part stays, the rest is cut off as far as the disk lets us."""
        file = self._file
        if file is None:
            return
        with contextlib.suppress(OSError):
            if established:
                file.truncate(self._mark.offset)
            else:
                self._disk.remove(segment_path(self._paths, self._base))
        if established:
            self._seal()
        else:
            self._file = None
            with contextlib.suppress(OSError):
                file.close()
