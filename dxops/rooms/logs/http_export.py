"""`/api/logs/export` and `/api/logs/streams`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream

from dxops.base.streaming import ClosingStream, sliced
from dxops.base.web import actor_of, while_connected
from dxops.rooms.logs.exporting import MAX_LINES, Export, exported, read_columns
from dxops.rooms.logs.http_question import ASKED, AnyRequest
from dxops.rooms.logs.model import StreamFacts
from dxops.rooms.logs.question import Question
from dxops.rooms.logs.service import Logs

_TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


class Streams(msgspec.Struct, frozen=True):
    """By name."""

    items: list[StreamFacts]


def handlers(logs: Logs) -> list[HTTPRouteHandler]:
    """The routes below `/api/logs`."""

    @get("/export", summary="Export lines", dependencies=ASKED, media_type="application/x-ndjson")
    async def export(
        request: AnyRequest,
        asked: NamedDependency[Question],
        format: Annotated[Literal["csv", "ndjson"], QueryParameter(description="Of the file")] = "ndjson",
        columns: Annotated[str, QueryParameter(description="Comma list, for CSV: `time`, `level`, fields …")] = "",
        limit: Annotated[int, QueryParameter(description="At most so many lines", ge=1, le=MAX_LINES)] = 100_000,
        order: Annotated[Literal["asc", "desc"], QueryParameter(description="By time")] = "desc",
    ) -> Stream:
        """A file of matching lines, streamed: CSV with a head line, or NDJSON with `@timestamp`, `_index`, `_id` and
        the document as it was sent in `_source`. Cells that a spreadsheet would run begin with an apostrophe."""
        selection = await logs.selection(actor_of(request), asked)
        wanted = Export(format=format, columns=read_columns(columns), limit=limit)
        pieces = exported(logs.explorer, selection, wanted, newest_first=order == "desc")
        headers = {
            "content-type": _TYPES[format],
            "content-disposition": f'attachment; filename="logs.{format}"',
            "cache-control": "no-store",
        }
        return ClosingStream(sliced(pieces), headers=headers)

    @get("/streams", summary="Log streams")
    async def streams(request: AnyRequest) -> Streams:
        """Every stream that has documents, with their number, an estimate of their bytes on disk, and their times."""
        names = await logs.reach.streams(actor_of(request), [])
        return Streams(await while_connected(request, logs.explorer.streams(names)))

    return [export, streams]
