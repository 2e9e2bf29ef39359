"""The RPC service Tunnel: who may set one, and tunnels to and from the wire."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from dxops.base.actors import SYSTEM, Actor, Scope
from dxops.base.errors import Forbidden, Missing
from dxops.base.ports import Authenticator, PublishedModule, Publisher
from dxops.engines.postgres.database import Database
from dxops.rooms.kube import repo
from dxops.rooms.kube.socket import Endpoint, Service, Session
from dxops.rooms.kube.tunnels import Tunnels
from dxops.wire.dxrpc import Method
from dxops.wire.proto import dx_pb2 as dx

_PACKAGE: Final = "dxos.service.tunnel"


class TunnelRpc:
    """`dxos.service.tunnel.Tunnel` on the tunnels and the ports of delivery and accounts."""

    def __init__(
        self, database: Database, publisher: Publisher, authenticator: Authenticator, tunnels: Tunnels
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._authenticator = authenticator
        self._tunnels = tunnels

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
        url = await self._tunnels.set(actor, session.environment, module.app, enabled=request.enabled)
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
