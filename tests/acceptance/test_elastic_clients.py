"""The clients for Python 7, 8 and 9 make the same tour and see the same; logging handlers of Python write."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import System

pytestmark = [pytest.mark.system, pytest.mark.client]

PY = Path(__file__).parent / "py"

SEEN: dict[str, Any] = {
    "major": True, "ping": True,
    "bulk": [1500, []], "streaming_bulk": 50, "parallel_bulk": 90, "create twice": [[False, 409]],
    "update and delete": [2, []], "get": "warn", "gone": True,
    "search": [{"value": 67, "relation": "eq"}, ["d0", "d3"]], "count": 1499, "scan": 1499,
    "aggs": [["info", 998, 374.75], ["error", 500, 374.25], ["warn", 1, 0.25]],
    "scroll": [700, 700, 99], "clear_scroll": True, "pit": 1499, "close pit": True, "msearch": [1499, 404],
    "field_caps": {"@timestamp": ["date"], "message": ["text"], "took": ["double"], "user.id": ["double"]},
    "async_search": ["d1"], "cat": ["", "-p", "-s"], "cat text": "1499", "health": "green", "nodes": 1,
    "exists": [True, False], "alias": ["-made"], "created twice": [400, "resource_already_exists_exception"],
    "through the alias": 1, "template": [True, True], "pipeline": {"level": "loud", "seen": True},
    "after delete_by_query": 1499, "reindex": [1499, 0], "copied": 1499,
    "sql": [["error", 500], ["info", 998], ["warn", 1]],
    "esql": [[14, "error"], [24, "info"], [1, "warn"]],
    "errors": [[404, "index_not_found_exception"], [400, "parsing_exception"], [404, "index_not_found_exception"]],
    "deleted": False,
}  # fmt: skip


def python_tree() -> Path:
    """The packages of `py/clients.txt`, beside those of this environment: 8 wants another transport than 9."""
    lock = (PY / "clients.txt").read_bytes()
    cache = Path(os.environ.get("DXOPS_TEST_CACHE") or Path.home() / ".cache" / "dxops-tests")
    cache.mkdir(parents=True, exist_ok=True)
    tree = cache / f"python-{sys.version_info.minor}-{hashlib.sha256(lock).hexdigest()[:16]}"
    with (cache / "python.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (tree / "done").exists():
            shutil.rmtree(tree, ignore_errors=True)
            options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                *options,
                "--target",
                str(tree),
                "-r",
                str(PY / "clients.txt"),
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            (tree / "done").touch()
    return tree


@pytest.mark.parametrize("version", [7, 8, 9])
def test_a_client_for_python_sees_what_the_others_see(system: System, version: int) -> None:
    found = system.endpoints()
    environment = os.environ | ({} if version == 9 else {"PYTHONPATH": str(python_tree())})
    arguments = [str(version), found["elastic_url"], found["elastic_api_key"], f"tour-{version}"]
    command = [sys.executable, str(PY / "tour.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    expected = {key: value for key, value in SEEN.items() if version > 7 or key != "esql"}
    assert json.loads(done.stdout) == expected
