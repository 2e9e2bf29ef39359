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

    access_log: bool = True
    """Whether every answered request leaves a line in the log room's stream `dxops-access`."""

    access_client: str = "short"
    """The client's address in these lines: `short` for its network (/24, /48), `full`, or `off`."""

    access_client_header: str = ""
    """The header in which a proxy in front tells the client's address, such as `X-Forwarded-For` (its last entry
    counts). Empty: the address that connects."""

    access_log_mb: int = 128
    """What access lines may take on disk before they are in the log room. They are kept there, not here."""

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.memory_mb < 1:
            yield "memory_mb", "must be at least 1"
        if self.disk_mb < 1:
            yield "disk_mb", "must be at least 1"
        if self.previous_assets_minutes < 0:
            yield "previous_assets_minutes", "must not be negative"
        if self.access_client not in ("short", "full", "off"):
            yield "access_client", "must be short, full or off"
        if self.access_log_mb < 32:
            yield "access_log_mb", "must be at least 32"
