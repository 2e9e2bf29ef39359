"""A PostgreSQL for one benchmark: ours, durable as in service, with one migrated database."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from dxops.engines.postgres.embedded import EmbeddedPostgres
from dxops.engines.postgres.migrate import migrate


@contextmanager
def database_url() -> Iterator[str]:
    """URL of the migrated database; the server stops at the end."""
    directory = Path(tempfile.mkdtemp(prefix="dxops-pg-"))
    directory.chmod(0o755)
    server = EmbeddedPostgres(directory, shared_buffers_mb=32)
    server.prepare()
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(
            server.command, stdout=output, stderr=output, cwd="/", start_new_session=True, **server.popen_options
        )
    try:
        _until_up(server.url)
        migrate(server.url)
        yield server.url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(20)
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(server.socket_directory, ignore_errors=True)


def _until_up(url: str) -> None:
    for _ in range(400):
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("PostgreSQL did not start")
