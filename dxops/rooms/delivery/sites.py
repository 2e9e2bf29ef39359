"""The pointers as serving processes see them: the port `Sites`. Needs only PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

from dxops.base.clock import Clock
from dxops.base.ports import LiveSite, SiteTable
from dxops.engines.postgres.database import Database
from dxops.rooms.delivery import repo, rules
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.wakeups import FLIP, Wakeups

_POLL_S = 30.0  # for a notification lost on the way, and for previous assets whose hour is over


class LiveSites:
    """Hosts and live releases as one value, and a bell for every change."""

    def __init__(self, database: Database, wakeups: Wakeups, settings: DeliverySettings, clock: Clock) -> None:
        self._database = database
        self._wakeups = wakeups
        self._settings = settings
        self._clock = clock

    async def table(self) -> SiteTable:
        """Port `Sites`."""
        since = self._clock.now() - timedelta(minutes=self._settings.previous_assets_minutes)
        async with self._database.begin() as tx:
            apps = await repo.list_apps(tx)
            live = await repo.live_releases(tx)
            previous = await repo.recently_live(tx, since)
        sites = {}
        for release, pointer in live:
            pair = (release.app, release.environment)
            sites[pair] = LiveSite(
                app=release.app,
                environment=release.environment,
                release_id=release.id,
                version=release.version,
                cid=release.cid,
                manifest=release.manifest,
                generation=pointer.generation,
                released_at=pointer.changed_at,
                previous=tuple(found for found in previous.get(pair, ()) if found != release.manifest),
            )
        return SiteTable(hosts=rules.hosts(apps, self._settings), sites=sites)

    async def changes(self) -> AsyncIterator[None]:
        """Port `Sites`. Also yields every half minute, see `_POLL_S`."""
        async with self._wakeups.waiting(FLIP) as bell:
            while True:
                bell.clear()
                yield None
                try:
                    await asyncio.wait_for(bell.wait(), _POLL_S)
                except TimeoutError:
                    continue
