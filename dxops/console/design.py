"""`/console/design`: every component, with invented rows that the server sorts and pages as a room's would be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
from litestar import Response, Router, get

from dxops.console.house import ConsoleHouse
from dxops.console.rendering import page
from dxops.console.requests import AnyRequest, reader

_ROWS: Final = 30
_PAGE: Final = 12
_LEVELS: Final = ("error", "info", "warning", "debug", "fatal", "trace")
_MESSAGES: Final = (
    "GET /assets/index-3fa9.js answered 503",
    "flipped composer in staging",
    "the spool of prod is 80 % full, the loader is 12 s behind",
    "took a connection from the pool",
)


class SampleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the sample table."""

    number: int
    at: datetime
    level: str
    host: str
    message: str
    took_s: float
    course: tuple[int, ...]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A page of it. `sort` is a column, falling with a minus; `next` the address of the following page."""

    rows: list[SampleRow]
    sort: str
    range: str
    next: str | None


def sample(now: datetime, sort: str, after: int, chosen: str) -> Sample:
    """The rows after the first `after`, in the order of `sort`."""
    rows = [
        SampleRow(
            number=n,
            at=now - timedelta(minutes=7 * n),
            level=_LEVELS[n % len(_LEVELS)],
            host=f"kube-{n % 4}",
            message=_MESSAGES[n % len(_MESSAGES)],
            took_s=(n * 37 % 29) / 100,
            course=tuple((n * k * 7) % 11 for k in range(1, 9)),
        )
        for n in range(1, _ROWS + 1)
    ]
    column = sort.removeprefix("-")
    if column not in ("at", "level", "host", "took"):
        sort, column = "-at", "at"
    rows.sort(key=lambda row: getattr(row, "took_s" if column == "took" else column), reverse=sort.startswith("-"))
    end = after + _PAGE
    return Sample(
        rows=rows[after:end],
        sort=sort,
        range=chosen,
        next=f"/console/design?sort={sort}&after={end}" if end < _ROWS else None,
    )


def router(house: ConsoleHouse) -> Router:
    """`/console/design`."""

    @get("/console/design")
    async def design(request: AnyRequest) -> Response[str]:
        reader(request)
        query, now = request.query_params, house.clock.now()
        after = query.get("after", "")
        shown = sample(
            now,
            query.get("sort", ""),
            int(after) if after.isdecimal() and len(after) < 4 else 0,
            query.get("range", "24h"),
        )
        return page(request, "design.html", {"now": now, "sample": shown})

    return Router("/", route_handlers=[design])
