"""Tunnels: public addresses for apps. The wish is a row; an optional configured command makes it true.

`Tunnels` is the service behind the RPC and the port; `TunnelRunner` keeps the commands running, in one process only.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from google.protobuf.message import Message

from dxops.base.actors import SYSTEM, Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Forbidden, Missing, Unavailable
from dxops.base.ports import Audit, Authenticator, PublishedModule, Publisher
from dxops.engines.postgres.database import Database, notify
from dxops.rooms.kube import repo
from dxops.rooms.kube.config import KubeConfig
from dxops.rooms.kube.model import Node
from dxops.rooms.kube.socket import Endpoint, Service, Session
from dxops.wire.dxrpc import Method
from dxops.wire.proto import dx_pb2 as dx

log = logging.getLogger(__name__)

TUNNELS_CHANGED: Final = "kube_tunnels"
_PACKAGE: Final = "dxos.service.tunnel"
_TETHER: Final = Path(__file__).with_name("tether.py")
_MAX_LINE_BYTES: Final = 4096
_KEPT_LINES: Final = 20
_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 60.0
_STABLE_S: Final = 60.0
_HOST_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

Key = tuple[str, str]


class Tunnels:
    """Turning tunnels on and off. Implements the port `Tunnels`."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        authenticator: Authenticator,
        audit: Audit,
        runner: TunnelRunner,
        config: KubeConfig,
        clock: Clock,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._authenticator = authenticator
        self._audit = audit
        self._runner = runner
        self._config = config
        self._clock = clock

    async def enable(self, actor: Actor, environment: str, app: str) -> str | None:
        """Port `Tunnels`. Waits for the URL at most `tunnel_wait_s`; None where it is not known by then."""
        return await self._set(actor, environment, app, enabled=True)

    async def _set(self, actor: Actor, environment: str, app: str, *, enabled: bool) -> str | None:
        async with self._database.begin() as tx:
            known = {tunnel.app: tunnel.enabled for tunnel in await repo.list_tunnels(tx, environment)}
            tunnel = await repo.set_tunnel(tx, environment, app, enabled, self._clock.now())
            if known.get(app, False) != enabled:
                action = "tunnel.enabled" if enabled else "tunnel.disabled"
                await self._audit.record(tx, actor, action, f"{app}@{environment}")
            await notify(tx, TUNNELS_CHANGED)
        if not enabled or not self._config.tunnel_command:
            return None
        return await self._runner.url_of(environment, app, self._config.tunnel_wait_s) or tunnel.url

    # --- RPC ---

    def service(self) -> Service:
        """The endpoints of `dxos.service.tunnel.Tunnel`."""
        name = f"{_PACKAGE}.Tunnel"
        tunnel = Method(dx.TunnelRequest, f"{_PACKAGE}.TunnelRequest", f"{_PACKAGE}.TunnelResponse")
        tunnels = Method(dx.Empty, "google.protobuf.Empty", f"{_PACKAGE}.ListTunnelsResponse")
        return {
            f"{name}.Tunnel": Endpoint(tunnel, self.tunnel),
            f"{name}.ListTunnels": Endpoint(tunnels, self.list_tunnels),
        }

    async def tunnel(self, session: Session, request: dx.TunnelRequest) -> Message:
        """Set one. Raises `Missing` for an app that is not live here, `Forbidden` for callers from elsewhere."""
        actor = await self._actor(session)
        module = await self._module(session.environment, request.name)
        url = await self._set(actor, session.environment, module.app, enabled=request.enabled)
        return dx.TunnelResponse(name=module.name, enabled=request.enabled, url=url or "")

    async def list_tunnels(self, session: Session, request: dx.Empty) -> Message:
        """All that were ever set in this environment."""
        names = {module.app: module.name for module in await self._publisher.list_modules(session.environment)}
        async with self._database.begin() as tx:
            tunnels = await repo.list_tunnels(tx, session.environment)
        response = dx.ListTunnelsResponse()
        for tunnel in tunnels:
            name = names.get(tunnel.app, tunnel.app)
            response.tunnels.append(dx.TunnelResponse(name=name, enabled=tunnel.enabled, url=tunnel.url or ""))
        return response

    async def _actor(self, session: Session) -> Actor:
        """The CLI sends no token with this call, so a program on this machine is trusted."""
        if session.credential:
            actor = await self._authenticator.token(session.credential, ip=session.ip)
            actor.require(Scope.OPERATE, environment=session.environment)
            return actor
        if session.local:
            return Actor(kind="system", id="dx", name="dx on this machine", scopes=SYSTEM.scopes, ip=session.ip)
        raise Forbidden(
            "tunnels may only be set from the node's own machine, or with a token",
            hint="add ?token=TOKEN to the tunneling address, of a token with the scope 'operate'",
        )

    async def _module(self, environment: str, name: str) -> PublishedModule:
        modules = await self._publisher.list_modules(environment)
        for module in modules:
            if name in (module.name, module.app):
                return module
        known = ", ".join(module.name for module in modules[:10]) or "none yet"
        raise Missing(f"no app '{name[:100]}' in {environment}", hint=f"publish it first; published are: {known}")


