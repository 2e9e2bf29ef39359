"""PostgreSQL goes away under a served origin, and comes back."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from benchmarks.flip import page_files
from dxops.base.errors import Unavailable
from dxops.engines.postgres.embedded import EmbeddedPostgres
from dxops.engines.postgres.migrate import migrate
from tests.rooms.origin.full import delivered
from tests.rooms.origin.stage import DOMAIN, Stage

pytestmark = pytest.mark.fault


class Server:
    """A PostgreSQL that a test may stop and start."""

    def __init__(self, directory: Path) -> None:
        self._server = EmbeddedPostgres(directory, shared_buffers_mb=16)
        self._server.prepare()
        self._log = (directory / "log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self._server.url

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*self._server.command, "-c", "fsync=off"],
            stdout=self._log,
            stderr=self._log,
            cwd="/",
            start_new_session=True,
            **self._server.popen_options,
        )
        for _ in range(400):
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                signal.sigtimedwait((), 0.02)
            else:
                return
        raise AssertionError("PostgreSQL did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None

    def close(self) -> None:
        self.stop()
        self._log.close()
        shutil.rmtree(self._server.socket_directory, ignore_errors=True)


@pytest.fixture
def server() -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="dxops-pg-"))
    directory.chmod(0o755)
    made = Server(directory)
    made.start()
    migrate(made.url)
    yield made
    made.close()
    shutil.rmtree(directory, ignore_errors=True)


async def test_apps_go_on_without_postgresql_and_follow_again_after_it(tmp_path: Path, server: Server) -> None:
    async with delivered(tmp_path, server.url) as full:
        stage = Stage(full.content, None, full.app, full.port)  # type: ignore[arg-type]
        first = await full.publish("hello", "prod", page_files(1))
        second = await full.publish("hello", "prod", page_files(2))
        await _shows(stage, second)
        await asyncio.to_thread(server.stop)
        for _ in range(20):
            assert (await stage.get("/")).headers["x-dx-release"] == second
            assert (await stage.get("/assets/app-a1b2c301.js")).status_code == 200
            assert (await stage.get("/", host="nothing.example")).status_code == 404
            await asyncio.sleep(0.05)
        with pytest.raises(Unavailable):
            await full.delivery.table()
        await asyncio.to_thread(server.start)
        await full.roll_back("hello", "prod", first)
        await _shows(stage, first)
        await stage.client.aclose()


async def _shows(stage: Stage, release: str) -> None:
    for _ in range(3000):
        if (await stage.get("/")).headers.get("x-dx-release") == release:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{release} is not served on hello.{DOMAIN}")
