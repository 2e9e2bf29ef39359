"""`/api/logs/retention`: how long streams are kept, what that costs, and what a setting would do before it is made."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Router, delete, get, post, put
from litestar.params import JSONBody, QueryParameter

from dxops.base.actors import Actor, Scope
from dxops.base.errors import Forbidden
from dxops.base.spooled import DiskSpace, SpoolView
from dxops.base.web import actor_of
from dxops.rooms.logs.keeping import Keeping, Kept, Overview, Preview
from dxops.rooms.logs.retention import Day, Forecast, Limits, Rule
from dxops.rooms.logs.retention_repo import Removal, Setting

AnyRequest = Request[Any, Any, Any]


class StreamKept(msgspec.Struct, frozen=True, kw_only=True):
    """A stream: what it has, the rule it follows, and what that comes to. `bytes` are on disk, `sent_bytes` as JSON."""

    stream: str
    documents: int
    bytes: int
    sent_bytes: int
    days: list[Day]
    rule: Rule
    forecast: Forecast


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """All streams. `full_in_days` None: the disk does not fill up by what is known now."""

    streams: list[StreamKept]
    settings: list[Setting]
    default: Limits
    removals: list[Removal]
    price_per_gb_month: float
    currency: str
    disk: DiskSpace | None
    full_in_days: float | None


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the streams that it concerns: `before` is what holds now, `after` what would. `goes_*` of `after` is
    what would be removed ten minutes after it was set."""

    pattern: str
    before: Forecast
    after: Forecast
    streams: list[StreamKept]


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to keep of the streams that the pattern fits (`*` stands for any part); none of them keeps everything."""

    pattern: str
    days: int | None = None
    bytes: int | None = None
    documents: int | None = None

    @property
    def limits(self) -> Limits:
        return Limits(days=self.days, bytes=self.bytes, documents=self.documents)


def router(keeping: Keeping, spool: SpoolView) -> Router:
    """Scopes: `read` to look and to try, `operate` to set."""

    @get("/logs/retention", summary="How long logs are kept, and what they take", tags=["logs"])
    async def overview(request: AnyRequest) -> Retention:
        """Every stream by name with its days, the rule that holds and where it comes from, and the newest removals."""
        _whole(actor_of(request)).require(Scope.READ)
        disk = (await spool.look()).disks.get("store")
        return shown(await keeping.overview(disk))

    @post("/logs/retention/preview", status_code=200, summary="What a setting would do", tags=["logs"])
    async def preview(request: AnyRequest, data: JSONBody[Wish]) -> Estimate:
        """Documents and bytes that would go, the oldest day kept, what it comes to, and money. Changes nothing."""
        _whole(actor_of(request)).require(Scope.READ)
        return estimate(data.pattern, await keeping.preview(data.pattern, data.limits))

    @put("/logs/retention", summary="Set how long streams are kept", tags=["logs"])
    async def setting(request: AnyRequest, data: JSONBody[Wish]) -> Setting:
        """Goes before ILM policies and the default. What is over the limits goes ten minutes later. Scope `operate`."""
        return await keeping.put(_whole(actor_of(request)), data.pattern, data.limits)

    @delete("/logs/retention", summary="Take a setting back", tags=["logs"])
    async def unset(
        request: AnyRequest,
        pattern: Annotated[str, QueryParameter(name="pattern", description="The pattern as it was set")],
    ) -> None:
        """The policy or the default holds again. Scope `operate`."""
        await keeping.unset(_whole(actor_of(request)), pattern)

    return Router("/", route_handlers=[overview, preview, setting, unset])


def shown(found: Overview) -> Retention:
    """As the API gives it."""
    return Retention(
        streams=[_stream(one) for one in found.streams],
        settings=found.settings,
        default=found.default,
        removals=found.removals,
        price_per_gb_month=found.price_per_gb,
        currency=found.currency,
        disk=found.disk,
        full_in_days=found.full_in_days,
    )


def estimate(pattern: str, found: Preview) -> Estimate:
    """As the API gives it."""
    streams = [_stream(one) for one in found.streams]
    return Estimate(pattern=pattern, before=found.before, after=found.after, streams=streams)


def _stream(one: Kept) -> StreamKept:
    return StreamKept(
        stream=one.usage.stream,
        documents=one.usage.documents,
        bytes=one.usage.bytes,
        sent_bytes=one.usage.sent_bytes,
        days=list(one.usage.days),
        rule=one.rule,
        forecast=one.forecast,
    )


def _whole(actor: Actor) -> Actor:
    """Logs are everybody's."""
    if actor.is_limited:
        raise Forbidden("this token is for some apps, environments or log streams only, retention is of all")
    return actor
