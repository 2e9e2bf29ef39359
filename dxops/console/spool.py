"""The spool: what arrives, how far it is loaded, what was refused and becomes of it; the banner of every page."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Response, Router, get, post
from litestar.params import FromPath, PathParameter

from dxops.base.actors import Scope
from dxops.base.errors import Conflict, DxopsError
from dxops.base.spooled import Minute
from dxops.base.web import actor_of
from dxops.console.house import ConsoleHouse
from dxops.console.plots import beside
from dxops.console.rendering import is_partial, page
from dxops.console.requests import AnyRequest, done_of, form_of, limit_text, reader, see, status_of

What = Annotated[Literal["redrive", "discard"], PathParameter(description="What becomes of them")]


def router(house: ConsoleHouse) -> Router:
    """`/system/spool…`, `/console/troubles`."""
    spool = house.spool

    async def shown(request: AnyRequest, *, error: DxopsError | None = None) -> Response[str]:
        actor = reader(request)
        state = await spool.look()
        context: dict[str, object] = {"state": state, **plotted(list(spool.minutes()))}
        if is_partial(request) and error is None:
            return page(request, "spool/state.html", context)
        records = await spool.quarantined(cursor=limit_text(request.query_params.get("cursor"), 500))
        context |= {
            "records": records,
            "streams": [name for name, one in state.streams.items() if one.in_quarantine],
            "may_operate": actor.may(Scope.OPERATE),
            "error": error,
            "done": done_of(request),
        }
        return page(request, "spool/page.html", context, status=200 if error is None else status_of(error))

    @get("/system/spool")
    async def overview(request: AnyRequest) -> Response[str]:
        return await shown(request)

    @get("/system/spool/{stream:str}/records/{seq:int}")
    async def record(request: AnyRequest, stream: FromPath[str], seq: FromPath[int]) -> Response[str]:
        reader(request)
        context = {"record": await spool.record(stream, seq)}
        return page(request, "spool/record.html" if is_partial(request) else "spool/record_page.html", context)

    @get("/system/spool/{stream:str}/{what:str}")
    async def ask(request: AnyRequest, stream: FromPath[str], what: FromPath[What]) -> Response[str]:
        actor_of(request).require(Scope.OPERATE)
        seq = _number(request.query_params.get("seq"))
        if seq is None:
            state = await spool.look()
            count = state.streams[stream].in_quarantine if stream in state.streams else 0
            found = await spool.quarantined(stream, limit=200)
            doubtful = sum(one.in_doubt for one in found.items)
        else:
            count, doubtful = 1, int((await spool.record(stream, seq)).in_doubt)
        context = {"stream": stream, "what": what, "seq": seq, "count": count, "doubtful": doubtful}
        return page(request, "spool/decide.html" if is_partial(request) else "spool/decide_page.html", context)

    @post("/system/spool/{stream:str}/{what:str}")
    async def decide(request: AnyRequest, stream: FromPath[str], what: FromPath[What]) -> Response[str]:
        actor = actor_of(request)
        actor.require(Scope.OPERATE)
        form = await form_of(request)
        seq = _number(form.get("seq"))
        try:
            if what == "redrive":
                doubt = form.get("also_in_doubt") == "1"
                await spool.redrive(actor, stream, None if seq is None else [seq], also_in_doubt=doubt)
                return see("/system/spool", done="redriven")
            if seq is None:
                state = await spool.look()
                there = state.streams[stream].in_quarantine if stream in state.streams else 0
                if form.get("expected") != str(there):
                    raise Conflict(
                        f"there are {there:,} records now, not as many as were shown",
                        hint="look at them again before they are discarded",
                    )
            await spool.discard(actor, stream, None if seq is None else [seq])
        except DxopsError as error:
            return await shown(request, error=error)
        return see("/system/spool", done="discarded")

    @get("/console/troubles")
    async def troubles(request: AnyRequest) -> Response[str]:
        reader(request)
        return page(request, "spool/troubles.html")

    return Router("/", route_handlers=[overview, record, ask, decide, troubles])


def plotted(minutes: list[Minute]) -> dict[str, object]:
    """The plot of the last hour."""
    labels = [
        f"{minute.at:%H:%M}: {_said(minute.received)} received, {_said(minute.loaded)} loaded" for minute in minutes
    ]
    return {
        "columns": beside(labels, [(minute.received, minute.loaded) for minute in minutes]),
        "highest": max((value for one in minutes for value in (one.received, one.loaded) if value), default=0),
        "counted": any(minute.received is not None for minute in minutes),
    }


def _said(count: int | None) -> str:
    return "not counted" if count is None else f"{count:,}"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None
