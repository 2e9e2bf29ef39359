"""What describes log streams, joined for the role that serves port 9200."""

from __future__ import annotations

import asyncio

from dxops.app.data import DataDirectory
from dxops.app.elastic import USER, auto_id_key, cluster_uuid, elastic_api_key, elastic_password
from dxops.app.elastic_access import TokenCallers, TokenKeys, acting
from dxops.app.endpoints import dialled
from dxops.app.moments import new_uuid, now_ms
from dxops.app.settings import Settings
from dxops.app.stores import postgres_url
from dxops.base.clock import Clock
from dxops.base.ids import new_id
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.postgres.plain import PlainDatabase, Transaction
from dxops.rooms.accounts.light import LightTokens
from dxops.rooms.accounts.model import TOKENS_CHANGED
from dxops.rooms.logs.elastic.access import OwnCallers
from dxops.rooms.logs.elastic.administrators import administrators, policy_runs
from dxops.rooms.logs.elastic.app import Reader
from dxops.rooms.logs.elastic.cats import About
from dxops.rooms.logs.elastic.reading import Names
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.erasing import Eraser
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.registry import CATALOG_CHANGED, Registry
from dxops.wire.elastic.handshake import Cluster


class Describing:
    """The catalogue, the tokens and who asks: one PostgreSQL for all of them. `watch` must run as a task."""

    def __init__(self, data: DataDirectory, settings: Settings, clock: Clock) -> None:
        self._data = data
        self._settings = settings
        self._clock = clock
        self._database = database = PlainDatabase(lambda: postgres_url(data, settings))
        self.tokens = LightTokens(database, clock, data.secret("elastic_known_tokens"), new_id)
        self.registry = Registry(
            database, lambda: now_ms(clock), new_uuid, data.root / "identities" / "catalogue.json", self._record
        )
        self.callers = TokenCallers(OwnCallers(USER, elastic_password(data), elastic_api_key(data)), self.tokens)

    def endpoints(self, store: ClickHouse, names: Names, writes: Writes, identities: Identities) -> tuple[Reader, ...]:
        """The administrative ones."""
        address = dialled(self._settings.listen.elastic)
        about = About(Cluster(uuid=cluster_uuid(self._data)), address, self._data.root, now_ms(self._clock))
        eraser, keys = Eraser(store, identities), TokenKeys(self.tokens)
        return administrators(store, names, writes, auto_id_key(self._data), self.registry, eraser, about, keys)

    async def carry_out_policies(self, store: ClickHouse, writes: Writes, identities: Identities) -> None:
        """What ILM policies say of rolling over. Never ends by itself; cancel it."""
        await policy_runs(store, writes, self.registry, Eraser(store, identities)).run()

    async def close(self) -> None:
        """After `watch` was cancelled."""
        await self.registry.close()

    async def watch(self) -> None:
        """Follow what other processes change. Never ends by itself; cancel it."""
        await asyncio.gather(self._follow(), self.registry.write_down())

    async def _follow(self) -> None:
        """By one connection: each costs the server 10 MB."""
        async for told in self._database.notifications([CATALOG_CHANGED, TOKENS_CHANGED]):
            if told is None or told[0] == TOKENS_CHANGED:
                self.tokens.look_again()
            if told is None or told[0] == CATALOG_CHANGED:
                await self.registry.told()

    async def _record(self, tx: Transaction, action: str, subject: str) -> None:
        await self.tokens.record(tx, acting(), action, subject)
