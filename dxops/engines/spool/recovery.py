"""What a writer does with a stream's directory before it appends: keep all that was acknowledged, drop a torn tail.

Only the last segment is read in full; the earlier ones were ended by their successor's header. What the last one holds
beyond the mark may be in memory only (a process died between write and sync, or a sync failed and the kernel took the
pages for clean): it is never believed, but copied into a fresh file and synced there before anybody may read it.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Literal

import msgspec

from dxops.engines.spool.disk import FULL, Disk, File, write_all, write_whole
from dxops.engines.spool.frames import (
    NO_SEGMENT,
    SEGMENT_BYTES,
    SegmentHead,
    encode_segment_head,
    segment_key,
)
from dxops.engines.spool.ledger import Segment, Summary, SummaryBuilder, read_summary
from dxops.engines.spool.model import Mark, SpoolPaths, decode_mark, decode_state
from dxops.engines.spool.segments import SegmentReader, list_segments, segment_path
from dxops.engines.spool.slots import read_slots
from dxops.engines.spool.stats import make_spares

log = logging.getLogger(__name__)


class Recovered(msgspec.Struct, frozen=True):
    """A stream as it was found. `mark` is what is durable now; `segments` ascend."""

    segments: list[Segment]
    mark: Mark
    torn_bytes: int = 0
    damaged_bytes: int = 0


class _Scan(msgspec.Struct, frozen=True):
    end: int
    next_seq: int
    payload_bytes: int
    damaged: tuple[tuple[int, int], ...]
    summary: Summary


class _InMemory:
    """A file's bytes, read once: what was checked is what is copied."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]

    def size(self) -> int:
        return len(self.data)

    def write(self, parts: object, offset: int) -> int:
        raise NotImplementedError

    def truncate(self, size: int) -> None:
        raise NotImplementedError

    def sync(self) -> None: ...

    def close(self) -> None: ...


def recover(disk: Disk, root: str, stream: str, spool_id: str) -> Recovered:
    """Bring the directory in order and say what it holds. Blocks; raises `OSError`."""
    return _Recovery(disk, SpoolPaths(root, stream), stream, spool_id).run()


