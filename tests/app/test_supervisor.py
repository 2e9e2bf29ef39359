"""The supervisor with real processes: start, crash, restart, drain, one instance."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dxops.app.nursery.nursery import can_adopt
from tests.harness import System, eventually, running_system

pytestmark = pytest.mark.system
forks = pytest.mark.skipif(not can_adopt(), reason="needs Linux 5.3: elsewhere nothing is forked")


@pytest.fixture(scope="module")
def own() -> Iterator[System]:
    with running_system() as running:
        yield running


def pid_of(system: System, role: str) -> int:
    pid = system.status()[role]["pid"]
    assert isinstance(pid, int)
    return pid


def options_of(system: System) -> list[str]:
    return ["--data", str(system.data), "--config", str(system.config_path)]


def supervisor_of(system: System) -> int:
    return int(json.loads((system.data / "state" / "status.json").read_text())["pid"])


def nursery_of(system: System) -> int | None:
    pid = json.loads((system.data / "state" / "status.json").read_text())["nursery"]
    return None if pid is None else int(pid)


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("role", ["web", "edge", "worker", "postgres"])
def test_a_killed_role_comes_back_and_takes_no_other_down(own: System, role: str) -> None:
    before = own.status()
    os.kill(pid_of(own, role), signal.SIGKILL)
    eventually(lambda: own.status()[role]["restarts"] == before[role]["restarts"] + 1)
    eventually(lambda: own.status()[role]["status"] == "healthy")
    after = own.status()
    assert after[role]["pid"] != before[role]["pid"]
    for other in before.keys() - {role}:
        assert after[other]["pid"] == before[other]["pid"]


@forks
def test_roles_are_forked_and_look_as_if_started(own: System) -> None:
    started = [sys.executable, "-m", "dxops.app", "run"]
    for role in ("ingest", "loader", "web", "edge", "worker"):
        process = psutil.Process(pid_of(own, role))
        assert process.ppid() == supervisor_of(own)
        assert os.getsid(process.pid) == process.pid
        assert [word for word in process.cmdline() if word] == [*started, role, *options_of(own)]
        assert "numpy" not in Path(f"/proc/{process.pid}/maps").read_text()  # the nursery brings nothing large along
    kept = psutil.Process(nursery_of(own))
    assert kept.cmdline() == [*started, "nursery", *options_of(own)]
    assert kept.num_threads() == 1


@forks
def test_a_killed_nursery_takes_no_role_down_and_another_one_is_started(own: System) -> None:
    before = own.status()
    first = nursery_of(own)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    eventually(lambda: nursery_of(own) not in (None, first))
    assert {name: record["pid"] for name, record in own.status().items()} == {
        name: record["pid"] for name, record in before.items()
    }
    os.kill(pid_of(own, "edge"), signal.SIGKILL)
    eventually(lambda: own.status()["edge"]["restarts"] == before["edge"]["restarts"] + 1)
    eventually(lambda: own.status()["edge"]["status"] == "healthy")
    assert own.status()["edge"]["restarts"] == before["edge"]["restarts"] + 1


@forks
def test_a_role_killed_together_with_the_nursery_comes_back(own: System) -> None:
    before = own.status()["worker"]["restarts"]
    first = nursery_of(own)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    os.kill(pid_of(own, "worker"), signal.SIGKILL)
    eventually(lambda: own.status()["worker"]["restarts"] == before + 1)
    eventually(lambda: own.status()["worker"]["status"] == "healthy")
    eventually(lambda: nursery_of(own) not in (None, first))


def test_one_instance_per_data_directory(own: System) -> None:
    done = own.try_dxops("up")
    assert done.returncode == 1
    assert "already runs" in done.stderr
    assert own.try_dxops("up", "--detach").returncode == 0


@pytest.mark.parametrize("how", [(), ("--detach",)])
def test_a_taken_address_is_told_in_one_sentence(tmp_path: Path, how: tuple[str, ...]) -> None:
    system = System(tmp_path)
    host, _, port = system.listen["apps"].rpartition(":")
    with socket.socket() as other:
        other.bind((host, int(port)))
        other.listen()
        done = system.try_dxops("up", *how)
    assert done.returncode == 1
    assert f"the address {system.listen['apps']} for listen.apps is taken by another program" in done.stderr
    assert "set listen.apps in dxops.toml" in done.stderr
    assert '"level"' not in done.stderr  # a sentence, not a log
    assert system.status() == {}


def test_stop_leaves_no_process_and_start_again_keeps_credentials(own: System) -> None:
    processes = [psutil.Process(record["pid"]) for record in own.status().values()]
    processes += [psutil.Process(pid) for pid in [nursery_of(own)] if pid is not None]
    token = own.api_token
    own.stop()
    assert all(gone(process) for process in processes)
    done = own.try_dxops("status", "--json")
    assert (done.returncode, json.loads(done.stdout)["roles"]) == (1, {})
    own.up()
    assert own.try_dxops("status").returncode == 0
    assert own.api_token == token


def test_everything_killed_at_once_starts_again(own: System) -> None:
    roles = [psutil.Process(record["pid"]) for record in own.status().values()]
    os.kill(supervisor_of(own), signal.SIGKILL)
    for process in roles:
        if process.is_running():
            process.kill()
    own.up()
    assert {record["status"] for record in own.status().values()} == {"healthy"}


def test_a_killed_supervisor_takes_the_roles_with_it_and_postgres_is_replaced(own: System) -> None:
    roles = {name: psutil.Process(record["pid"]) for name, record in own.status().items()}
    nursery = None if nursery_of(own) is None else psutil.Process(nursery_of(own))
    os.kill(supervisor_of(own), signal.SIGKILL)
    eventually(lambda: nursery is None or gone(nursery))
    for name in ("web", "edge", "worker", "ingest", "loader"):
        eventually(lambda name=name: gone(roles[name]))
    own.up()
    assert gone(roles["postgres"])


@forks
def test_a_stop_while_the_nursery_imports_ends_everything(own: System) -> None:
    own.stop()
    status = own.data / "state" / "status.json"
    command = [sys.executable, "-m", "dxops.app", "supervise", "--quiet", *options_of(own)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as supervisor:
        eventually(lambda: status.exists() and nursery_of(own) is not None)
        nursery = psutil.Process(nursery_of(own))
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(60) == 0
    assert gone(nursery)
    assert not status.exists()
    own.up()
    assert {record["restarts"] for record in own.status().values()} == {0}


def test_every_fault_of_the_configuration_is_told_at_once(tmp_path: Path) -> None:
    config = tmp_path / "dxops.toml"
    config.write_text('domian = "x"\n[listen]\napps = "y"\n')
    command = [sys.executable, "-m", "dxops.app", "config", "check"]
    done = subprocess.run(
        [*command, "--config", str(config), "--data", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "did you mean 'domain'" in done.stderr
    assert "line 3: listen.apps" in done.stderr
