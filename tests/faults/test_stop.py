"""`dxops stop` in the middle of a publish, with visitors about: what runs may end, what cannot end says so."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from dxops.app.roles import DRAIN_S
from dxops.app.supervisor.status import is_locked
from tests.faults.releases import HOSTS, files_of, start_publish, write_release
from tests.faults.strikes import STAGES, Battle, Stage, Watch, slow_files
from tests.harness import System, eventually, running_system

pytestmark = [pytest.mark.fault, pytest.mark.system]


@pytest.fixture(scope="module")
def own() -> Iterator[System]:
    with running_system() as running:
        yield running


@pytest.fixture(scope="module")
def battle(own: System, tmp_path_factory: pytest.TempPathFactory) -> Battle:
    return Battle(own, tmp_path_factory.mktemp("releases"))


class Visitors:
    """Ask for a large file of an app and for the API, over and over, until they are told to leave."""

    def __init__(self, system: System) -> None:
        self._apps = f"http://127.0.0.1:{system.apps_port}/blob.bin"
        self._api = f"http://{system.listen['console']}/api/apps"
        self._token = {"authorization": f"Bearer {system.api_token}"}
        self._leave = threading.Event()
        self.bodies: list[tuple[int, bytes]] = []
        self.api_statuses: list[int] = []
        self._threads = [threading.Thread(target=self._visit, args=(which,)) for which in (self._app, self._ask)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, which: object) -> None:
        assert callable(which)
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not self._leave.is_set():
                try:
                    which(client)
                except httpx.TransportError:  # not there, or gone
                    self._leave.wait(0.05)

    def _app(self, client: httpx.Client) -> None:
        answer = client.get(self._apps, headers={"host": HOSTS[0]})
        self.bodies.append((answer.status_code, answer.content))

    def _ask(self, client: httpx.Client) -> None:
        self.api_statuses.append(client.get(self._api, headers=self._token).status_code)


def pid_of_supervisor(system: System) -> int:
    return int(json.loads((system.data / "state" / "status.json").read_text())["pid"])


@pytest.mark.parametrize("stage", ["upload", "prepare"])
def test_a_publish_that_sigterm_meets_ends_or_says_why(battle: Battle, stage: Stage) -> None:
    system = battle.system
    battle.last += 1
    place = write_release(battle.place / str(battle.last), battle.last, slow_files(battle.last))
    with Visitors(system) as visitors:
        eventually(lambda: len(visitors.bodies) > 3 and len(visitors.api_statuses) > 3)
        watch = Watch(system, start_publish(system, place, battle.last), hold=False)
        eventually(lambda: watch.stage() in STAGES[STAGES.index(stage) :], 60, every_s=0.001)
        hit = watch.stage()
        os.kill(pid_of_supervisor(system), signal.SIGTERM)
        status = watch.end()
        eventually(lambda: not is_locked(system.data / "dxops.lock"), 60)
        watch.let_go()
    assert hit == stage
    come_up_again(battle, visitors, watch, status)


def test_a_release_that_outlasts_the_drain_is_given_up(battle: Battle) -> None:
    system = battle.system
    battle.last += 1
    place = write_release(battle.place / str(battle.last), battle.last)
    with Visitors(system) as visitors:
        watch = Watch(system, start_publish(system, place, battle.last), hold=True)
        eventually(lambda: watch.stage() == "transaction", 60)
        started = time.monotonic()
        assert system.try_dxops("stop").stderr == "stopped\n"
        assert DRAIN_S < time.monotonic() - started < 60
        watch.let_go()
        status = watch.end()
    assert status == 1
    assert "failed: dxops stopped before this request came to its end" in watch.said
    come_up_again(battle, visitors, watch, status)


def come_up_again(battle: Battle, visitors: Visitors, watch: Watch, status: int) -> None:
    """Nobody saw anything half, the publish that failed said what to do, and what it left is the release before."""
    assert visitors.api_statuses
    assert set(visitors.api_statuses) <= {200, 503}
    whole = {files_of(number)["blob.bin"] for number in (battle.live, battle.last)}
    assert all(code == 503 or body in whole for code, body in visitors.bodies)
    assert status in (0, 1), watch.said
    if status == 1:
        assert "does not answer" in watch.said, watch.said
        assert "start it with `dxops up`" in watch.said, watch.said
        assert "answered 5" not in watch.said
    battle.system.up()
    battle.check({battle.last if status == 0 else battle.live}, status, watch.said)
    battle.settle()
