"""Values of the kube room."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec


class NodeEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """One environment as its clients reach it.

    `kube_url` is `http[s]://<kube host>[:port]`, `app_host` the part of an app's origin host after `<app>.`.
    """

    name: str
    kube_url: str
    app_host: str


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """Where this node and its neighbours are reached. URLs without trailing slash."""

    environments: Mapping[str, NodeEnvironment]
    scheme: str
    port: int
    kubo_url: str
    gateway_url: str
    addresses: Mapping[str, tuple[str, ...]] = {}
    """Listen addresses by role, for Status."""

    def app_url(self, environment: str, host_name: str) -> str:
        """An app at its origin."""
        return f"{self.scheme}://{self.app_host(environment, host_name)}{_port(self.scheme, self.port)}"

    def app_host(self, environment: str, host_name: str) -> str:
        return f"{host_name}.{self.environments[environment].app_host}"


class Tunnel(msgspec.Struct, frozen=True, kw_only=True):
    """The wish for a public URL of one app; `url` once the command that runs now said it. Kept over restarts."""

    environment: str
    app: str
    enabled: bool
    url: str | None
    changed_at: datetime


def make_node(
    *,
    domain: str,
    labels: Mapping[str, str],
    scheme: str,
    port: int,
    kubo_url: str,
    gateway_url: str,
    addresses: Mapping[str, tuple[str, ...]] | None = None,
) -> Node:
    """The node of one domain; `labels` are the host labels of its environments by name ("" for the main one)."""
    environments = {}
    for name, label in labels.items():
        host = ".".join(part for part in (label, "kube", domain) if part)
        environments[name] = NodeEnvironment(
            name=name, kube_url=f"{scheme}://{host}{_port(scheme, port)}", app_host=host
        )
    return Node(
        environments=environments,
        scheme=scheme,
        port=port,
        kubo_url=kubo_url,
        gateway_url=gateway_url,
        addresses=addresses or {},
    )


def _port(scheme: str, port: int) -> str:
    return "" if port == {"http": 80, "https": 443}[scheme] else f":{port}"
