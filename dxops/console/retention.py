"""How long logs are kept: sizes by stream and day, settings with an estimate before they are made, removals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from litestar import Response, Router, get, post

from dxops.base.actors import Scope
from dxops.base.errors import DxopsError, Refused, Unavailable
from dxops.base.web import actor_of
from dxops.console.house import ConsoleHouse
from dxops.console.plots import stacked
from dxops.console.rendering import is_partial, page
from dxops.console.requests import AnyRequest, done_of, form_of, reader, see, status_of
from dxops.rooms.logs.keeping import Kept
from dxops.rooms.logs.retention import GB, Limits

_DAYS = 30
_SERIES = 5  # the biggest streams; the others are one series more
_ORDERS = ("stream", "documents", "bytes", "rate", "steady")


def router(house: ConsoleHouse) -> Router:
    """`/logs/retention…`."""
    keeping = house.keeping

    async def shown(request: AnyRequest, *, error: DxopsError | None = None) -> Response[str]:
        actor = reader(request)
        sort = request.query_params.get("sort", "-bytes")
        sort = sort if sort.removeprefix("-") in _ORDERS else "-bytes"
        disk = (await house.spool.look()).disks.get("store")
        try:
            overview = await keeping.overview(disk)
        except Unavailable as away:
            return page(request, "retention/away.html", {"error": away}, status=503)
        context = {
            "overview": overview,
            "streams": ordered(overview.streams, sort),
            "sort": sort,
            "total": sum(one.usage.bytes for one in overview.streams),
            "may_operate": actor.may(Scope.OPERATE),
            "said": said,
            "error": error,
            "done": done_of(request),
            **plotted([one for one in overview.streams if one.usage.days], house.clock.now()),
        }
        return page(request, "retention/page.html", context, status=200 if error is None else status_of(error))

    @get("/logs/retention")
    async def overview(request: AnyRequest) -> Response[str]:
        return await shown(request)

    @get("/logs/retention/set")
    async def ask(request: AnyRequest) -> Response[str]:
        actor_of(request).require(Scope.OPERATE)
        query = request.query_params
        pattern = query.get("pattern", "").strip()
        known = next((one for one in (await keeping.overview()).settings if one.pattern == pattern), None)
        values = {name: query.get(name, "") for name in ("days", "gb")}
        if known is not None and not (values["days"] or values["gb"]):
            values = {"days": _text(known.limits.days), "gb": _text(known.limits.bytes, GB)}
        context: dict[str, object] = {
            "pattern": pattern,
            "values": values,
            "known": known,
            "preview": None,
            "error": None,
        }
        if pattern:
            try:
                context["preview"] = await keeping.preview(pattern, limits_of(values))
            except Refused as error:
                context["error"] = error
        context |= {"currency": keeping.currency, "said": said}
        if is_partial(request):
            piece = request.headers.get("HX-Target") == "estimate"
            return page(request, "retention/estimate.html" if piece else "retention/dialog.html", context)
        return page(request, "retention/set_page.html", context)

    @post("/logs/retention/set")
    async def put(request: AnyRequest) -> Response[str]:
        actor = actor_of(request)
        actor.require(Scope.OPERATE)
        form = await form_of(request)
        try:
            if form.get("do") == "unset":
                await keeping.unset(actor, form.get("pattern", ""))
                return see("/logs/retention", done="retention-unset")
            await keeping.put(actor, form.get("pattern", ""), limits_of(form))
        except DxopsError as error:
            return await shown(request, error=error)
        return see("/logs/retention", done="retention-set")

    return Router("/", route_handlers=[overview, ask, put])


def limits_of(form: Mapping[str, str]) -> Limits:
    """`days` and `gb` of a form; what is empty is no bound. Raises `Refused`."""
    days, gb = form.get("days", "").strip(), form.get("gb", "").strip().replace(",", ".")
    if days and not (days.isascii() and days.isdecimal() and len(days) < 7):
        raise Refused(f"'{days[:40]}' is not a number of days", field="days", hint="a whole number, or nothing")
    try:
        size = round(float(gb) * GB) if gb else None
    except (ValueError, OverflowError):
        size = -1
    if size is not None and not 0 < size < 1 << 60:
        raise Refused(f"'{gb[:40]}' is not a size in GB", field="gb", hint="like 20 or 0.5, or nothing")
    return Limits(days=int(days) if days else None, bytes=size)


def said(limits: Limits) -> str:
    """`30 days, 20 GB`; `everything`."""
    parts = []
    if limits.days is not None:
        parts.append("today only" if limits.days == 0 else f"{limits.days:,} day{'s' if limits.days != 1 else ''}")
    if limits.bytes is not None:
        parts.append(f"{limits.bytes / GB:,.4g} GB")
    if limits.documents is not None:
        parts.append(f"{limits.documents:,} documents")
    return ", ".join(parts) or "everything"


def ordered(streams: Sequence[Kept], sort: str) -> list[Kept]:
    """By a column, falling with a minus; streams that grow without end count as the largest."""
    keys = {
        "stream": lambda one: one.usage.stream,
        "documents": lambda one: one.usage.documents,
        "bytes": lambda one: one.usage.bytes,
        "rate": lambda one: one.forecast.bytes_per_day,
        "steady": lambda one: float("inf") if one.forecast.steady_bytes is None else one.forecast.steady_bytes,
    }
    return sorted(streams, key=keys[sort.removeprefix("-")], reverse=sort.startswith("-"))


def plotted(streams: Sequence[Kept], now: datetime) -> dict[str, object]:
    """Bytes on disk by day of the last 30 days, the biggest streams told apart."""
    biggest = sorted(streams, key=lambda one: -one.usage.bytes)
    named = biggest[: _SERIES if len(biggest) > _SERIES + 1 else _SERIES + 1]
    days = [now.date() - timedelta(days=back) for back in range(_DAYS - 1, -1, -1)]
    sizes: dict[date, list[int]] = {day: [0] * (len(named) + 1) for day in days}
    for place, one in enumerate(biggest):
        for day in one.usage.days:
            if day.day in sizes:
                sizes[day.day][min(place, len(named))] += day.bytes
    names = [one.usage.stream for one in named] + (["others"] if len(biggest) > len(named) else [])
    rows = [sizes[day][: len(names)] for day in days]
    labels = [
        f"{day:%-d %b}: "
        + ", ".join(f"{name} {size / 1e6:,.1f} MB" for name, size in zip(names, row, strict=True) if size)
        for day, row in zip(days, rows, strict=True)
    ]
    return {
        "columns": stacked(labels, rows),
        "names": names,
        "highest": max((sum(row) for row in rows), default=0),
        "first_day": f"{days[0]:%-d %b}",
    }


def _text(value: int | None, unit: int = 1) -> str:
    return "" if value is None else f"{value / unit:g}"
