"""Uploading a directory: CIDs are computed here, only blocks that the server misses are sent, as one CAR."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from dxops.app.client import ApiClient
from dxops.app.publishing.dot_files import DotFiles
from dxops.rooms.content.upload import Upload, prepare_upload
from dxops.wire.cid import Cid
from dxops.wire.unixfs import V1_256K

_ASKED_AT_ONCE = 10_000  # CIDs a call: 640 KB of JSON, below the API's bound for a body
_HELD_MINUTES = 60  # the release follows within seconds; a publish that dies leaves nothing for long


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """A directory that is on the server. `sent_bytes`: what had to be sent of it."""

    cid: str
    files: int
    size_bytes: int
    sent_bytes: int


def upload(client: ApiClient, directory: Path, dot_files: DotFiles, progress: Callable[[int, int], None]) -> Uploaded:
    """Upload a directory or a plain file (profile `v1-256k`; symlinks are followed, `dot_files` decides on those);
    `progress(done, total)` in bytes. Raises `Refused` for what cannot be read or changes meanwhile."""
    return send(client, prepare_upload(directory, V1_256K, hidden=dot_files, follow_symlinks=True), progress)


def send(client: ApiClient, prepared: Upload, progress: Callable[[int, int], None]) -> Uploaded:
    """Send what the server lacks of a tree whose CIDs are known."""
    wanted = _missing(client, prepared.cids)
    total = prepared.car_bytes(wanted) if wanted else 0
    if wanted:
        client.request(
            "POST",
            "/content/car",
            params={"hold_minutes": _HELD_MINUTES},
            content=_counted(prepared.car(wanted), total, progress),
            headers={"content-type": "application/vnd.ipld.car"},
        )
    return Uploaded(cid=str(prepared.root), files=prepared.files, size_bytes=prepared.size_bytes, sent_bytes=total)


def _missing(client: ApiClient, cids: Sequence[Cid]) -> list[Cid]:
    absent: set[str] = set()
    for start in range(0, len(cids), _ASKED_AT_ONCE):
        asked = [str(cid) for cid in cids[start : start + _ASKED_AT_ONCE]]
        absent.update(client.post("/content/missing", {"cids": asked})["missing"])
    return [cid for cid in cids if str(cid) in absent]


def _counted(pieces: Iterator[bytes], total: int, progress: Callable[[int, int], None]) -> Iterator[bytes]:
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        progress(done, total)
