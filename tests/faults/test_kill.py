"""`kill -9` in the middle of `dxops publish`: afterwards a host serves the release before or the new one, whole."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.releases import HOSTS, publish_command, served, start_publish, write_release
from tests.harness import System, eventually, running_system

pytestmark = [pytest.mark.fault, pytest.mark.system]

ROUNDS = 3


@pytest.fixture(scope="module")
def own() -> Iterator[System]:
    with running_system() as running:
        yield running


class Publisher:
    """Publishes release after release; `whole_s` is what an undisturbed publish takes here."""

    def __init__(self, system: System, place: Path) -> None:
        self.system = system
        self.place = place
        self.live = self.last = 1
        started = time.monotonic()
        system.dxops(*publish_command(write_release(place / "1", 1), 1))
        self.whole_s = time.monotonic() - started

    def publish_and_kill(self, moment: float, victims: list[int]) -> None:
        """Publish the next release, kill the processes `moment` (0 to 1) of the way in, wait for the command."""
        self.last += 1
        publish = start_publish(self.system, write_release(self.place / str(self.last), self.last), self.last)
        time.sleep(moment * self.whole_s)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        said, complained = publish.communicate(timeout=120)
        assert "Traceback" not in complained
        self.exit_status = publish.returncode
        self.complaint = said + complained

    def check(self) -> None:
        """Old or new, whole, on every host the same; new if the command said so; the store is clean."""
        healthy(self.system)
        numbers = {host: served(self.system, host) for host in HOSTS}
        allowed = {self.last} if self.exit_status == 0 else {self.live, self.last}
        assert len(set(numbers.values())) == 1, numbers
        assert set(numbers.values()) <= allowed, (numbers, allowed, self.complaint)
        if self.exit_status != 0:
            assert "victim" in self.complaint or "error" in self.complaint
        self.live = numbers[HOSTS[0]]
        self.system.dxops("content", "verify")


@pytest.fixture(scope="module")
def publisher(own: System, tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    return Publisher(own, tmp_path_factory.mktemp("releases"))


def healthy(system: System) -> None:
    eventually(lambda: system.try_dxops("status").returncode == 0, 60)


def pids(system: System) -> dict[str, int]:
    """Of the supervisor and its roles."""
    record = json.loads((system.data / "state" / "status.json").read_text())
    return {name: role["pid"] for name, role in record["roles"].items()} | {"supervisor": record["pid"]}


@pytest.mark.parametrize("role", ["web", "edge", "worker", "postgres"])
def test_a_role_killed_during_a_publish(publisher: Publisher, role: str) -> None:
    chance = random.Random(f"kill {role}")
    for _ in range(ROUNDS):
        publisher.publish_and_kill(0.3 + 0.7 * chance.random(), [pids(publisher.system)[role]])
        publisher.check()
    publisher.system.dxops(*publish_command(publisher.place / str(publisher.last), publisher.last))
    assert {served(publisher.system, host) for host in HOSTS} == {publisher.last}
    publisher.live = publisher.last


def test_everything_killed_during_a_publish(publisher: Publisher) -> None:
    chance = random.Random("kill all")
    for _ in range(ROUNDS):
        found = pids(publisher.system)
        processes = [psutil.Process(pid) for pid in found.values()]
        publisher.publish_and_kill(0.3 + 0.7 * chance.random(), [found.pop("supervisor"), *found.values()])
        psutil.wait_procs(processes, timeout=20)
        publisher.system.up()
        publisher.check()
