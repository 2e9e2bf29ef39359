"""A PostgreSQL server of one's own (`postgres.url`) that is not there yet, goes away, and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from dxops.app.supervisor.status import is_locked
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

    def accepts(self) -> bool:
        return self._process is not None and self._engine.is_ready(self._process.pid)

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
        shipper = describe_logs(system)

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
        assert write_log(system, shipper, "without it") == (201, "app-000001")
        first = system.status()["ingest"]["pid"]
        os.kill(int(str(first)), signal.SIGKILL)
        eventually(lambda: write_log(system, shipper, "begun without it") == (201, "app-000001"), 40)
        assert change_logs(system).status_code == 503

        server.start()
        eventually(lambda: api(system).status_code == 200, 30)
        system.dxops(*publish_command(place / "2", 2))
        eventually(lambda: {served(system, host) for host in HOSTS} == {2}, 40)
        eventually(lambda: change_logs(system).status_code == 200, 30)
        restarts = {name: role["restarts"] for name, role in system.status().items()}
        assert restarts.pop("ingest") == 1
        assert set(restarts.values()) == {0}  # nobody had to die for it
    finally:
        up.terminate()
        up.wait(60)
        server.stop()


def describe_logs(system: System) -> str:
    """A token that may write to `app`, an alias of `app-000001`; it was used once."""
    made = httpx.post(
        f"http://{system.listen['console']}/api/tokens",
        json={"name": "shipper", "scopes": ["logs:write"], "streams": ["app-*"]},
        headers={"Authorization": f"Bearer {system.api_token}"},
    )
    secret = str(made.json()["secret"])
    with elastic(system) as client:
        made = client.put("/app-000001", json={"aliases": {"app": {"is_write_index": True}}})
        assert made.status_code == 200, made.text
    assert write_log(system, secret, "with it") == (201, "app-000001")
    return secret


def write_log(system: System, secret: str, message: str) -> tuple[int, str]:
    """(status, the index it went to), by the alias."""
    try:
        answer = httpx.post(
            f"http://{system.listen['elastic']}/app/_doc",
            json={"message": message},
            headers={"Authorization": f"Bearer {secret}"},
        )
    except httpx.TransportError:
        return 0, ""
    return answer.status_code, answer.json().get("_index", "")


def change_logs(system: System) -> httpx.Response:
    """Something that PostgreSQL has to keep."""
    with elastic(system) as client:
        return client.put("/_ilm/policy/p", json={"policy": {"phases": {}}})


def elastic(system: System) -> httpx.Client:
    """As the installation's own user."""
    password = (system.data / "secrets" / "elastic_password").read_text().strip()
    return httpx.Client(base_url=f"http://{system.listen['elastic']}", auth=("elastic", password))


def test_a_detached_start_tells_what_it_waits_for_and_gives_up(place: Path) -> None:
    [port] = free_ports(1)
    system = System(place, f'[postgres]\nurl = "postgresql://ops@127.0.0.1:{port}/dxops"\n')
    command = [sys.executable, "-m", "dxops.app", "up", "--detach", "--timeout", "24", "--data", str(system.data)]
    heard: list[float] = []
    said = ""
    started = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        for line in up.stderr:
            said += line
            if "PostgreSQL does not answer" in line and not line.startswith("error"):
                heard.append(time.monotonic() - started)
    assert up.returncode == 1
    assert len(heard) >= 2, said
    assert heard[0] < 10, said  # a busy machine starts two Pythons in this time
    assert all(late - early < 13 for early, late in pairwise(heard)), heard
    assert "check postgres.url" in said
    assert "error: not healthy after 24 s: PostgreSQL does not answer" in said
    assert "Traceback" not in said
    assert not is_locked(system.data / "dxops.lock")


@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_a_wrong_password_or_database_fails_at_once(place: Path, detach: list[str]) -> None:
    server = Server(place / "server")
    server.start()
    try:
        user = server.url.partition("://")[2].partition(":")[0]
        eventually(lambda: server.accepts(), 20)
        for name, url, reason in (
            ("password", f"postgresql://{user}:wrong@127.0.0.1:{server.port}/dxops", "password authentication failed"),
            ("database", server.url.replace("/dxops", "/no_such"), 'database "no_such" does not exist'),
        ):
            home = place / name
            home.mkdir(mode=0o755)
            system = System(home, f'[postgres]\nurl = "{url}"\n')
            started = time.monotonic()
            refused = system.try_dxops("up", *detach, timeout=60)
            assert refused.returncode == 1
            assert time.monotonic() - started < 30  # the retries of a setup that crashed take a minute
            assert f"PostgreSQL at 127.0.0.1:{server.port} refuses us: {reason}" in refused.stderr
            assert "postgres.url" in refused.stderr
            assert "Traceback" not in refused.stderr
            assert ":wrong@" not in refused.stderr
    finally:
        server.stop()


def api(system: System) -> httpx.Response:
    headers = {"authorization": f"Bearer {system.api_token}"}
    return httpx.get(f"http://{system.listen['console']}/api/apps", headers=headers, trust_env=False, timeout=30)


def away(system: System) -> httpx.Response | None:
    answer = api(system)
    return answer if answer.status_code == 503 else None
