"""The house: every room made once per process, joined through the ports. Rooms are made when first used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from dxops.app.data import DataDirectory
from dxops.app.roles.states import SupervisedRoles
from dxops.app.settings import Settings
from dxops.base.clock import Clock, SystemClock
from dxops.base.events import Events
from dxops.engines.postgres.database import Database
from dxops.engines.postgres.embedded import EmbeddedPostgres
from dxops.rooms.accounts.service import Accounts

if TYPE_CHECKING:
    from litestar import Router
    from litestar.types import ControllerRouterHandler


class House:
    """All rooms of one process. Opens nothing by itself; `close` ends what was opened."""

    def __init__(self, data: DataDirectory, settings: Settings) -> None:
        self.data = data
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.events = Events()

    @cached_property
    def postgres_url(self) -> str:
        """The configured server, else our own."""
        if self.settings.postgres.url:
            return self.settings.postgres.url
        return EmbeddedPostgres(self.data.root, account=self.settings.postgres.account).url

    @cached_property
    def database(self) -> Database:
        return Database(self.postgres_url, pool_size=self.settings.postgres.pool_size)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.database, self.settings.accounts, self.clock)

    @cached_property
    def roles(self) -> SupervisedRoles:
        return SupervisedRoles(self.data)

    @property
    def api_routers(self) -> Sequence[Router]:
        """The rooms' routes below `/api`, accounts apart (the web application adds those itself)."""
        return []

    @property
    def console_routes(self) -> Sequence[ControllerRouterHandler]:
        """The console's pages."""
        return []

    async def close(self) -> None:
        """Close what was opened, in reverse."""
        if "database" in self.__dict__:
            await self.database.close()
