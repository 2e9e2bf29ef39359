"""Where a process writes files before they are blocks, and what it takes to make them durable."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import itertools
import mmap
import os
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dxops.base.errors import DxopsError, Unavailable
from dxops.base.files import fsync_directory

_LANES = 8
_SMALL = 8  # up to so many files, an fsync each is cheaper than flushing the whole file system


class Scratch:
    """A directory of this process's own below `parent`, locked while the process lives.

    Those of dead processes (killed in mid-write) are removed when a new one is made.
    """

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        self._lock = -1
        while self._lock < 0:
            name = uuid.uuid4().hex
            self.path = parent / name
            self._lock = _try_lock(parent / f"{name}.lock", create=True)
        self.path.mkdir()
        for lane in range(_LANES):
            (self.path / str(lane)).mkdir()
        self._counter = itertools.count()
        self._lanes = itertools.count()
        self._local = threading.local()
        self.allows_direct = _allows_direct(self.path / "probe")
        _remove_dead(parent)

    def new_path(self) -> str:
        """A fresh file name. Safe for several threads, each of which keeps to a directory of its own: threads that
        create files in one directory spin on its lock for as long as the writing takes."""
        lane = getattr(self._local, "lane", None)
        if lane is None:
            lane = self._local.lane = next(self._lanes) % _LANES
        return f"{self.path}/{lane}/{next(self._counter)}"

    def close(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.path, ignore_errors=True)
        Path(f"{self.path}.lock").unlink(missing_ok=True)
        os.close(self._lock)


def _allows_direct(probe: Path) -> bool:
    """Whether this file system writes past the page cache (tmpfs does not)."""
    flag = getattr(os, "O_DIRECT", 0)
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | flag, 0o644)
        try:
            return bool(flag) and os.write(descriptor, mmap.mmap(-1, mmap.PAGESIZE)) == mmap.PAGESIZE
        finally:
            os.close(descriptor)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)


def _remove_dead(parent: Path) -> None:
    for lock in parent.glob("*.lock"):
        descriptor = _try_lock(lock, create=False)
        if descriptor >= 0:
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
            os.close(descriptor)


def _try_lock(path: Path, *, create: bool) -> int:
    """A descriptor that holds the lock of a file still at `path`, or -1."""
    try:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o644)
    except FileNotFoundError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    if not path.exists():
        os.close(descriptor)
        return -1
    return descriptor


_libc = ctypes.CDLL(None, use_errno=True)
_syncfs = getattr(_libc, "syncfs", None)


def sync_files(root: Path, files: list[str]) -> None:
    """Make the content of `files`, all on `root`'s file system, durable."""
    if len(files) > _SMALL and _sync_all(root):
        return
    for name in files:
        descriptor = os.open(name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_directories(root: Path, directories: Iterable[str]) -> None:
    """Make the names in `directories` durable."""
    distinct = set(directories)
    if len(distinct) > _SMALL and _sync_all(root):
        return
    for name in distinct:
        fsync_directory(Path(name))


def _sync_all(root: Path) -> bool:
    """One flush of the whole file system, which is far cheaper than hundreds of fsyncs; False where there is none."""
    if _syncfs is None:
        return False
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            if code == errno.ENOSYS:
                return False
            raise OSError(code, os.strerror(code))
        return True
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """OSErrors as `Unavailable` that says whether the disk is full."""
    try:
        yield
    except OSError as error:
        raise disk_error(root, error) from error


def disk_error(root: Path, error: OSError) -> DxopsError:
    """An OSError of the store as what callers understand."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = "?"
        with contextlib.suppress(OSError):
            free = str(shutil.disk_usage(root).free // 1_000_000)
        return Unavailable(
            f"the disk that holds {root} is full ({free} MB free)",
            code="disk_full",
            hint="free some space or collect unreferenced content, then try again",
            retry_after_s=30,
        )
    return Unavailable(f"the block store at {root} failed: {error}", code="disk_error", hint="check the disk")
