"""The room put together: what the process that serves the app hosts makes, mounts, runs and closes."""

from __future__ import annotations

from dxops.base.clock import Clock
from dxops.base.ports import Authenticator, Content, Publisher, Roles, TokenIssuer
from dxops.engines.postgres.database import Database
from dxops.rooms.kube.config import KubeConfig
from dxops.rooms.kube.http import KubeNode
from dxops.rooms.kube.known import WellKnown
from dxops.rooms.kube.model import Node
from dxops.rooms.kube.publisher import PublisherRpc
from dxops.rooms.kube.signal import SignalRpc, Swarms
from dxops.rooms.kube.supervisor import SupervisorRpc
from dxops.rooms.kube.tunnel_rpc import TunnelRpc
from dxops.rooms.kube.tunnel_runner import TunnelRunner
from dxops.rooms.kube.tunnels import Tunnels


class Kube:
    """`node` answers below `/.well-known/dx/`; run `run` as a task; `close` before stopping."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        authenticator: Authenticator,
        issuer: TokenIssuer,
        content: Content,
        tunnels: Tunnels,
        roles: Roles,
        node: Node,
        config: KubeConfig,
        clock: Clock,
    ) -> None:
        self._runner = TunnelRunner(database, node, config)
        known = WellKnown(publisher, roles, node, config)
        services = {
            "deploy": PublisherRpc(database, publisher, authenticator, content, config).service(),
            "tunnel": TunnelRpc(database, publisher, authenticator, tunnels).service(),
            "supervisor": SupervisorRpc(database, known, issuer, config, clock).service(),
            "signal": SignalRpc(Swarms(clock)).service(),
        }
        self.node = KubeNode(services, known, node, max_sockets=config.max_sockets)

    async def run(self) -> None:
        """Keep the tunnels' commands running, until cancelled. One process only."""
        await self._runner.run()

    async def close(self) -> None:
        """End every socket."""
        await self.node.close()
