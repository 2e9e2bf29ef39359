"""What every request to the console and the API passes first, matched by a route or not: the address it came by, the
credential it carries, and the headers of its answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from dxops.app.web_errors import Misdirected, answer_to
from dxops.base.actors import Actor
from dxops.base.errors import Forbidden, Refused, Unauthenticated, Unavailable
from dxops.base.ports import Authenticator
from dxops.base.web import keep_encoded_slashes
from dxops.console.security import Address, HostRule, client_ip, cookie_refusal, response_headers
from dxops.console.sessions import cookie, session_cookie_name
from dxops.rooms.accounts.sessions import Sessions

log = logging.getLogger(__name__)

_OPEN = ("/api/health", "/assets/")
"""Where no credential is looked at: they answer while PostgreSQL is away, and cost nothing."""


class Gate:
    """ASGI middleware around the whole application. Puts into the scope: `request_id`, `address`, `client_ip`,
    `actor`, and for browser sessions `session_actor` and `session_secret`."""

    def __init__(
        self, app: ASGIApp, hosts: HostRule, tokens: Authenticator, sessions: Sessions, trusted_proxies: tuple[str, ...]
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._tokens = tokens
        self._sessions = sessions
        self._trusted = trusted_proxies
        self._running: set[asyncio.Task[Any]] = set()
        self._streams: set[asyncio.Task[Any]] = set()
        self._streams_ended = False
        self._stopping = False

    def give_up(self) -> None:
        """Cut off the requests that outlast the drain: each is answered 503, or its connection closed where the answer
        had begun."""
        self._stopping = True
        for task in self._running:
            task.cancel()
        self._running.clear()  # a second listener of this application gives up too; one cancellation is enough

    def end_streams(self) -> None:
        """End every event stream, in order, now: they would go on for ever, and their clients come again by
        themselves. One that begins later is ended at once."""
        self._streams_ended = True
        for task in self._streams:
            task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        keep_encoded_slashes(scope)
        state: dict[str, Any] = scope  # type: ignore[assignment]  # our keys beside ASGI's
        state["request_id"] = os.urandom(6).hex()
        hsts = False
        try:
            headers = _headers(scope)
            state["address"] = address = self._address(headers, state["scheme"])
            hsts = self._hosts.is_public(address)
            peer = state.get("client")
            forwarded = headers.get("x-forwarded-for")
            state["client_ip"] = client_ip(peer[0] if peer else None, forwarded, self._trusted)
            await self._authenticate(state, headers)
        except Exception as error:  # noqa: BLE001 - the last stop before the server: told apart and logged in answer_to
            await _refuse(scope, _with_headers(send, hsts=hsts, request_id=state["request_id"]), error)
            return
        await self._pass_on(scope, receive, _with_headers(send, hsts=hsts, request_id=state["request_id"]))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        task = asyncio.current_task()
        assert task is not None

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)
            if message["type"] == "http.response.start" and _is_event_stream(message):
                self._streams.add(task)
                if self._streams_ended:
                    task.cancel()

        self._running.add(task)
        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if self._streams_ended and not self._stopping and task in self._streams:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            if begun or not self._stopping:
                raise
            await _refuse(scope, send, _cut_off())
        finally:
            self._running.discard(task)
            self._streams.discard(task)

    def _address(self, headers: Mapping[str, str], scheme: str) -> Address:
        host = headers.get("host", "")
        address = self._hosts.address(host, "https" if scheme in ("https", "wss") else "http")
        if address is None:
            raise Misdirected(
                f"this is not the host '{host[:100]}'" if host else "the request names no host",
                hint="use localhost, or add the name to console.hosts in dxops.toml",
            )
        return address

    async def _authenticate(self, state: dict[str, Any], headers: Mapping[str, str]) -> None:
        path: str = state["path"]
        method = state["method"] if state["type"] == "http" else "WEBSOCKET"
        address = state["address"]
        state["page_refusal"] = cookie_refusal(method, headers, address.origin)
        if path.startswith(_OPEN):
            return
        if authorization := headers.get("authorization"):
            state["actor"] = await self._tokens.token(_token_in(authorization), ip=state["client_ip"])
            return
        secret = cookie(headers.get("cookie"), session_cookie_name(tls=address.tls))
        if secret is None:
            return
        try:
            session = await self._sessions.resume(secret, ip=state["client_ip"])
        except Unauthenticated:
            return
        if state["page_refusal"] is not None:
            raise Forbidden(state["page_refusal"], code="foreign_origin", hint="scripts use a token, not the cookie")
        actor: Actor = session.actor
        state |= {"actor": actor, "session_actor": session, "session_secret": secret}


def _is_event_stream(start: Message) -> bool:
    headers: Iterable[tuple[bytes, bytes]] = start["headers"]  # type: ignore[typeddict-item]
    return any(name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)


def _cut_off() -> Unavailable:
    return Unavailable(
        "dxops stopped before this request came to its end",
        code="stopping",
        hint="start it with `dxops up`, look whether it took effect, then try again",
        retry_after_s=5,
    )


def _headers(scope: Scope) -> dict[str, str]:
    """By lower-case name. A doubled `Host`, `Origin` or `Authorization` is refused: which one counts is a guess."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name not in found:
            found[name] = value
        elif name == "cookie":
            found[name] += f"; {value}"
        elif name in ("host", "origin", "authorization"):
            raise Refused(f"the header {name} is there twice", field=name)
        else:
            found[name] += f", {value}"
    return found


def _token_in(authorization: str) -> str:
    """The token of `Bearer <token>`, or of `Basic`, where it is the password and the name does not matter."""
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer" and value:
        return value
    if scheme.lower() == "basic":
        try:
            _, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if colon:
            return password
    raise Unauthenticated(
        "the Authorization header is not understood", hint="send 'Authorization: Bearer <token>'", field="Authorization"
    )


def _with_headers(send: Send, *, hsts: bool, request_id: str) -> Send:
    extra = [*response_headers(hsts=hsts), (b"x-request-id", request_id.encode()), (b"cache-control", b"no-store")]

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            held = {name.lower() for name, _ in headers}
            message["headers"] = headers + [pair for pair in extra if pair[0] not in held]
        await send(message)

    return wrapped


async def _refuse(scope: Scope, send: Send, error: Exception) -> None:
    if scope["type"] == ScopeType.WEBSOCKET:
        await send({"type": "websocket.close", "code": 4403, "reason": "refused"})
        return
    answer = answer_to(scope, error)
    headers = {**answer.headers, "content-type": f"{answer.media_type.value}", "content-length": str(len(answer.body))}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
