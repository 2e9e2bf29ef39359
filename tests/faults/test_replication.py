"""Releases are pinned at another node: a second whole system, spoken to by its Kubo RPC, that comes and goes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.faults.releases import APP, files_of, publish_command, write_release
from tests.harness import System, eventually, free_ports, running_system

pytestmark = [pytest.mark.fault, pytest.mark.system]


class Pair:
    """`here` publishes; `there` is the other node."""

    def __init__(self, here: System, there: System) -> None:
        self.here, self.there = here, there

    def replications(self) -> dict[str, Any]:
        """What `here` wants of `there`, by root."""
        answer = httpx.get(
            f"http://{self.here.listen['console']}/api/content/replications",
            headers={"authorization": f"Bearer {self.here.api_token}"},
            timeout=30,
        )
        assert answer.is_success, answer.text
        return {one["root"]: one for one in answer.json()}

    def rpc(self, call: str, **query: str) -> httpx.Response:
        """A call of the other node, as any Kubo client makes it."""
        return httpx.post(f"http://{self.there.listen['kubo']}/api/v0/{call}", params=query, timeout=60)

    def pinned(self) -> set[str]:
        """What is pinned there."""
        answer = self.rpc("pin/ls", type="recursive")
        assert answer.is_success, answer.text
        return set(answer.json()["Keys"])

    def live(self) -> str:
        """The root that the app serves from here."""
        releases = httpx.get(
            f"http://{self.here.listen['console']}/api/apps/{APP}/releases",
            headers={"authorization": f"Bearer {self.here.api_token}"},
            timeout=30,
        ).json()["items"]
        return str(next(release["cid"] for release in releases if release["live"]))

    def make_due(self) -> None:
        """Let the back-off end now, as time would."""
        with psycopg.connect(self.here.endpoints()["postgres_url"], autocommit=True) as connection:
            connection.execute("UPDATE content.replications SET next_at = now() WHERE state = 'pending'")


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        kubo = f"127.0.0.1:{free_ports(1)[0]}"
        there = stack.enter_context(running_system(listen={"kubo": kubo}))
        here = stack.enter_context(running_system(f'[content]\nkubo_url = "http://{kubo}"'))
        yield Pair(here, there)


def all_done(pair: Pair) -> bool:
    rows = pair.replications()
    return bool(rows) and all(row["state"] == "done" for row in rows.values())


def test_pins_arrive_whatever_happens_to_the_other_node(pair: Pair, tmp_path: Path) -> None:
    pair.here.dxops(*publish_command(write_release(tmp_path / "1", 1), 1))
    first = pair.live()
    eventually(lambda: all_done(pair), timeout_s=60)
    assert first in pair.pinned()

    # killed: what it had said yes to is still there when it is back
    web = pair.there.status()["web"]["pid"]
    assert isinstance(web, int)
    os.kill(web, signal.SIGKILL)
    pair.here.dxops(*publish_command(write_release(tmp_path / "2", 2), 2))
    second = pair.live()
    assert second != first
    eventually(lambda: pair.there.status()["web"]["status"] == "healthy", timeout_s=60)
    pair.make_due()
    eventually(lambda: all_done(pair), timeout_s=60)
    assert {first, second} <= pair.pinned()

    # down for longer: failures are kept with their reason, and tried again
    pair.there.stop()
    pair.here.dxops(*publish_command(write_release(tmp_path / "3", 3), 3))
    third = pair.live()
    failed = eventually(lambda: [row for row in pair.replications().values() if row["error"]], timeout_s=60)
    assert isinstance(failed, list)
    assert {row["state"] for row in failed} == {"pending"}
    assert third in {row["root"] for row in pair.replications().values() if row["state"] == "pending"}
    pair.there.up()
    pair.make_due()
    eventually(lambda: all_done(pair), timeout_s=60)
    assert {first, second, third} <= pair.pinned()

    # whole there, without us: its own files and its own verification
    pair.here.stop()
    for number, root in enumerate((first, second, third), 1):
        for path, data in files_of(number).items():
            answer = pair.rpc("cat", arg=f"/ipfs/{root}/{path}")
            assert (answer.status_code, answer.content == data) == (200, True), (number, path)
    pair.there.dxops("content", "verify")
