"""Shippers from Debian, run from a directory, with the configuration that the page `docs/start/ship-logs.md` gives."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import System

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "start" / "ship-logs.md"


def debian_tree(name: str, *packages: str) -> Path:
    """The packages and what they need, unpacked once. Skips the test where Debian's packages cannot be had."""
    cache = Path(os.environ.get("DXOPS_TEST_CACHE") or Path.home() / ".cache" / "dxops-tests")
    cache.mkdir(parents=True, exist_ok=True)
    tree = cache / f"debian-{name}"
    with (cache / f"debian-{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [str(ROOT / "scripts" / "debian-tree"), str(tree), *packages]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return tree


def library_path(tree: Path, *more: Path) -> str:
    """LD_LIBRARY_PATH for programs of the tree."""
    return ":".join(str(place) for place in (*more, *tree.glob("usr/lib/*-linux-gnu*"), *tree.glob("lib/*-linux-gnu*")))


def snippet(language: str) -> str:
    """The page's code block of that language."""
    (found,) = re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    return str(found)


def aimed(text: str, system: System) -> str:
    """The snippet with this system's address and password for the page's."""
    port = system.listen["elastic"].rpartition(":")[2]
    password = (system.data / "secrets" / "elastic_password").read_text().strip()
    return text.replace("logs.example.net", "127.0.0.1").replace("9200", port).replace("PASSWORD", password)


@contextmanager
def running(command: Sequence[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A shipper beside the test; killed at the end. Fails when it ended by itself."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=os.environ | environment
        )
        try:
            yield process
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        finally:
            process.kill()
            process.wait()


def sql(system: System, statement: str) -> list[list[Any]]:
    """Rows from ClickHouse."""
    answer = httpx.post(
        f"http://{system.listen['console']}/api/sql",
        json={"store": "clickhouse", "sql": statement},
        headers={"Authorization": f"Bearer {system.api_token}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["rows"])


def messages(system: System, stream: str) -> list[str]:
    """The messages of all living documents of a stream, which may be none."""
    statement = (
        f"SELECT message FROM log_events WHERE stream LIKE '{stream}' AND seq NOT IN (SELECT seq FROM log_dead) "
        "ORDER BY seq"
    )
    return [message for (message,) in sql(system, statement)]


def count(system: System, stream: str) -> int:
    """Different messages of a stream."""
    ((found,),) = sql(system, f"SELECT uniqExact(message) FROM log_events WHERE stream LIKE '{stream}'")
    return int(found)
