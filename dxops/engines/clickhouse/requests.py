"""One request, from its body to what it asks for: a query, an insert, or the end of another query."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from dxops.base.asgi import Receive, departure
from dxops.engines.clickhouse.access import read_only_fault, setting_fault
from dxops.engines.clickhouse.bodies import pieces
from dxops.engines.clickhouse.exchange import Asked, Exchange
from dxops.engines.clickhouse.inserts import insert
from dxops.engines.clickhouse.queries import query
from dxops.engines.clickhouse.store import Store
from dxops.wire.clickhouse_http import BadRequest, Call
from dxops.wire.clickhouse_sql import Statement, statement

_MAX_SQL = 1 << 20
_KILL = re.compile(rb"\s*KILL\s+QUERY\s+WHERE\s+query_id\s*=\s*'([^'\\]*)'\s*(?:SYNC|ASYNC|TEST)?\s*;?\s*", re.I)


async def answer(store: Store, asked: Asked, receive: Receive, exchange: Exchange) -> None:
    """Do what was asked. Raises `BadRequest`, `EngineError`, `Busy` or `Gone` before anything was sent."""
    call = asked.call
    if call.native_compression:
        raise BadRequest("compress=1 and decompress=1 are not supported; use Accept-Encoding and Content-Encoding", 48)
    if asked.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadRequest("external tables are not supported", 48)
    limit = store.config.insert_mb * 1024 * 1024
    async with aclosing(pieces(receive, asked.headers.get("content-encoding", ""), limit)) as body:
        sql, rest = await _sql_of(call, body)
        found = statement(sql)
        _permit(store, asked, found, sql)
        if found.takes_data:
            await insert(store, asked, found, sql, rest, body, exchange)
            return
    if kill := _KILL.fullmatch(sql):
        await store.kill_query(kill[1].decode())
        await exchange.plain(200, b"")
        return
    gone: asyncio.Future[Any] = asyncio.ensure_future(departure(receive))
    try:
        await query(store, asked, found, exchange, gone)
    finally:
        gone.cancel()


async def _sql_of(call: Call, body: AsyncIterator[bytes]) -> tuple[bytes, bytes]:
    """(the SQL, data that was read behind it). Reads the whole body unless it is an INSERT's data."""
    if call.query is not None and statement(call.query).takes_data:
        return call.query, b""
    sql = call.query or b""
    async for piece in body:
        sql += (b"\n" if sql and sql is call.query else b"") + piece
        if b"insert" in sql[:4096].lower():
            at = statement(sql).data_at
            if at is not None and at + 1 < len(sql):  # one byte more: the format's name and its line end are complete
                return sql[:at], sql[at:]
        if len(sql) > _MAX_SQL:
            raise BadRequest(f"the query is longer than {_MAX_SQL} bytes", 62)
    return sql, b""


def _permit(store: Store, asked: Asked, found: Statement, sql: bytes) -> None:
    if not found.verb:
        raise BadRequest("Empty query", 62)
    if not asked.changes and found.verb == "insert":
        raise BadRequest("Cannot execute query in readonly mode: GET only reads, use POST", 164)
    if not asked.reads_only:
        return
    fault = read_only_fault(sql, store.embedded.table_functions)
    if fault is None:
        fault = next((fault for key in asked.call.settings if (fault := setting_fault(key)) is not None), None)
    if fault is None and (asked.call.database or "").lower() in ("system", "information_schema"):
        fault = f"the database '{asked.call.database}' is not for reading"
    if fault is not None:
        raise BadRequest(f"Cannot execute query in readonly mode: {fault}", 164)
