"""What the file system tells about a log and the files beside it: names, copies, ends. Blocks."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Container, Iterator
from typing import Final

import msgspec

from dxops.rooms.logs.tail.places import TAIL_BYTES, Key, Place, at_offset, holds

BREAK: Final = re.compile(r"[.\-_]")
"""Where the names of a log and of its rotated files part."""

_COMPRESSED: Final = (".gz", ".xz", ".bz2", ".zst", ".lz4", ".zip", ".Z")


def is_wanted(path: str) -> bool:
    """Not the compressed form of a log that was read before."""
    return not path.endswith(_COMPRESSED)


def regular(path: str) -> os.stat_result | None:
    """What the path leads to, if that is a regular file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def is_still(path: str, key: Key) -> bool:
    """Whether the path leads to this file."""
    found = regular(path)
    return found is not None and (found.st_dev, found.st_ino) == key


def moved_to(place: Place, other: Place) -> Place:
    """The place in another file with the same bytes."""
    return msgspec.structs.replace(place, device=other.device, inode=other.inode, path=other.path)


def is_copy(path: str, place: Place) -> bool:
    """Whether it has, up to the place's offset, what the place's own file had."""
    if place.offset < TAIL_BYTES:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return holds(place, descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def family(path: str) -> Iterator[os.DirEntry[str]]:
    """The files beside it whose names begin as its own does."""
    directory, name = os.path.split(path)
    stem = BREAK.split(name.lstrip("."))[0] or name
    try:
        with os.scandir(directory or ".") as entries:
            yield from (entry for entry in entries if entry.name.startswith(stem) and is_wanted(entry.name))
    except OSError:
        return


def name_of(path: str, key: Key) -> str | None:
    """The name beside `path` that the file has now."""
    return next((entry.path for entry in family(path) if entry.inode() == key[1] and is_still(entry.path, key)), None)


def copy_beside(path: str, place: Place, known: Container[Key]) -> str | None:
    """A file beside it that has all that the place says; none of `known`."""
    for entry in family(path):
        found = regular(entry.path)
        if found is None or entry.path == path or found.st_size < place.offset:
            continue
        if (found.st_dev, found.st_ino) not in known and is_copy(entry.path, place):
            return entry.path
    return None


def at_end(path: str, place: Place) -> Place:
    """Behind the last whole line of the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return place
    try:
        size = os.fstat(descriptor).st_size
        start = max(0, size - (64 << 10))
        last = os.pread(descriptor, size - start, start).rfind(b"\n")
        return at_offset(place, descriptor, start + last + 1 if last >= 0 else size, place.seen)
    except OSError:
        return place
    finally:
        os.close(descriptor)


def is_binary(path: str) -> bool:
    """Raises `OSError`."""
    with open(path, "rb") as file:
        head = file.read(512).lstrip(b"\0")
    return not head or b"\0" in head
