"""The role `web`: console and API (plain and TLS), Kubo RPC, IPFS gateway. One process, one event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from dxops.app.house import House
from dxops.app.listeners import Listener, Listeners
from dxops.app.roles import DRAIN_S
from dxops.app.tls import ensure_tls, names_of
from dxops.app.web import make_web_app

log = logging.getLogger(__name__)


async def run(house: House, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve until `stop`, then let running requests end."""
    listen = house.settings.listen
    tls = await asyncio.to_thread(ensure_tls, house.data.tls, names_of(house.settings), house.clock.now())
    web = make_web_app(house)
    listeners = Listeners(
        [
            Listener("console", listen.console, web, asgi=True),
            Listener("console_tls", listen.console_tls, web, asgi=True, certificate=tls.certificate, key=tls.key),
            Listener("kubo", listen.kubo, house.make_kubo_rpc(), asgi=True),
            Listener("gateway", listen.gateway, house.make_gateway(), asgi=True),
        ]
    )
    watches = [
        asyncio.create_task(house.accounts.watch(), name="accounts"),
        asyncio.create_task(house.spool.watch(), name="spool"),
    ]
    try:
        await listeners.start()
        ready()
        await listeners.until(stop)
    finally:
        await listeners.stop(DRAIN_S)
        for watch in watches:
            watch.cancel()
