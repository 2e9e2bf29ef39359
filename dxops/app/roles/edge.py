"""The role `edge`: the app hosts and the node's dx services, on one listener. Stays up while PostgreSQL is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dxops.app.house import House
from dxops.app.listeners import Listener, Listeners
from dxops.app.roles import DRAIN_S
from dxops.rooms.origin.access_log import AccessFile


async def run(house: House, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve until `stop`, then say goodbye to sockets and let running requests end."""
    config = house.settings.origin
    access = AccessFile(house.data.logs / "access.log", config) if config.access_log else None
    origin = house.make_origin(access)
    if access is not None:
        access.start()
    await origin.start()
    listeners = Listeners([Listener("apps", house.settings.listen.apps, origin)])
    tasks = [
        asyncio.create_task(house.accounts.watch(), name="accounts"),
        asyncio.create_task(house.kube.run(), name="tunnels"),
    ]
    try:
        await listeners.start()
        ready()
        await listeners.until(stop)
    finally:
        await house.kube.close()
        await listeners.stop(DRAIN_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await origin.stop()
        if access is not None:
            access.stop()
