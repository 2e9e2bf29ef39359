"""A local directory into UnixFS blocks, as fast as the machine hashes, in bounded memory.

One thread walks and builds inner nodes in order; a few threads read, hash and store leaves (hashing and file I/O
release the GIL). Memory is a window of jobs without their bytes, one chunk buffer a thread, and the directories of one
path.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import msgspec

from dxops.base.errors import Refused
from dxops.base.ports import Imported
from dxops.engines.blocks.port import BlockStore
from dxops.rooms.content.local import (
    Hidden,
    LocalDirectory,
    LocalEntry,
    LocalFile,
    LocalSymlink,
    changed,
    scan,
)
from dxops.wire.cid import DAG_PB, RAW, Buffer, Cid
from dxops.wire.unixfs import Profile, leaf_envelope
from dxops.wire.unixfs_build import DirectoryBuilder, FileLayout, Link, build_symlink

Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in total and the path being read, from the importing thread, a few times a second."""

_JOB_BYTES = 1024 * 1024
_JOB_STEPS = 64
_THREADS = max(4, min(8, 2 * (os.cpu_count() or 2)))  # twice the cores: half of them wait for the disk
_WINDOW = 8 * _THREADS
_ENVELOPE_BYTES = 64  # more than what `leaf_envelope` puts around a chunk


class Sink(Protocol):
    """Where an import's blocks go. `leaf` is called from several threads at once."""

    def leaf(self, cid: Cid, file: LocalFile, offset: int, length: int, parts: Sequence[Buffer]) -> None:
        """A leaf: its block is `parts`, valid during the call only; its content is `length` bytes at `offset`."""
        ...

    def node(self, cid: Cid, block: bytes) -> None:
        """Any other block, children before parents."""
        ...


