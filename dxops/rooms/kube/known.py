"""What `/.well-known/dx/{status,config,registry}` say, as messages and as the JSON that the console and apps read."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from dxops.base.ports import Publisher, Roles
from dxops.rooms.kube.config import KubeConfig
from dxops.rooms.kube.model import Node
from dxops.wire.dxrpc_modules import public_record
from dxops.wire.proto import dx_pb2 as dx

WELL_KNOWN: Final = "/.well-known/dx"

_STATUS: Final = {
    "healthy": dx.Service.STARTED,
    "starting": dx.Service.UNKNOWN,
    "stalled": dx.Service.FAILED,
    "backoff": dx.Service.FAILED,
    "stopping": dx.Service.STOPPED,
    "stopped": dx.Service.STOPPED,
}


class WellKnown:
    """Status, configuration and registry of one node. Never secrets: everyone may read these."""

    def __init__(self, publisher: Publisher, roles: Roles, node: Node, config: KubeConfig) -> None:
        self._publisher = publisher
        self._roles = roles
        self._node = node
        self._config = config

    async def services(self, environment: str) -> dx.Services:
        """One service per role. Does not touch PostgreSQL."""
        services = dx.Services()
        for name, state in (await self._roles.states()).items():
            services.services.append(
                dx.Service(
                    name=name,
                    status=_STATUS.get(state.status, dx.Service.UNKNOWN),
                    type=dx.Service.PROCESS,
                    addresses=self._node.addresses.get(name, ()),
                )
            )
        for service in services.services:
            if service.name == "edge":
                base = f"{self._node.environments[environment].kube_url}{WELL_KNOWN}"
                for path in ("status", "config", "registry"):
                    service.well_knowns.append(dx.WellKnown(url=f"{base}/{path}", description=path))
        return services

    def config(self, environment: str, at: str | None = None) -> dx.Config:
        """`dxos.config.Config` of an environment. `at` is the `host:port` that the reader used where that is no kube
        host but the plain machine (`localhost:8080`): its addresses then stay there."""
        place = self._node.environments[environment]
        base = place.kube_url if at is None else f"{self._node.scheme}://{at}"
        query = "" if at is None else f"?environment={environment}"
        socket = f"ws{base.removeprefix('http')}{WELL_KNOWN}"
        services = dx.RuntimeServices(
            ipfs=dx.Ipfs(server=self._node.kubo_url, gateway=f"{self._node.gateway_url}/ipfs"),
            signaling=[dx.Endpoint(server=f"{socket}/signal{query}")],
            ice=[
                dx.Ice(urls=one.urls, username=one.username or None, credential=one.credential or None)
                for one in self._config.ice
            ],
            publisher=dx.Endpoint(server=f"{socket}/deploy{query}"),
            supervisor=dx.Endpoint(server=f"{socket}/supervisor{query}"),
            tunneling=dx.Endpoint(server=f"{socket}/tunnel{query}"),
        )
        kube = dx.RuntimeKube(
            host=place.app_host,
            port=str(self._node.port),
            app_tunneling=dx.AppTunneling(enabled=bool(self._config.tunnel_command)),
        )
        return dx.Config(version=1, runtime=dx.Runtime(services=services, kube=kube))

    async def status_json(self, environment: str) -> dict[str, Any]:
        """`{"services": [{"name", "type", "status", "addresses"}]}`; enums by name, every key always there."""
        return {
            "services": [
                {
                    "name": service.name,
                    "type": dx.Service.Type.Name(service.type),
                    "status": dx.Service.Status.Name(service.status),
                    "addresses": list(service.addresses),
                    "wellKnowns": [
                        {"url": known.url, "description": known.description} for known in service.well_knowns
                    ],
                }
                for service in (await self.services(environment)).services
            ]
        }

    def config_json(self, environment: str, at: str | None) -> dict[str, Any]:
        """`config` as camelCase JSON."""
        return dict(MessageToDict(self.config(environment, at)))

    async def registry_json(self, environment: str) -> dict[str, Any]:
        """`{"modules": […]}`: every live module as it described itself; `bundle` is the CID in text."""
        modules = await self._publisher.list_modules(environment)
        return {
            "modules": [
                {
                    "tags": [],
                    **public_record(module.record),
                    "name": module.name,
                    "bundle": module.cid,
                    "version": module.version,
                    "urls": list(module.urls),
                }
                for module in modules
            ]
        }
