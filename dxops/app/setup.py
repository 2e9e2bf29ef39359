"""What has to be true before the roles start: schema, first owner, credentials, bundled app. Idempotent.

A process of its own (`dxops setup`), so that what it imports and opens is gone before the system serves.
"""

from __future__ import annotations

import asyncio

from dxops.app.data import DataDirectory
from dxops.app.house import House
from dxops.app.settings import Settings
from dxops.base.files import write_secret
from dxops.base.ids import new_secret
from dxops.engines.postgres.migrate import current, head, migrate

_DATABASE_PATIENCE_S = 60.0


async def run_setup(data: DataDirectory, settings: Settings) -> None:
    """Bring everything to where the roles can start. Raises `Unavailable` when PostgreSQL stays away for a minute."""
    data.prepare()
    house = House(data, settings)
    try:
        await house.database.wait(_DATABASE_PATIENCE_S)
        if await current(house.database) != head():
            await asyncio.to_thread(migrate, house.postgres_url)
        for name in ("api_token", "publisher_token"):
            if not data.secret(name).exists():
                write_secret(data.secret(name), new_secret("dxo"))
    finally:
        await house.close()
