"""A PostgreSQL of ours for a while: for tests, benchmarks and pictures."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dxops.engines.postgres.embedded import EmbeddedPostgres


@contextmanager
def postgres_server(*, durable: bool) -> Iterator[str]:
    """Its URL; nothing is left of it afterwards. Not `durable`: fast, and worthless after a crash."""
    directory = Path(tempfile.mkdtemp(prefix="dxops-pg-"))
    directory.chmod(0o755)  # the unprivileged account walks through it
    server = EmbeddedPostgres(directory, shared_buffers_mb=32)
    try:
        server.prepare()
        with server.running(*(() if durable else ("-c", "fsync=off"))):
            yield server.url
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(server.socket_directory, ignore_errors=True)
