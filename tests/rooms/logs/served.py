"""The explorer's routes on a real ClickHouse in this process, called as a given actor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from litestar import Litestar, Router

from dxops.app.web_errors import on_error
from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock
from dxops.base.web import keep_encoded_slashes
from dxops.rooms.logs.http import router
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.saved import SavedSearches
from dxops.rooms.logs.service import Logs

VIEWER = Actor(kind="person", id="p1", name="vera", scopes=frozenset({Scope.READ}))


def acting(app: Litestar, actor: Actor | None) -> object:
    """The application as the gate calls it."""

    async def called(scope, receive, send):  # type: ignore[no-untyped-def]
        if actor is not None:
            scope["actor"] = actor
        keep_encoded_slashes(scope)
        await app(scope, receive, send)

    return called


def make_app(logs: Logs, actor: Actor | None = VIEWER, saved: SavedSearches | None = None) -> object:
    """The routes of the room, below `/api`."""
    api = Router("/api", route_handlers=[router(logs, saved)])
    return acting(Litestar([api], exception_handlers={Exception: on_error}, logging_config=None), actor)


@asynccontextmanager
async def explorer_client(
    store: Rows, clock: Clock, actor: Actor | None = VIEWER, logs: Logs | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API."""
    app = make_app(logs or Logs(store, b"k" * 32, clock), actor)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api/logs") as client:
        yield client
