"""Who may call Kubo RPC: no web page through its visitor's browser, and beyond loopback nobody without a token.

See docs/decisions/004-kubo-rpc-credential.md.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from dxops.base.actors import Actor, Scope
from dxops.base.errors import Forbidden, Unauthenticated
from dxops.base.ports import Authenticator
from dxops.rooms.content.exchange import Exchange
from dxops.wire.http_negotiation import parse_host

LOCAL = Actor(kind="system", id="kubo-rpc", name="kubo rpc", scopes=frozenset(Scope) - {Scope.ADMIN})


class Guard:
    """`authenticator` None means that no credential is asked for. `hosts` are names without port, lower-case;
    `more_hosts` is asked for each call (the kube hosts, which change)."""

    def __init__(
        self,
        authenticator: Authenticator | None,
        hosts: Collection[str] = (),
        more_hosts: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._authenticator = authenticator
        self._hosts = frozenset(hosts)
        self._more_hosts = more_hosts

    async def admit(self, exchange: Exchange) -> Actor:
        """The caller. Raises `Forbidden` for a foreign page or a hostile host, `Unauthenticated` without a credential
        where one is needed."""
        self._check_host(exchange.host)
        _check_page(exchange)
        if self._authenticator is None:
            return LOCAL
        return await self._authenticator.token(_secret(exchange.header("authorization")), ip=exchange.client_ip)

    def _check_host(self, host: str) -> None:
        """An address or a name of ours. What is no host at all (`[::1`, two headers joined) is nobody's."""
        asked = parse_host(host)
        if asked is not None:
            name = asked.name.strip("[]")
            if asked.is_address or name == "localhost" or name in self._hosts or self._more_hosts(name):
                return
        raise Forbidden(
            f"the host '{host[:100]}' is not known to this node",
            code="unknown_host",
            hint="call it by address, or name the host in content.rpc_hosts",
        )


def _check_page(exchange: Exchange) -> None:
    """A browser says where the page came from; every other client says nothing."""
    for name in ("origin", "referer"):
        value = exchange.header(name)
        if value is not None and (value == "null" or urlsplit(value).netloc.lower() != exchange.host):
            raise Forbidden(f"calls from pages of {value[:100]} are not allowed", code="foreign_origin")
    if exchange.header("sec-fetch-site") in ("cross-site", "same-site"):
        raise Forbidden("calls from other sites' pages are not allowed", code="foreign_origin")


def _secret(authorization: str | None) -> str:
    kind, _, value = (authorization or "").partition(" ")
    if kind.lower() == "bearer" and value:
        return value.strip()
    if kind.lower() == "basic":
        try:
            _, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            password = ""
        if password:
            return password
    raise Unauthenticated(
        "this node wants a token", hint="send 'Authorization: Bearer <token>', or the token as the password of Basic"
    )
