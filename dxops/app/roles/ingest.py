"""The role `ingest`: what arrives is in the spool before it is answered. Needs no other role to do that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from dxops.app.elastic import auto_id_key, cluster_uuid
from dxops.app.endpoints import dialled
from dxops.app.foundation import Foundation
from dxops.app.indices import Describing
from dxops.app.inside import door as inside_door
from dxops.app.inside import make_secret
from dxops.app.listeners import Listener, Listeners
from dxops.app.moments import now_ms
from dxops.app.store_guard import guard
from dxops.app.stores import clickhouse_url
from dxops.base.clock import SystemClock
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.spool import Spool
from dxops.rooms.logs.catching_up import catch_up
from dxops.rooms.logs.elastic.administrators import LAST
from dxops.rooms.logs.elastic.app import ElasticApp
from dxops.rooms.logs.elastic.pressure import Doorkeeper
from dxops.rooms.logs.elastic.readers import readers
from dxops.rooms.logs.elastic.reading import Names
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.following import OwnLogs, Places
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.writing import Writing
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.handshake import Cluster

log = logging.getLogger(__name__)

_DRAIN_S = 10.0


async def run(base: Foundation, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Take records until `stop`; requests under way may end for ten seconds. Until it is ready, it says so (503)."""
    base.data.prepare()
    door = Doorkeeper()
    listeners = Listeners([Listener("elastic", base.settings.listen.elastic, door, asgi=True)])
    await listeners.start()
    try:
        await _serve(base, door, listeners, ready, stop)
    finally:
        await listeners.stop(_DRAIN_S)


async def _serve(
    base: Foundation, door: Doorkeeper, listeners: Listeners, ready: Callable[[], None], stop: asyncio.Event
) -> None:
    settings = base.settings
    spool = await Spool.open(str(base.data.spool), settings.spool)
    identities = Identities(base.data.root / "identities" / "logs.sqlite")
    places = Places(base.data.root / "identities" / "own_logs")
    try:
        keeping = await catch_up(str(base.data.spool), identities, places)
        clock = SystemClock()
        store = ClickHouse(clickhouse_url(base.data, settings), cluster=settings.clickhouse.cluster)
        writing = Writing(spool, identities, AutoIds(auto_id_key(base.data)), store)
        describing = Describing(base.data, settings, clock)
        registry = describing.registry
        writes = Writes(writing, spool, clock, registry)
        names = Names(store, lambda: now_ms(clock), registry)
        elastic = ElasticApp(
            describing.callers,
            writes,
            Cluster(uuid=cluster_uuid(base.data)),
            dialled(settings.listen.elastic),
            (
                *describing.endpoints(store, names, writes, identities),
                *readers(store, names, writes, auto_id_key(base.data), lambda: now_ms(clock)),
                *LAST,
            ),
        )
        watch = asyncio.create_task(describing.watch(), name="catalogue")
        guarding = asyncio.create_task(guard(base.data, settings, spool, store), name="store guard")
        policies = asyncio.create_task(describing.carry_out_policies(store, writes, identities), name="policies")
        tasks = [keeping, watch, guarding, policies]
        if settings.own_logs.follow:
            own = OwnLogs(base.data.logs, places, spool, clock)
            tasks.append(asyncio.create_task(own.run(), name="own logs"))
        door.app = inside_door(elastic, make_secret(base.data), spool, identities)
        try:
            ready()
            await listeners.until(stop)
        finally:
            await listeners.stop(_DRAIN_S)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            writes.close()
            await describing.close()
            await store.close()
    finally:
        await spool.close()
        identities.close()
