"""`/api/logs/saved`: saved searches."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from dxops.base.web import actor_of
from dxops.rooms.logs.saved import SavedSearches
from dxops.rooms.logs.saved_model import Saved, SearchToSave
from dxops.rooms.logs.views import ready_made

AnyRequest = Request[Any, Any, Any]


class SavedList(msgspec.Struct, frozen=True):
    """`items` by name. `ready_made` are there for everybody and cannot be changed."""

    items: list[Saved]
    ready_made: list[Saved]


def handlers(saved: SavedSearches) -> list[HTTPRouteHandler]:
    """The routes below `/api/logs`."""

    @get("/saved", summary="Saved searches")
    async def list_saved(request: AnyRequest) -> SavedList:
        """Your own and the shared ones; and those that come with dxops, of its own logs."""
        return SavedList(await saved.all(actor_of(request)), ready_made())

    @post("/saved", summary="Save a search")
    async def save(request: AnyRequest, data: JSONBody[SearchToSave]) -> Saved:
        """Under a name that you have not used yet. `params` are the URL parameters of the page `/logs`."""
        return await saved.save(actor_of(request), data)

    @get("/saved/{id:str}", summary="A saved search")
    async def one_saved(request: AnyRequest, id: FromPath[str]) -> Saved:
        """By id."""
        return await saved.one(actor_of(request), id)

    @put("/saved/{id:str}", summary="Change a saved search")
    async def change(request: AnyRequest, id: FromPath[str], data: JSONBody[SearchToSave]) -> Saved:
        """All of it: your own, or with the scope `admin` anybody's."""
        return await saved.change(actor_of(request), id, data)

    @delete("/saved/{id:str}", summary="Delete a saved search")
    async def remove(request: AnyRequest, id: FromPath[str]) -> None:
        """Your own, or with the scope `admin` anybody's."""
        await saved.delete(actor_of(request), id)

    return [list_saved, save, one_saved, change, remove]
