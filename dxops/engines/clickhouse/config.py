"""`[clickhouse]` of `dxops.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

DATABASE = "dxops"
"""Our own ClickHouse's database, and the one that a request means when it names none or `default`."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class ClickHouseConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where logs, metrics, traces and error events are kept."""

    url: str = ""
    """`http://user:password@host:8123/database` (or https) of a ClickHouse server or cluster of yours. Empty: dxops
    runs its own, in the role `store`."""

    cluster: str = ""
    """Name of the cluster at `url`, as in its `remote_servers`: tables are made `ON CLUSTER`, replicated, with a
    distributed table in front. Empty: a single server."""

    memory_mb: int = 600
    """What our own ClickHouse may allocate, all queries and caches together. Its process needs about 250 MB more."""

    query_memory_mb: int = 300
    """What one query may allocate, at most."""

    query_seconds: int = 30
    """How long a query may run. Those that ask for more run apart from the others, one at a time."""

    heavy_query_seconds: int = 300
    """How long a query that asked for more time may run, at most."""

    result_mb: int = 256
    """Size of one answer, at most, unless its format can be streamed."""

    result_rows: int = 1_000_000
    """Rows of one answer to the user `reader`, at most."""

    insert_mb: int = 512
    """Size of one insert, decompressed, at most."""

    fsync: bool = True
    """Whether an insert is on disk before it is acknowledged."""

    def faults(self) -> Iterator[tuple[str, str]]:
        parts = urlsplit(self.url)
        if self.url and (parts.scheme not in ("http", "https") or not parts.hostname):
            yield "url", "must start with http:// or https:// and name a host"
        if self.cluster and not self.url:
            yield "cluster", "needs clickhouse.url: our own is a single server"
        if self.cluster and not _NAME.fullmatch(self.cluster):
            yield "cluster", "must be a name of letters, digits, '_' and '-'"
        for field, low, high in (
            ("memory_mb", 200, 1_000_000),
            ("query_seconds", 1, 3600),
            ("heavy_query_seconds", 1, 86_400),
            ("result_mb", 1, 4096),
            ("result_rows", 1, 100_000_000),
            ("insert_mb", 1, 8192),
        ):
            if not low <= getattr(self, field) <= high:
                yield field, f"must be {low} to {high}"
        if not 16 <= self.query_memory_mb <= self.memory_mb:
            yield "query_memory_mb", "must be 16 to memory_mb"
        if self.heavy_query_seconds < self.query_seconds:
            yield "heavy_query_seconds", "must not be less than query_seconds"
