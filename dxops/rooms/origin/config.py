"""`[origin]` of `dxops.toml`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class OriginConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Serving of released files."""

    memory_mb: int = 64
    """Hot responses kept in memory, at most."""

    disk_mb: int = 2048
    """Large files (over 1 MB) kept ready to send in the data directory, at most; made again from blocks when needed."""

    previous_assets_minutes: int = 60
    """How long files of earlier releases still answer for pages loaded before a flip."""

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.memory_mb < 1:
            yield "memory_mb", "must be at least 1"
        if self.disk_mb < 1:
            yield "disk_mb", "must be at least 1"
        if self.previous_assets_minutes < 0:
            yield "previous_assets_minutes", "must not be negative"
