"""`/api/content`: what the console, `dxops publish` and scripts use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from dxops.base.actors import Scope
from dxops.base.errors import Missing
from dxops.base.web import Page, actor_of, page_limit
from dxops.rooms.content.model import Hold, HoldKind, ImportRecord, Inspection, Replication, Stats, Upkeep, UpkeepKind
from dxops.rooms.content.service import ContentService

AnyRequest = Request[Any, Any, Any]
Cursor = Annotated[str | None, QueryParameter(name="cursor", description="`next` of the page before")]
Limit = Annotated[int | None, QueryParameter(name="limit", description="Items per page, 1 to 200")]
HoldMinutes = Annotated[
    float | None,
    QueryParameter(
        name="hold_minutes", ge=0, le=44640, description="Keep the roots this long, for a release to follow"
    ),
]


class MissingQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """CIDs to ask for, at most 100,000."""

    cids: list[str]


class MissingAnswer(msgspec.Struct, frozen=True):
    """Those that are not held, in order."""

    missing: list[str]


class CarAnswer(msgspec.Struct, frozen=True):
    """The roots that the CAR's header names."""

    roots: list[str]


class PinWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to pin; `recursive` false keeps the root block alone."""

    cid: str
    name: str = ""
    recursive: bool = True


class UpkeepWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do for the store; `preview` is a collection that removes nothing."""

    kind: UpkeepKind


