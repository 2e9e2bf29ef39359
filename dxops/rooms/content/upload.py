"""Sending a local directory to a server that may hold most of it already (`dxops publish`, `dxops add`).

Pass 1 computes every CID and keeps no leaf's bytes, only where they are. The server says which blocks it lacks. Pass 2
reads those again and streams them as one CAR. Synchronous; callers use threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from dxops.base.errors import Refused
from dxops.rooms.content.importer import Progress, build
from dxops.rooms.content.local import Hidden, LocalFile, changed
from dxops.wire import car
from dxops.wire.cid import RAW, Buffer, Cid
from dxops.wire.unixfs import Profile, leaf_envelope


class _Piece(msgspec.Struct, frozen=True):
    """Where a leaf's content is."""

    path: bytes
    offset: int
    length: int


class Upload(msgspec.Struct, frozen=True):
    """A directory (or file) as computed, ready to be sent. `cids` are its distinct blocks, the root last."""

    root: Cid
    files: int
    size_bytes: int
    nodes: dict[Cid, bytes]
    pieces: dict[Cid, _Piece]

    @property
    def cids(self) -> list[Cid]:
        return [*self.pieces, *self.nodes]

    def car_bytes(self, cids: Iterable[Cid]) -> int:
        """Length of the CAR with these blocks, for a progress bar; no file is read."""
        return len(car.header([self.root])) + sum(self._section_bytes(cid) for cid in set(cids))

    def car(self, cids: Iterable[Cid]) -> Iterator[bytes]:
        """A CARv1 with these blocks, in pieces of at most a block; its root is the upload's.

        Raises `Refused` (`file_changed`), naming the file, when one no longer holds what pass 1 read: the server then
        sees a CAR that is cut off, and nothing refers to what it stored.
        """
        wanted = dict.fromkeys(cids)
        unknown = next((cid for cid in wanted if cid not in self.nodes and cid not in self.pieces), None)
        if unknown is not None:
            raise Refused(f"the server asks for block {unknown}, which is not part of this upload", code="not_ours")
        yield car.header([self.root])
        for cid in wanted:
            block = self.nodes.get(cid)
            yield car.section(cid, block if block is not None else _read(cid, self.pieces[cid]))

    def _section_bytes(self, cid: Cid) -> int:
        node = self.nodes.get(cid)
        if node is not None:
            block_bytes = len(node)
        else:
            block_bytes = self.pieces[cid].length
            if cid.codec != RAW:
                block_bytes += sum(map(len, leaf_envelope(block_bytes)))
        return len(car.section(cid, b"")) - 1 + _varint_bytes(len(bytes(cid)) + block_bytes) + block_bytes


def prepare_upload(
    path: str | os.PathLike[str],
    profile: Profile,
    *,
    hidden: Hidden = False,
    follow_symlinks: bool = False,
    progress: Progress | None = None,
) -> Upload:
    """Pass 1. Memory grows with the number of blocks (about 300 bytes each) and inner nodes, not with content.

    Raises what `importer.import_path` does.
    """
    sink = _Collect()
    built = build(sink, path, profile, hidden, follow_symlinks, progress)
    return Upload(built.link.cid, built.files, built.link.size, sink.nodes, sink.pieces)


class _Collect:
    """Remembers where leaves are, and inner nodes whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.nodes: dict[Cid, bytes] = {}
        self.pieces: dict[Cid, _Piece] = {}

    def leaf(self, cid: Cid, file: LocalFile, offset: int, length: int, parts: Sequence[Buffer]) -> None:
        with self._lock:
            self.pieces.setdefault(cid, _Piece(file.path, offset, length))

    def node(self, cid: Cid, block: bytes) -> None:
        self.nodes[cid] = block


def _read(cid: Cid, piece: _Piece) -> bytes:
    try:
        descriptor = os.open(piece.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.pread(descriptor, piece.length, piece.offset)
        finally:
            os.close(descriptor)
    except OSError:
        raise changed(piece.path) from None
    if cid.codec != RAW:
        head, tail = leaf_envelope(piece.length)
        content = b"".join((head, content, tail))
    if not cid.verifies(content):
        raise changed(piece.path)
    return content


def _varint_bytes(value: int) -> int:
    return max(1, (value.bit_length() + 6) // 7)
