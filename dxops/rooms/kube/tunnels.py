"""Tunnels: public addresses for apps. The wish is a row; an optional configured command makes it true.

Any process may wish; `tunnel_runner` runs the commands in one of them, and both meet in the table.
"""

from __future__ import annotations

import asyncio
from typing import Final

from dxops.base.actors import Actor
from dxops.base.clock import Clock
from dxops.base.ports import Audit
from dxops.engines.postgres.database import Database, notify
from dxops.rooms.kube import repo
from dxops.rooms.kube.config import KubeConfig

TUNNELS_CHANGED: Final = "kube_tunnels"
_LOOK_EVERY_S: Final = 0.1


class Tunnels:
    """Turning tunnels on and off. Implements the port `Tunnels`."""

    def __init__(self, database: Database, audit: Audit, config: KubeConfig, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._config = config
        self._clock = clock

    async def enable(self, actor: Actor, environment: str, app: str) -> str | None:
        """Port `Tunnels`. Waits for the URL at most `tunnel_wait_s`; None where it is not known by then."""
        return await self.set(actor, environment, app, enabled=True)

    async def set(self, actor: Actor, environment: str, app: str, *, enabled: bool) -> str | None:
        """Turn it on or off; `app` is a host label."""
        async with self._database.begin() as tx:
            known = {tunnel.app: tunnel.enabled for tunnel in await repo.list_tunnels(tx, environment)}
            await repo.set_tunnel(tx, environment, app, enabled, self._clock.now())
            if known.get(app, False) != enabled:
                action = "tunnel.enabled" if enabled else "tunnel.disabled"
                await self._audit.record(tx, actor, action, f"{app}@{environment}")
            await notify(tx, TUNNELS_CHANGED)
        if not enabled or not self._config.tunnel_command:
            return None
        return await self._url(environment, app)

    async def _url(self, environment: str, app: str) -> str | None:
        """What the running command said, as soon as it did."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.tunnel_wait_s
        while True:
            async with self._database.begin() as tx:
                url = await repo.tunnel_url(tx, environment, app)
            if url is not None or loop.time() > deadline:
                return url
            await asyncio.sleep(_LOOK_EVERY_S)
