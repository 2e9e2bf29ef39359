"""What describes log streams, joined for the role that serves port 9200."""

from __future__ import annotations

import base64
import secrets

from dxops.app.data import DataDirectory
from dxops.app.elastic import auto_id_key, cluster_uuid
from dxops.app.endpoints import dialled
from dxops.app.settings import Settings
from dxops.app.stores import postgres_url
from dxops.base.clock import Clock
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.postgres.plain import PlainDatabase
from dxops.rooms.logs.elastic.administrators import administrators
from dxops.rooms.logs.elastic.app import Reader
from dxops.rooms.logs.elastic.cats import About
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.erasing import Eraser
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.registry import Registry
from dxops.wire.elastic.handshake import Cluster


def make_registry(data: DataDirectory, settings: Settings, clock: Clock, *, keeps_copy: bool = True) -> Registry:
    """The catalogue of streams. `keeps_copy`: as a file, for a role that must start without PostgreSQL."""
    return Registry(
        PlainDatabase(lambda: postgres_url(data, settings)),
        lambda: now_ms(clock),
        new_uuid,
        data.root / "identities" / "catalogue.json" if keeps_copy else None,
    )


def administer(
    data: DataDirectory,
    settings: Settings,
    registry: Registry,
    store: ClickHouse,
    writes: Writes,
    identities: Identities,
    clock: Clock,
) -> tuple[Reader, ...]:
    """The administrative endpoints."""
    address = dialled(settings.listen.elastic)
    about = About(Cluster(uuid=cluster_uuid(data)), address, data.root, now_ms(clock))
    return administrators(store, writes, auto_id_key(data), registry, Eraser(store, identities), about)


def new_uuid() -> str:
    """22 URL-safe characters, as Elasticsearch's."""
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")


def now_ms(clock: Clock) -> int:
    """Milliseconds since 1970."""
    return int(clock.now().timestamp() * 1000)
