"""`/api/runs`: publish runs and their logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from dxops.base.actors import Scope
from dxops.base.errors import Missing
from dxops.base.web import Page, actor_of
from dxops.rooms.delivery.model import LogText, Run, RunLine, RunStatus, Source, Via
from dxops.rooms.delivery.service import Delivery

AnyRequest = Request[Any, Any, Any]
_PING_S = 15.0  # below the idle timeout of the usual proxies


class NewRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run to open."""

    environment: str
    apps: list[str]
    commit: str | None = None
    branch: str | None = None
    author: str | None = None
    via: Via = Via.API


class LogBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lines to append; none at all is a sign of life."""

    lines: list[LogText]


class Appended(msgspec.Struct, frozen=True, kw_only=True):
    """The number of the log's last line."""

    last: int


class FinishRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it ended."""

    status: RunStatus
    summary: str | None = None


def handlers(delivery: Delivery) -> list[HTTPRouteHandler]:
    """The routes below `/api`."""

    @get("/runs", summary="Publish runs", tags=["delivery"])
    async def list_runs(
        request: AnyRequest,
        app: Annotated[str | None, QueryParameter(description="Only runs of this app")] = None,
        cursor: Annotated[str | None, QueryParameter(description="`next` of the page before")] = None,
        limit: Annotated[int | None, QueryParameter(description="Items per page, 1 to 200")] = None,
    ) -> Page[Run]:
        """Newest first."""
        actor_of(request).require(Scope.READ)
        return await delivery.runs(app, cursor=cursor, limit=limit)

    @post("/runs", summary="Open a run", tags=["delivery"])
    async def start_run(request: AnyRequest, data: JSONBody[NewRun]) -> Run:
        """Scope `publish`. Write to it at least every ten minutes, else it is given up."""
        source = Source(via=data.via, commit=data.commit, branch=data.branch, author=data.author)
        return await delivery.start_run(actor_of(request), data.environment, data.apps, source)

    @get("/runs/{run_id:str}", summary="One run", tags=["delivery"])
    async def one_run(request: AnyRequest, run_id: FromPath[str]) -> Run:
        """By id."""
        actor_of(request).require(Scope.READ)
        return await delivery.run(run_id)

    @post("/runs/{run_id:str}/log", summary="Append to a run's log", tags=["delivery"], status_code=200)
    async def append_log(request: AnyRequest, run_id: FromPath[str], data: JSONBody[LogBatch]) -> Appended:
        """Scope `publish`; at most 5,000 lines a call."""
        return Appended(last=await delivery.append_log(actor_of(request), run_id, data.lines))

    @post("/runs/{run_id:str}/finish", summary="Finish a run", tags=["delivery"], status_code=200)
    async def finish_run(request: AnyRequest, run_id: FromPath[str], data: JSONBody[FinishRun]) -> Run:
        """Scope `publish`. The run and its log are frozen."""
        return await delivery.finish_run(actor_of(request), run_id, data.status, data.summary)

    @get("/runs/{run_id:str}/log", summary="Follow a run's log", tags=["delivery"], media_type="text/event-stream")
    async def follow_log(
        request: AnyRequest,
        run_id: FromPath[str],
        after: Annotated[int, QueryParameter(description="Start after this line", ge=0)] = 0,
        colors: Annotated[bool, QueryParameter(description="Keep colours, as SGR sequences")] = False,
    ) -> ServerSentEvent:
        """Server-sent events: `line` for each line from the start (or after `after`, or `Last-Event-ID`), live until
        the run is finished; then `end` with the run."""
        actor_of(request).require(Scope.READ)
        await delivery.run(run_id)
        last = request.headers.get("last-event-id", "")
        start = int(last) if last.isascii() and last.isdigit() else after
        return ServerSentEvent(
            run_events(delivery, run_id, start, colors=colors), headers={"cache-control": "no-store"}
        )

    return [list_runs, start_run, one_run, append_log, finish_run, follow_log]


async def run_events(
    delivery: Delivery, run_id: str, after: int, *, colors: bool = False
) -> AsyncIterator[ServerSentEventMessage]:
    """The log as events, with a comment every `_PING_S` of silence; ends quietly where the run is gone."""
    lines = delivery.follow_run(run_id, after=after, colors=colors)
    upcoming: asyncio.Task[RunLine | None] = asyncio.create_task(_next(lines))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=_PING_S)
            if not done:
                yield ServerSentEventMessage(comment="still running")
                continue
            line = upcoming.result()
            if line is None:
                break
            yield ServerSentEventMessage(data=msgspec.json.encode(line).decode(), event="line", id=str(line.seq))
            upcoming = asyncio.create_task(_next(lines))
        run = await delivery.run(run_id)
    except Missing:
        return
    finally:
        upcoming.cancel()
    yield ServerSentEventMessage(data=msgspec.json.encode(run).decode(), event="end")


async def _next(lines: AsyncIterator[RunLine]) -> RunLine | None:
    return await anext(lines, None)
