"""Content: any CID as people see it, its DAG, pins, the store, and looking after it."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath

from dxops.base.actors import Actor, Scope
from dxops.base.errors import DxopsError, Missing, Refused
from dxops.base.web import actor_of
from dxops.console import words
from dxops.console.house import ConsoleHouse
from dxops.console.rendering import is_partial, page
from dxops.console.requests import AnyRequest, done_of, form_of, limit_text, reader, see, status_of
from dxops.rooms.content.model import HoldKind, Inspection, UpkeepKind

_DAG_LINKS: Final = 60  # children of one node that the tree shows
_IMAGE_LIMIT: Final = 5_000_000
_IMAGES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
)


class DagLink(msgspec.Struct, frozen=True):
    """A link in the tree."""

    name: str
    cid: str
    size: str


class DagNode(msgspec.Struct, frozen=True):
    """A node of the tree; `total` counts links that are not listed too."""

    kind: str
    codec: str
    size: str
    links: list[DagLink]
    total: int


def image_type(head: bytes) -> str | None:
    """The type of a picture that cannot carry a script, by its first bytes; None for everything else (SVG too)."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _IMAGES if head.startswith(magic)), None)


def router(house: ConsoleHouse) -> Router:
    """`/content/…`, `/console/dag/…`, `/console/image/…`."""
    content = house.content

    async def overview(request: AnyRequest, *, error: DxopsError | None = None) -> Response[str]:
        context = {
            **await store_context(house, reader(request)),
            "pins": await content.holds.page(owners=[], cursor=limit_text(request.query_params.get("cursor"))),
            "imports": (await content.imports(limit=10)).items,
            "names": await release_names(house),
            "error": error,
            "wanted": request.query_params.get("cid", ""),
            "done": done_of(request),
        }
        return page(request, "content/content.html", context, status=200 if error is None else status_of(error))

    @get("/content")
    async def content_page(request: AnyRequest) -> Response[str]:
        wanted = request.query_params.get("cid", "").strip()
        if wanted:
            return see("/content/" + quote(wanted.removeprefix("ipfs://").removeprefix("/ipfs/").strip("/")))
        return await overview(request)

    @get(["/content/{cid:str}", "/content/{cid:str}/{path:path}"])
    async def cid_page(request: AnyRequest, cid: FromPath[str], path: FromPath[str] = "") -> Response[str]:
        actor = reader(request)
        parts = [part for part in path.split("/") if part]
        try:
            shown, trail = await resolve(house, cid, parts)
        except DxopsError as error:
            return await overview(request, error=error)
        picture = False
        if shown.kind == "file" and 0 < (shown.size_bytes or 0) <= _IMAGE_LIMIT:
            picture = image_type(b"".join([part async for part in content.read(shown.cid, 0, 16)])) is not None
        context = {
            "root": cid,
            "trail": trail,
            "shown": shown,
            "picture": picture,
            "base": "/".join(["/content", cid, *(quote(part, safe="") for part in parts)]),
            "names": await release_names(house) if shown.holds else {},
            "data": json.dumps(shown.data, indent=2, ensure_ascii=False) if shown.data is not None else None,
            "pinned": any(hold.owner == "pin" for hold in shown.holds),
            "may_pin": actor.may(Scope.CONTENT),
            "gateway": house.installation.addresses().get("ipfs_gateway_url", ""),
            "done": done_of(request),
        }
        return page(request, "content/cid.html", context)

    @get("/console/dag/{cid:str}")
    async def dag(request: AnyRequest, cid: FromPath[str]) -> DagNode:
        reader(request)
        shown = await content.inspect(cid)
        links = [
            DagLink(link.name, link.cid, "" if link.tsize_bytes is None else words.size(link.tsize_bytes))
            for link in shown.links[:_DAG_LINKS]
        ]
        return DagNode(shown.kind, shown.codec, words.size(shown.block_bytes), links, len(shown.links))

    @get("/console/image/{cid:str}")
    async def image(request: AnyRequest, cid: FromPath[str]) -> Response[bytes]:
        reader(request)
        body = await content.read_bytes(cid, _IMAGE_LIMIT)
        kind = image_type(body)
        if kind is None:
            raise Missing(f"{cid} is not a picture that is shown here")
        headers = {
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=3600",
        }
        return Response(body, media_type=kind, headers=headers)

    @post("/content/{cid:str}/pin")
    async def pin(request: AnyRequest, cid: FromPath[str]) -> Response[str]:
        actor_of(request).require(Scope.CONTENT)
        form = await form_of(request)
        if form.get("do") == "unpin":
            await content.holds.unpin(cid)
            return see(f"/content/{quote(cid)}", done="unpinned")
        await content.require_held(cid, HoldKind.RECURSIVE)
        await content.holds.pin(cid, kind=HoldKind.RECURSIVE, name=form.get("name", "")[:200])
        return see(f"/content/{quote(cid)}", done="pinned")

    @get("/content/upkeep")
    async def store(request: AnyRequest) -> Response[str]:
        actor = reader(request)
        if not is_partial(request):
            return see("/content")
        return page(request, "content/store.html", await store_context(house, actor))

    @post("/content/upkeep")
    async def start_upkeep(request: AnyRequest) -> Response[str]:
        actor = actor_of(request)
        try:
            kind = UpkeepKind((await form_of(request)).get("do", ""))
        except ValueError:
            raise Refused("nothing to do", field="do") from None
        await content.upkeep.start(actor, kind)
        return see("/content")

    return Router("/", route_handlers=[content_page, store, start_upkeep, cid_page, dag, image, pin])


async def store_context(house: ConsoleHouse, actor: Actor) -> dict[str, object]:
    """What the store has, and what is done for it: all of it kept, nothing counted."""
    newest = {run.kind: run for run in await house.content.upkeep.newest()}
    shown = [run for run in newest.values() if run.active or run.kind is not UpkeepKind.COUNT]
    collection, preview = newest.get(UpkeepKind.COLLECT), newest.get(UpkeepKind.PREVIEW)
    if collection and preview and not preview.active and collection.asked_at > preview.asked_at:
        shown.remove(preview)  # it told of what has been collected since
    return {
        "stats": await house.content.stats(),
        "runs": shown,
        "active": {run.kind for run in newest.values() if run.active},
        "may_operate": actor.may(Scope.OPERATE),
    }


async def release_names(house: ConsoleHouse) -> dict[str, str]:
    """`hello 1.2 in dev` by id, for the newest releases of every app: who keeps what, in words."""
    found = {}
    for app in await house.delivery.list_apps():
        for release in (await house.delivery.releases(app.name, limit=200)).items:
            found[release.id] = f"{release.app} {release.version} in {release.environment}"
    return found


async def resolve(house: ConsoleHouse, cid: str, parts: list[str]) -> tuple[Inspection, list[tuple[str, str]]]:
    """What is at `cid`/`parts`, and the way there as (name, address). Raises `Missing` naming the part."""
    shown = await house.content.inspect(cid)
    trail: list[tuple[str, str]] = []
    address = f"/content/{quote(cid)}"
    for part in parts:
        entry = next((one for one in shown.entries if one.name == part), None)
        if entry is None:
            raise Missing(f"there is no '{part}' in {words.short_cid(shown.cid)}", hint="go up and look at its entries")
        address = f"{address}/{quote(part, safe='')}"
        trail.append((part, address))
        shown = await house.content.inspect(entry.cid)
    return shown, trail
