"""A PostgreSQL for one benchmark: ours, durable as in service, with one migrated database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dxops.engines.postgres.migrate import migrate
from tests.throwaway import postgres_server


@contextmanager
def database_url() -> Iterator[str]:
    """URL of the migrated database; the server stops at the end."""
    with postgres_server(durable=True) as url:
        migrate(url)
        yield url
