"""Work on our own ClickHouse: each request on a handle with its caps set, in its lane, and it can be killed.

One instance per process. Everything here runs in the event loop and hands the blocking calls to the lanes' threads.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import msgspec

from dxops.engines.clickhouse.access import clamped, quoted, set_statement
from dxops.engines.clickhouse.chdb import EngineError, Handle
from dxops.engines.clickhouse.config import DATABASE
from dxops.engines.clickhouse.embedded import EmbeddedClickHouse
from dxops.engines.clickhouse.lanes import Budget, Busy, Lane
from dxops.engines.clickhouse.spares import Spare, Spares
from dxops.wire.clickhouse_http import BadRequest

T = TypeVar("T")

log = logging.getLogger(__name__)

_MB = 1024 * 1024
_KILL_EVERY_S = 0.1
_LONGEST_CHANGE_S = 6 * 3600  # a backup or a mutation may ask for that much
_NOTHING_ASIDE = {
    f"max_bytes_{kind}before_external_{what}": "0" for kind in ("", "ratio_") for what in ("sort", "group_by")
}
"""On a disk that is nearly full a query that needs more than its memory fails, and takes no room from inserts.
chDB keeps to no limit of what queries put aside (`max_temporary_data_on_disk_size`)."""
_ERRORS = "SELECT name, value, code, query_id, last_error_message FROM system.errors"
_FREE_PER_THREAD = str(64 * _MB)
"""ClickHouse's own is 1 GiB, which our `memory_mb` never has: every query ran in one thread."""
_SPARES = 8
_BODIES_MB = 160  # bodies held in memory, all requests together


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """How a request runs. `database` None or `default` means ours; `only_reads` sets ClickHouse's `readonly=1`."""

    lane: str
    settings: Mapping[str, str] = {}
    database: str | None = None
    query_id: str = ""
    only_reads: bool = False
    capped_rows: bool = False
    whole_answer: bool = False  # held in memory before it is sent
    leaves_nothing: bool = False  # on its handle, if it ends well: another request may have it next


class Running(msgspec.Struct, frozen=True, eq=False):
    """A request that has a handle. `run` puts work with it into the lane's thread."""

    handle: Handle
    tag: str
    query_id: str
    lane: Lane

    def run(self, work: Callable[[], T]) -> Awaitable[T]:
        """`work` with the handle, in the lane's thread. Cancelling does not interrupt it: it is waited for."""
        return finish_even_if_cancelled(self.lane.run(work))


class Watch(msgspec.Struct, frozen=True):
    """A query that runs, as ClickHouse names it, and how often each of its errors had happened by then."""

    query: str
    errors: dict[str, int]


