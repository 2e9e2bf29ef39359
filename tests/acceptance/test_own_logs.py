"""A started system finds its own requests and its own words; a real nginx's access log is followed into it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import System, eventually, free_ports

pytestmark = [pytest.mark.system]


def rows(system: System, sql: str) -> list[list[Any]]:
    answer = httpx.post(
        f"http://{system.listen['console']}/api/sql",
        json={"store": "clickhouse", "sql": sql},
        headers={"Authorization": f"Bearer {system.api_token}"},
    )
    answer.raise_for_status()
    return list(answer.json()["rows"])


def test_a_request_of_an_app_is_found_within_three_seconds(system: System) -> None:
    path = f"/no/such/page-{os.urandom(4).hex()}.png"
    host = "hello.dev.dxos.localhost"
    answer = httpx.get(
        f"http://127.0.0.1:{system.apps_port}{path}?token=secret", headers={"host": host, "user-agent": "acceptance/1"}
    )
    sql = (
        "SELECT service, environment, level, attrs FROM log_events "
        f"WHERE stream = 'dxops-access' AND message = 'GET {path} 404'"
    )
    (found,) = eventually(lambda: rows(system, sql), 3.0)  # type: ignore[misc]
    service, environment, level, attrs = found
    assert (service, environment, level) == ("hello", "dev", "warn")
    assert attrs["dxops.release"] == answer.headers["x-dx-release"]
    assert attrs["service.version"]
    assert attrs["dxops.cid"].startswith("baf")
    assert attrs["url.domain"] == host
    assert int(attrs["http.response.body.bytes"]) == int(answer.headers["content-length"])
    assert int(attrs["event.duration"]) > 0
    assert (attrs["user_agent.original"], attrs["client.address"]) == ("acceptance/1", "127.0.0.0")
    assert "secret" not in str(found)


def test_roles_words_are_found(system: System) -> None:
    sql = "SELECT message FROM log_events WHERE stream = 'dxops-roles' AND service = 'dxops-postgres'"
    messages = [message for (message,) in eventually(lambda: rows(system, sql), 5.0)]  # type: ignore[union-attr]
    assert any("database system is ready to accept connections" in message for message in messages)


@pytest.mark.client
@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_a_real_nginx_is_followed(system: System, tmp_path: Path) -> None:
    port = free_ports(1)[0]
    tmp_path.chmod(0o755)
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log {tmp_path}/access.log combined; server {{ listen 127.0.0.1:{port};\n"
        "  location / { return 200 'hi'; } location /missing { return 404; } } }\n"
    )
    stream = f"logs-nginx-{os.urandom(3).hex()}"
    tail = [sys.executable, "-m", "dxops.app", "tail-files", f"{tmp_path}/*.log", "--stream", stream, "--from-start"]
    tail += ["--state", str(tmp_path / "state"), "--data", str(system.data), "--config", str(system.config_path)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    nginx = subprocess.Popen(["nginx", "-c", str(tmp_path / "nginx.conf")], stderr=subprocess.DEVNULL)
    follower = subprocess.Popen(tail, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(url))
        httpx.get(f"{url}/missing?a=1", headers={"user-agent": 'odd "agent"', "referer": "http://there/"})
        sql = f"SELECT level, message, attrs FROM log_events WHERE stream = '{stream}' ORDER BY seq"
        eventually(lambda: any("/missing" in row[1] for row in rows(system, sql)), 40)
        (tmp_path / "access.log").rename(tmp_path / "access.log.1")
        os.kill(nginx.pid, 10)  # SIGUSR1: nginx opens its files anew
        eventually((tmp_path / "access.log").exists)
        httpx.get(f"{url}/after", headers={"user-agent": "second"})
        eventually(lambda: any("/after" in row[1] for row in rows(system, sql)), 40)
        found = rows(system, sql)
    finally:
        for process in (follower, nginx):
            process.terminate()
        assert follower.wait(20) == 0
        nginx.wait(20)
    missing = next(row for row in found if "/missing" in row[1])
    assert missing[0] == "warn"
    attrs = missing[2]
    assert (attrs["url.original"], attrs["http.response.status_code"]) == ("/missing?a=1", "404")
    assert attrs["http.request.referrer"] == "http://there/"
    assert re.search("odd", attrs["user_agent.original"])
    after = [row for row in found if "/after" in row[1]]
    assert len(after) == 1
    assert after[0][2]["source.address"] == "127.0.0.1"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_every_ready_made_view_can_be_searched(system: System) -> None:
    with httpx.Client(
        base_url=f"http://{system.listen['console']}/api/logs",
        headers={"Authorization": f"Bearer {system.api_token}"},
        timeout=60,
    ) as client:
        views = client.get("/saved").raise_for_status().json()["ready_made"]
        assert [view["name"] for view in views][:3] == ["App access", "Failed requests", "Slow requests"]
        totals = {}
        for view in views:
            given = {"query" if name == "q" else name: value for name, value in view["params"].items()}
            wanted = {name: given[name] for name in ("query", "stream", "from", "sort") if name in given}
            answer = client.get("/search", params=wanted)
            assert answer.status_code == 200, (view["name"], answer.text)
            totals[view["name"]] = answer.json()["total"]
    assert totals["App access"] > 0
    assert totals["Failed requests"] > 0
    assert totals["Roles of dxops"] > 0
