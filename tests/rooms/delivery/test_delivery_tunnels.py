"""`tunnel: true` of a module, whichever way it is published."""

from __future__ import annotations

import msgspec
import pytest
from twins import TwinAudit, TwinContent, TwinPreparer

from dxops.base.actors import Actor
from dxops.base.clock import ManualClock
from dxops.base.errors import Unavailable
from dxops.base.ports import PublishModule
from dxops.engines.postgres.database import Database
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.model import ModuleInput, Source
from dxops.rooms.delivery.service import Delivery


class TwinTunnels:
    """Port `Tunnels`: an address for every app but those in `broken` and `silent`."""

    def __init__(self) -> None:
        self.on: list[tuple[str, str, str]] = []

    async def enable(self, actor: Actor, environment: str, app: str) -> str | None:
        if app == "broken":
            raise Unavailable("PostgreSQL does not answer")
        self.on.append((actor.name, environment, app))
        return None if app == "silent" else f"https://{app}.tunnel.example"


@pytest.fixture
def tunnels() -> TwinTunnels:
    return TwinTunnels()


@pytest.fixture
def tunnelled(
    database: Database,
    content: TwinContent,
    audit: TwinAudit,
    settings: DeliverySettings,
    clock: ManualClock,
    tunnels: TwinTunnels,
) -> Delivery:
    return Delivery(database, content, TwinPreparer(content), audit, settings, clock, tunnels=tunnels)  # type: ignore[arg-type]


async def test_by_the_api_and_by_the_rpc(
    tunnelled: Delivery, content: TwinContent, tunnels: TwinTunnels, developer: Actor
) -> None:
    cid = content.add({"index.html": b"one"})
    open_, shut = (ModuleInput(name=name, cid=cid, version="1") for name in ("example:app/kai", "docs"))
    outcomes = await tunnelled.publish(developer, "dev", [msgspec.structs.replace(open_, tunnel=True), shut], Source())
    assert [one.tunnel_url for one in outcomes] == ["https://example-app-kai.tunnel.example", None]
    by_rpc = [
        PublishModule(name=name, cid=cid, version="1", record={}, tunnel=name != "docs") for name in ("kai", "docs")
    ]
    [kai, docs] = await tunnelled.publish_modules(developer, "dev", by_rpc, skip_existing=True)
    assert kai.urls[-1] == "https://kai.tunnel.example"
    assert docs.skipped
    assert not any("tunnel" in url for url in docs.urls)
    assert tunnels.on == [("dora", "dev", "example-app-kai"), ("dora", "dev", "kai")]


@pytest.mark.parametrize(("app", "reason"), [("broken", "PostgreSQL does not answer"), ("silent", "not known yet")])
async def test_one_that_does_not_open_is_a_warning(
    tunnelled: Delivery, content: TwinContent, developer: Actor, app: str, reason: str
) -> None:
    module = ModuleInput(name=app, cid=content.add({"index.html": b"one"}), tunnel=True)
    [outcome] = await tunnelled.publish(developer, "dev", [module], Source())
    assert outcome.release.live
    assert outcome.tunnel_url is None
    assert any(reason in warning for warning in outcome.warnings)


async def test_a_refused_publish_opens_none(
    tunnelled: Delivery, content: TwinContent, tunnels: TwinTunnels, developer: Actor
) -> None:
    cid = content.add({"index.html": b"one"})
    content.lost[cid] = "bafymissing"
    with pytest.raises(Exception, match="bafymissing"):
        await tunnelled.publish(developer, "dev", [ModuleInput(name="kai", cid=cid, tunnel=True)], Source())
    assert tunnels.on == []