class TunnelRunner:
    """One command per enabled tunnel, restarted with back-off, ended with us."""

    def __init__(self, database: Database, node: Node, config: KubeConfig) -> None:
        self._database = database
        self._node = node
        self._config = config
        self._pattern = re.compile(config.tunnel_output_re)
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._urls: dict[Key, asyncio.Future[str]] = {}

    async def run(self) -> None:
        """Follow the table until cancelled. Returns at once where no command is configured."""
        if not self._config.tunnel_command:
            return
        try:
            async for _ in self._database.notifications([TUNNELS_CHANGED]):
                try:
                    await self._reconcile()
                except Unavailable as error:
                    log.warning("cannot read the tunnels", extra={"reason": error.message})
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def url_of(self, environment: str, app: str, timeout_s: float) -> str | None:
        """The URL that the running command said; None where it says none in time."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._url((environment, app))), timeout_s)
        except TimeoutError:
            return None

    def _url(self, key: Key) -> asyncio.Future[str]:
        return self._urls.setdefault(key, asyncio.get_running_loop().create_future())

    async def _reconcile(self) -> None:
        async with self._database.begin() as tx:
            tunnels = await repo.list_tunnels(tx)
        wanted = {
            (one.environment, one.app)
            for one in tunnels
            if one.enabled and one.environment in self._node.environments and _HOST_NAME.fullmatch(one.app)
        }
        for key in self._running.keys() - wanted:
            self._running.pop(key).cancel()
            self._urls.pop(key, None)
        for key in wanted - self._running.keys():
            self._running[key] = asyncio.create_task(self._keep(key), name=f"tunnel {key[1]}@{key[0]}")

    async def _keep(self, key: Key) -> None:
        delay = _FIRST_RETRY_S
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                status, tail = await self._once(key)
                log.warning("tunnel command ended", extra={"tunnel": key, "status": status, "output": tail})
            except OSError as error:
                log.warning("tunnel command cannot be run", extra={"tunnel": key, "reason": str(error)})
            if (future := self._urls.get(key)) is not None and future.done():
                del self._urls[key]  # its next run may have another address
            if loop.time() - started > _STABLE_S:
                delay = _FIRST_RETRY_S
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY_S)

    async def _once(self, key: Key) -> tuple[int, str]:
        """Run the command to its end: exit status and last lines."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(_TETHER),
            *self.command(key),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_MAX_LINE_BYTES,
        )
        tail: deque[str] = deque(maxlen=_KEPT_LINES)
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            while line := await _line(process.stdout):
                tail.append(line.strip())
                await self._look(key, line)
            return await process.wait(), "\n".join(tail)
        finally:
            process.stdin.close()
            await asyncio.shield(process.wait())

    async def _look(self, key: Key, line: str) -> None:
        future = self._url(key)
        found = None if future.done() else self._pattern.search(line)
        if found is None:
            return
        url = found[1] if self._pattern.groups else found[0]
        log.info("tunnel open", extra={"tunnel": key, "url": url})
        try:
            async with self._database.begin() as tx:
                await repo.set_url(tx, key[0], key[1], url)
        except Unavailable as error:
            log.warning("the tunnel's address is not kept", extra={"tunnel": key, "reason": error.message})
        if not future.done():  # a cancelled or replaced one
            future.set_result(url)

    def command(self, key: Key) -> list[str]:
        """The program and its arguments. The values are our own host names: no shell, nothing to quote."""
        environment, app = key
        values: Mapping[str, str] = {
            "app": app,
            "environment": environment,
            "host": self._node.app_host(environment, app),
            "url": self._node.app_url(environment, app),
        }
        return [
            re.sub(r"\{(\w+)\}", lambda field: values.get(field[1], field[0]), part)
            for part in self._config.tunnel_command
        ]


async def _line(stream: asyncio.StreamReader) -> str:
    """The next line, or the first part of one that is too long; "" at the end."""
    try:
        data = await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        data = error.partial
    except asyncio.LimitOverrunError:
        data = await stream.read(_MAX_LINE_BYTES)
    return data.decode(errors="replace")
