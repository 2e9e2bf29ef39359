"""Places to measure in, what lies under them, and what they can do at best: throw-away writers of as many bytes.

A writer here does nothing but write: no hashing, no names worth having, one sync at the end. What the fastest of them
reaches is what a durable import on that disk can reach.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MEGABYTE = 1 << 20
_BLOCK = 256 * 1024
_POOL_BYTES = 64 * _MEGABYTE
_THREADS = 4
_DIRECT = getattr(os, "O_DIRECT", 0)


def file_system(place: Path) -> str:
    """Its type; for ext4, whether it has a journal: without one it does not use an inode again for minutes, and every
    new file walks past those deleted lately."""
    device, found = os.stat(place).st_dev, "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[2] == f"{os.major(device)}:{os.minor(device)}":
            kind, source = fields[fields.index("-") + 1 :][:2]
            found = kind
            task = Path(f"/sys/fs/ext4/{Path(source).name}/journal_task")
            if task.exists():
                found += " without a journal" if task.read_text().strip() == "<none>" else " with a journal"
    return found


@contextmanager
def journaled_image(folder: Path, size_bytes: int) -> Iterator[Path]:
    """An ext4 with a journal, mounted from an image file in `folder`. Needs root and loop devices."""
    image, mounted = folder / "ext4.img", folder / "ext4"
    mounted.mkdir()
    with image.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
    lazy = "lazy_itable_init=0,lazy_journal_init=0"
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", lazy, str(image)], check=True)
    found = subprocess.run(
        ["losetup", "-f", "--show", "--direct-io=on", str(image)], check=True, capture_output=True, text=True
    )
    loop = found.stdout.strip()
    try:
        subprocess.run(["mount", loop, str(mounted)], check=True)
        try:
            yield mounted
        finally:
            subprocess.run(["umount", str(mounted)], check=True)
    finally:
        subprocess.run(["losetup", "-d", loop], check=True)
        image.unlink()


class Writers:
    """The throw-away writers. Each returns seconds and leaves its files in a new folder of `place`."""

    def __init__(self, total_bytes: int, *, direct: bool) -> None:
        self._total = total_bytes
        self._pool = memoryview(mmap.mmap(-1, _POOL_BYTES))
        self._pool[:] = os.urandom(_POOL_BYTES)
        self.all: dict[str, Callable[[Path], float]] = {
            "1 file": lambda place: self._few(place, 1, 0),
            "2 files, 2 threads": lambda place: self._few(place, 2, 0),
        }
        if direct:
            self.all |= {
                "4 files, 4 threads, O_DIRECT": lambda place: self._few(place, _THREADS, _DIRECT),
                "a file for 256 KB, 4 threads, O_DIRECT": lambda place: self._many(place, _DIRECT),
            }
        else:
            self.all["a file for 256 KB, 4 threads"] = lambda place: self._many(place, 0)

    def _few(self, place: Path, threads: int, flag: int) -> float:
        place.mkdir()
        share = self._total // threads

        def write(index: int) -> None:
            descriptor = os.open(place / str(index), os.O_WRONLY | os.O_CREAT | flag, 0o644)
            for offset in range(0, share, _MEGABYTE):
                os.write(descriptor, self._piece(index * share + offset, _MEGABYTE))
            os.fdatasync(descriptor)
            os.close(descriptor)

        return _timed(place, threads, write)

    def _many(self, place: Path, flag: int) -> float:
        place.mkdir()
        for index in range(_THREADS):
            (place / str(index)).mkdir()
        offsets = itertools.count(0, _BLOCK)

        def write(index: int) -> None:
            while (offset := next(offsets)) < self._total:
                name = place / str(index) / str(offset)
                descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flag, 0o644)
                os.write(descriptor, self._piece(offset, _BLOCK))
                os.close(descriptor)

        return _timed(place, _THREADS, write)

    def _piece(self, offset: int, size: int) -> memoryview:
        start = offset // size * size % _POOL_BYTES
        return self._pool[start : start + size]


def _timed(place: Path, threads: int, write: Callable[[int], None]) -> float:
    started = time.perf_counter()
    workers = [threading.Thread(target=write, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        raise OSError(ctypes.get_errno(), "syncfs")
    os.close(descriptor)
    return time.perf_counter() - started
