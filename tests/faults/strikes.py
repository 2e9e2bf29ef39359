"""Killing processes at a chosen stage of a publish, told by what the publish and the database show, not by a clock."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil
import psycopg

from dxops.app.supervisor.status import is_locked
from dxops.engines.postgres.embedded import EmbeddedPostgres
from tests.faults.releases import HOSTS, publish_command, served, start_publish, write_release
from tests.harness import System, eventually

Stage = Literal["upload", "prepare", "transaction", "flip"]
STAGES: tuple[Stage, ...] = ("upload", "prepare", "transaction", "flip")
ROLES = ("web", "edge", "worker", "postgres")
EVERY_ROLE = frozenset((*ROLES, "store", "ingest", "loader"))
_UNSETTLED = ("web", "postgres")  # without one of these a release that is not committed never will be
_WORDS = 60_000  # compressing them takes longer than the longest delay: a kill meets `prepare` at work
_LARGE_BYTES = 12_000_000  # uploading takes longer than that too
_DELAY_S = {"upload": 0.2, "prepare": 0.2, "transaction": 0.2, "flip": 0.04}


def slow_files(number: int) -> dict[str, bytes]:
    """What makes a release slow to upload and to prepare."""
    chance = random.Random(number)
    words = " ".join(f"{chance.choice('abcdefgh')}{chance.randrange(10_000)}" for _ in range(_WORDS))
    return {"large.bin": chance.randbytes(_LARGE_BYTES), "words.js": words.encode()}


class Watch:
    """Where a running publish is. Until `let_go` its transaction cannot commit: it waits for a lock held here, in the
    middle of its writes. For the stage `flip` nothing is held."""

    def __init__(self, system: System, publish: subprocess.Popen[str], *, hold: bool) -> None:
        self._publish = publish
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._flipped = False
        url = EmbeddedPostgres(system.data).url
        self._look = psycopg.connect(url, autocommit=True)
        self._look.execute("LISTEN delivery_flip")
        self._lock = psycopg.connect(url)
        if hold:
            self._lock.execute("LOCK TABLE delivery.deployments IN SHARE MODE")
        self._reader.start()

    def stage(self) -> Stage | None:
        """None before the upload has begun."""
        if self._flipped or list(self._look.notifies(timeout=0)):
            self._flipped = True
            return "flip"
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%deployments%'"
        row = self._look.execute(waiting).fetchone()
        if row is not None and row[0]:
            return "transaction"
        if "releasing" in self.said:
            return "prepare"
        return "upload" if "uploading" in self.said else None

    def let_go(self) -> None:
        """Let the transaction go on, where its server still lives."""
        for connection in (self._lock, self._look):
            with suppress(psycopg.Error):
                connection.close()

    def end(self) -> int:
        """The exit status of the publish; `said` is complete then."""
        status = self._publish.wait(120)
        self._reader.join(20)
        return status

    def _read(self) -> None:
        assert self._publish.stderr is not None
        for line in self._publish.stderr:
            self.said += line


class Battle:
    """Publishes release after release of one app and kills processes on the way. `hits` are the stages that were met,
    in order."""

    def __init__(self, system: System, place: Path) -> None:
        self.system = system
        self.place = place
        self.live = self.last = 1
        self.hits: list[Stage] = []
        system.dxops(*publish_command(write_release(place / "1", 1), 1))

    def strike(self, victim: str, stage: Stage, chance: random.Random) -> None:
        """Publish the next release, kill `victim` (a role, or `all` and the supervisor) at this stage, and check what
        is there afterwards: the release before or the new one, whole, and the one that this stage promises."""
        self.last += 1
        place = write_release(self.place / str(self.last), self.last, slow_files(self.last))
        publish = start_publish(self.system, place, self.last)
        watch = Watch(self.system, publish, hold=stage != "flip")
        try:
            eventually(lambda: watch.stage() in STAGES[STAGES.index(stage) :], 60, every_s=0.001)
            time.sleep(chance.random() * _DELAY_S[stage])
            hit = watch.stage()
            victims = self._victims(victim)
            for process in victims:
                os.kill(process.pid, signal.SIGKILL)
        finally:
            watch.let_go()
        assert hit is not None
        self.hits.append(hit)
        psutil.wait_procs(victims, timeout=20)
        status = watch.end()
        if victim == "all":
            eventually(lambda: not is_locked(self.system.data / "dxops.lock"), 20)
            self.system.up()
        committed = hit == "flip" or victim not in (*_UNSETTLED, "all")
        self.check({self.last} if committed else {self.live}, status, f"{victim} at {hit}\n{watch.said}")

    def check(self, allowed: set[int], status: int, story: str) -> None:
        """All is healthy again, and the hosts come to serve exactly this release, whole. A publish that exited 0 is
        live; any other said why."""
        eventually(lambda: self._healthy(), 60)
        eventually(lambda: {served(self.system, host) for host in HOSTS} == allowed, 20)
        assert "Traceback" not in story, story
        if status == 0:
            assert allowed == {self.last}, story
        else:
            assert "failed:" in story or "error:" in story, story
        [self.live] = allowed

    def settle(self) -> None:
        """Nothing in the store is damaged (no two releases share a block, so damage would stay), and the last release
        can be published after all."""
        self.system.dxops("content", "verify")
        self.system.dxops(*publish_command(self.place / str(self.last), self.last))
        assert {served(self.system, host) for host in HOSTS} == {self.last}
        self.live = self.last

    def _record(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.system.data / "state" / "status.json").read_text())
        return found

    def _healthy(self) -> bool:
        roles: dict[str, dict[str, object]] = self._record()["roles"]  # type: ignore[assignment]
        return roles.keys() == EVERY_ROLE and all(
            role["status"] == "healthy" and psutil.pid_exists(int(str(role["pid"]))) for role in roles.values()
        )

    def _victims(self, victim: str) -> list[psutil.Process]:
        record = self._record()
        roles: dict[str, dict[str, int]] = record["roles"]  # type: ignore[assignment]
        if victim != "all":
            return [psutil.Process(roles[victim]["pid"])]
        return [psutil.Process(pid) for pid in (int(str(record["pid"])), *(role["pid"] for role in roles.values()))]
