"""The role `ingest`: what arrives is in the spool before it is answered. Needs no other role to do that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from dxops.app.elastic import USER, auto_id_key, cluster_uuid, elastic_api_key, elastic_password
from dxops.app.endpoints import dialled
from dxops.app.foundation import Foundation
from dxops.app.inside import door, make_secret
from dxops.app.listeners import Listener, Listeners
from dxops.app.store_guard import guard
from dxops.app.stores import clickhouse_url
from dxops.base.clock import SystemClock
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.spool import Spool
from dxops.rooms.logs.catching_up import catch_up
from dxops.rooms.logs.elastic.access import OwnCallers
from dxops.rooms.logs.elastic.app import ElasticApp
from dxops.rooms.logs.elastic.readers import readers
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.writing import Writing
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.handshake import Cluster

log = logging.getLogger(__name__)

_DRAIN_S = 10.0


async def run(base: Foundation, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Take records until `stop`; requests under way may end for ten seconds."""
    base.data.prepare()
    settings = base.settings
    spool = await Spool.open(str(base.data.spool), settings.spool)
    identities = Identities(base.data.root / "identities" / "logs.sqlite")
    try:
        keeping = await catch_up(str(base.data.spool), identities)
        writing = Writing(spool, identities, AutoIds(auto_id_key(base.data)))
        clock = SystemClock()
        writes = Writes(writing, spool, clock)
        store = ClickHouse(clickhouse_url(base.data, settings))
        elastic = ElasticApp(
            OwnCallers(USER, elastic_password(base.data), elastic_api_key(base.data)),
            writes,
            Cluster(uuid=cluster_uuid(base.data)),
            dialled(settings.listen.elastic),
            readers(store, writes, auto_id_key(base.data), lambda: int(clock.now().timestamp() * 1000)),
        )
        answering = door(elastic, make_secret(base.data), spool, identities)
        listeners = Listeners([Listener("elastic", settings.listen.elastic, answering, asgi=True)])
        guarding = asyncio.create_task(guard(base.data, settings, spool, store), name="store guard")
        try:
            await listeners.start()
            ready()
            await listeners.until(stop)
        finally:
            await listeners.stop(_DRAIN_S)
            guarding.cancel()
            keeping.cancel()
            await asyncio.gather(guarding, keeping, return_exceptions=True)
            await store.close()
    finally:
        await spool.close()
        identities.close()
