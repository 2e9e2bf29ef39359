"""How far a file was taken, in a form that finds the file again after it was renamed, copied or written anew."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final

import msgspec

HEAD_BYTES: Final = 256
TAIL_BYTES: Final = 64

Key = tuple[int, int]
"""Device and inode."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Records before `offset` are safe. `head` and `tail` are digests of the file's first `head_size` bytes and of the
    `tail_size` bytes before `offset`: an inode alone may by now be another file's. `born` tells apart files that had
    one inode after another. `seen` is when the file was last read, in seconds since 1970."""

    device: int
    inode: int
    offset: int = 0
    head_size: int = 0
    head: str = ""
    tail_size: int = 0
    tail: str = ""
    born: str = ""
    path: str = ""
    seen: int = 0

    @property
    def key(self) -> Key:
        return self.device, self.inode


def at_offset(place: Place, descriptor: int, offset: int, seen: int) -> Place:
    """The place moved to `offset` of its file. Raises `OSError`."""
    head_size, head = place.head_size, place.head
    if head_size < HEAD_BYTES and offset > head_size:
        data = os.pread(descriptor, min(HEAD_BYTES, offset), 0)
        head_size, head = len(data), digest(data)
    size = min(TAIL_BYTES, offset)
    data = os.pread(descriptor, size, offset - size)
    return msgspec.structs.replace(
        place, offset=offset, head_size=head_size, head=head, tail_size=len(data), tail=digest(data), seen=seen
    )


def holds(place: Place, descriptor: int) -> bool:
    """Whether the open file begins, and goes on before the offset, as the place says. Raises `OSError`."""
    if place.offset == 0:
        return True
    if os.fstat(descriptor).st_size < place.offset:
        return False
    if digest(os.pread(descriptor, place.head_size, 0)) != place.head:
        return False
    return digest(os.pread(descriptor, place.tail_size, place.offset - place.tail_size)) == place.tail


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()
