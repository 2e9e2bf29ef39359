"""Many blocks into files, durable together: write aside, sync once, rename, sync once."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from dxops.engines.blocks.scratch import Scratch, disk_error, sync_directories, sync_files
from dxops.wire.cid import Buffer, Cid

if TYPE_CHECKING:
    from dxops.engines.blocks.files import FileBlocks

_STEP_BLOCKS = 8192
_STEP_BYTES = 2 * 1024**3
_DIRECT_BYTES = 64 * 1024
_DIRECT = getattr(os, "O_DIRECT", 0)
_IOV_MAX = 512


class FileBatch:
    """See `port.Batch`. Commits by itself every 8,192 new blocks or 2 GiB, so that a batch may be endless."""

    def __init__(self, store: FileBlocks, scratch: Scratch) -> None:
        self._store = store
        self._scratch = scratch
        self._lock = threading.Lock()
        self._local = threading.local()
        self._written: dict[bytes, tuple[str, str]] = {}
        self._written_bytes = 0
        self._doubtful: set[str] = set()

    def put(self, cid: Cid, data: Buffer | Sequence[Buffer]) -> None:
        if cid.is_identity or cid.multihash in self._written:
            return
        parts = [data] if isinstance(data, bytes | bytearray | memoryview) else list(data)
        size = sum(len(part) for part in parts)
        place = self._store.place(cid)
        try:
            held, doubtful = self._store.freshen(cid, size)
            temporary = None if held else self._write(parts, size)
        except OSError as error:
            raise disk_error(self._store.root, error) from error
        with self._lock:
            if temporary is not None:
                previous = self._written.pop(cid.multihash, None)
                self._written[cid.multihash] = (temporary, place)
                self._written_bytes += size
                if previous is not None:
                    _remove(previous[0])
            elif doubtful:
                self._doubtful.add(place)
            full = len(self._written) >= _STEP_BLOCKS or self._written_bytes >= _STEP_BYTES
        if full:
            self.commit()

    def commit(self) -> None:
        with self._lock:
            written, doubtful = self._written, self._doubtful
            self._written, self._written_bytes, self._doubtful = {}, 0, set()
        root = self._store.root
        try:
            sync_files(root, [temporary for temporary, _ in written.values()])
            for temporary, place in written.values():
                os.rename(temporary, place)
            places = [*(place for _, place in written.values()), *doubtful]
            sync_directories(root, (place.rpartition("/")[0] for place in places))
        except OSError as error:
            _remove(*(temporary for temporary, _ in written.values()))
            raise disk_error(root, error) from error

    def __enter__(self) -> FileBatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        with self._lock:
            _remove(*(temporary for temporary, _ in self._written.values()))
            self._written = {}

    def _write(self, parts: list[Buffer], size: int) -> str:
        temporary = self._scratch.new_path()
        direct = _DIRECT if size >= _DIRECT_BYTES and self._scratch.allows_direct else 0
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | direct, 0o644)
        try:
            if direct:
                _write_direct(descriptor, self._aligned(parts, size), size)
            else:
                _write_all(descriptor, parts, size)
            now = self._store.now_ns()
            os.utime(descriptor, ns=(now, now))
        except BaseException:
            _remove(temporary)
            raise
        finally:
            os.close(descriptor)
        return temporary

    def _aligned(self, parts: list[Buffer], size: int) -> memoryview:
        """The block in page-aligned memory: where it is, or else copied to this thread's buffer."""
        if len(parts) == 1 and _is_aligned(parts[0]):
            return memoryview(parts[0])
        buffer: memoryview | None = getattr(self._local, "buffer", None)
        if buffer is None or len(buffer) < size:
            buffer = self._local.buffer = memoryview(mmap.mmap(-1, max(size, 1 << 20)))
        offset = 0
        for part in parts:
            buffer[offset : offset + len(part)] = part
            offset += len(part)
        return buffer[:size]


def _is_aligned(part: Buffer) -> bool:
    if not isinstance(part, memoryview) or part.readonly or not part.c_contiguous:
        return False
    return ctypes.addressof(ctypes.c_char.from_buffer(part)) % mmap.PAGESIZE == 0


def _write_direct(descriptor: int, block: memoryview, size: int) -> None:
    """Past the page cache, which would cost as much CPU again as hashing: whole pages; then the rest through it.

    (Padding the last page and cutting it off would make the file system read that page back.)
    """
    whole = size // mmap.PAGESIZE * mmap.PAGESIZE
    written = os.write(descriptor, block[:whole])
    if written < size:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, 0)  # takes away O_DIRECT; it was the only flag that can be changed
        _write_rest(descriptor, block[written:size])


def _write_all(descriptor: int, parts: list[Buffer], size: int) -> None:
    if size == 0:
        return
    if len(parts) <= _IOV_MAX and os.writev(descriptor, parts) == size:
        return
    os.lseek(descriptor, 0, os.SEEK_SET)
    _write_rest(descriptor, memoryview(b"".join(parts)))


def _write_rest(descriptor: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _remove(*names: str) -> None:
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(name)
