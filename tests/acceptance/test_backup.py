"""Backup, wipe, restore, compare."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import httpx
import pytest

from tests.harness import System, running_system

pytestmark = pytest.mark.system


def snapshot(system: System) -> dict[str, object]:
    """What people would miss."""
    client = httpx.Client(
        base_url=f"http://{system.listen['console']}/api", headers={"authorization": f"Bearer {system.api_token}"}
    )
    apps = client.get("/apps").json()["items"]
    page = httpx.get(f"http://{system.listen['apps']}/", headers={"host": f"hello.dxos.localhost:{system.apps_port}"})
    store = httpx.URL(system.endpoints()["clickhouse_url"])
    logs = httpx.post(
        f"http://{store.host}:{store.port}/",
        auth=(store.username, store.password),
        content="SELECT count(), sum(cityHash64(*)) FROM kept",
    )
    return {
        "logs": logs.text,
        "names": [app["name"] for app in apps],
        "releases": client.get("/apps/hello/releases").json()["items"],
        "people": client.get("/people").json(),
        "audit": client.get("/audit", params={"limit": 5}).json()["items"][-1],
        "page": (page.status_code, hashlib.sha256(page.content).hexdigest(), page.headers["etag"]),
        "secrets": sorted(
            (path.name, path.read_text())
            for path in (system.data / "secrets").iterdir()
            if path.name != "postgres_password"
        ),
        "ca": (system.data / "tls" / "ca.pem").read_text(),
    }


def test_a_wiped_system_comes_back_the_same(tmp_path: Path) -> None:
    with running_system() as system:
        for sql in (
            "CREATE TABLE kept (id UInt64, text String) ENGINE = MergeTree ORDER BY id",
            "INSERT INTO kept SELECT number, repeat('x', 100) FROM numbers(10000)",
        ):
            store = httpx.URL(system.endpoints()["clickhouse_url"])
            address = f"http://{store.host}:{store.port}/"
            assert httpx.post(address, auth=(store.username, store.password), content=sql).status_code == 200
        before = snapshot(system)
        assert str(before["logs"]).startswith("10000\t")
        target = tmp_path / "backup"
        system.dxops("backup", str(target))
        first = {path: path.stat().st_mtime_ns for path in (target / "blocks").rglob("*") if path.is_file()}
        system.dxops("backup", str(target))  # brings it up to date without copying again
        assert first == {path: path.stat().st_mtime_ns for path in (target / "blocks").rglob("*") if path.is_file()}

        refused = system.try_dxops("restore", str(target))
        assert refused.returncode == 1
        assert "is not empty" in refused.stderr

        system.stop()
        location = system.data / "postgres.location"
        if location.exists():
            shutil.rmtree(location.read_text().strip())
        shutil.rmtree(system.data)
        system.dxops("restore", str(target))
        system.up()
        assert snapshot(system) == before
        system.dxops("content", "verify")


def test_a_damaged_backup_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with running_system() as system:
        target = tmp_path / "backup"
        system.dxops("backup", str(target))
        dump = target / "postgres.dump"
        dump.write_bytes(dump.read_bytes()[:-10])
        (system.directory / "other").mkdir()
        other = System(system.directory / "other")
        refused = other.try_dxops("restore", str(target))
        assert refused.returncode == 1
        assert "damaged" in refused.stderr
        assert not other.data.exists() or not any(other.data.iterdir())
