"""Elasticsearch's searches on the log store: which hits, in which order, how many.

Every statement has caps of time, memory and size; a search that meets one is refused, never cut silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final

import msgspec

from dxops.base.beside import beside
from dxops.base.remembered import Remembered
from dxops.rooms.logs.aggregating import Aggregator, counts_all
from dxops.rooms.logs.fields import base_name
from dxops.rooms.logs.hits import hit_of, sort_values
from dxops.rooms.logs.model import Line, Rows, Selection
from dxops.rooms.logs.ordering import Key, behind, keys_of
from dxops.rooms.logs.planning import page_settings
from dxops.rooms.logs.recent import Stored
from dxops.rooms.logs.selecting import LINE_COLUMNS, LINE_WIDTH, line_of, where
from dxops.rooms.logs.statements import CAPS, any_dead
from dxops.rooms.logs.streams import begun_values
from dxops.rooms.logs.times import Times, times_at
from dxops.rooms.logs.used_fields import used_fields
from dxops.rooms.logs.values import Kinds, read_kinds, typed
from dxops.rooms.logs.working import Check, Workers
from dxops.wire import query_tree as tree
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.es.agg_encode import answer
from dxops.wire.es.agg_results import Buckets, Result
from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.search import SearchRequest
from dxops.wire.es.sorting import SHARD_DOC, SortKey

MAX_WINDOW: Final = 10_000
SHARDS: Final = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
_LARGE: Final = 1000
_LARGE_AT_ONCE: Final = 2
"""Pages of more hits, at a time: each may be 64 MiB of text, and several times that as values."""
_MAX_SECONDS: Final = 30.0
_DEAD_S: Final = 1.0
_OLD_DEAD_S: Final = 5.0


class Target(msgspec.Struct, frozen=True):
    """Where to search: these streams, up to a sequence number (None: all there is); `only` what fits aliases' filters
    (None: everything)."""

    streams: tuple[str, ...]
    upper_seq: int | None = None
    only: tree.Node | None = None


class Found(msgspec.Struct, frozen=True):
    """`body` is the answer but for `took`; `last` are all the last hit's sort values, the tie-breaker included."""

    body: dict[str, Any]
    last: tuple[Any, ...] | None


