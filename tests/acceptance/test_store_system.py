"""ClickHouse in a running system: its role, its address, `/api/sql`, and a store that dies."""

from __future__ import annotations

import os
import signal

import clickhouse_connect
import httpx
import pytest

from tests.harness import System, eventually, running_system

pytestmark = pytest.mark.system


def ask(system: System, store: str, sql: str, params: object = None) -> httpx.Response:
    return httpx.post(
        f"http://{system.listen['console']}/api/sql",
        json={"store": store, "sql": sql, "params": params},
        headers={"authorization": f"Bearer {system.api_token}"},
        timeout=60,
    )


def test_the_store_is_a_role_with_an_address(system: System) -> None:
    assert system.status()["store"]["status"] == "healthy"
    client = clickhouse_connect.get_client(dsn=system.endpoints()["clickhouse_url"])
    assert client.command("SELECT currentDatabase()") == "dxops"
    assert client.command("SELECT count() FROM dxops_migrations") >= 0
    client.close()


def test_sql_on_both_stores(system: System) -> None:
    found = ask(system, "postgres", "SELECT name, $1::int AS n FROM accounts.people WHERE name = $2", [1, "admin"])
    assert found.json() == {"columns": ["name", "n"], "rows": [["admin", 1]], "truncated": False}
    found = ask(system, "clickhouse", "SELECT number AS n, {a:String} AS a FROM numbers(2)", {"a": "x'"})
    assert found.json() == {"columns": ["n", "a"], "rows": [[0, "x'"], [1, "x'"]], "truncated": False}
    many = ask(system, "clickhouse", "SELECT number FROM numbers(1000000)").json()
    assert (len(many["rows"]), many["truncated"]) == (10000, True)


@pytest.mark.parametrize(
    ("store", "sql", "status", "code"),
    [
        ("postgres", "SELECT password_hash FROM accounts.people", 400, "postgres_42501"),
        ("postgres", "DELETE FROM accounts.people", 400, "read_only"),
        ("postgres", "SELECT FROM WHERE", 400, "postgres_42601"),
        ("clickhouse", "SELECT file('/etc/passwd')", 400, "read_only"),
        ("clickhouse", "SELECT * FROM system.processes", 400, "read_only"),
        ("clickhouse", "DROP TABLE dxops_migrations", 400, "read_only"),
        ("clickhouse", "SELECT nothing", 400, "clickhouse_47"),
        ("clickhouse", "SELECT repeat('x', 3000) FROM numbers(20000)", 413, "too_large"),
        ("other", "SELECT 1", 400, "invalid"),
    ],
)
def test_what_sql_may_not_do(system: System, store: str, sql: str, status: int, code: str) -> None:
    answer = ask(system, store, sql)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def test_sql_needs_a_credential(system: System) -> None:
    answer = httpx.post(f"http://{system.listen['console']}/api/sql", json={"store": "postgres", "sql": "SELECT 1"})
    assert answer.status_code == 401


@pytest.mark.fault
def test_a_store_that_dies_comes_back_and_takes_nothing_along() -> None:
    with running_system() as system:
        before = system.status()
        os.kill(int(str(before["store"]["pid"])), signal.SIGKILL)
        eventually(lambda: system.status()["store"]["restarts"] == 1)
        eventually(lambda: system.status()["store"]["status"] == "healthy")
        assert ask(system, "clickhouse", "SELECT 1").json()["rows"] == [[1]]
        after = system.status()
        assert {name: role["pid"] for name, role in after.items() if name != "store"} == {
            name: role["pid"] for name, role in before.items() if name != "store"
        }


def test_a_clickhouse_elsewhere_needs_no_store(system: System) -> None:
    url = system.endpoints()["clickhouse_url"]
    with running_system(config=f'clickhouse.url = "{url}"') as other:
        assert "store" not in other.status()
        assert other.endpoints()["clickhouse_url"] == url
        assert ask(other, "clickhouse", "SELECT 1").json()["rows"] == [[1]]
        assert ask(other, "clickhouse", "SELECT 1 SETTINGS readonly = 0").status_code == 400
