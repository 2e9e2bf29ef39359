"""All pages, for the application to mount at the root."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Router

from dxops.console import apps, content, design, guide, logs, people, retention, runs, spool, static, system
from dxops.console.house import ConsoleHouse
from dxops.console.rendering import assets


def routers(house: ConsoleHouse) -> Sequence[Router]:
    """The console's routes. Everything but `/assets/` needs an actor who may read."""
    return [
        static.router(assets()),
        guide.router(house),
        design.router(house),
        apps.router(house),
        runs.router(house),
        logs.router(house),
        content.router(house),
        people.router(house),
        system.router(house),
        spool.router(house),
        retention.router(house),
    ]
