"""`[postgres]` of `dxops.toml`."""

from __future__ import annotations

import pwd
from collections.abc import Iterator

import msgspec


class PostgresConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where the relational store is."""

    url: str = ""
    """`postgresql://user:password@host/database` of a server of yours. Empty: dxops runs its own."""

    reader_url: str = ""
    """A login that may only read, for `/api/sql`. Empty: dxops makes the login `dxops_reader`, where its own user may,
    which sees no secrets."""

    account: str = ""
    """The unprivileged account that our own server runs as when dxops is started as root. Empty: the first of
    `dxops`, `postgres`, `nobody` that exists."""

    pool_size: int = 8
    """Connections per process, at most."""

    shared_buffers_mb: int = 64
    """Page cache of our own server."""

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.url and not self.url.startswith(("postgresql://", "postgres://")):
            yield "url", "must start with postgresql://"
        if self.reader_url and not self.reader_url.startswith(("postgresql://", "postgres://")):
            yield "reader_url", "must start with postgresql://"
        if not 2 <= self.pool_size <= 200:
            yield "pool_size", "must be 2 to 200"
        if not 16 <= self.shared_buffers_mb <= 65536:
            yield "shared_buffers_mb", "must be 16 to 65536"
        if self.account:
            try:
                pwd.getpwnam(self.account)
            except KeyError:
                yield "account", f"no account '{self.account}' on this machine"
