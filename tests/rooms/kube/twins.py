"""A node on memory twins of the other rooms: in this process for unit tests, `python -m tests.rooms.kube.twins
DATABASE_URL PORT CONFIG_JSON` as a server of its own (prints `ready`)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import msgspec
from granian.constants import Interfaces
from granian.server.embed import Server

from dxops.base.actors import Actor, Scope
from dxops.base.clock import ManualClock, SystemClock
from dxops.base.errors import Refused, Unauthenticated
from dxops.base.ports import PublishedModule, PublishModule, RoleState
from dxops.engines.postgres.database import Database
from dxops.rooms.kube.config import KubeConfig
from dxops.rooms.kube.model import Node, make_node
from dxops.rooms.kube.service import Kube
from dxops.rooms.kube.tunnels import Tunnels

TOKENS = {
    "good": Actor(kind="token", id="tok_1", name="ci", scopes=frozenset({Scope.PUBLISH, Scope.OPERATE})),
    "read": Actor(kind="token", id="tok_2", name="reader", scopes=frozenset({Scope.READ})),
    "dev-only": Actor(
        kind="token", id="tok_3", name="dev ci", scopes=frozenset({Scope.PUBLISH}), environments=frozenset({"dev"})
    ),
}


def host_name(name: str) -> str:
    return name.rpartition("/")[2].rpartition(":")[2].lower()


class MemoryPublisher:
    """Port `Publisher`: refuses the CIDs in `absent`."""

    def __init__(self, tunnels: Tunnels) -> None:
        self.tunnels = tunnels
        self.live: dict[tuple[str, str], PublishedModule] = {}
        self.actors: list[Actor] = []
        self.absent: set[str] = set()

    async def publish_modules(
        self, actor: Actor, environment: str, modules: Sequence[PublishModule], *, skip_existing: bool
    ) -> list[PublishedModule]:
        for module in modules:
            if module.cid in self.absent:
                raise Refused(f"the content of '{module.name}' is not complete", hint="upload it again")
        self.actors.append(actor)
        result = []
        for module in modules:
            old = self.live.get((environment, module.name))
            if skip_existing and old is not None and old.version == module.version:
                result.append(old)
                continue
            app = host_name(module.name)
            made = PublishedModule(
                name=module.name,
                app=app,
                cid=module.cid,
                version=module.version or "1",
                urls=(f"http://{app}.{environment}.dxops.localhost:8080", f"http://{app}.{environment}.example.org"),
                record=module.record,
            )
            self.live[(environment, module.name)] = made
            url = await self.tunnels.enable(actor, environment, app) if module.tunnel else None
            result.append(msgspec.structs.replace(made, urls=(*made.urls, url)) if url else made)
        return result

    async def list_modules(self, environment: str) -> list[PublishedModule]:
        return [self.live[key] for key in sorted(self.live) if key[0] == environment]

    async def reset_modules(self, actor: Actor, environment: str) -> int:
        gone = [key for key in self.live if key[0] == environment]
        for key in gone:
            del self.live[key]
        return len(gone)


class MemoryTokens:
    """Ports `Authenticator` and `TokenIssuer`."""

    def __init__(self) -> None:
        self.tokens = dict(TOKENS)
        self.issued: list[tuple[str, frozenset[Scope], datetime]] = []

    async def token(self, secret: str, *, ip: str | None = None) -> Actor:
        if secret not in self.tokens:
            raise Unauthenticated("this token is unknown or revoked", hint="make one under Accounts, Tokens")
        return self.tokens[secret]

    async def issue(self, actor: Actor, name: str, scopes: frozenset[Scope], *, expires_at: datetime) -> str:
        self.issued.append((name, scopes, expires_at))
        secret = f"dxo_issued_{len(self.issued)}"
        self.tokens[secret] = Actor(kind="token", id=secret, name=name, scopes=scopes)
        return secret


class MemoryContent:
    """The part of port `Content` that the room uses."""

    def __init__(self) -> None:
        self.abandoned: list[str] = []

    async def abandon(self, tx: object, root: str) -> None:
        self.abandoned.append(root)


class MemoryAudit:
    def __init__(self) -> None:
        self.actions: list[tuple[str, str, str]] = []

    async def record(self, tx: object, actor: Actor, action: str, subject: str, detail: object = None) -> None:
        self.actions.append((actor.name, action, subject))


class SteadyRoles:
    async def states(self) -> dict[str, RoleState]:
        since = datetime.fromisoformat("2026-01-01T00:00:00Z")
        return {
            "edge": RoleState(status="healthy", since=since, pid=1),
            "worker": RoleState(status="backoff", since=since),
        }


def node_at(port: int) -> Node:
    return make_node(
        domain="dxops.localhost",
        labels={"prod": "", "staging": "staging", "dev": "dev"},
        scheme="http",
        port=port,
        kubo_url="http://127.0.0.1:5001",
        gateway_url="http://127.0.0.1:8888",
        addresses={"edge": (f"127.0.0.1:{port}",)},
    )


class TwinNode:
    """A listening node; `host` headers choose the environment as the origin's dispatcher will."""

    def __init__(self, database: Database, port: int, config: KubeConfig | None = None) -> None:
        self.port = port
        self.audit = MemoryAudit()
        self.clock = ManualClock(SystemClock().now())
        parts: Any = self  # the twins have only what the room uses of their ports
        self.tunnels = Tunnels(database, parts.audit, config or KubeConfig(), self.clock)
        self.publisher = MemoryPublisher(self.tunnels)
        self.tokens = MemoryTokens()
        self.content = MemoryContent()
        self.kube = Kube(
            database,
            parts.publisher,
            parts.tokens,
            parts.tokens,
            parts.content,
            self.tunnels,
            SteadyRoles(),
            node_at(port),
            config or KubeConfig(),
            self.clock,
        )
        self._server = Server(
            self._app, "127.0.0.1", port, interface=Interfaces.RSGI, log_enabled=False, websockets=True
        )
        self._tasks: list[asyncio.Task[Any]] = []

    async def _app(self, scope: Any, protocol: Any) -> None:
        host = (scope.headers.get("host") or "").partition(":")[0]
        environment = {"kube.dxops.localhost": "prod", "staging.kube.dxops.localhost": "staging"}.get(host, "dev")
        if not self.kube.node.handles(scope.path):
            protocol.response_str(200, [("content-type", "text/html")], "<title>app</title>")
            return
        await self.kube.node(scope, protocol, environment=environment)

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._server.serve()), asyncio.create_task(self.kube.run())]
        for _ in range(500):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return
        raise AssertionError("the node does not listen")

    async def stop(self) -> None:
        await self.kube.close()
        self._server.stop()
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def node_of(**attributes: Any) -> SimpleNamespace:
    """A stand-in for Granian's scope."""
    return SimpleNamespace(**attributes)


async def main(url: str, port: int, config: KubeConfig) -> None:
    node = TwinNode(Database(url), port, config)
    await node.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), msgspec.json.decode(sys.argv[3], type=KubeConfig)))
