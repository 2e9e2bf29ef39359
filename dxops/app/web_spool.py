"""`/api/spool`: what was received, what is loaded, what waits, what was refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from dxops.base.actors import Actor, Scope
from dxops.base.errors import Forbidden, Refused
from dxops.base.spooled import DiskSpace, Minute, QuarantinedRecord, SpoolState, SpoolView, StreamAmounts, Totals
from dxops.base.web import Page, actor_of

AnyRequest = Request[Any, Any, Any]
Cursor = Annotated[str | None, QueryParameter(name="cursor", description="`next` of the page before")]
Limit = Annotated[int | None, QueryParameter(name="limit", description="Items per page, 1 to 200")]


class RoleStates(msgspec.Struct, frozen=True):
    """Of those that data passes through; `elsewhere` for a store that is not ours, `unknown` without a supervisor."""

    ingest: str
    loader: str
    store: str


class Spool(msgspec.Struct, frozen=True, kw_only=True):
    """The spool. `minutes` are the last hour's, for a plot."""

    at: datetime
    streams: dict[str, StreamAmounts]
    totals: Totals
    roles: RoleStates
    disks: dict[str, DiskSpace]
    max_bytes: int
    minutes: list[Minute]


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which records of a stream: `seqs`, or `all` of them."""

    stream: str
    seqs: list[int] | None = None
    all: bool = False
    also_in_doubt: bool = False


class Count(msgspec.Struct, frozen=True):
    """How many records it concerned."""

    count: int


def router(spool: SpoolView) -> Router:
    """Scopes: `read` to look, `operate` to decide."""

    @get("/spool", summary="What arrives, and how far it is loaded", tags=["system"])
    async def look(request: AnyRequest) -> Spool:
        """Per stream since it began: `received = loaded + pending + quarantined + lost`. Needs no store to answer."""
        _whole(actor_of(request)).require(Scope.READ)
        return shown(await spool.look(), list(spool.minutes()))

    @get("/spool/quarantine", summary="Records that the store refused", tags=["system"])
    async def quarantined(
        request: AnyRequest,
        stream: Annotated[str | None, QueryParameter(name="stream", description="Only this stream's")] = None,
        cursor: Cursor = None,
        limit: Limit = None,
    ) -> Page[QuarantinedRecord]:
        """By stream and number, each with the reason."""
        _whole(actor_of(request)).require(Scope.READ)
        return await spool.quarantined(stream, cursor=cursor, limit=limit)

    @get("/spool/quarantine/{stream:str}/records/{seq:int}", summary="One of them", tags=["system"])
    async def record(request: AnyRequest, stream: FromPath[str], seq: FromPath[int]) -> QuarantinedRecord:
        """With its payload."""
        _whole(actor_of(request)).require(Scope.READ)
        return await spool.record(stream, seq)

    @post("/spool/quarantine/redrive", status_code=200, summary="Give records back to their stream", tags=["system"])
    async def redrive(request: AnyRequest, data: JSONBody[Decision]) -> Count:
        """Each gets a new number and is loaded like a fresh one. Those whose earlier try was cut off (`in_doubt`) may
        be there already: they need `also_in_doubt`. Scope `operate`."""
        seqs = _chosen(data)
        actor = _whole(actor_of(request))
        return Count(await spool.redrive(actor, data.stream, seqs, also_in_doubt=data.also_in_doubt))

    @post("/spool/quarantine/discard", status_code=200, summary="Delete records for good", tags=["system"])
    async def discard(request: AnyRequest, data: JSONBody[Decision]) -> Count:
        """There is no way back. Scope `operate`."""
        return Count(await spool.discard(_whole(actor_of(request)), data.stream, _chosen(data)))

    return Router("/", route_handlers=[look, quarantined, record, redrive, discard])


def shown(state: SpoolState, minutes: list[Minute]) -> Spool:
    """As the API gives it."""
    return Spool(
        at=state.at,
        streams=state.streams,
        totals=state.totals,
        roles=RoleStates(state.ingest, state.loader, state.store),
        disks=state.disks,
        max_bytes=state.max_bytes,
        minutes=minutes,
    )


def _chosen(data: Decision) -> list[int] | None:
    if data.all == (data.seqs is not None):
        raise Refused("name the records with seqs, or say all", field="seqs")
    return data.seqs


def _whole(actor: Actor) -> Actor:
    """What arrives is everybody's."""
    if actor.is_limited:
        raise Forbidden("this token is for some apps, environments or log streams only, the spool holds records of all")
    return actor
