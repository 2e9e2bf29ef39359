"""The house: every room made once per process, joined through the ports. Rooms are made when first used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from dxops.app.data import DataDirectory
from dxops.app.disks import store_disk
from dxops.app.elastic import auto_id_key
from dxops.app.endpoints import dialled
from dxops.app.inside import Inside, read_secret
from dxops.app.moments import new_uuid, now_ms
from dxops.app.roles.states import SupervisedRoles
from dxops.app.settings import Settings
from dxops.app.spool_view import SpoolWatch
from dxops.app.stores import clickhouse_url
from dxops.app.troubles import TroubledRoles, troubles_of
from dxops.base.clock import Clock, SystemClock
from dxops.base.errors import Unavailable
from dxops.base.events import Events
from dxops.base.ports import Imported
from dxops.base.trouble import Trouble
from dxops.engines.blocks.files import FileBlocks
from dxops.engines.clickhouse.access import READER
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.postgres.database import Database
from dxops.engines.postgres.embedded import EmbeddedPostgres
from dxops.engines.postgres.reader import reader_url
from dxops.rooms.accounts.service import Accounts
from dxops.rooms.content.gateway import Gateway
from dxops.rooms.content.importer import import_path
from dxops.rooms.content.kubo_rpc import KuboRpc
from dxops.rooms.content.service import ContentService
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.service import Delivery
from dxops.rooms.kube.model import make_node
from dxops.rooms.kube.service import Kube
from dxops.rooms.kube.tunnels import Tunnels
from dxops.rooms.logs.config import DROP_OLDEST
from dxops.rooms.logs.keeping import Done, Keeping
from dxops.rooms.logs.saved import SavedSearches
from dxops.rooms.logs.service import Logs
from dxops.rooms.origin.app import OriginApp
from dxops.rooms.origin.exchange import AccessLog
from dxops.rooms.origin.prepare import Preparation
from dxops.wire.unixfs import V1_256K

if TYPE_CHECKING:
    from litestar import Router
    from litestar.types import ControllerRouterHandler

    from dxops.console.house import Installation
    from dxops.rooms.logs.registry import Registry


class House:
    """All rooms of one process. Opens nothing by itself; `close` ends what was opened."""

    def __init__(self, data: DataDirectory, settings: Settings, *, kept_connections: int = 1) -> None:
        self.data = data
        self.settings = settings
        self._kept_connections = kept_connections
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
        size = self.settings.postgres.pool_size
        return Database(self.postgres_url, pool_size=size, kept_open=self._kept_connections)

    @cached_property
    def clickhouse(self) -> ClickHouse:
        """The columnar store, ours or the configured one."""
        return ClickHouse(clickhouse_url(self.data, self.settings), cluster=self.settings.clickhouse.cluster)

    @cached_property
    def clickhouse_reader(self) -> ClickHouse:
        """The same as a user who only reads (at `clickhouse.url`: as its user, with `readonly=1` on each query)."""
        return ClickHouse(clickhouse_url(self.data, self.settings, READER))

    async def postgres_reader_url(self) -> str:
        """The login for SQL of somebody else. Raises `Unavailable` where there is none."""
        if self.settings.postgres.reader_url:
            return self.settings.postgres.reader_url
        path = self.data.secret("postgres_reader_password")
        if not path.exists():
            raise Unavailable(
                "there is no read-only login at postgres.url",
                code="no_reader",
                hint="set postgres.reader_url, or let the user of postgres.url create roles and restart",
            )
        return reader_url(self.postgres_url, path.read_text().strip())

    @cached_property
    def log_registry(self) -> Registry:
        """What describes log streams. Not watched: ask `known`, which looks whether there is news."""
        from dxops.engines.postgres.plain import PlainDatabase
        from dxops.rooms.logs.registry import Registry

        return Registry(PlainDatabase(lambda: self.postgres_url), lambda: now_ms(self.clock), new_uuid)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.database, self.settings.accounts, self.clock)

    @cached_property
    def roles(self) -> TroubledRoles:
        return TroubledRoles(SupervisedRoles(self.data), self.troubles)

    @cached_property
    def inside(self) -> Inside:
        """What only the role `ingest` can do."""
        return Inside(dialled(self.settings.listen.elastic), lambda: read_secret(self.data))

    @cached_property
    def keeping(self) -> Keeping:
        """How long logs are kept."""
        return Keeping(self.database, self.accounts.audit, self.clickhouse, self.inside, self.settings.logs, self.clock)

    async def expire_logs(self) -> Done:
        """The job that removes logs which are not to be kept any longer."""
        return await self.keeping.remove_expired(await store_disk(self.data, self.settings, self.clickhouse))

    async def make_room(self) -> int:
        """The job for a full disk of the store, where `logs.when_full` wants one."""
        return await self.keeping.make_room(await store_disk(self.data, self.settings, self.clickhouse))

    @cached_property
    def spool(self) -> SpoolWatch:
        return SpoolWatch(
            self.data,
            self.settings,
            SupervisedRoles(self.data),
            self.clock,
            database=self.database,
            audit=self.accounts.audit,
            inside=self.inside,
            clickhouse=self.clickhouse if self.settings.clickhouse.url else None,
        )

    def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong as of a few seconds ago, where somebody watches (the role `web`)."""
        last = self.spool.last if "spool" in self.__dict__ else None
        return () if last is None else troubles_of(last, drops_oldest=self.settings.logs.when_full == DROP_OLDEST)

    @cached_property
    def content(self) -> ContentService:
        return ContentService(
            self.database, FileBlocks(self.data.blocks), self.settings.content, self.clock, directory=self.data.blocks
        )

    @cached_property
    def delivery(self) -> Delivery:
        settings = self.settings
        return Delivery(
            self.database,
            self.content,
            Preparation(self.content),
            self.accounts.audit,
            DeliverySettings(
                domain=settings.domain,
                default_environment=settings.default_environment,
                environments=settings.environments,
                apps=settings.apps,
                public_scheme=settings.public_scheme,
                public_port=settings.apps_port,
                listen_apps=settings.listen.apps,
                keep_releases=settings.delivery.keep_releases,
                previous_assets_minutes=settings.origin.previous_assets_minutes,
            ),
            self.clock,
            events=self.events,
            tunnels=self.tunnels,
        )

    @cached_property
    def tunnels(self) -> Tunnels:
        return Tunnels(self.database, self.accounts.audit, self.settings.kube, self.clock)

    @cached_property
    def kube(self) -> Kube:
        settings = self.settings
        node = make_node(
            domain=settings.domain,
            labels={environment.name: environment.host_label for environment in settings.environments},
            scheme=settings.public_scheme,
            port=settings.apps_port,
            kubo_url=f"http://{dialled(settings.listen.kubo)}",
            gateway_url=f"http://{dialled(settings.listen.gateway)}",
            addresses={
                "web": tuple(getattr(settings.listen, name) for name in ("console", "console_tls", "kubo", "gateway")),
                "edge": (settings.listen.apps,),
            },
        )
        return Kube(
            self.database,
            self.delivery,
            self.accounts.tokens,
            self.accounts.tokens,
            self.content,
            self.tunnels,
            self.roles,
            node,
            settings.kube,
            self.clock,
        )

    @cached_property
    def logs(self) -> Logs:
        return Logs(self.clickhouse, auto_id_key(self.data), self.clock, self.log_registry)

    @cached_property
    def saved_searches(self) -> SavedSearches:
        return SavedSearches(self.database, self.accounts.audit, self.clock)

    def make_origin(self, access_log: AccessLog | None = None) -> OriginApp:
        """The application of the app hosts; one per process."""
        return OriginApp(
            self.content,
            self.delivery,
            self.kube.node,
            self.settings.origin,
            self.clock,
            default_environment=self.settings.default_environment,
            spool=self.data.run / "origin",
            access_log=access_log,
        )

    async def import_directory(self, path: Path) -> Imported:
        """A local directory into the block store, held by nobody yet."""
        return await asyncio.to_thread(import_path, self.content.blocks, path, V1_256K, hidden=True)

    def make_kubo_rpc(self) -> KuboRpc:
        """The Kubo RPC listener."""
        config = self.settings.content
        host = self.settings.listen.kubo.rpartition(":")[0].strip("[]")
        asks = config.rpc_auth == "always" or (config.rpc_auth == "auto" and not ip_address(host).is_loopback)
        return KuboRpc(self.content, self.accounts.tokens if asks else None, hosts=config.rpc_hosts)

    def make_gateway(self) -> Gateway:
        """The IPFS gateway listener."""
        return Gateway(
            self.content, hosts=self.settings.content.gateway_hosts, public_scheme=self.settings.public_scheme
        )

    @cached_property
    def installation(self) -> Installation:
        from dxops.app.installation import LocalInstallation

        return LocalInstallation(self.data, self.settings)

    @property
    def api_routers(self) -> Sequence[Router]:
        """The rooms' routes below `/api`, accounts apart (the web application adds those itself)."""
        from dxops.app import web_spool, web_sql
        from dxops.rooms.content import http as content_http
        from dxops.rooms.delivery import http as delivery_http
        from dxops.rooms.logs import http as logs_http
        from dxops.rooms.logs import retention_http

        return [
            content_http.router(self.content),
            delivery_http.router(self.delivery),
            logs_http.router(self.logs, self.saved_searches),
            web_sql.router(self.postgres_reader_url, lambda: self.clickhouse_reader),
            web_spool.router(self.spool),
            retention_http.router(self.keeping, self.spool),
        ]

    @property
    def console_routes(self) -> Sequence[ControllerRouterHandler]:
        """The console's pages."""
        from dxops.console.pages import routers

        return routers(self)

    async def close(self) -> None:
        """Close what was opened, in reverse."""
        for name in ("clickhouse_reader", "clickhouse"):
            if name in self.__dict__:
                await self.__dict__[name].close()
        if "database" in self.__dict__:
            await self.database.close()
