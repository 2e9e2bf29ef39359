"""kill -9 while publishing; PostgreSQL away; link checks against hosts that are up, broken and absent."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from twins import TwinAudit, TwinContent, TwinPreparer

from dxops.base.actors import Actor
from dxops.base.clock import ManualClock
from dxops.base.errors import Unavailable
from dxops.engines.postgres.database import Database
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.service import Delivery

HERE = Path(__file__).parent


@pytest.mark.fault
async def test_kill_9_leaves_whole_releases(delivery: Delivery, database: Database, database_url: str) -> None:
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, str(HERE / "publish_forever.py"), database_url],
            env={"PYTHONPATH": f"{HERE}:{Path(__file__).parents[3]}"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert child.stdout is not None
            for _ in range(chance.randrange(1, 6)):
                assert await asyncio.to_thread(child.stdout.readline), f"seed {seed}"
            await asyncio.sleep(chance.random() * 0.05)  # anywhere inside a publish
        finally:
            child.kill()
            child.wait()
            child.stdout.close()  # type: ignore[union-attr]
        sites = (await delivery.table()).sites
        assert len({site.cid for site in sites.values()}) == 1, f"seed {seed}: {sites}"
        assert {pair[0] for pair in sites} == {"kai", "docs", "zeta"}
        async with database.begin() as tx:
            counts = await tx.execute(
                text(
                    "SELECT (SELECT count(*) FROM delivery.releases), (SELECT count(*) FROM delivery.deployments),"
                    " (SELECT sum(generation) FROM delivery.pointers)"
                )
            )
            releases, deployments, flips = counts.one()
        assert releases == deployments == flips, f"seed {seed}"


async def test_without_postgresql_it_says_so(
    content: TwinContent, settings: DeliverySettings, developer: Actor
) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    delivery = Delivery(away, content, TwinPreparer(content), TwinAudit(), settings, ManualClock())  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        await delivery.table()
    with pytest.raises(Unavailable):
        await delivery.create_release(developer, "kai", "dev", content.add({"a": b"1"}))
    assert content.abandoned == []  # it may be tried again
    changes = delivery.changes()
    await asyncio.wait_for(anext(changes), 5)
    await changes.aclose()  # type: ignore[attr-defined]
    await away.close()


async def test_links_are_checked_through_the_listener(
    database: Database, content: TwinContent, audit: TwinAudit, clock: ManualClock, developer: Actor
) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
        asked.append(host)
        status = b"500 Oops" if host.startswith("broken.dev.kube") else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = DeliverySettings(
        domain="dxos.localhost", default_environment="dev", listen_apps=f"127.0.0.1:{port}", public_port=port
    )
    delivery = Delivery(database, content, TwinPreparer(content), audit, settings, clock)  # type: ignore[arg-type]
    cid = content.add({"a": b"1"})
    for app in ("fine", "broken"):
        await delivery.create_release(developer, app, "dev", cid)
    assert (await delivery.app("fine")).of("dev").health == "unknown"  # type: ignore[union-attr]
    await delivery.check_links()
    assert sorted(asked) == [
        "broken.dev.dxos.localhost",
        "broken.dev.kube.dxos.localhost",
        "fine.dev.dxos.localhost",
        "fine.dev.kube.dxos.localhost",
    ]
    health = {app.name: app.of("dev").health for app in await delivery.list_apps()}  # type: ignore[union-attr]
    assert health == {"fine": "up", "broken": "degraded"}
    [bad] = [check for check in await delivery.health() if not check.ok]
    assert (bad.app, bad.via, bad.status, bad.error) == ("broken", "origin", 500, "answered 500")
    assert bad.url == f"http://broken.dev.kube.dxos.localhost:{port}"
    # a flip makes what was seen before worth nothing
    await delivery.create_release(developer, "fine", "dev", cid)
    assert (await delivery.app("fine")).of("dev").health == "unknown"  # type: ignore[union-attr]
    server.close()
    await server.wait_closed()
    await delivery.check_links()
    assert (await delivery.app("fine")).of("dev").health == "down"  # type: ignore[union-attr]
