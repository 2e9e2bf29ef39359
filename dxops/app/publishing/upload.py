"""Uploading a directory: CIDs are computed here, only blocks that the server misses are sent, as one CAR."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from dxops.app.client import ApiClient
from dxops.base.errors import Refused
from dxops.rooms.content.importer import build
from dxops.rooms.content.local import LocalFile, changed
from dxops.wire import car
from dxops.wire.cid import Buffer, Cid
from dxops.wire.unixfs import V1_256K

_ASKED_AT_ONCE = 10_000  # CIDs a call: 640 KB of JSON, below the API's bound for a body
_HELD_MINUTES = 60  # the release follows within seconds; a publish that dies leaves nothing for long


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """A directory that is on the server. `sent_bytes`: what had to be sent of it."""

    cid: str
    files: int
    size_bytes: int
    sent_bytes: int


def upload(client: ApiClient, directory: Path, progress: Callable[[int, int], None]) -> Uploaded:
    """Upload a directory or a plain file (profile `v1-256k`; symlinks are followed, dot-files left out);
    `progress(done, total)` in bytes. Raises `Refused` for what cannot be read or changes meanwhile."""
    blocks = _Blocks()
    built = build(blocks, directory, V1_256K, hidden=False, follow_symlinks=True)
    cids = list(blocks.sizes)
    missing = {
        cid for start in range(0, len(cids), _ASKED_AT_ONCE) for cid in _ask(client, cids[start:][:_ASKED_AT_ONCE])
    }
    wanted = [cid for cid in cids if str(cid) in missing]
    total = sum(blocks.sizes[cid] for cid in wanted)
    if wanted:
        body = car.encode([built.link.cid], blocks.read(wanted, lambda done: progress(done, total)))
        client.request(
            "POST",
            "/content/car",
            params={"hold_minutes": _HELD_MINUTES},
            content=body,
            headers={"content-type": "application/vnd.ipld.car"},
        )
    return Uploaded(cid=str(built.link.cid), files=built.files, size_bytes=built.link.size, sent_bytes=total)


def _ask(client: ApiClient, cids: Sequence[Cid]) -> list[str]:
    found: list[str] = client.post("/content/missing", {"cids": [str(cid) for cid in cids]})["missing"]
    return found


class _Blocks:
    """Where every block of a tree is: inner nodes here, leaves in their files. Memory grows with the number of blocks,
    not with their bytes."""

    def __init__(self) -> None:
        self.sizes: dict[Cid, int] = {}
        self._leaves: dict[Cid, tuple[bytes, int]] = {}
        self._nodes: dict[Cid, bytes] = {}
        self._lock = threading.Lock()

    def leaf(self, cid: Cid, file: LocalFile, offset: int, length: int, parts: Sequence[Buffer]) -> None:
        """A raw leaf is its file's bytes as they are."""
        with self._lock:
            self._leaves[cid] = (file.path, offset)
            self.sizes[cid] = length

    def node(self, cid: Cid, block: bytes) -> None:
        """Any other block."""
        with self._lock:
            self._nodes[cid] = block
            self.sizes[cid] = len(block)

    def read(self, cids: Sequence[Cid], progress: Callable[[int], None]) -> Iterator[tuple[Cid, bytes]]:
        """The blocks again, one at a time."""
        done = 0
        for cid in cids:
            block = self._nodes.get(cid)
            if block is None:
                block = self._leaf(cid)
            yield cid, block
            done += len(block)
            progress(done)

    def _leaf(self, cid: Cid) -> bytes:
        path, offset = self._leaves[cid]
        try:
            with open(path, "rb") as file:
                block = os.pread(file.fileno(), self.sizes[cid], offset)
        except OSError as error:
            raise Refused(f"{os.fsdecode(path)} cannot be read: {error.strerror}", code="unreadable") from error
        if not cid.verifies(block):
            raise changed(path)
        return block
