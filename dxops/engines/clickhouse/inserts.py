"""An insert: its data held or fed piece by piece, committed whole or given up."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import partial

from dxops.engines.clickhouse.chdb import Insert, Written
from dxops.engines.clickhouse.exchange import Asked, Exchange
from dxops.engines.clickhouse.store import Job, Running, Store
from dxops.wire.clickhouse_http import summary
from dxops.wire.clickhouse_sql import Statement

_HELD = 16 << 20  # of an insert's data, before it takes a place in the lane


async def insert(
    store: Store,
    asked: Asked,
    found: Statement,
    sql: bytes,
    rest: bytes,
    body: AsyncIterator[bytes],
    exchange: Exchange,
) -> None:
    """Hold what fits before taking a place in the lane, so that a slow sender does not keep one; then feed the rest."""
    assert found.format is not None
    held = [part for part in (sql[found.data_at :], rest) if part]
    size = taken = sum(map(len, held))
    store.bodies.take(taken)
    try:
        complete = False
        while size < _HELD:
            piece = await anext(body, None)
            if piece is None:
                complete = True
                break
            store.bodies.take(len(piece))
            taken += len(piece)
            size += len(piece)
            held.append(piece)
        job = Job(
            lane="insert",
            settings=asked.call.settings,
            database=asked.call.database,
            query_id=exchange.query_id,
        )
        began = time.monotonic_ns()
        text, input_format = found.sql.decode(), found.format
        async with store.job(job) as running:
            written = await _feed(store, running, text, input_format, held, None if complete else body)
    finally:
        store.bodies.give_back(taken)
    numbers = summary(written_rows=written.rows, written_bytes=written.bytes, elapsed_ns=time.monotonic_ns() - began)
    await exchange.plain(200, b"", [(b"x-clickhouse-summary", numbers.encode())])


async def _feed(
    store: Store, running: Running, sql: str, input_format: str, held: list[bytes], body: AsyncIterator[bytes] | None
) -> Written:
    """Run the insert; on any failure nothing that is not committed yet stays."""
    inserts: list[Insert] = []

    def begin() -> None:
        inserts.append(running.handle.insert(sql, input_format))

    def feed() -> None:
        for piece in held:
            inserts[0].append(piece)
        held.clear()

    try:
        await running.run(begin)
        watch = await store.watch(running)
        await running.run(feed)
        if body is not None:
            async for piece in body:
                await running.run(partial(inserts[0].append, piece))
        written = await running.run(inserts[0].finish)
        await store.verify(watch)
        return written
    except BaseException:
        if inserts:
            await running.run(inserts[0].cancel)
        raise
