"""`/api/logs/tail`: new lines as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Final, Literal

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream

from dxops.base.streaming import event, event_stream
from dxops.base.web import actor_of
from dxops.rooms.logs.http_question import ASKED, AnyRequest
from dxops.rooms.logs.question import Question
from dxops.rooms.logs.service import Logs
from dxops.rooms.logs.showing import ShownLine, shown
from dxops.rooms.logs.tailing import Lines, Skipped, State, Tail

_RETRY: Final = b"retry: 1000\n\n"


class TailLines(msgspec.Struct, frozen=True):
    """Data of the event `lines`: in order of arrival."""

    items: list[ShownLine]
    last_seq: str


class TailState(msgspec.Struct, frozen=True):
    """Data of the event `state`."""

    lag_ms: int
    last_seq: str
    away: str | None


def handlers(logs: Logs) -> list[HTTPRouteHandler]:
    """The routes below `/api/logs`."""

    @get("/tail", summary="Live tail", dependencies=ASKED, media_type="text/event-stream")
    async def tail(
        request: AnyRequest,
        asked: NamedDependency[Question],
        after_seq: Annotated[
            str | None, QueryParameter(description="Begin behind this `seq`. Default: now", pattern="^[0-9]{1,20}$")
        ] = None,
        keep: Annotated[
            Literal["newest", "all"],
            QueryParameter(description="When more comes than can be shown: skip to the newest, or show all, later"),
        ] = "newest",
    ) -> Stream:
        """Server-sent events: `lines` {items, last_seq} with what arrives and matches (the range is left out),
        `skipped` {count} when more came than can be shown, `state` {lag_ms, last_seq, away} every 5 seconds.
        Ends after 15 minutes at the latest: come again with `after_seq`, or `Last-Event-ID`."""
        last = request.headers.get("last-event-id", "")
        begin = last if last.isascii() and last.isdigit() and len(last) <= 20 else after_seq
        await logs.reach.streams(actor_of(request), asked.streams)
        opened = logs.tail(
            actor_of(request), asked, after_seq=None if begin is None else int(begin), whole=keep == "all"
        )
        return event_stream(_events(opened, logs), opened.aclose)

    return [tail]


async def _events(tail: Tail, logs: Logs) -> AsyncGenerator[bytes, None]:
    yield _RETRY
    async for told in tail.events(logs.now_ms):
        match told:
            case Lines():
                data = TailLines([shown(line) for line in told.lines], str(told.last_seq))
                yield event("lines", msgspec.json.encode(data), str(told.last_seq))
            case Skipped():
                yield event("skipped", msgspec.json.encode(told))
            case State():
                state = TailState(told.lag_ms, str(told.last_seq), told.away)
                yield event("state", msgspec.json.encode(state))
