"""What has to be true before the roles start: schema, first owner, credentials, bundled app. Idempotent.

A process of its own (`dxops setup`), so that what it imports and opens is gone before the system serves.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from sqlalchemy import text

from dxops.app.bundled import publish_bundled
from dxops.app.data import DataDirectory
from dxops.app.ending import told
from dxops.app.house import House
from dxops.app.settings import Settings
from dxops.base.actors import Scope
from dxops.base.errors import DxopsError, Unavailable
from dxops.base.files import write_secret
from dxops.base.ids import new_secret
from dxops.base.log import configure_logging
from dxops.engines.clickhouse.migrate import migrate as migrate_clickhouse
from dxops.engines.postgres.database import CLICKHOUSE_MIGRATION_LOCK
from dxops.engines.postgres.migrate import current, head, migrate
from dxops.engines.postgres.reader import ensure_reader
from dxops.rooms.accounts.service import new_first_password

log = logging.getLogger(__name__)

_OWN_SERVER_QUIET_S = 10.0  # the supervisor starts our server and this process together


def main(arguments: list[str]) -> None:
    """`dxops setup [--data D] [--config F]`, without the command line's libraries."""
    parser = argparse.ArgumentParser(prog="dxops setup")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args(arguments)
    configure_logging("setup", level="warning")
    try:
        data = DataDirectory.choose(options.data, options.config)
        asyncio.run(run_setup(data, data.settings()))
    except DxopsError as error:
        sys.exit(told(error))


async def run_setup(data: DataDirectory, settings: Settings) -> None:
    """Bring everything to where the roles can start. While PostgreSQL is away it says so and waits."""
    data.prepare()
    house = House(data, settings)
    try:
        await house.database.wait(quiet_s=0.0 if settings.postgres.url else _OWN_SERVER_QUIET_S)
        if await current(house.database) != head():
            await asyncio.to_thread(migrate, house.postgres_url)
        await _reader(house)
        await _move_clickhouse(house)
        await _first_owner(house)
        await _own_token(house, "api_token", frozenset(Scope))
        await _own_token(house, "publisher_token", frozenset({Scope.READ, Scope.PUBLISH}))
        await publish_bundled(
            house.delivery, house.import_directory, [environment.name for environment in settings.environments]
        )
    finally:
        await house.close()


async def _reader(house: House) -> None:
    """The login of `/api/sql`; without the right to make one, that route says what to do and the rest works."""
    if house.settings.postgres.reader_url:
        return
    path = house.data.secret("postgres_reader_password")
    password = path.read_text().strip() if path.exists() else new_secret("dxp")
    try:
        await asyncio.to_thread(ensure_reader, house.postgres_url, password)
    except Unavailable as error:
        log.warning(error.message, extra={"hint": error.hint})
    else:
        write_secret(path, password)


async def _move_clickhouse(house: House) -> None:
    """The ClickHouse schema, one process at a time."""
    await house.clickhouse.wait()
    async with house.database.begin() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CLICKHOUSE_MIGRATION_LOCK})
        await migrate_clickhouse(house.clickhouse)


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