class Searcher:
    """Runs searches. `now_ms` is the clock that date math counts from; `ends` tells whether this process has
    overwritten or deleted documents: where nobody has, nothing needs hiding, which every statement would pay for."""

    def __init__(
        self, store: Rows, ids: AutoIds, now_ms: Callable[[], int], ends: Callable[[], bool] = lambda: False
    ) -> None:
        self._store = store
        self._ends = ends
        self._dead = Remembered(lambda: any_dead(store), fresh_s=_DEAD_S, old_s=_OLD_DEAD_S)
        self._ids = ids
        self._now_ms = now_ms
        self.workers = Workers()
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    def _times(self) -> Times:
        return times_at(self._now_ms(), self._ids.seq_of)

    async def search(
        self, request: SearchRequest, target: Target, *, after: Sequence[Any] = (), whole: bool = True
    ) -> Found:
        """`after` takes the place of the request's `search_after`. `whole`: see `hit_of`."""
        now_ms = self._now_ms()
        times = times_at(now_ms, self._ids.seq_of)
        hits = request.hits
        if hits.from_ + hits.size > MAX_WINDOW:
            reason = (
                f"Result window is too large, from + size must be less than or equal to: [{MAX_WINDOW}] "
                f"but was [{hits.from_ + hits.size}]. See the scroll api for a more efficient way."
            )
            raise EsError(ILLEGAL, reason, key="size", hint="page with search_after")
        settings = _settings(request.timeout_ms)
        kinds = await read_kinds(self._store, target.streams, used_fields(request))
        base = await self._where(request.query, target, times)
        shown = base
        if request.post_filter is not None:
            shown = await self._where(tree.both([request.query, request.post_filter]), target, times)
        after = after or request.search_after
        aggregated = self._aggregated(request, base, target, kinds, times, now_ms, settings, whole)
        async with (
            beside(self._hits(request, shown, kinds, times, after, settings, whole)) as hitting,
            beside(aggregated) as aggregating,
        ):
            counting = None if shown != base or request.terminate_after else counts_all(request.aggregations)
            total = None if counting else await self._total(request, shown, hitting, after, settings)
            found, last = await hitting
            aggregations, results = await aggregating
        if counting:
            total = _total_of(results[counting], request)
        body: dict[str, Any] = {"timed_out": False, "_shards": SHARDS}
        head: dict[str, Any] = {}
        if total is not None:
            head["total"] = total["value"] if request.rest_total_hits_as_int else total
        if request.terminate_after and total is not None:
            body["terminated_early"] = total["value"] >= request.terminate_after
        unsorted = not hits.sort and bool(found)
        body["hits"] = {**head, "max_score": 1.0 if unsorted else None, "hits": found}
        if aggregations is not None:
            body["aggregations"] = aggregations
        return Found(body, last)

    async def count(self, query: tree.Node, target: Target) -> int:
        """How many documents match."""
        condition = await self._where(query, target, self._times())
        return await self._number(f"SELECT count() FROM log_events WHERE {condition}", _settings(None))  # noqa: S608

    async def check(self, query: tree.Node, target: Target) -> None:
        """Raises what a search for it would, without reading a document."""
        condition = await self._where(query, target, self._times())
        await self._store.query(f"SELECT 1 FROM log_events WHERE ({condition}) AND 0 LIMIT 0", settings=_settings(None))  # noqa: S608

    async def get(self, streams: Sequence[str], id_: str) -> Line | None:
        """The newest document of this id."""
        condition = await self._where(tree.Ids((id_,)), Target(tuple(streams)), self._times())
        sql = f"SELECT {LINE_COLUMNS} FROM log_events WHERE {condition} ORDER BY seq DESC LIMIT 1"  # noqa: S608
        rows = (await self._store.query(sql, settings=_settings(None))).rows
        return line_of(rows[0], self._ids.id_of) if rows else None

    async def page(
        self, query: tree.Node, target: Target, *, after: tuple[int, int] | None, size: int, whole: bool
    ) -> list[Stored]:
        """Matching documents by time and number, behind `after` (time in ms, number). `whole`: with their text."""
        condition = await self._where(query, target, self._times())
        if after is not None:
            ts, seq = f"fromUnixTimestamp64Milli({int(after[0])}, 'UTC')", int(after[1])
            condition += f" AND ts >= {ts} AND (ts > {ts} OR seq > {seq})"
        few = "toUnixTimestamp64Milli(ts), seq, toString(stream), id, version"
        sql = (
            f"SELECT flags, {LINE_COLUMNS if whole else few} FROM log_events WHERE {condition} "  # noqa: S608
            f"ORDER BY ts, seq LIMIT {int(size)}"
        )
        return [_stored(row, whole) for row in (await self._store.query(sql, settings=_settings(None))).rows]

    async def begun(
        self, target: Target, query: tree.Node, field: str, begin: str, *, size: int, ignore_case: bool, after: str
    ) -> list[str]:
        """Values of a field that begin with `begin`, in order, behind `after`."""
        condition = await self._where(query, target, self._times())
        kinds = await read_kinds(self._store, target.streams, [field])
        return await begun_values(
            self._store, condition, base_name(field), kinds, begin, size=size, ignore_case=ignore_case, after=after
        )

    async def last_seq(self) -> int:
        """The newest document's sequence number: where a point in time ends."""
        return await self._number("SELECT max(seq) FROM log_events", _settings(None))

    async def _where(self, query: tree.Node, target: Target, times: Times) -> str:
        if target.only is not None:
            query = tree.both([target.only, query])
        hides = self._ends() or await self._dead.get()
        condition = where(Selection(query=query, streams=target.streams, hides_dead=hides), times)
        return condition if target.upper_seq is None else f"{condition} AND seq <= {int(target.upper_seq)}"

    async def _hits(
        self,
        request: SearchRequest,
        condition: str,
        kinds: Kinds,
        times: Times,
        after: Sequence[Any],
        settings: dict[str, object],
        whole: bool,
    ) -> tuple[list[dict[str, Any]], tuple[Any, ...] | None]:
        hits = request.hits
        if hits.size == 0:
            return [], None
        keys = keys_of(hits.sort, kinds)
        if after:
            condition += f" AND {behind(keys[: len(after)], after, times)}"
        columns, group = _collapsing(request, kinds)
        shown = "".join(f", {key.shown}" for key in keys) + columns
        sql = (
            f"SELECT {LINE_COLUMNS}{shown} FROM log_events WHERE {condition} "  # noqa: S608
            f"ORDER BY {', '.join(key.clause for key in keys)} {group}LIMIT {hits.size} OFFSET {hits.from_}"
        )
        async with self._large if hits.size > _LARGE else nullcontext():
            rows = (await self._store.query(sql, settings={**settings, **page_settings(request.query)})).rows
            return await self.workers.run(lambda check: self._made(request, rows, keys, kinds, whole, check))

    def _made(
        self, request: SearchRequest, rows: Sequence[Any], keys: Sequence[Key], kinds: Kinds, whole: bool, check: Check
    ) -> tuple[list[dict[str, Any]], tuple[Any, ...] | None]:
        made = []
        last: tuple[Any, ...] | None = None
        for row in rows:
            check()
            raw = row[LINE_WIDTH : LINE_WIDTH + len(keys)]
            last = tuple(typed(key.kind, value) for key, value in zip(keys, raw, strict=True))
            line = line_of(row[:LINE_WIDTH], self._ids.id_of)
            hit = hit_of(line, request.hits, request.query, _shown_sort(request, keys, raw), whole=whole)
            if request.collapse is not None:
                value = typed(kinds.kind(request.collapse.field), row[-1])
                fields = {**hit.pop("fields", {}), request.collapse.field: [] if value is None else [value]}
                sort = hit.pop("sort", None)
                hit["fields"] = fields
                if sort is not None:
                    hit["sort"] = sort
            made.append(hit)
        return made, last

    async def _aggregated(
        self,
        request: SearchRequest,
        condition: str,
        target: Target,
        kinds: Kinds,
        times: Times,
        now_ms: int,
        settings: dict[str, object],
        whole: bool,
    ) -> tuple[dict[str, Any] | None, dict[str, Result]]:
        if not request.aggregations:
            return None, {}
        everything = await self._where(tree.All(), target, times)
        aggregator = Aggregator(
            self._store, kinds, times, now_ms, self._ids.id_of, settings, whole, workers=self.workers
        )
        results = await aggregator.run(request.aggregations, condition, everything, request.query)
        shown = await self.workers.run(
            lambda _: answer(request.aggregations, results, now_ms, typed_keys=request.typed_keys)
        )
        return shown, results

    async def _total(
        self,
        request: SearchRequest,
        condition: str,
        hitting: Awaitable[tuple[list[dict[str, Any]], Any]],
        after: Sequence[Any],
        settings: dict[str, object],
    ) -> dict[str, Any] | None:
        """`hitting` is waited for where its hits may be all there are."""
        most = request.total_hits
        if request.terminate_after and most != 0:
            ended = f"SELECT 1 FROM log_events WHERE {condition} LIMIT {request.terminate_after}"  # noqa: S608
            return {"value": await self._number(f"SELECT count() FROM ({ended})", settings), "relation": "eq"}  # noqa: S608
        if most == 0 and not request.rest_total_hits_as_int:
            return None
        if most is None or request.rest_total_hits_as_int:
            value = await self._number(f"SELECT count() FROM log_events WHERE {condition}", settings)  # noqa: S608
            return {"value": value, "relation": "eq"}
        first_page = not (after or request.hits.from_ or request.collapse)
        if first_page:
            shown = len((await hitting)[0])
            if shown < request.hits.size and shown <= most:
                return {"value": shown, "relation": "eq"}
        some = f"SELECT count() FROM (SELECT 1 FROM log_events WHERE {condition} LIMIT {most + 1})"  # noqa: S608
        return _up_to(most, await self._number(some, settings))

    async def _number(self, sql: str, settings: dict[str, object]) -> int:
        rows = (await self._store.query(sql, settings=settings)).rows
        return int(rows[0][0]) if rows else 0


