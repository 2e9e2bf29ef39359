"""PostgreSQL's own disk fills up in the middle of publishes."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from dxops.app.data import DataDirectory
from dxops.app.supervisor.rules import LAST_DELAY_S
from dxops.engines.postgres.embedded import EmbeddedPostgres
from tests.faults.releases import APP, HOSTS, publish_command, served, write_release
from tests.harness import System, eventually

pytestmark = [pytest.mark.fault, pytest.mark.system]

_DISK = "160m"


class Cramped:
    """A system whose cluster is on a small disk of its own; blocks, logs and the rest are elsewhere."""

    def __init__(self, home: Path) -> None:
        self.system = System(home, "[postgres]\nshared_buffers_mb = 16\n")
        self.disk = self.system.data / "postgres"
        self._ballast = self.disk / "pg_wal" / "ballast"

    def mount(self) -> None:
        """Make the cluster, as a first start would, and move it to the disk."""
        DataDirectory(self.system.data).prepare()
        EmbeddedPostgres(self.system.data).prepare()
        moved = self.disk.with_name("postgres.moved")
        status = self.disk.stat()
        self.disk.rename(moved)
        self.disk.mkdir()
        options = f"size={_DISK},mode=700,uid={status.st_uid},gid={status.st_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(self.disk)], check=True)
        subprocess.run(["cp", "-a", f"{moved}/.", str(self.disk)], check=True)
        shutil.rmtree(moved)

    def fill(self) -> None:
        with self._ballast.open("ab") as file:
            while (free := shutil.disk_usage(self.disk).free) > 0:
                file.write(bytes(min(free, 1 << 20)))
                file.flush()

    def exhaust_wal(self) -> None:
        """Begin one segment of the write-ahead log after the other, until there is no room for the next."""
        with suppress(psycopg.OperationalError):
            for _ in range(50):
                with psycopg.connect(EmbeddedPostgres(self.system.data).url, autocommit=True) as connection:
                    connection.execute("SELECT pg_switch_wal()")
                    connection.execute("SELECT txid_current()")

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def cramped() -> Iterator[Cramped]:
    home = Path(tempfile.mkdtemp(prefix="dxops-full-pg-"))
    home.chmod(0o755)
    probe = home / "probe"
    probe.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", str(probe)], capture_output=True, check=False)
    if os.geteuid() != 0 or mounted.returncode != 0:
        shutil.rmtree(home)
        pytest.skip("a small disk needs root and the right to mount")
    subprocess.run(["umount", str(probe)], check=True)
    made = Cramped(home)
    try:
        made.mount()
        made.system.up()
        yield made
    finally:
        made.system.try_dxops("stop")
        subprocess.run(["umount", str(made.disk)], check=False)
        made.system.remove()


def test_a_full_database_is_told_shows_nothing_half_and_recovers(cramped: Cramped, tmp_path: Path) -> None:
    system = cramped.system
    system.dxops(*publish_command(write_release(tmp_path / "1", 1), 1))
    before = system.status()

    cramped.fill()
    refused = [publish_wide(system, tmp_path / str(number), number) for number in range(2, 5)]
    assert all(said.returncode == 1 for said in refused), refused
    for said in refused:
        assert "failed: PostgreSQL's disk is full" in said.stderr
        assert "free space on the disk that holds the database" in said.stderr
        assert "Traceback" not in said.stderr
    assert_only_one_is_visible(system)
    assert {name: role["pid"] for name, role in system.status().items()} == {
        name: role["pid"] for name, role in before.items()
    }

    cramped.exhaust_wal()  # PostgreSQL itself gives up now: it cannot write its log any more
    eventually(lambda: system.status()["postgres"]["status"] == "backoff", 60)
    answer = eventually(lambda: unavailable(system), 30)
    assert isinstance(answer, httpx.Response)
    assert answer.json()["error"]["hint"]
    assert int(answer.headers["retry-after"]) >= 1
    refused_again = publish_wide(system, tmp_path / "5", 5)
    assert refused_again.returncode == 1
    assert "PostgreSQL does not answer" in refused_again.stderr
    assert "Traceback" not in refused_again.stderr
    assert {served(system, host) for host in HOSTS} == {1}
    during = system.status()
    assert [during[name]["restarts"] for name in ("web", "edge", "worker")] == [0, 0, 0]
    assert "postgres.log" in str(during["postgres"]["detail"])

    cramped.free()
    eventually(lambda: system.try_dxops("status").returncode == 0, LAST_DELAY_S + 30)
    eventually(lambda: api(system).status_code == 200, 30)
    assert_only_one_is_visible(system)
    done = publish_wide(system, tmp_path / "5", 5)
    assert done.returncode == 0, done.stderr
    eventually(lambda: {served(system, host) for host in HOSTS} == {5}, 40)
    system.dxops("content", "verify")
    assert [system.status()[name]["restarts"] for name in ("web", "edge", "worker")] == [0, 0, 0]


def publish_wide(system: System, place: Path, number: int) -> subprocess.CompletedProcess[str]:
    """Publish a release whose row is so large that it needs new pages."""
    write_release(place, number)
    text = random.Random(number).randbytes(100_000).hex()
    (place / "dx.yml").write_text(
        f"modules:\n  - name: {APP}\n    description: {text}\n    build:\n      outdir: out\n"
    )
    return system.try_dxops(*publish_command(place, number))


def assert_only_one_is_visible(system: System) -> None:
    assert {served(system, host) for host in HOSTS} == {1}
    assert [release["version"] for release in json.loads(system.dxops("releases", APP, "--json"))] == ["1.0.0"]


def api(system: System) -> httpx.Response:
    headers = {"authorization": f"Bearer {system.api_token}"}
    return httpx.get(f"http://{system.listen['console']}/api/apps", headers=headers, trust_env=False, timeout=40)


def unavailable(system: System) -> httpx.Response | None:
    answer = api(system)
    assert answer.status_code in (200, 503), answer.text
    return answer if answer.status_code == 503 else None