def import_path(
    store: BlockStore,
    path: str | os.PathLike[str],
    profile: Profile,
    *,
    hidden: Hidden = False,
    follow_symlinks: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Store a directory or file; durable on return. Blocking: call it in a thread.

    Raises what `local.scan` does, `Refused` (`file_changed`) for a file that changes meanwhile, `Unavailable` for a
    full disk. After an error nothing refers to what was stored so far, so it will be collected.
    """
    with store.batch() as batch:
        built = build(_Store(batch.put), path, profile, hidden, follow_symlinks, progress)
    return Imported(
        cid=str(built.link.cid),
        profile=profile.name,
        files=built.files,
        size_bytes=built.link.size,
        dag_bytes=built.link.tsize,
    )


class Built(msgspec.Struct, frozen=True):
    """A finished tree."""

    link: Link
    files: int


def build(
    sink: Sink,
    path: str | os.PathLike[str],
    profile: Profile,
    hidden: Hidden = False,
    follow_symlinks: bool = False,
    progress: Progress | None = None,
) -> Built:
    """Compute every block of a directory or file and give it to `sink`. See `import_path`."""
    total = 0
    if progress is not None:
        entries = scan(path, hidden=hidden, follow_symlinks=follow_symlinks)
        total = sum(entry.size for entry in entries if isinstance(entry, LocalFile))
    assembly = _Assembly(sink, profile, progress, total)
    reader = _LeafReader(sink, profile)
    jobs = _jobs(scan(path, hidden=hidden, follow_symlinks=follow_symlinks), profile.chunk_bytes)
    window: deque[tuple[list[_Step], Future[list[Link]]]] = deque()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="import") as pool:
        try:
            for job in jobs:
                window.append((job, pool.submit(reader.read, job)))
                if len(window) >= _WINDOW:
                    _apply(assembly, window)
            while window:
                _apply(assembly, window)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return assembly.finish()


class _Leaf(msgspec.Struct, frozen=True):
    file: LocalFile
    offset: int
    length: int
    is_last: bool


_Step = _Leaf | LocalSymlink | LocalDirectory


class _Store:
    """Leaves and nodes alike into a batch."""

    def __init__(self, put: Callable[[Cid, Buffer | Sequence[Buffer]], None]) -> None:
        self._put = put

    def leaf(self, cid: Cid, file: LocalFile, offset: int, length: int, parts: Sequence[Buffer]) -> None:
        self._put(cid, parts)

    def node(self, cid: Cid, block: bytes) -> None:
        self._put(cid, block)


def _jobs(entries: Iterator[LocalEntry], chunk_bytes: int) -> Iterator[list[_Step]]:
    """Steps in order, in portions that are worth handing to a thread."""
    job: list[_Step] = []
    size = 0
    for step in _steps(entries, chunk_bytes):
        job.append(step)
        size += step.length if isinstance(step, _Leaf) else 0
        if size >= _JOB_BYTES or len(job) >= _JOB_STEPS:
            yield job
            job, size = [], 0
    if job:
        yield job


def _steps(entries: Iterator[LocalEntry], chunk_bytes: int) -> Iterator[_Step]:
    for entry in entries:
        if not isinstance(entry, LocalFile):
            yield entry
            continue
        for offset in range(0, max(entry.size, 1), chunk_bytes):
            end = min(offset + chunk_bytes, entry.size)
            yield _Leaf(entry, offset, end - offset, end == entry.size)


class _LeafReader:
    """The threads' part: read, hash, hand over."""

    def __init__(self, sink: Sink, profile: Profile) -> None:
        self._sink = sink
        self._profile = profile
        self._local = threading.local()

    def read(self, job: list[_Step]) -> list[Link]:
        """The links of the job's leaves, in order."""
        links = []
        opened: LocalFile | None = None
        descriptor = -1
        try:
            for step in job:
                if not isinstance(step, _Leaf):
                    continue
                if step.file is not opened:
                    if descriptor >= 0:
                        os.close(descriptor)
                    opened, descriptor = step.file, _open(step.file)
                links.append(self._leaf(step, descriptor))
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return links

    def _leaf(self, step: _Leaf, descriptor: int) -> Link:
        profile = self._profile
        head, tail = (b"", b"") if profile.raw_leaves else leaf_envelope(step.length)
        start, end = len(head), len(head) + step.length
        block = self._buffer()[: end + len(tail)]
        if os.preadv(descriptor, [block[start:end]], step.offset) != step.length:
            raise changed(step.file.path)
        if step.is_last and os.fstat(descriptor).st_size != step.file.size:
            raise changed(step.file.path)
        block[:start], block[end:] = head, tail
        codec, version = (RAW, 1) if profile.raw_leaves else (DAG_PB, profile.cid_version)
        cid = Cid.for_sha256(hashlib.sha256(block).digest(), codec, version)
        self._sink.leaf(cid, step.file, step.offset, step.length, (block,))
        return Link(cid, len(block), step.length)

    def _buffer(self) -> memoryview:
        """This thread's buffer for a whole block, page-aligned so that a store may write it past the page cache."""
        buffer: memoryview | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = memoryview(mmap.mmap(-1, self._profile.chunk_bytes + _ENVELOPE_BYTES))
        return buffer


def _open(file: LocalFile) -> int:
    try:
        return os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        name = file.path.decode("utf-8", "backslashreplace")
        raise Refused(f"{name} cannot be read: {error.strerror}", code="unreadable") from None


def _apply(assembly: _Assembly, window: deque[tuple[list[_Step], Future[list[Link]]]]) -> None:
    job, future = window.popleft()
    links = iter(future.result())
    for step in job:
        if isinstance(step, _Leaf):
            assembly.leaf(step, next(links))
        elif isinstance(step, LocalSymlink):
            assembly.symlink(step)
        else:
            assembly.directory(step)


class _Assembly:
    """Inner nodes and directories, from steps in order."""

    def __init__(self, sink: Sink, profile: Profile, progress: Progress | None, total: int) -> None:
        self._sink = sink
        self._profile = profile
        self._progress = progress
        self._total = total
        self._done = 0
        self._reported = 0
        self._files = 0
        self._layout: FileLayout | None = None
        self._open: dict[bytes, DirectoryBuilder] = {}
        self._root: Link | None = None

    def leaf(self, step: _Leaf, link: Link) -> None:
        """The next leaf of the file at hand."""
        if step.is_last and step.offset == 0:
            self._end_file(step.file, link)
        else:
            if self._layout is None:
                self._layout = FileLayout(self._profile)
            self._nodes(self._layout.add(link))
            if step.is_last:
                whole, blocks = self._layout.finish()
                self._nodes(blocks)
                self._layout = None
                self._end_file(step.file, whole)
        self._report(step)

    def symlink(self, step: LocalSymlink) -> None:
        """A symlink's node."""
        link, block = build_symlink(step.target, self._profile)
        self._nodes([block])
        self._place(step.relative, link)

    def directory(self, step: LocalDirectory) -> None:
        """The end of a directory."""
        builder = self._open.pop(step.relative, None) or DirectoryBuilder(self._profile)
        link, blocks = builder.finish()
        self._nodes(blocks)
        self._place(step.relative, link)

    def finish(self) -> Built:
        """The whole."""
        assert self._root is not None
        if self._progress is not None:
            self._progress(self._done, self._total, "")
        return Built(self._root, self._files)

    def _end_file(self, file: LocalFile, link: Link) -> None:
        self._files += 1
        self._place(file.relative, link)

    def _place(self, relative: bytes, link: Link) -> None:
        if not relative:
            self._root = link
            return
        parent, _, name = relative.rpartition(b"/")
        if parent not in self._open:
            self._open[parent] = DirectoryBuilder(self._profile)
        self._open[parent].add(name, link)

    def _nodes(self, blocks: list[tuple[Cid, bytes]]) -> None:
        for cid, block in blocks:
            self._sink.node(cid, block)

    def _report(self, step: _Leaf) -> None:
        self._done += step.length
        if self._progress is not None and self._done - self._reported >= max(self._total // 200, 1):
            self._reported = self._done
            self._progress(self._done, self._total, step.file.relative.decode("utf-8", "replace"))