def router(content: ContentService) -> Router:
    """The routes. Scopes: `read` to look, `publish` or `content` to upload, `content` to pin, `operate` for upkeep."""

    @post("/missing", status_code=200, summary="Which blocks are not held")
    async def missing(request: AnyRequest, data: JSONBody[MissingQuestion]) -> MissingAnswer:
        """Ask before an upload, and send only these. Scope `publish` or `content`."""
        content.require_any(actor_of(request), Scope.PUBLISH, Scope.CONTENT)
        return MissingAnswer(await content.missing(data.cids))

    # no bound on the body: it is stored as it comes, a block at a time, and the disk is watched
    @post("/car", status_code=200, summary="Import a CARv1 stream (the request body)", request_max_body_size=None)
    async def import_car(request: AnyRequest, hold_minutes: HoldMinutes = None) -> CarAnswer:
        """The body is a CAR of any size, stored a block at a time. Every block is compared with its CID; a wrong one
        refuses the rest. Scope `publish` or `content`."""
        actor = actor_of(request)
        content.require_any(actor, Scope.PUBLISH, Scope.CONTENT)
        roots = await content.upload_car(actor, request.stream(), hold_minutes=hold_minutes)
        return CarAnswer(roots)

    @get("/stats", summary="The store at a glance")
    async def stats(request: AnyRequest) -> Stats:
        """Blocks, bytes, roots and holds; free space on the disk."""
        actor_of(request).require(Scope.READ)
        return await content.stats()

    @get("/imports", summary="Imports, newest first")
    async def imports(request: AnyRequest, cursor: Cursor = None, limit: Limit = None) -> Page[ImportRecord]:
        """Every upload: its root, size, way and person."""
        actor_of(request).require(Scope.READ)
        return await content.imports(cursor=cursor, limit=limit)

    @get("/pins", summary="Who holds what")
    async def pins(
        request: AnyRequest,
        owner: Annotated[str | None, QueryParameter(name="owner", description="Only this owner's")] = None,
        cursor: Cursor = None,
        limit: Limit = None,
    ) -> Page[Hold]:
        """Releases, uploads and pins, each with what it keeps and until when."""
        actor_of(request).require(Scope.READ)
        return await content.holds.page(owners=[owner] if owner else [], cursor=cursor, limit=limit)

    @post("/pins", status_code=201, summary="Pin a CID that is held here")
    async def pin(request: AnyRequest, data: JSONBody[PinWish]) -> list[Hold]:
        """Keeps it, and with `recursive` all below it, until it is unpinned. Scope `content`."""
        actor_of(request).require(Scope.CONTENT)
        kind = HoldKind.RECURSIVE if data.recursive else HoldKind.DIRECT
        await content.require_held(data.cid, kind)
        await content.holds.pin(data.cid, kind=kind, name=data.name)
        return await content.holds.of(data.cid)

    @delete("/pins/{cid:str}", summary="Unpin; releases keep what they hold")
    async def unpin(request: AnyRequest, cid: FromPath[str]) -> None:
        """What nothing else holds goes with the next collection after the grace period. Scope `content`."""
        actor_of(request).require(Scope.CONTENT)
        if not await content.holds.unpin(cid):
            raise Missing(f"{cid} is not pinned", hint="`GET /api/content/pins` lists the pins")

    @get("/replications", summary="What the other Kubo node is to pin")
    async def replications(request: AnyRequest, limit: Limit = None) -> list[Replication]:
        """With `content.kubo_url`: each released CID, its state there and the last failure."""
        actor_of(request).require(Scope.READ)
        return await content.replicas.list(page_limit(limit, 100))

    @post("/upkeep", status_code=202, summary="Verify, collect, preview a collection, or count")
    async def start_upkeep(request: AnyRequest, data: JSONBody[UpkeepWish]) -> Upkeep:
        """Background work. Where a run of the same kind is unfinished, the answer is that run."""
        return await content.upkeep.start(actor_of(request), data.kind)

    @get("/upkeep", summary="The newest run of each kind of upkeep")
    async def list_upkeep(request: AnyRequest) -> list[Upkeep]:
        """What is under way with its progress, and the last reports. Scope `read`."""
        actor_of(request).require(Scope.READ)
        return await content.upkeep.newest()

    @get("/upkeep/{run_id:str}", summary="One run of upkeep: its progress, then its report")
    async def one_upkeep(request: AnyRequest, run_id: FromPath[str]) -> Upkeep:
        """Poll it while it is unfinished: blocks seen, bytes, faults found. Scope `read`."""
        actor_of(request).require(Scope.READ)
        return await content.upkeep.get(run_id)

    @get("/{cid:str}", summary="What a CID is, and who holds it")
    async def inspect(request: AnyRequest, cid: FromPath[str]) -> Inspection:
        """Kind, codec, size, links and entries of one block, a preview of a text, and its holds."""
        actor_of(request).require(Scope.READ)
        return await content.inspect(cid)

    @get("/{cid:str}/car", summary="The whole DAG as a CARv1", media_type="application/vnd.ipld.car")
    async def export_car(request: AnyRequest, cid: FromPath[str]) -> Stream:
        """Every block once, in depth-first order, so that IPFS clients can verify it as it comes."""
        actor_of(request).require(Scope.READ)
        chunks = content.export_car(cid)
        first = await anext(chunks)  # a missing root is a 404, not a broken stream

        async def rest() -> AsyncIterator[bytes]:
            yield first
            async for chunk in chunks:
                yield chunk

        return Stream(
            rest(),
            media_type="application/vnd.ipld.car; version=1; order=dfs; dups=n",
            headers={"content-disposition": f'attachment; filename="{cid}.car"', "x-content-type-options": "nosniff"},
        )

    @get("/{cid:str}/file", summary="A file's bytes, verified block by block", media_type="application/octet-stream")
    async def read_file(
        request: AnyRequest,
        cid: FromPath[str],
        path: Annotated[str, QueryParameter(name="path", description="Path below the CID")] = "",
    ) -> Stream:
        """`path` below a directory, or nothing for a file. Sent as an attachment."""
        actor_of(request).require(Scope.READ)
        found = await content.dag.resolve("/".join(part for part in (cid, path) if part))
        chunks = content.read(str(found.cid))
        first = await anext(chunks, b"")  # what is missing or no file is an error, not a broken stream

        async def rest() -> AsyncIterator[bytes]:
            yield first
            async for chunk in chunks:
                yield chunk

        headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
        return Stream(rest(), media_type="application/octet-stream", headers=headers)

    handlers = [
        missing,
        import_car,
        stats,
        imports,
        pins,
        pin,
        unpin,
        replications,
        start_upkeep,
        list_upkeep,
        one_upkeep,
        inspect,
        export_car,
        read_file,
    ]
    return Router("/content", route_handlers=handlers, tags=["content"])
