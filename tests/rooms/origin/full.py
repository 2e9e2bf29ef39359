"""The origin with the real content, block store, delivery and PostgreSQL: releases and flips as in service."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dxops.app.listeners import Listener, Listeners
from dxops.base.actors import SYSTEM
from dxops.base.clock import SystemClock
from dxops.base.events import Events
from dxops.base.ports import PublishModule
from dxops.engines.blocks.files import FileBlocks
from dxops.engines.postgres.database import Database
from dxops.rooms.content.config import ContentConfig
from dxops.rooms.content.importer import import_path
from dxops.rooms.content.service import ContentService
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.service import Delivery
from dxops.rooms.origin.app import OriginApp
from dxops.rooms.origin.config import OriginConfig
from dxops.rooms.origin.prepare import Preparation
from dxops.wire.unixfs import V0_2015, Profile
from tests.harness import free_ports


class NoAudit:
    """The port `Audit`, forgetful."""

    async def record(self, tx: Any, actor: Any, action: str, subject: str, detail: Any = None) -> None:
        return None


@dataclass
class Full:
    """The parts."""

    content: ContentService
    directory: Path
    delivery: Delivery
    app: OriginApp
    port: int

    async def publish(self, app: str, environment: str, files: Mapping[str, bytes]) -> str:
        """A new live release; its id."""
        return (await self.publish_all(environment, {app: files}))[app]

    async def add(self, files: Mapping[str, bytes], profile: Profile = V0_2015) -> str:
        """Import a tree as the 2023 CLI does; its CID."""
        with tempfile.TemporaryDirectory(dir=self.directory) as place:
            for path, body in files.items():
                target = Path(place) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(body)
            return (await asyncio.to_thread(import_path, self.content.blocks, place, profile, hidden=True)).cid

    async def publish_all(self, environment: str, apps: Mapping[str, Mapping[str, bytes]]) -> dict[str, str]:
        """New live releases, together; their ids by app."""
        modules: Sequence[PublishModule] = [
            PublishModule(name=app, cid=await self.add(files), version=None, record={}) for app, files in apps.items()
        ]
        await self.delivery.publish_modules(SYSTEM, environment, modules, skip_existing=False)
        sites = (await self.delivery.table()).sites
        return {app: sites[(app, environment)].release_id for app in apps}

    async def roll_back(self, app: str, environment: str, release_id: str) -> str:
        """Flip to a release; its id."""
        return (await self.delivery.rollback(SYSTEM, app, environment, release_id)).id


@asynccontextmanager
async def delivered(directory: Path, database_url: str) -> AsyncIterator[Full]:
    """A served origin on a migrated database."""
    database, listening = Database(database_url, pool_size=4), Database(database_url, pool_size=2)
    clock = SystemClock()
    blocks = FileBlocks(directory / "blocks", clock)
    content, reading = (ContentService(each, blocks, ContentConfig(), clock) for each in (database, listening))
    settings = DeliverySettings(domain="dxos.localhost", default_environment="dev", keep_releases=50)
    delivery, pointers = (
        Delivery(each, content, Preparation(content), NoAudit(), settings, clock, events=Events())
        for each in (database, listening)  # two processes in service: web flips, edge listens
    )
    app = OriginApp(
        reading, pointers, None, OriginConfig(), clock, default_environment="dev", spool=directory / "spool"
    )
    await app.start()
    port = free_ports(1)[0]
    listeners = Listeners([Listener("apps", f"127.0.0.1:{port}", app)])
    await listeners.start()
    try:
        yield Full(content, directory, delivery, app, port)
    finally:
        await listeners.stop(5)
        await app.stop()
        await database.close()
        await listening.close()
        blocks.close()