class _Recovery:
    def __init__(self, disk: Disk, paths: SpoolPaths, stream: str, spool_id: str) -> None:
        self._disk = disk
        self._paths = paths
        self._stream = stream
        self._spool_id = spool_id

    def run(self) -> Recovered:
        disk, paths = self._disk, self._paths
        disk.make_directory(paths.consumers)
        make_spares(disk, paths)
        for name in disk.names(paths.directory):
            if name.endswith(".seg.tmp"):
                disk.remove(paths.segment(name))
        old = decode_mark(read_slots(disk, paths.mark))
        bases = list_segments(disk, paths)
        torn = damaged = 0
        segments: list[Segment] = []
        mark = old or Mark(NO_SEGMENT, SEGMENT_BYTES, 0, 0, 0)
        while bases:
            kept = self._last(bases, old)
            if kept is None:
                bases.pop()
                continue
            head, scan, size = kept
            torn = max(0, size - scan.end)
            damaged = sum(end - start for start, end in scan.damaged)
            segments = [*self._earlier(bases[:-1], head), Segment(head.base, scan.end, scan.summary)]
            records = head.records_before + scan.next_seq - head.base
            mark = Mark(head.base, scan.end, scan.next_seq, records, head.bytes_before + scan.payload_bytes)
            break
        disk.sync_directory(paths.directory)
        return Recovered(segments, self._numbered(mark, old), torn, damaged)

    def _last(self, bases: list[int], old: Mark | None) -> tuple[SegmentHead, _Scan, int] | None:
        """The last segment, rewritten if need be; None when it holds nothing and is gone now."""
        base = bases[-1]
        path = segment_path(self._paths, base)
        file = self._disk.open(path, "read")
        try:
            data = file.read(0, file.size())
        finally:
            file.close()
        reader = self._reader(_InMemory(data), base)
        scan = _scan(reader, len(data))
        head = reader.head()
        marked = old.offset if old is not None and old.segment == base else 0
        if scan.end < marked:
            self._keep_lost(base, data, scan.end, marked)
        if head is None and scan.next_seq == base:
            self._disk.remove(path)
            return None
        for start, end in scan.damaged:
            log.error(
                "a segment is damaged; its good frames are kept",
                extra={"stream": self._stream, "segment": base, "offset": start, "bytes": end - start},
            )
        whole = head or self._lost_head(bases)
        if head is None or len(data) != scan.end or scan.end != marked:
            self._rewrite(path, encode_segment_head(whole) + data[SEGMENT_BYTES : scan.end])
        return whole, scan, len(data)

    def _rewrite(self, path: str, data: bytes) -> None:
        """Put `data`, durable, in the place of the segment. On a full disk in the same file: the same bytes at the same
        offsets, so that a crash in between leaves what was there."""
        temporary = f"{path}.tmp"
        try:
            self._written(temporary, "create", data)
            self._disk.replace(temporary, path)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._disk.remove(temporary)
            self._written(path, "write", data)

    def _written(self, path: str, mode: Literal["create", "write"], data: bytes) -> None:
        file = self._disk.open(path, mode)
        try:
            write_all(file, [data], 0)
            if file.size() > len(data):
                file.truncate(len(data))
            file.sync()
        finally:
            file.close()

    def _keep_lost(self, base: int, data: bytes, start: int, end: int) -> None:
        """Acknowledged bytes that cannot be read and that nothing good follows: put aside what there is of them."""
        self._disk.make_directory(self._paths.damaged)
        write_whole(self._disk, f"{self._paths.damaged}/{base:020d}-{start}-{end}.bin", data[start:end])
        log.error(
            "acknowledged records at the end of a stream are damaged and were put aside",
            extra={"stream": self._stream, "segment": base, "offset": start, "bytes": end - start},
        )

    def _lost_head(self, bases: list[int]) -> SegmentHead:
        """A header in place of a damaged one, from what the predecessor holds."""
        base = bases[-1]
        if len(bases) == 1:
            return SegmentHead(base, spool_id=self._spool_id)
        previous = bases[-2]
        file = self._disk.open(segment_path(self._paths, previous), "read")
        try:
            reader = self._reader(file, previous)
            before = reader.head() or SegmentHead(previous)
            scan = _scan(reader, reader.size())
        finally:
            file.close()
        records = before.records_before + scan.next_seq - previous
        size = before.bytes_before + scan.payload_bytes
        return SegmentHead(base, previous, scan.end, records, size, spool_id=self._spool_id)

    def _earlier(self, bases: list[int], head: SegmentHead) -> list[Segment]:
        """The segments before the last one, as their successors' headers tell; abandoned ones are removed."""
        found: list[Segment] = []
        previous, end = head.previous, head.previous_end
        for base in reversed(bases):
            path = segment_path(self._paths, base)
            if previous == NO_SEGMENT or base > previous:
                self._disk.remove(path)  # its first batch failed: nothing in it was acknowledged
                continue
            file = self._disk.open(path, "read")
            try:
                reader = self._reader(file, base)
                size = reader.size()
                valid = min(end, size) if base == previous else size
                summary = read_summary(self._disk, self._paths, base) or _scan(reader, valid, heads=True).summary
                own = reader.head()
            finally:
                file.close()
            found.append(Segment(base, valid, summary))
            if own is not None:
                previous, end = own.previous, own.previous_end
            else:
                previous, end = base - 1, NO_SEGMENT  # a damaged header: whatever lies below it is its predecessor
        return found[::-1]

    def _numbered(self, mark: Mark, old: Mark | None) -> Mark:
        """The mark with a next number that was never used, whatever else was lost."""
        used = [mark.next_seq]
        if old is not None:
            used.append(old.next_seq)
            if old.next_seq > mark.next_seq:
                log.error(
                    "acknowledged records are missing from the end of a stream",
                    extra={"stream": self._stream, "from": mark.next_seq, "to": old.next_seq},
                )
        for name in self._disk.names(self._paths.consumers):
            with contextlib.suppress(IsADirectoryError):
                state = decode_state(read_slots(self._disk, f"{self._paths.consumers}/{name}"))
                if state is not None:
                    used += [state.position.seq, state.intent]
        return msgspec.structs.replace(mark, next_seq=max(used))

    def _reader(self, file: File, base: int) -> SegmentReader:
        return SegmentReader(file, segment_key(self._spool_id, self._stream, base), base)


def _scan(reader: SegmentReader, size: int, *, heads: bool = False) -> _Scan:
    """Every frame below `size`; with `heads` the payloads are not checked."""
    offset, seq, payload = SEGMENT_BYTES, reader.base, 0
    behind_damage = False
    damaged: list[tuple[int, int]] = []
    summary = SummaryBuilder()
    while offset < size:
        head = reader.frame_head(offset, size) if heads else (reader.frame(offset, size) or (None,))[0]
        if head is None or (head.seq != seq and not behind_damage):
            good = reader.search(offset + 1, size, seq)
            if good is None:
                break
            damaged.append((offset, good))
            offset, behind_damage = good, True
            continue
        behind_damage = False
        summary.add(head.tenant, head.records, head.length, head.received_at_ms)
        payload += head.length
        offset += head.size
        seq = head.next_seq
    return _Scan(offset, seq, payload, tuple(damaged), summary.done())
