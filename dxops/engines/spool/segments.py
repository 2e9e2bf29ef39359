"""Reading one segment file: frames one after the other, and the search for the next good one behind damage."""

from __future__ import annotations

import zlib

from dxops.engines.spool.disk import Disk, File
from dxops.engines.spool.frames import (
    FRAME_BYTES,
    PAYLOAD_MOST_BYTES,
    SEGMENT_BYTES,
    TENANT_MOST_BYTES,
    FrameHead,
    Key,
    SegmentHead,
    decode_frame_head,
    decode_segment_head,
    segment_base,
    segment_name,
)
from dxops.engines.spool.model import SpoolPaths

_WINDOW_BYTES = 1 << 20


class SegmentReader:
    """An open segment. Keeps a window of the file, so that small frames do not cost a system call each.

    Only offsets below the `end` that is passed in are looked at: what is behind it may not be durable.
    """

    def __init__(self, file: File, key: Key, base: int, window_bytes: int = _WINDOW_BYTES) -> None:
        self.base = base
        self._window_bytes = window_bytes
        self._file = file
        self._key = key
        self._window = b""
        self._start = 0

    def close(self) -> None:
        self._file.close()

    def size(self) -> int:
        return self._file.size()

    def head(self) -> SegmentHead | None:
        """The segment's header; None when it is damaged or belongs to another segment."""
        head = decode_segment_head(self._file.read(0, SEGMENT_BYTES))
        return head if head is not None and head.base == self.base else None

    def frame_head(self, offset: int, end: int) -> FrameHead | None:
        """The header of the frame at `offset`; None when it is damaged or the frame would pass `end`."""
        data, at = self._bytes(offset, end, FRAME_BYTES + TENANT_MOST_BYTES)
        head = decode_frame_head(self._key, data, at)
        return head if head is not None and head.length <= PAYLOAD_MOST_BYTES and offset + head.size <= end else None

    def frame(self, offset: int, end: int) -> tuple[FrameHead, bytes] | None:
        """The frame at `offset` and its payload as stored; None when either is damaged."""
        head = self.frame_head(offset, end)
        if head is None:
            return None
        start = offset + head.size - head.length
        data, at = self._bytes(start, end, head.length)
        payload = data[at : at + head.length]
        if len(payload) != head.length or zlib.crc32(payload) != head.crc:
            return None
        return head, payload

    def search(self, offset: int, end: int, seq: int) -> int | None:
        """Where the first good frame begins at or behind `offset` whose records are numbered `seq` or higher."""
        while offset < end:
            data, at = self._bytes(offset, end, _WINDOW_BYTES)
            found = data.find(self._key.mark, at)
            if found < 0:
                offset = max(offset + 1, offset + len(data) - at - len(self._key.mark) + 1)
                continue
            offset += found - at
            whole = self.frame(offset, end)
            if whole is not None and whole[0].seq >= seq:
                return offset
            offset += 1
        return None

    def raw(self, offset: int, length: int) -> bytes:
        """Bytes as they are."""
        return self._file.read(offset, length)

    def _bytes(self, offset: int, end: int, length: int) -> tuple[bytes, int]:
        """A buffer and where in it `offset` is; holds `length` bytes from there unless the file ends."""
        length = min(length, end - offset)
        at = offset - self._start
        if at < 0 or at + length > len(self._window):
            self._window = self._file.read(offset, min(max(length, self._window_bytes), end - offset))
            self._start = offset
            at = 0
        return self._window, at


def list_segments(disk: Disk, paths: SpoolPaths) -> list[int]:
    """The bases of the segment files, ascending."""
    return sorted(base for name in disk.names(paths.directory) if (base := segment_base(name)) is not None)


def segment_path(paths: SpoolPaths, base: int) -> str:
    return paths.segment(segment_name(base))
