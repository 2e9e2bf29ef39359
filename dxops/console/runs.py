"""Publishes: the list of runs, and one run with its live log."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from litestar import Response, Router, get
from litestar.params import FromPath
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from dxops.console.house import ConsoleHouse
from dxops.console.rendering import is_partial, page
from dxops.console.requests import AnyRequest, limit_text, reader


def router(house: ConsoleHouse) -> Router:
    """`/runs/…`."""

    @get("/runs")
    async def runs_page(request: AnyRequest) -> Response[str]:
        reader(request)
        app = limit_text(request.query_params.get("app"))
        found = await house.delivery.runs(app, cursor=limit_text(request.query_params.get("cursor")))
        template = "runs/list.html" if is_partial(request) else "runs/runs.html"
        return page(request, template, {"runs": found, "app_name": app})

    @get("/runs/{run_id:str}")
    async def run_page(request: AnyRequest, run_id: FromPath[str]) -> Response[str]:
        reader(request)
        run = await house.delivery.run(run_id)
        apps = {app.name: app for app in await house.delivery.list_apps()}
        return page(request, "runs/run.html", {"run": run, "known": apps})

    @get("/runs/{run_id:str}/log")
    async def log(request: AnyRequest, run_id: FromPath[str]) -> ServerSentEvent:
        reader(request)
        await house.delivery.run(run_id)
        last = request.headers.get("Last-Event-ID", "")
        after = int(last) if last.isdigit() else 0

        async def lines() -> AsyncIterator[ServerSentEventMessage]:
            async for line in house.delivery.follow_run(run_id, after=after, colors=True):
                text = msgspec.json.encode(line).decode()
                yield ServerSentEventMessage(event="line", id=line.seq, data=text)
            yield ServerSentEventMessage(event="end", data="{}")

        return ServerSentEvent(lines(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    return Router("/", route_handlers=[runs_page, run_page, log])
