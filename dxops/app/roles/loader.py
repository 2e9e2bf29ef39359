"""The role `loader`: from the spool into the stores. Waits, and loses nothing, while a store is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from dxops.app.foundation import Foundation
from dxops.app.stores import clickhouse_url
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.spool import Consumer, Loader, this_machine
from dxops.rooms.logs.sink import CONSUMER, STREAM, LogSink

log = logging.getLogger(__name__)


async def run(base: Foundation, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Load until `stop`. The batch under way is left: it is given out again, the same, at the next start."""
    store = ClickHouse(clickhouse_url(base.data, base.settings), cluster=base.settings.clickhouse.cluster)
    machine = this_machine()
    opening = asyncio.create_task(Consumer.open(machine, str(base.data.spool), STREAM, CONSUMER))
    stopping = asyncio.create_task(stop.wait())
    ready()  # there may be no spool yet: the consumer waits for the writer's first start
    try:
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            return
        consumer = opening.result()
        loading = asyncio.create_task(Loader(machine, consumer, LogSink(store)).run(), name=f"loader {STREAM}")
        try:
            await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            await consumer.close()
        if not stop.is_set():
            loading.result()
    finally:
        opening.cancel()
        stopping.cancel()
        await store.close()
