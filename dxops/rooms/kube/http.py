"""The listener's part below `/.well-known/dx/`, for the role that serves the app hosts to call.

RPC sockets at `deploy`, `tunnel`, `supervisor` and `signal`; JSON at `status`, `config` and `registry`. On a kube host
and on app hosts the host decides the environment; on plain `localhost` or an address `?environment=staging` chooses
another than the default, because `*.localhost` does not resolve everywhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from dxops.base.errors import DxopsError, Missing, Refused, Unavailable
from dxops.rooms.kube.known import WELL_KNOWN, WellKnown
from dxops.rooms.kube.model import Node
from dxops.rooms.kube.socket import Service, Session, Socket

log = logging.getLogger(__name__)

_AUTHORITY: Final = re.compile(r"(localhost|[0-9.]{7,15}|\[[0-9a-fA-F:.]{2,45}\])(?::[0-9]{1,5})?", re.IGNORECASE)
_PROXIED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "cf-connecting-ip")
_HEADERS: Final = [
    ("content-type", "application/json"),
    ("access-control-allow-origin", "*"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
]
_PREFLIGHT: Final = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
    ("access-control-allow-headers", "*"),
    ("access-control-max-age", "86400"),
]
_JSON: Final = ("status", "config", "registry")


class KubeNode:
    """The RSGI part. `services` by path segment. Call `close` before the listener stops."""

    def __init__(self, services: Mapping[str, Service], known: WellKnown, node: Node, *, max_sockets: int) -> None:
        self._services = services
        self._known = known
        self._environments = frozenset(node.environments)
        self._max_sockets = max_sockets
        self._sockets: set[Socket] = set()
        self._closing = False
        self._json: dict[str, Callable[[str, str | None], Awaitable[dict[str, Any]]]] = {
            "status": lambda environment, at: known.status_json(environment),
            "config": self._config,
            "registry": lambda environment, at: known.registry_json(environment),
        }

    @staticmethod
    def handles(path: str) -> bool:
        """Whether a path is ours, on every host: an app's files never answer there."""
        return path == WELL_KNOWN or path.startswith(f"{WELL_KNOWN}/")

    async def __call__(self, scope: Any, protocol: Any, *, environment: str) -> None:
        """Answer one request or serve one socket. `environment` is what the host means."""
        try:
            chosen = self._environment(scope, environment)
        except DxopsError as error:
            self._refuse(scope, protocol, error)
            return
        if scope.proto == "ws":
            await self._serve_socket(scope, protocol, chosen)
        else:
            await self._serve_json(scope, protocol, chosen)

    async def close(self) -> None:
        """Say goodbye to every open socket and wait until they are gone, at most five seconds."""
        self._closing = True
        for socket in self._sockets:
            socket.stop()
        for _ in range(250):
            if not self._sockets:
                return
            await asyncio.sleep(0.02)

    # --- sockets ---

    async def _serve_socket(self, scope: Any, protocol: Any, environment: str) -> None:
        service = self._services.get(scope.path.removeprefix(f"{WELL_KNOWN}/"))
        if service is None:
            protocol.close(404)
            return
        if len(self._sockets) >= self._max_sockets:
            log.warning("too many rpc sockets", extra={"open": len(self._sockets)})
            protocol.close(503)
            return
        transport = await protocol.accept()
        socket = Socket(transport, protocol.close, session_of(scope, environment), service)
        self._sockets.add(socket)
        if self._closing:  # between the upgrade and here
            socket.stop()
        try:
            await socket.run()
        finally:
            self._sockets.discard(socket)

    # --- JSON ---

    async def _serve_json(self, scope: Any, protocol: Any, environment: str) -> None:
        try:
            if scope.method == "OPTIONS":
                protocol.response_empty(204, _PREFLIGHT)
                return
            name = scope.path.removeprefix(WELL_KNOWN).strip("/")
            answer = self._json.get(name)
            if answer is None:
                self._other(name, protocol)
            elif scope.method not in ("GET", "HEAD"):
                _send(protocol, 405, _error("refused", f"{scope.method} is not for {scope.path}", "use GET"))
            else:
                # a HEAD's body is dropped by Granian, which keeps its length
                _send(protocol, 200, await answer(environment, _plain_authority(scope)))
        except DxopsError as error:
            self._refuse(scope, protocol, error)

    async def _config(self, environment: str, at: str | None) -> dict[str, Any]:
        return self._known.config_json(environment, at)

    def _other(self, name: str, protocol: Any) -> None:
        if name in self._services:
            hint = "open it as a WebSocket; `dx` and `@dxos/client` do"
            _send(
                protocol,
                426,
                _error("refused", f"{WELL_KNOWN}/{name} is an RPC socket", hint),
                ("upgrade", "websocket"),
            )
        elif name == "bot" or name.startswith("bot/"):
            text = "this node runs no bots"
            _send(protocol, 501, _error("unsupported", text, "run them where a container engine is"))
        else:
            paths = ", ".join(f"{WELL_KNOWN}/{one}" for one in (*_JSON, *self._services))
            _send(protocol, 404, _error("missing", "nothing is here", f"there are {paths}"))

    # --- who and where ---

    def _environment(self, scope: Any, environment: str) -> str:
        asked: str = parse_qs(scope.query_string).get("environment", [environment])[-1]
        if asked == environment:
            return environment
        if asked not in self._environments:
            known = ", ".join(sorted(self._environments))
            raise Missing(f"no environment '{asked[:40]}'", hint=f"there are {known}", field="environment")
        if _plain_authority(scope) is None:
            raise Refused(
                f"this host belongs to {environment}", hint=f"use the kube host of {asked}", field="environment"
            )
        return asked

    def _refuse(self, scope: Any, protocol: Any, error: DxopsError) -> None:
        status = 503 if isinstance(error, Unavailable) else 404 if isinstance(error, Missing) else 400
        if scope.proto == "ws":
            protocol.close(status)
        else:
            _send(protocol, status, _error(error.code, error.message, error.hint))


def session_of(scope: Any, environment: str) -> Session:
    """Who opened the socket. A browser names its page in `Origin`; a proxy on this machine names its client."""
    headers = scope.headers
    ip = scope.client.rpartition(":")[0].strip("[]") or scope.client
    page = headers.get("origin") is not None
    proxied = any(headers.get(name) is not None for name in _PROXIED)
    scheme, _, credential = (headers.get("authorization") or "").partition(" ")
    token = credential.strip() if scheme.lower() == "bearer" else None
    return Session(
        environment=environment,
        ip=ip,
        local=_is_loopback(ip) and not page and not proxied,
        page=page,
        credential=token or parse_qs(scope.query_string).get("token", [None])[-1],
    )


def _is_loopback(ip: str) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _plain_authority(scope: Any) -> str | None:
    """The request's `host[:port]` where the host is an address or `localhost`, else None."""
    authority = scope.authority or scope.headers.get("host") or ""
    return authority if _AUTHORITY.fullmatch(authority) else None


def _error(code: str, message: str, hint: str | None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "hint": hint, "field": None}}


def _send(protocol: Any, status: int, body: dict[str, Any], *more: tuple[str, str]) -> None:
    protocol.response_bytes(status, [*_HEADERS, *more], orjson.dumps(body))