def _total_of(result: Result, request: SearchRequest) -> dict[str, Any] | None:
    """`hits.total` of a result that counts every document once (`counts_all`)."""
    assert isinstance(result, Buckets)
    most = request.total_hits
    value = sum(bucket.doc_count for bucket in result.buckets)
    if request.rest_total_hits_as_int or most is None:
        return {"value": value, "relation": "eq"}
    return _up_to(most, value) if most else None


def _up_to(most: int, value: int) -> dict[str, Any]:
    return {"value": min(value, most), "relation": "gte" if value > most else "eq"}


def _stored(row: Sequence[Any], whole: bool) -> Stored:
    flags, *rest = row
    if not whole:
        ts, seq, stream, own_id, version = rest
        return Stored(seq=seq, stream=stream, id=own_id, version=version, ts_ms=ts, flags=flags, source=b"")
    line = line_of(rest, lambda _: "")
    return Stored(
        seq=line.seq, stream=line.stream, id=line.id, version=line.version, ts_ms=line.ts_ms, flags=flags,
        source=line.source,
    )  # fmt: skip


def _settings(timeout_ms: int | None) -> dict[str, object]:
    seconds = _MAX_SECONDS if timeout_ms is None or timeout_ms <= 0 else min(_MAX_SECONDS, timeout_ms / 1000)
    return {**CAPS, "max_execution_time": max(1, round(seconds))}


def _collapsing(request: SearchRequest, kinds: Kinds) -> tuple[str, str]:
    """The column of the collapsed field, and LIMIT BY; documents without the field are one group."""
    if request.collapse is None:
        return "", ""
    field = request.collapse.field
    value = keys_of([SortKey(field, unmapped_type="keyword")], kinds)[0].shown
    return f", {value} AS collapsed", "LIMIT 1 BY collapsed "


def _shown_sort(request: SearchRequest, keys: Sequence[Key], raw: Sequence[Any]) -> list[Any] | None:
    """With a point in time, `_shard_doc` is implied."""
    sort = request.hits.sort
    if not sort:
        return None
    implied = request.pit is not None and not any(key.field == SHARD_DOC for key in sort)
    count = len(sort) + implied
    return sort_values(keys[:count], raw[:count])
