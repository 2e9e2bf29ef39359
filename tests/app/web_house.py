"""A house with the accounts room alone, for tests of the web application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from litestar import Router
from litestar.types import ControllerRouterHandler

from dxops.app.settings import Settings
from dxops.app.web import make_web_app
from dxops.base.clock import Clock, ManualClock
from dxops.base.ports import RoleState
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts.config import AccountsConfig
from dxops.rooms.accounts.passwords import Passwords
from dxops.rooms.accounts.service import Accounts

ORIGIN = "http://localhost:8000"
PASSWORD = "correct-horse-battery"
QUICK = Passwords(memory_kib=64, passes=1)


class FixedRoles:
    """The port `Roles` with a state that tests set."""

    def __init__(self) -> None:
        self.known = {"web": RoleState(status="healthy", since=datetime(2026, 1, 1, tzinfo=UTC), pid=1)}

    async def states(self) -> dict[str, RoleState]:
        return self.known


@dataclass
class TestHouse:
    """Satisfies `dxops.app.web.House`."""

    __test__ = False

    accounts: Accounts
    clock: Clock
    settings: Settings = field(default_factory=Settings)
    roles: FixedRoles = field(default_factory=FixedRoles)
    api_routers: Sequence[Router] = ()
    console_routes: Sequence[ControllerRouterHandler] = ()


def make_accounts(database: Database, clock: Clock | None = None, config: AccountsConfig | None = None) -> Accounts:
    """The room with password hashing that costs nothing."""
    return Accounts(database, config or AccountsConfig(), clock or ManualClock(), passwords=QUICK)


@asynccontextmanager
async def browser(house: TestHouse, *, origin: str = ORIGIN) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies and follows nothing."""
    transport = httpx.ASGITransport(make_web_app(house), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, name: str = "admin", password: str = PASSWORD) -> httpx.Response:
    """Send the login form as a browser would."""
    return await client.post(
        "/login",
        data={"name": name, "password": password, "next": "/"},
        headers={"origin": str(client.base_url).rstrip("/")},
    )
