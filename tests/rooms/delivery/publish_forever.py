"""A process that publishes two modules together, over and over, until it is killed. Usage: publish_forever.py URL"""

from __future__ import annotations

import asyncio
import itertools
import sys

from twins import TwinAudit, TwinContent, TwinPreparer

from dxops.base.actors import SYSTEM
from dxops.base.clock import SystemClock
from dxops.engines.postgres.database import Database
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.model import ModuleInput, Source
from dxops.rooms.delivery.service import Delivery


async def main(url: str) -> None:
    content = TwinContent()
    settings = DeliverySettings(domain="dxos.localhost", default_environment="dev")
    delivery = Delivery(Database(url), content, TwinPreparer(content), TwinAudit(), settings, SystemClock())  # type: ignore[arg-type]
    for number in itertools.count():
        cid = content.add({"n": str(number).encode()})
        modules = [ModuleInput(name=name, cid=cid) for name in ("kai", "docs", "zeta")]
        await delivery.publish(SYSTEM, "dev", modules, Source())
        print(number, flush=True)


asyncio.run(main(sys.argv[1]))
