"""Uploading a directory: CIDs are computed here, only blocks that the server misses are sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from dxops.app.client import ApiClient


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """A directory that is on the server. `sent_bytes`: what had to be sent of it."""

    cid: str
    files: int
    size_bytes: int
    sent_bytes: int


def upload(client: ApiClient, directory: Path, progress: Callable[[int, int], None]) -> Uploaded:
    """Upload a directory or a plain file; `progress(done, total)` in bytes."""
    raise NotImplementedError
