"""Kubo RPC: pins. A pin by hand is a hold of owner `pin`; uploads and releases show as pins too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from dxops.base.errors import DxopsError, Refused
from dxops.rooms.content.kubo_call import Call
from dxops.rooms.content.model import HoldKind

_TYPES = ("all", "recursive", "direct", "indirect")


class NotPinned(DxopsError):
    """Kubo answers 500 for it."""

    default_code = "not_pinned"


async def pin_add(call: Call) -> None:
    """`{"Pins": [cid…]}`. Refuses what is not wholly held: this node fetches nothing from others."""
    kind = HoldKind.RECURSIVE if call.query.boolean("recursive", "r", default=True) else HoldKind.DIRECT
    roots = []
    call.query.arg()
    for path in call.query.args:
        target = await call.content.dag.resolve(path)
        await call.content.require_held(str(target.cid), kind)
        roots.append(str(target.cid))
    for root in roots:
        await call.content.holds.pin(root, kind=kind, name=call.query.text("name"))
    await call.json({"Pins": roots})


async def pin_ls(call: Call) -> None:
    """`{"Keys": {cid: {"Type", "Name"}}}`, or with `stream=true` a line each `{"Cid", "Type", "Name"}`."""
    kind = call.query.text("type", "t", default="all")
    if kind not in _TYPES:
        raise Refused(f"option 'type' is '{kind[:40]}', not one of {', '.join(_TYPES)}", field="type")
    wanted = call.query.text("name")
    pins = _named(call, kind) if call.query.args else call.content.pins(kind)
    if call.query.boolean("stream"):
        await call.put_lines(_lines(pins, wanted))
        return
    keys = {cid: {"Type": found, "Name": name} async for cid, found, name in pins if wanted in name}
    await call.json({"Keys": keys})


async def pin_rm(call: Call) -> None:
    """`{"Pins": [cid…]}`. Ends pins and uploads; what a release holds stays, and says so."""
    call.query.arg()
    roots = [str((await call.content.dag.resolve(path)).cid) for path in call.query.args]
    for root in roots:
        if not await call.content.holds.unpin(root):
            owners = [hold.owner for hold in await call.content.holds.of(root)]
            raise NotPinned(f"{root} is held by {', '.join(owners)}" if owners else "not pinned or pinned indirectly")
    await call.json({"Pins": roots})


async def _named(call: Call, kind: str) -> AsyncIterator[tuple[str, str, str]]:
    for path in call.query.args:
        cid = str((await call.content.dag.resolve(path)).cid)
        holds = await call.content.holds.of(cid)
        direct = [hold for hold in holds if kind in ("all", hold.kind.value)]
        if direct:
            yield cid, direct[0].kind.value, direct[0].name
            continue
        above = await call.content.held_below(cid) if kind in ("all", "indirect") else None
        if above is None:
            raise NotPinned(f"path '{path[:200]}' is not pinned")
        yield cid, f"indirect through {above}", ""


async def _lines(pins: AsyncIterator[tuple[str, str, str]], wanted: str) -> AsyncIterator[Mapping[str, object]]:
    async for cid, kind, name in pins:
        if wanted in name:
            yield {"Cid": cid, "Type": kind, "Name": name}
