"""Reading PostgreSQL with SQL of somebody else: a login of its own that can change nothing and sees no secrets.

A read-only transaction of our own user would not do: `set_config('role', …)` inside a SELECT gives it back its rights.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast
from urllib.parse import quote

import msgspec
import psycopg
from psycopg import sql
from psycopg.types.json import set_json_loads

from dxops.base.errors import Refused, TooLarge, Unavailable

ROLE = "dxops_reader"

_HIDDEN_TABLES = frozenset({("accounts", "sessions"), ("accounts", "login_attempts"), ("content", "node"),
                            ("kube", "node")})  # fmt: skip
_HIDDEN_SCHEMAS = frozenset({"jobs", "information_schema"})
_HIDDEN_COLUMNS = re.compile(r"(^|_)(hash|secret|password|token|credential|private_key|signing_key)s?($|_)")
_VERBS = re.compile(r"(\s|--[^\n]*\n|/\*.*?\*/|\()*(SELECT|WITH|VALUES|TABLE|EXPLAIN|SHOW)\b", re.I | re.S)
_LIMITS = "-c default_transaction_read_only=on -c timezone=UTC -c lock_timeout=2000 -c work_mem=16MB -c jit=off"


class Table(msgspec.Struct, frozen=True):
    """An answer. `truncated`: there were more rows."""

    columns: list[str]
    rows: list[list[Any]]  # Any: plain values of any type
    truncated: bool


def reader_url(url: str, password: str) -> str:
    """The same server and database with the reader's login."""
    scheme, _, rest = url.partition("://")
    authority, slash, tail = rest.partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}://{ROLE}:{quote(password, safe='')}@{host}{slash}{tail}"


def ensure_reader(url: str, password: str) -> None:
    """Make the login and give it what it may see, by the tables of now: run it after every migration. Blocks.

    Raises `Unavailable` where the user of `url` may not make logins: `postgres.reader_url` names one of yours then.
    """
    with psycopg.connect(url) as connection:
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
        verb = sql.SQL("ALTER" if exists else "CREATE")
        try:
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN NOINHERIT CONNECTION LIMIT 8 PASSWORD {}").format(
                    verb, sql.Identifier(ROLE), sql.Literal(password)
                )
            )
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unavailable(
                "the user of postgres.url may not make a read-only login",
                code="no_reader",
                hint="set postgres.reader_url to a login that may only read",
            ) from error
        _grant(connection)


def _grant(connection: psycopg.Connection[Any]) -> None:
    role = sql.Identifier(ROLE)
    columns = connection.execute(
        "SELECT n.nspname, c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 "
        "AND NOT a.attisdropped AND n.nspname NOT LIKE 'pg\\_%%' ORDER BY 1, 2, a.attnum"
    ).fetchall()
    seen: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in columns:
        if schema in _HIDDEN_SCHEMAS or (schema, table) in _HIDDEN_TABLES:
            continue
        seen.setdefault((schema, table), [])
        if not _HIDDEN_COLUMNS.search(column):
            seen[schema, table].append(column)
    for schema in sorted({schema for schema, _, _ in columns} - {"information_schema"}):
        connection.execute(
            sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}").format(sql.Identifier(schema), role)
        )
        shown = any(known == schema for known, _ in seen)
        verb = "GRANT USAGE ON SCHEMA {} TO {}" if shown else "REVOKE ALL ON SCHEMA {} FROM {}"
        connection.execute(sql.SQL(verb).format(sql.Identifier(schema), role))
    for (schema, table), names in seen.items():
        listed = sql.SQL(", ").join(map(sql.Identifier, names))
        if names:
            connection.execute(
                sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(listed, sql.Identifier(schema, table), role)
            )


async def read(
    url: str, query: str, params: Sequence[object] = (), *, timeout_s: float, max_rows: int, max_bytes: int
) -> Table:
    """Run one statement that reads, as the login of `url`; `params` fill $1, $2 …

    A connection for each call, so that no lock, setting or prepared statement outlives it. Raises `Refused` for SQL
    that is wrong or writes, `TooLarge` past `max_bytes` or the time, `Unavailable` without a server.
    """
    if not _VERBS.match(query):
        raise Refused("only SELECT, WITH, VALUES, TABLE, EXPLAIN and SHOW are allowed", code="read_only", field="sql")
    options = f"{_LIMITS} -c statement_timeout={int(timeout_s * 1000)}"
    try:
        connection = await psycopg.AsyncConnection.connect(
            url,
            options=options,
            connect_timeout=5,
            application_name="dxops sql",
            cursor_factory=psycopg.AsyncRawCursor,
        )
    except psycopg.OperationalError as error:
        raise Unavailable(f"PostgreSQL does not answer: {error}".strip()) from error
    set_json_loads(msgspec.json.decode, connection)
    try:
        async with asyncio.timeout(timeout_s + 2):
            return await _fetch(connection, query, params, max_rows, max_bytes)
    except (TimeoutError, psycopg.errors.QueryCanceled) as error:
        hint = "narrow the query, or add a LIMIT"
        raise TooLarge(f"the query ran for longer than {timeout_s:g} s", code="timeout", hint=hint) from error
    except psycopg.Error as error:
        raise _refusal(error) from error
    finally:
        with suppress(psycopg.Error):
            await connection.cancel_safe(timeout=2)
        await connection.close()


async def _fetch(
    connection: psycopg.AsyncConnection[Any], query: str, params: Sequence[object], max_rows: int, max_bytes: int
) -> Table:
    cursor = connection.cursor()
    rows: list[list[Any]] = []
    size = 0
    # closed here and now: left to the garbage collector it would be ended after its connection is gone, a crash
    stream = cast("AsyncGenerator[tuple[Any, ...], None]", cursor.stream(query, list(params)))
    async with aclosing(stream) as found:
        async for row in found:
            if len(rows) == max_rows:
                return Table(_names(cursor), rows, truncated=True)
            plain = [_plain(value) for value in row]
            size += sum(len(value) if isinstance(value, str) else 8 for value in plain)
            if size > max_bytes:
                raise TooLarge(f"the answer is larger than {max_bytes} bytes", hint="choose fewer columns or rows")
            rows.append(plain)
    return Table(_names(cursor), rows, truncated=False)


def _names(cursor: psycopg.AsyncCursor[Any]) -> list[str]:
    return [column.name for column in cursor.description or ()]


def _plain(value: object) -> object:
    """As JSON can hold it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return str(value)


def _refusal(error: psycopg.Error) -> Refused | Unavailable:
    state = error.sqlstate
    if state is None or (state.startswith(("08", "57P", "53")) and state != "08P01"):  # 08P01: too few params
        return Unavailable(f"PostgreSQL: {str(error).strip() or 'the connection ended'}")
    position = error.diag.statement_position
    hint = error.diag.message_hint or (f"look at character {position} of the query" if position else None)
    return Refused(error.diag.message_primary or str(error), code=f"postgres_{state}", hint=hint, field="sql")
