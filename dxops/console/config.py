"""`[console]` of `dxops.toml`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec


class ConsoleConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How browsers and API clients reach the console."""

    url: str = ""
    """Where people open the console when something in front of dxops terminates TLS: `https://ops.example.org`.
    Cookies are marked secure for it, and it is the origin that forms must come from."""

    hosts: tuple[str, ...] = ()
    """Other names, without port, by which the console may be addressed. Loopback, the addresses in `listen.console*`
    and the host of `url` always work; every other `Host` header is refused (DNS rebinding)."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose `X-Forwarded-For` says where a request came from."""

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.url:
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
                yield "url", "must be an origin like https://ops.example.org"
        for index, host in enumerate(self.hosts):
            if not host or host != host.lower() or any(character in host for character in "/:@* "):
                yield f"hosts.{index}", f"'{host}' is not a host name in lower case, without port"
        for index, network in enumerate(self.trusted_proxies):
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                yield f"trusted_proxies.{index}", f"'{network}' is not an address or network"
