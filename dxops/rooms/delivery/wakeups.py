"""One LISTEN connection per process, shared by all who wait for flips or for a run's lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dxops.engines.postgres.database import Database

FLIP = "delivery_flip"
RUN = "delivery_run"


class Wakeups:
    """Rings bells. A bell may ring without a cause (a reconnection): whoever hears one reads the state again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bells: set[tuple[str, str | None, asyncio.Event]] = set()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def waiting(self, channel: str, payload: str | None = None) -> AsyncIterator[asyncio.Event]:
        """An event that is set by each NOTIFY on `channel` (with exactly `payload`, if given) and by each
        (re)connection. The caller clears it before reading the state."""
        bell = (channel, payload, asyncio.Event())
        self._bells.add(bell)
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name="delivery wakeups")
        try:
            yield bell[2]
        finally:
            self._bells.discard(bell)
            if not self._bells and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _listen(self) -> None:
        async for heard in self._database.notifications([FLIP, RUN]):
            for channel, payload, bell in self._bells:
                if heard is None or (heard[0] == channel and payload in (None, heard[1])):
                    bell.set()
