"""A served origin for tests: memory twins behind a real listener on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from dxops.app.listeners import Listener, Listeners
from dxops.base.clock import SystemClock
from dxops.base.ports import Host, LiveSite, SiteTable
from dxops.base.rsgi import Headers, HttpProtocol, Scope, WebsocketProtocol
from dxops.rooms.origin.access_lines import Access
from dxops.rooms.origin.app import OriginApp
from dxops.rooms.origin.config import OriginConfig
from dxops.rooms.origin.exchange import AccessLog
from dxops.rooms.origin.prepare import Preparation
from tests.harness import free_ports
from tests.twins import MemoryContent, MemorySites

DOMAIN = "dxos.localhost"


def hosts_of(*apps: str) -> dict[str, Host]:
    """What delivery makes of the default settings."""
    hosts = [Host(name="kube." + DOMAIN, via="kube", environment="prod", app=None)]
    for app in apps:
        for environment, label in (("prod", ""), ("staging", "staging."), ("dev", "dev.")):
            for via, kube in (("edge", ""), ("origin", "kube.")):
                hosts.append(Host(name=f"{app}.{label}{kube}{DOMAIN}", via=via, environment=environment, app=app))
        hosts.append(Host(name=f"{app}.localhost", via="local", environment="dev", app=app))
    return {host.name: host for host in hosts}


class FakeKube:
    """Answers `/.well-known/dx/config`, and echoes one message of a socket at `/.well-known/dx/echo`."""

    def handles(self, path: str) -> bool:
        return path in ("/.well-known/dx/config", "/.well-known/dx/echo")

    async def __call__(self, scope: Scope, protocol: HttpProtocol | WebsocketProtocol, *, environment: str) -> None:
        if scope.proto == "ws":
            socket = await protocol.accept()  # type: ignore[union-attr]
            message = await socket.receive()
            await socket.send_str(f"{environment}: {message.data!r}")
            protocol.close()  # type: ignore[union-attr]
        else:
            protocol.response_str(200, [("content-type", "application/json")], f'{{"environment":"{environment}"}}')  # type: ignore[union-attr]


class Accesses:
    """An access log that keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[Access] = []
        self._bodies: dict[str, Access] = {}

    def told(self, access: Access, scope: Scope, started_ns: int) -> None:
        self.seen.append(access)

    def body(self, access: Access) -> str:
        self._bodies[str(access)] = access
        return str(access)

    def hit(self, body: str, scope: Scope, headers: Headers, started_ns: int) -> None:
        self.seen.append(self._bodies[body])


class Stage:
    """The parts, and what a test does with them."""

    def __init__(self, content: MemoryContent, sites: MemorySites, app: OriginApp, port: int) -> None:
        self.content = content
        self.sites = sites
        self.app = app
        self.port = port
        self.accesses: list[Access] = []
        self.client = httpx.AsyncClient(timeout=10)
        self._generation = 0

    async def publish(
        self, files: Mapping[str, bytes], *, app: str = "hello", environment: str = "prod", keep: int = 3
    ) -> LiveSite:
        """Prepare, flip and wait until it is served."""
        root = self.content.add_tree(files)
        prepared = await Preparation(self.content).prepare(root)
        before = self.sites.current.sites.get((app, environment))
        self._generation += 1
        site = LiveSite(
            app=app,
            environment=environment,
            release_id=f"rel_{self._generation}",
            version=f"1.0.{self._generation}",
            cid=root,
            manifest=prepared.manifest,
            generation=self._generation,
            released_at=datetime(2026, 1, 1, tzinfo=UTC),
            previous=tuple([before.manifest, *before.previous][:keep]) if before else (),
        )
        await self.flip(site)
        return site

    async def flip(self, site: LiveSite) -> None:
        await self.sites.flip(site)
        host = next(
            host.name
            for host in self.sites.current.hosts.values()
            if (host.app, host.environment) == (site.app, site.environment)
        )
        for _ in range(2000):
            answer = await self.get("/", host=host)
            if answer.headers.get("x-dx-release") == site.release_id:
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"{site.release_id} is not served")

    async def get(
        self, path: str, *, host: str = "hello." + DOMAIN, method: str = "GET", **headers: str
    ) -> httpx.Response:
        """A request as it is: no decoding of bodies, header names with `_` for `-`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("accept-encoding", "identity")
        given.setdefault("accept", "*/*")
        url = httpx.URL(f"http://127.0.0.1:{self.port}").copy_with(raw_path=path.encode())
        return await self.client.request(method, url, headers={"host": f"{host}:{self.port}", **given})

    async def raw(self, data: bytes) -> bytes:
        """What comes back for bytes on the wire, until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer


@asynccontextmanager
async def staged(
    directory: Path,
    *apps: str,
    config: OriginConfig | None = None,
    port: int | None = None,
    access_log: AccessLog | None = None,
    logged: bool = True,
) -> AsyncIterator[Stage]:
    """An origin that knows the hosts of `apps` and serves nothing yet."""
    content = MemoryContent()
    sites = MemorySites(SiteTable(hosts=hosts_of(*(apps or ("hello",))), sites={}))
    port = port or free_ports(1)[0]
    accesses = Accesses()
    app = OriginApp(
        content,
        sites,
        FakeKube(),
        config or OriginConfig(),
        SystemClock(),
        default_environment="dev",
        spool=directory / "spool",
        access_log=(access_log or accesses) if logged else None,
    )
    await app.start()
    listeners = Listeners([Listener("apps", f"127.0.0.1:{port}", app)])
    await listeners.start()
    stage = Stage(content, sites, app, port)
    stage.accesses = accesses.seen
    try:
        yield stage
    finally:
        await stage.client.aclose()
        await listeners.stop(5)
        await app.stop()
