"""Real GETs of live links, through the apps listener as a browser would reach it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import httpx

from dxops.base.clock import Clock
from dxops.rooms.delivery import rules
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.model import LinkCheck, Pointer, Release

_AT_ONCE = 8
_TIMEOUT_S = 5.0


class LinkChecker:
    """Connects to our own listener with the app's `Host`: no DNS, no way out of the machine."""

    def __init__(self, settings: DeliverySettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    async def check(self, live: Sequence[tuple[Release, Pointer]]) -> list[tuple[LinkCheck, int]]:
        """GET both links of each; with the generation of the pointer that was checked. Never raises for a link."""
        slots = asyncio.Semaphore(_AT_ONCE)
        base = f"http://{self._settings.listen_apps}"
        async with httpx.AsyncClient(base_url=base, timeout=_TIMEOUT_S, trust_env=False) as client:

            async def one(release: Release, pointer: Pointer, via: str, host: str) -> tuple[LinkCheck, int]:
                async with slots:
                    return await self._get(client, release, via, host), pointer.generation

            tasks = []
            for release, pointer in live:
                environment = self._settings.environment(release.environment)
                if environment is None:
                    continue
                at = rules.addresses(release.label, environment, self._settings)
                tasks += [one(release, pointer, "edge", at.edge), one(release, pointer, "origin", at.origin)]
            return list(await asyncio.gather(*tasks))

    async def _get(self, client: httpx.AsyncClient, release: Release, via: str, host: str) -> LinkCheck:
        started = time.perf_counter()
        status, error = None, None
        try:
            async with client.stream("GET", "/", headers={"host": host, "accept": "text/html"}) as answer:
                status = answer.status_code
                async for _ in answer.aiter_raw():
                    pass
        except httpx.HTTPError as failure:
            error = f"{type(failure).__name__}: {failure}".rstrip(": ")
        ok = error is None and status is not None and status < 400
        return LinkCheck(
            app=release.app,
            environment=release.environment,
            via=via,
            url=rules.public_url(host, self._settings),
            ok=ok,
            status=status,
            latency_ms=round((time.perf_counter() - started) * 1000, 2),
            checked_at=self._clock.now(),
            error=error if ok or error else f"answered {status}",
        )
