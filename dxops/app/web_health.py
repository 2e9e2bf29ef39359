"""`/api/health`: whether everything runs."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import Router, get

from dxops.base.ports import Roles


class RoleHealth(msgspec.Struct, frozen=True):
    """One process, and since when it is as it is."""

    status: str
    since: datetime


class Health(msgspec.Struct, frozen=True):
    """`ok` when every role is healthy, else `degraded`."""

    status: str
    roles: dict[str, RoleHealth]


def router(roles: Roles) -> Router:
    """Open to all: load balancers have no credentials, and it must answer while PostgreSQL is away."""

    @get("/health", summary="Health", tags=["system"], security=[{}])
    async def health() -> Health:
        """The state of every role. Needs no credential."""
        states = await roles.states()
        good = bool(states) and all(state.status == "healthy" for state in states.values())
        shown = {name: RoleHealth(state.status, state.since) for name, state in states.items()}
        return Health("ok" if good else "degraded", shown)

    return Router("/", route_handlers=[health])
