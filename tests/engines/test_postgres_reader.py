"""The login that reads: what it sees, what it cannot do."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest

from dxops.base.errors import Refused, TooLarge, Unavailable
from dxops.engines.postgres.reader import Table, ensure_reader, read, reader_url

PASSWORD = "for-tests"


@pytest.fixture
def url(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO accounts.people (id, name, role, password_hash, created_at) "
            "VALUES ('p_1', 'ada', 'owner', 'secret-hash', now())"
        )
    ensure_reader(database_url, PASSWORD)
    ensure_reader(database_url, PASSWORD)
    return reader_url(database_url, PASSWORD)


async def ask(url: str, sql: str, *params: object) -> Table:
    return await read(url, sql, params, timeout_s=1.0, max_rows=100, max_bytes=100_000)


async def test_it_reads(url: str) -> None:
    found = await ask(url, "SELECT name, role, created_at, $1::int + 1 AS n, 'a%' AS p FROM accounts.people", 41)
    assert found.columns == ["name", "role", "created_at", "n", "p"]
    assert found.rows[0][0:2] == ["ada", "owner"]
    assert found.rows[0][2].endswith("Z")
    assert found.rows[0][3:] == [42, "a%"]
    values = "SELECT 1.5::numeric, '\\xff'::bytea, '{\"a\":[1]}'::jsonb, array[1,2], interval '1 min', NULL, true"
    assert (await ask(url, values)).rows == [["1.5", "\\xff", {"a": [1]}, [1, 2], 60.0, None, True]]


async def test_rows_bytes_and_time_are_bounded(url: str) -> None:
    many = await ask(url, "SELECT * FROM generate_series(1, 10000)")
    assert (len(many.rows), many.truncated) == (100, True)
    assert not (await ask(url, "SELECT * FROM generate_series(1, 100)")).truncated
    with pytest.raises(TooLarge):
        await ask(url, "SELECT repeat('x', 10000) FROM generate_series(1, 99)")
    with pytest.raises(TooLarge):
        await ask(url, "SELECT pg_sleep(10)")


SECRETS = [
    "SELECT password_hash FROM accounts.people",
    "SELECT * FROM accounts.people",
    "SELECT people FROM accounts.people",
    "SELECT hash FROM accounts.tokens",
    "SELECT * FROM accounts.sessions",
    "SELECT * FROM content.node",
    "SELECT * FROM kube.node",
    "SELECT args FROM jobs.procrastinate_jobs",
    "SELECT rolpassword FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT set_config('role', 'platform', false), query_to_xml('SELECT hash FROM accounts.tokens', true, true, '')",
    "SELECT query_to_xml('SET ROLE platform; SELECT password_hash FROM accounts.people', true, true, '')",
    "SELECT * FROM pg_stats WHERE attname = 'password_hash' UNION ALL SELECT * FROM no_such_view",
]


@pytest.mark.parametrize("sql", SECRETS)
async def test_secrets_are_out_of_reach(url: str, sql: str) -> None:
    with pytest.raises(Refused) as refused:
        await ask(url, sql)
    assert "secret-hash" not in str(refused.value)


WRITES = [
    "INSERT INTO accounts.people VALUES ('x')",
    "UPDATE accounts.people SET role = 'owner'",
    "DELETE FROM accounts.audit",
    "WITH gone AS (DELETE FROM accounts.people RETURNING 1) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM accounts.people",
    "DROP TABLE accounts.people",
    "CREATE TABLE t (a int)",
    "SELECT 1 INTO t",
    "COPY accounts.people TO '/tmp/x'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "DO $$ BEGIN PERFORM 1; END $$",
    "SET ROLE platform",
    "RESET ROLE",
    "BEGIN READ WRITE",
    "SELECT 1; DROP TABLE accounts.people",
    "WITH a AS (SELECT 1) SELECT * FROM a; DELETE FROM accounts.people",
    "SELECT nextval('accounts.audit_seq_seq')",
    "SELECT $1",
    "",
]


@pytest.mark.parametrize("sql", WRITES)
async def test_nothing_can_be_changed(url: str, database_url: str, sql: str) -> None:
    with pytest.raises(Refused):
        await ask(url, sql)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*), min(role) FROM accounts.people").fetchone() == (1, "owner")


async def test_large_objects_are_not_kept(url: str, database_url: str) -> None:
    """PostgreSQL 16 refuses to make one while it only reads; before, it goes with the transaction, never committed."""
    with suppress(Refused):
        await ask(url, "SELECT lo_from_bytea(0, 'x')")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone() == (0,)


async def test_a_lock_does_not_outlive_its_query(url: str, database_url: str) -> None:
    await ask(url, "SELECT pg_advisory_lock(4711)")
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(4711)").fetchone()
    assert row == (True,)


async def test_without_a_server_it_says_so() -> None:
    with pytest.raises(Unavailable):
        await ask("postgresql://x@127.0.0.1:1/x", "SELECT 1")
