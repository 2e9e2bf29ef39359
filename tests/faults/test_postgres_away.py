"""A PostgreSQL server of one's own (`postgres.url`) that is not there yet, goes away, and comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dxops.engines.postgres.embedded import EmbeddedPostgres
from tests.faults.releases import HOSTS, publish_command, served, write_release
from tests.harness import System, eventually, free_ports

pytestmark = [pytest.mark.fault, pytest.mark.system]


class Server:
    """A server on a TCP port, started and stopped at will."""

    def __init__(self, place: Path) -> None:
        place.mkdir(mode=0o755)
        self._engine = EmbeddedPostgres(place, shared_buffers_mb=32)
        self._engine.prepare()
        [self.port] = free_ports(1)
        self.url = self._engine.url.partition("/dxops?")[0] + f"127.0.0.1:{self.port}/dxops"
        self._log = place / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [*self._engine.command, "-c", "listen_addresses=127.0.0.1", "-p", str(self.port), "-c", "fsync=off"]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd="/", start_new_session=True, **self._engine.popen_options
            )

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dxops-away-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_it_is_waited_for_and_its_loss_is_survived(place: Path) -> None:
    server = Server(place / "server")
    home = place / "system"
    home.mkdir(mode=0o755)
    system = System(home, f'[postgres]\nurl = "{server.url}"\n')
    said = home / "said"
    with said.open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "dxops.app", "up", "--data", str(system.data)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=Path(__file__).parents[2],
        )
    try:
        eventually(lambda: "PostgreSQL does not answer" in said.read_text(), 30)
        assert "check postgres.url" in said.read_text()
        assert up.poll() is None
        server.start()
        eventually(lambda: system.try_dxops("status").returncode == 0, 60)
        system.dxops(*publish_command(write_release(place / "1", 1), 1))

        server.stop()
        answer = eventually(lambda: away(system), 30)
        assert isinstance(answer, httpx.Response)
        assert answer.json()["error"]["code"] == "unavailable"
        assert int(answer.headers["retry-after"]) >= 1
        assert {served(system, host) for host in HOSTS} == {1}
        refused = system.try_dxops(*publish_command(write_release(place / "2", 2), 2))
        assert refused.returncode == 1
        assert "PostgreSQL does not answer" in refused.stderr
        assert "Traceback" not in refused.stderr

        server.start()
        eventually(lambda: api(system).status_code == 200, 30)
        system.dxops(*publish_command(place / "2", 2))
        eventually(lambda: {served(system, host) for host in HOSTS} == {2}, 40)
        assert {role["restarts"] for role in system.status().values()} == {0}  # nobody had to die for it
    finally:
        up.terminate()
        up.wait(60)
        server.stop()


def api(system: System) -> httpx.Response:
    headers = {"authorization": f"Bearer {system.api_token}"}
    return httpx.get(f"http://{system.listen['console']}/api/apps", headers=headers, trust_env=False, timeout=30)


def away(system: System) -> httpx.Response | None:
    answer = api(system)
    return answer if answer.status_code == 503 else None
