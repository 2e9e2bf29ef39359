"""The role `edge`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dxops.app.house import House


async def run(house: House, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve until `stop`."""
    ready()
    await stop.wait()
