"""The role `store`: the one process that has our ClickHouse open, behind the ClickHouse HTTP protocol.

Not started when `clickhouse.url` names another one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable

from dxops.app.foundation import Foundation
from dxops.app.listeners import Listener, Listeners
from dxops.app.stores import store_password
from dxops.base.errors import Refused
from dxops.engines.clickhouse.access import OWNER, READER
from dxops.engines.clickhouse.embedded import EmbeddedClickHouse
from dxops.engines.clickhouse.front import Front
from dxops.engines.clickhouse.store import Store

log = logging.getLogger(__name__)

_GRACE_S = 5.0


async def run(base: Foundation, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve until `stop`; then requests may end for five seconds and are killed."""
    settings = base.settings
    if settings.clickhouse.url:
        raise Refused("clickhouse.url names another ClickHouse", hint="the role store is not needed then")
    base.data.prepare()
    embedded = EmbeddedClickHouse(base.data.root, settings.clickhouse)
    embedded.open()
    store = Store(embedded)
    front = Front(store, {user: store_password(base.data, user) for user in (OWNER, READER)})
    listeners = Listeners([Listener("store", settings.listen.store, front, asgi=True)])
    try:
        await listeners.start()
        ready()
        await listeners.until(stop)
    finally:
        ended = await store.drain(_GRACE_S)
        await listeners.stop(1.0)
        if not ended:
            log.error("a query did not end when it was killed: leaving without it")
            sys.stderr.flush()
            os._exit(1)  # the engine crashes when the interpreter ends under a running query
        await store.close()
