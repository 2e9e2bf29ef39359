"""`/api/logs`: the log explorer. Every answer comes with the SQL that made it; a caller that leaves ends its query."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from dxops.base.errors import Missing, Refused
from dxops.base.web import actor_of, decode_segment, while_connected
from dxops.rooms.logs import http_export, http_saved, http_tail
from dxops.rooms.logs.cursors import read_cursor, write_cursor
from dxops.rooms.logs.explorer import COUNTED, MAX_LINES
from dxops.rooms.logs.http_question import (
    ASKED,
    AnyRequest,
    Around,
    FoundFields,
    FoundLines,
    FoundPatterns,
    FoundValues,
    Proposals,
    ShownHistogram,
    ShownWindow,
    shown_field,
    shown_pattern,
    shown_terms,
)
from dxops.rooms.logs.model import NumberStats, Selection
from dxops.rooms.logs.question import Question
from dxops.rooms.logs.saved import SavedSearches
from dxops.rooms.logs.service import Logs
from dxops.rooms.logs.showing import ShownLine, shown

T = TypeVar("T")

_MAX_COUNTED = 100_000_000


def router(logs: Logs, saved: SavedSearches | None) -> Router:
    """The routes below `/api`."""
    handlers = [*_reading(logs), *http_tail.handlers(logs), *http_export.handlers(logs)]
    if saved is not None:
        handlers += http_saved.handlers(saved)
    return Router("/logs", route_handlers=handlers, tags=["logs"])


def _reading(logs: Logs) -> list[HTTPRouteHandler]:
    explorer = logs.explorer

    @get("/search", summary="Search lines", dependencies=ASKED)
    async def search(
        request: AnyRequest,
        asked: NamedDependency[Question],
        limit: Annotated[int, QueryParameter(description="Lines of a page", ge=1, le=MAX_LINES)] = 500,
        order: Annotated[Literal["asc", "desc"], QueryParameter(description="Of the sorting")] = "desc",
        sort: Annotated[str, QueryParameter(description="The field to sort by. Default: the time")] = "",
        after: Annotated[str | None, QueryParameter(description="`next` of the page before")] = None,
        count: Annotated[
            int, QueryParameter(description="Count matching lines up to so many; 0: do not", ge=0, le=_MAX_COUNTED)
        ] = COUNTED,
    ) -> FoundLines:
        """Lines that match, newest first unless told otherwise. `total` is exact up to `count`."""
        began = time.perf_counter()
        keys = read_cursor(after, sort, order) if after else ()
        how: dict[str, Any] = {
            "limit": limit,
            "sort": sort,
            "newest_first": order == "desc",
            "after": keys,
            "count_to": count,
        }
        selection, answered = await _asked(request, logs, asked, lambda chosen: explorer.search(chosen, **how))
        assert selection.window is not None
        found = answered.answer
        return FoundLines(
            items=[shown(line) for line in found.lines],
            total=found.total,
            total_relation="gte" if found.total_is_least else "eq",
            next=None if found.last is None else write_cursor(found.last, sort, order),
            took_ms=_since(began),
            sql=answered.sql,
            window=ShownWindow(selection.window.start_ms, selection.window.end_ms),
            terms=shown_terms(selection.query),
        )

    @get("/histogram", summary="Lines by time", dependencies=ASKED)
    async def histogram(
        request: AnyRequest,
        asked: NamedDependency[Question],
        buckets: Annotated[int, QueryParameter(description="At most so many bars", ge=1, le=2000)] = 60,
        by: Annotated[str, QueryParameter(description="Break down by this field; empty: by nothing")] = "level",
        interval_ms: Annotated[
            int | None, QueryParameter(description="Width of a bar, instead of `buckets`", ge=1)
        ] = None,
    ) -> ShownHistogram:
        """Counts in bars of a round width. The total is exact."""
        began = time.perf_counter()
        how: dict[str, Any] = {"buckets": buckets, "by": by or None, "interval_ms": interval_ms}
        _, answered = await _asked(request, logs, asked, lambda chosen: explorer.histogram(chosen, **how))
        found = answered.answer
        return ShownHistogram(
            start_ms=found.start_ms,
            interval_ms=found.interval_ms,
            series=dict(found.series),
            total=found.total,
            took_ms=_since(began),
            sql=answered.sql,
        )

    @get("/fields", summary="Fields of lines", dependencies=ASKED)
    async def fields(request: AnyRequest, asked: NamedDependency[Question]) -> FoundFields:
        """The fields that documents of these streams had on the range's days, whatever the query. Counts are of whole
        days."""
        _, (columns, answered) = await _asked(
            request, logs, asked, lambda chosen: asyncio.gather(explorer.columns(chosen), explorer.fields(chosen))
        )
        items = [shown_field(field, column=True) for field in columns]
        names = {field.name for field in items}
        items += [shown_field(field) for field in answered.answer if field.name not in names]
        return FoundFields(items, answered.sql)

    @get("/fields/{name:str}/values", summary="A field's values", dependencies=ASKED)
    async def values(
        request: AnyRequest,
        asked: NamedDependency[Question],
        name: FromPath[str],
        prefix: Annotated[str, QueryParameter(description="Only values that begin so, case apart")] = "",
        limit: Annotated[int, QueryParameter(description="Values", ge=1, le=1000)] = 5,
    ) -> FoundValues:
        """The most frequent values among matching lines, exact up to 200,000 of them. Percent-encode the name."""
        field = decode_segment(name)
        _, (answered, numbers) = await _asked(
            request,
            logs,
            asked,
            lambda chosen: asyncio.gather(
                explorer.top_values(chosen, field, prefix=prefix, limit=limit), _numbers(logs, chosen, field)
            ),
        )
        found = answered.answer
        return FoundValues(
            values=list(found.values),
            documents=found.documents,
            having=found.having,
            distinct=found.distinct,
            sampled=found.sampled,
            numbers=numbers,
            sql=answered.sql,
        )

    @get("/patterns", summary="Patterns of lines", dependencies=ASKED)
    async def patterns(
        request: AnyRequest,
        asked: NamedDependency[Question],
        limit: Annotated[int, QueryParameter(description="Patterns", ge=1, le=1000)] = 100,
    ) -> FoundPatterns:
        """Lines grouped by what is constant in their messages, with a query for each."""
        began = time.perf_counter()
        _, answered = await _asked(request, logs, asked, lambda chosen: explorer.patterns(chosen, limit=limit))
        return FoundPatterns(
            items=[shown_pattern(pattern) for pattern in answered.answer.patterns],
            sampled=answered.answer.sampled,
            took_ms=_since(began),
            sql=answered.sql,
        )

    @get("/around", summary="Lines around a line", dependencies=ASKED)
    async def around(
        request: AnyRequest,
        asked: NamedDependency[Question],
        ts_ms: Annotated[int, QueryParameter(description="The line's `ts_ms`")],
        seq: Annotated[str, QueryParameter(description="The line's `seq`", pattern="^[0-9]{1,20}$")],
        count: Annotated[int, QueryParameter(description="Lines before and after it", ge=1, le=500)] = 20,
    ) -> Around:
        """The neighbours of a line in time, among those of `stream` that match query and filters; the range is left
        out."""
        _, lines = await _asked(
            request, logs, asked, lambda chosen: explorer.around(ts_ms, int(seq), chosen, count=count)
        )
        at = next((index for index, line in enumerate(lines) if line.seq == int(seq)), None)
        return Around([shown(line) for line in lines], at)

    @get("/lines/{stream:str}/{seq:str}", summary="One line")
    async def one_line(
        request: AnyRequest,
        stream: FromPath[str],
        seq: FromPath[str],
        ts_ms: Annotated[int | None, QueryParameter(description="The line's `ts_ms`: found faster")] = None,
    ) -> ShownLine:
        """The address of a line: stream and sequence number."""
        if not (seq.isascii() and seq.isdigit() and len(seq) <= 20):
            raise Refused("a sequence number has digits only", field="seq")
        name = decode_segment(stream)
        streams = await logs.reach.streams(actor_of(request), [name])
        line = await while_connected(request, explorer.line(streams, int(seq), ts_ms)) if streams else None
        if line is None:
            raise Missing(
                f"there is no line {seq} in '{name[:200]}'",
                hint="it may have been deleted, or its stream's retention has passed",
            )
        return shown(line)

    @get("/complete", summary="Complete a query", dependencies=ASKED)
    async def complete(
        request: AnyRequest,
        asked: NamedDependency[Question],
        text: Annotated[str, QueryParameter(description="What is typed so far, instead of `query`")] = "",
        cursor: Annotated[int | None, QueryParameter(description="Where in it; default: at its end", ge=0)] = None,
    ) -> Proposals:
        """Fields, operators, values and keywords that fit at the cursor, likeliest first."""
        blank = msgspec.structs.replace(asked, query="")
        at = len(text) if cursor is None else cursor
        _, proposals = await _asked(
            request, logs, blank, lambda chosen: logs.completer.propose(chosen, asked.lang, text, at)
        )
        return Proposals(proposals)

    return [search, histogram, fields, values, patterns, around, one_line, complete]


async def _asked(
    request: AnyRequest, logs: Logs, asked: Question, ask: Callable[[Selection], Awaitable[T]]
) -> tuple[Selection, T]:
    """What is asked for, and the answer; ended, with its queries, when the caller goes away."""

    async def both() -> tuple[Selection, T]:
        selection = await logs.selection(actor_of(request), asked)
        return selection, await ask(selection)

    return await while_connected(request, both())


async def _numbers(logs: Logs, selection: Selection, field: str) -> NumberStats | None:
    if not await logs.explorer.has_numbers(selection, field):
        return None
    return (await logs.explorer.numbers(selection, field)).answer


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
