"""`kill -9` of the worker in the middle of a verification: it is begun again, and whoever waits gets the report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.harness import System, running_system

pytestmark = [pytest.mark.fault, pytest.mark.system]

FILES = 12_000


def newest(client: httpx.Client, kind: str) -> dict[str, object]:
    """The newest run of a kind, or an empty one."""
    runs: list[dict[str, object]] = client.get("/upkeep").raise_for_status().json()
    return next((run for run in runs if run["kind"] == kind), {"state": "none"})


def start_verify(system: System) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dxops.app", "content", "verify", "--json", "--data", str(system.data)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_verification_is_done_all_the_same(tmp_path: Path) -> None:
    for number in range(FILES):
        folder = tmp_path / f"{number % 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.bin").write_bytes(number.to_bytes(4, "big") * 300)
    with running_system() as system:
        system.dxops("add", str(tmp_path))
        headers = {"authorization": f"Bearer {system.api_token}"}
        base = f"http://{system.listen['console']}/api/content"
        with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
            worker = system.status()["worker"]["pid"]
            assert isinstance(worker, int)
            command = start_verify(system)
            deadline = time.monotonic() + 60
            while (seen := newest(client, "verify"))["state"] != "running":
                assert seen["state"] in ("none", "waiting"), seen
                assert time.monotonic() < deadline
            os.kill(worker, signal.SIGKILL)
            killed = newest(client, "verify")
            assert killed["state"] == "running", killed
            said, complained = command.communicate(timeout=120)
            assert command.returncode == 0, complained
            assert json.loads(said)["blocks"] >= FILES
            done = newest(client, "verify")
            assert (done["id"], done["state"], done["percent"]) == (killed["id"], "done", 100)
            stats = client.get("/stats").json()
            assert stats["blocks"] >= FILES
            assert stats["counted_at"]
        assert system.status()["worker"]["restarts"] == 1
