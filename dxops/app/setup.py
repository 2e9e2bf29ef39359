"""What has to be true before the roles start: schema, first owner, credentials, bundled app. Idempotent.

A process of its own (`dxops setup`), so that what it imports and opens is gone before the system serves.
"""

from __future__ import annotations

import asyncio

from dxops.app.bundled import publish_bundled
from dxops.app.data import DataDirectory
from dxops.app.house import House
from dxops.app.settings import Settings
from dxops.base.actors import Scope
from dxops.base.files import write_secret
from dxops.base.ids import new_secret
from dxops.engines.postgres.migrate import current, head, migrate
from dxops.rooms.accounts.service import new_first_password

_OWN_SERVER_QUIET_S = 10.0  # the supervisor starts our server and this process together


async def run_setup(data: DataDirectory, settings: Settings) -> None:
    """Bring everything to where the roles can start. While PostgreSQL is away it says so and waits."""
    data.prepare()
    house = House(data, settings)
    try:
        await house.database.wait(quiet_s=0.0 if settings.postgres.url else _OWN_SERVER_QUIET_S)
        if await current(house.database) != head():
            await asyncio.to_thread(migrate, house.postgres_url)
        await _first_owner(house)
        await _own_token(house, "api_token", frozenset(Scope))
        await _own_token(house, "publisher_token", frozenset({Scope.READ, Scope.PUBLISH}))
        await publish_bundled(
            house.delivery, house.import_directory, [environment.name for environment in settings.environments]
        )
    finally:
        await house.close()


async def _first_owner(house: House) -> None:
    """The password is on disk before the person exists: a crash between the two locks nobody out."""
    path = house.data.secret("admin_password")
    if not path.exists():
        write_secret(path, new_first_password())
    await house.accounts.bootstrap(path.read_text().strip())


async def _own_token(house: House, name: str, scopes: frozenset[Scope]) -> None:
    """A token that `dxops endpoints` shows. One that somebody revoked is replaced at the next start."""
    path = house.data.secret(name)
    for _ in range(2):
        if not path.exists():
            write_secret(path, new_secret("dxo"))
        if await house.accounts.ensure_token(name, path.read_text().strip(), scopes):
            return
        path.unlink()
