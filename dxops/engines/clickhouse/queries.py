"""A query: whole where its format or the client wants that, else held up to 4 MiB and streamed from there."""

from __future__ import annotations

import asyncio
import secrets
import time

import msgspec

from dxops.engines.clickhouse.chdb import EngineError, Part, Stream
from dxops.engines.clickhouse.exchange import Asked, Exchange, encoder_for, head_of
from dxops.engines.clickhouse.store import Job, Running, Store
from dxops.wire.clickhouse_http import BadRequest, Call, exception_trailer, header_size, is_streamable, summary
from dxops.wire.clickhouse_sql import Statement

_HELD = 4 << 20  # of an answer, before it is sent as it comes
_STREAMED_ROWS = "16384"
"""Rows of a block where an answer streams: a client that stops reading then holds up 10 to 50 MB, not 700."""
_READS = ("select", "with", "show", "describe", "desc", "explain", "exists", "from")


class _Answer(msgspec.Struct):
    """What a query has given so far."""

    parts: list[Part]
    stream: Stream | None = None

    @property
    def size(self) -> int:
        return sum(len(part.data) for part in self.parts)


async def query(store: Store, asked: Asked, found: Statement, exchange: Exchange, gone: asyncio.Future[object]) -> None:
    call = asked.call
    output_format = found.format or call.default_format or "TabSeparated"
    reads = found.verb in _READS
    streams = found.verb in ("select", "with", "from") and is_streamable(output_format) and not call.whole
    job = Job(
        lane=_lane(store, call, reads=reads),
        settings=({"max_block_size": _STREAMED_ROWS} if streams else {})
        | {key: value for key, value in call.settings.items() if key != "readonly"},
        database=call.database,
        query_id=exchange.query_id,
        only_reads=asked.reads_only or not asked.changes or call.settings.get("readonly", "0") != "0",
        capped_rows=asked.reads_only,
        whole_answer=reads and not streams,
        leaves_nothing=found.verb in ("select", "with") and not streams and not call.params,
    )
    try:
        sql = found.sql.decode()
    except UnicodeDecodeError:
        raise BadRequest("the query is not UTF-8; write other bytes with unhex('…')", 62) from None
    began = time.monotonic_ns()
    async with store.job(job) as running:
        answer = await store.finished(running, lambda: _begin(running, job, sql, output_format, call, streams), gone)
        if answer is None:
            return
        if answer.stream is not None:
            await _stream(store, asked, running, answer, output_format, exchange, gone)
            return
    encoder = encoder_for(asked)
    data = encoder.add(b"".join(part.data for part in answer.parts)) + encoder.end()
    last = answer.parts[-1] if answer.parts else Part(b"", 0, 0, 0)
    numbers = summary(
        read_rows=last.read_rows,
        read_bytes=last.read_bytes,
        result_rows=sum(part.rows for part in answer.parts),
        result_bytes=answer.size,
        elapsed_ns=time.monotonic_ns() - began,
    )
    head = [*head_of(encoder, output_format, numbers), (b"content-length", str(len(data)).encode())]
    await exchange.start(200, head)
    await exchange.body(data)


def _lane(store: Store, call: Call, *, reads: bool) -> str:
    """Who asks for more time than `query_seconds`, or for `workload=heavy`, goes to the heavy lane."""
    if not reads:
        return "change"
    if call.settings.get("workload") == "heavy":
        return "heavy"
    try:
        return "heavy" if float(call.settings.get("max_execution_time", "0")) > store.config.query_seconds else "query"
    except ValueError:
        return "query"


def _begin(running: Running, job: Job, sql: str, output_format: str, call: Call, streams: bool) -> _Answer:
    """In a thread: run it, and read an answer that streams until its end or until enough is held."""
    count, only_reads = running.handle.statements(sql)
    if count > 1:
        raise BadRequest("Multi-statements are not allowed", 62)
    if job.only_reads and not only_reads:
        raise BadRequest("Cannot execute query in readonly mode", 164)
    if not streams:
        return _Answer([running.handle.query(sql, output_format, call.params)])
    answer = _Answer([])
    stream = running.handle.stream(sql, output_format, call.params)
    header = 0
    while answer.size < _HELD:
        part = stream.fetch()
        if part is None:
            return answer
        if not answer.parts:
            header = header_size(output_format, part.data) if part.data else 0
            answer.parts.append(part)
        else:
            answer.parts.append(_without(part, header))
    answer.stream = stream
    return answer


def _without(part: Part, header: int) -> Part:
    return msgspec.structs.replace(part, data=part.data[header:]) if header and part.rows else part


async def _stream(
    store: Store,
    asked: Asked,
    running: Running,
    answer: _Answer,
    output_format: str,
    exchange: Exchange,
    gone: asyncio.Future[object],
) -> None:
    """Send an answer as it is made, at the client's pace. The query ends with the client."""
    assert answer.stream is not None
    stream = answer.stream
    encoder = encoder_for(asked)
    header = header_size(output_format, answer.parts[0].data)
    tag = secrets.token_hex(8)

    def next_piece() -> bytes | None:
        part = stream.fetch()
        return None if part is None else encoder.add(_without(part, header).data)

    try:
        first = await store.finished(running, lambda: encoder.add(b"".join(part.data for part in answer.parts)), gone)
        answer.parts.clear()
        await exchange.start(
            200, [*head_of(encoder, output_format, summary()), (b"x-clickhouse-exception-tag", tag.encode())]
        )
        piece: bytes | None = first
        while piece is not None:
            if piece:
                await exchange.body(piece, more=True)
            if gone.done():
                return
            piece = await store.finished(running, next_piece, gone)
        if not gone.done():
            await exchange.body(encoder.end())
    except EngineError as error:
        await exchange.body(encoder.add(exception_trailer(tag, error.text)) + encoder.end())
    finally:
        await store.kill_tag(running.tag)
        await running.run(stream.close)