class Store:
    """`embedded` is open already; `close` ends every request and shuts it."""

    def __init__(self, embedded: EmbeddedClickHouse) -> None:
        self.embedded = embedded
        self.config = embedded.config
        self.bodies = Budget(_BODIES_MB * _MB)
        self.stopping = False
        self._lanes = {
            "insert": Lane("insert", slots=2, waiting=32),
            "query": Lane("query", slots=4, waiting=96),
            "heavy": Lane("heavy", slots=1, waiting=4, patience_s=float(self.config.heavy_query_seconds)),
            "change": Lane("change", slots=2, waiting=16, patience_s=60.0),
        }
        self._control = Lane("control", slots=1, waiting=1000)
        self._control_handle = embedded.handle()
        self._running: dict[str, Running] = {}
        self._killed: set[str] = set()
        """Tags that something may still be ended under."""
        self._spares = Spares(_SPARES)
        self._idle = asyncio.Event()
        self._idle.set()
        self._tags = itertools.count(1)

    @asynccontextmanager
    async def job(self, job: Job) -> AsyncIterator[Running]:
        """A handle for the block's duration. Raises `Busy`, and `EngineError` for settings or a database that
        ClickHouse does not know. The block must not end while work of its runs."""
        if self.stopping:
            raise Busy("the store is stopping")
        lane = self._lanes[job.lane]
        async with lane.slot():
            key, spare = await self._handle(job, lane)
            running = Running(spare.handle, spare.tag, job.query_id, lane)
            self._running[spare.tag] = running
            self._idle.clear()
            well = False
            try:
                yield running
                well = True
            finally:
                clean = well and job.leaves_nothing and spare.tag not in self._killed and not self.stopping
                closing = self._spares.keep(key, spare) if clean else spare.handle
                try:
                    if closing is not None:
                        await finish_even_if_cancelled(lane.run(closing.close))
                finally:
                    del self._running[spare.tag]
                    self._killed.discard(spare.tag)
                    if not self._running:
                        self._idle.set()

    async def _handle(self, job: Job, lane: Lane) -> tuple[Hashable, Spare]:
        """A handle of the job's settings, kept or new, and the name of these settings."""
        database = job.database if job.database not in (None, "", "default") else DATABASE
        settings = self._settings(job)
        key = (database, frozenset(settings.items()))
        spare = self._spares.take(key) if job.leaves_nothing else None
        if spare is None:
            tag = f"dxops-{next(self._tags)}"
            made = await lane.run(lambda: self._prepared(database or DATABASE, settings | {"log_comment": tag}))
            spare = Spare(made, tag)
        return key, spare

    def _prepared(self, database: str, settings: Mapping[str, str]) -> Handle:
        try:
            statement = set_statement(settings)
        except ValueError as error:
            raise BadRequest(str(error), 115) from None
        handle = self.embedded.handle(database)
        try:
            handle.query(statement)
        except EngineError:
            handle.close()
            raise
        return handle

    def _settings(self, job: Job) -> dict[str, str]:
        """The asked settings within this lane's caps."""
        config = self.config
        seconds = config.query_seconds if job.lane in ("query", "insert") else config.heavy_query_seconds
        defaults = {"max_execution_time": seconds}
        if job.lane == "change":
            seconds = _LONGEST_CHANGE_S
        ceilings = {"max_execution_time": seconds, "max_memory_usage": config.query_memory_mb * _MB}
        if job.whole_answer or job.capped_rows:
            ceilings["max_result_bytes"] = config.result_mb * _MB
        if job.capped_rows:
            ceilings["max_result_rows"] = config.result_rows
        found = clamped(job.settings, ceilings, defaults)
        found["max_threads"] = clamped(job.settings, {"max_threads": 1 if job.lane == "heavy" else 2}, {})[
            "max_threads"
        ]
        found.setdefault("max_threads_min_free_memory_per_thread", _FREE_PER_THREAD)
        if job.lane == "insert":
            found.setdefault("async_insert", "0")  # its buffer would acknowledge the same, later
            found.setdefault("date_time_input_format", "best_effort")
            if not found.get("insert_deduplication_token"):
                found.setdefault("deduplicate_insert", "disable")  # equal rows are only doubles when a token says so
        if job.only_reads:
            found["readonly"] = "1"
        if self.embedded.cramped():
            found |= _NOTHING_ASIDE
        return found

    async def finished(self, running: Running, work: Callable[[], T], gone: asyncio.Future[object]) -> T | None:
        """`work` of this request, or None when `gone` comes first: then the query is killed and has ended."""
        future = running.lane.run(work)
        both: set[asyncio.Future[Any]] = {future, gone}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await finish_even_if_cancelled(asyncio.ensure_future(self._end(running, future)))
            raise
        if not future.done():
            await self._end(running, future)
            return None
        return future.result()

    async def _end(self, running: Running, future: asyncio.Future[Any]) -> None:
        """Kill until it has ended: the first try may come before ClickHouse lists the query."""
        while not future.done():
            await self.kill_tag(running.tag)
            await asyncio.wait({future}, timeout=_KILL_EVERY_S)
        with suppress(EngineError):
            future.result()

    async def watch(self, running: Running) -> Watch:
        """To be called while the request's query is open; for `verify`."""
        tag = quoted(running.tag)
        query = f"SELECT query_id FROM system.processes WHERE Settings['log_comment'] = {tag}"  # noqa: S608 - our own tag
        found = await self._asked(query)
        errors = {name: int(value) for name, value, *_ in await self._asked(_ERRORS)}
        return Watch(found[0][0] if found else "", errors)

    async def verify(self, watch: Watch) -> None:
        """Raises `EngineError` when the query failed, or may have: chDB reports an insert as written whatever became of
        it behind the parser (a full disk, a violated constraint). What it threw is counted, with who threw it last."""
        for name, value, code, query, message in await self._asked(_ERRORS):
            more = int(value) - watch.errors.get(name, 0)
            if query == watch.query or more > (1 if watch.query else 0):
                raise EngineError(f"Code: {code}. DB::Exception: the insert failed: {message}. ({name})")

    async def _asked(self, sql: str) -> list[list[str]]:
        async with self._control.slot():
            part = await self._control.run(lambda: self._control_handle.query(sql))
        return [line.split("\t") for line in part.data.decode("utf-8", "replace").splitlines()]

    async def kill_tag(self, tag: str) -> None:
        """End what runs under a request's tag; returns at once."""
        if tag in self._running:
            self._killed.add(tag)
        statement = f"KILL QUERY WHERE Settings['log_comment'] = {quoted(tag)} ASYNC"
        async with self._control.slot():
            with suppress(EngineError):
                await self._control.run(lambda: self._control_handle.query(statement))

    async def kill_query(self, query_id: str) -> int:
        """End the requests that came with this id; how many."""
        found = [running for running in self._running.values() if running.query_id == query_id]
        self._killed.update(running.tag for running in found)
        for running in found:
            await self.kill_tag(running.tag)
        return len(found)

    async def ping(self) -> None:
        """Raises `EngineError` unless the engine answers."""
        async with self._control.slot():
            await self._control.run(lambda: self._control_handle.query("SELECT 1"))

    async def drain(self, grace_s: float) -> bool:
        """Take nothing new, let requests end for `grace_s`, kill the rest; whether all ended."""
        self.stopping = True
        for patience_s in (grace_s, 2.0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), patience_s)
            for tag in list(self._running):
                await self.kill_tag(tag)
        return not self._running

    async def close(self) -> None:
        """After `drain`: shut the engine."""
        for handle in self._spares.empty():
            await self._control.run(handle.close)
        await self._control.run(self._control_handle.close)
        await self._control.run(self.embedded.close)
        for lane in (*self._lanes.values(), self._control):
            lane.close()


async def finish_even_if_cancelled(future: asyncio.Future[T]) -> T:
    """Wait for it to the end, and only then let a cancellation through: a thread cannot be stopped, and what it works
    on must not be closed under it."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if not future.done():
            await asyncio.wait({future})
        raise
