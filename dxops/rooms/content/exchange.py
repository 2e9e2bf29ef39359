"""One HTTP exchange on a raw listener (ASGI): a body read as it comes, an answer written as fast as it is taken.

ASGI and not RSGI on purpose: Granian's RSGI streams queue without bound when the client reads slowly and cannot tell
a cut upload from a finished one (docs/decisions/006-raw-listeners-are-asgi.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final

from dxops.base import asgi

Scope = MutableMapping[str, Any]  # Any: ASGI messages are open dictionaries
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[str, str]]
_DRAIN_BYTES: Final = 16 * 1024 * 1024
_DRAIN_S: Final = 5.0


class Cut(Exception):
    """The client left in the middle of its body."""


class Gone(Exception):
    """The client left in the middle of our answer."""


class Exchange:
    """`path` is as it came on the wire (percent-encoded), `query` too; `host` keeps its port, lower-case."""

    def __init__(self, scope: Scope, receive: asgi.Receive, send: Send) -> None:
        self.method = str(scope["method"])
        self.path: bytes = scope.get("raw_path") or scope["path"].encode()
        self.query: str = scope["query_string"].decode("latin-1")
        self.scheme: str = scope.get("scheme", "http")
        client = scope.get("client")
        self.client_ip: str | None = client[0] if client else None
        self.started = False
        self.in_lines = False  # the answer is JSON lines, so a late failure may add one
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
        self._host = ",".join(hosts).lower()
        self._headers: dict[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._receive = receive
        self._send = send
        self._body_done = False
        self._departure: asyncio.Task[None] | None = None

    def header(self, name: str) -> str | None:
        """The header's value; `name` in lower case."""
        return self._headers.get(name)

    @property
    def host(self) -> str:
        """As sent. Two of them are joined, which makes no host: which one counts would be a guess."""
        return self._host

    async def body(self) -> AsyncIterator[bytes]:
        """The body's chunks. Raises `Cut` when the client leaves before its end."""
        while not self._body_done:
            try:
                part, more = await asgi.next_part(self._receive)
            except asgi.Gone:
                raise Cut from None
            self._body_done = not more
            if part:
                yield part

    async def small_body(self, limit_bytes: int) -> bytes | None:
        """The whole body, None when it is larger. Raises `Cut`."""
        parts = bytearray()
        async for chunk in self.body():
            parts += chunk
            if len(parts) > limit_bytes:
                return None
        return bytes(parts)

    async def drain(self) -> None:
        """Read on for a moment before a refusal: a client that is still sending would see a reset instead of the
        reason."""
        left = _DRAIN_BYTES
        try:
            async with asyncio.timeout(_DRAIN_S):
                async for chunk in self.body():
                    left -= len(chunk)
                    if left < 0:
                        return
        except (TimeoutError, Cut):
            return

    async def reply(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """A whole answer. A `HEAD` gets the length and no bytes, unless `headers` state a length themselves."""
        if not any(name == "content-length" for name, _ in headers) and status not in (204, 304):
            headers = [*headers, ("content-length", str(len(body)))]
        await self._start(status, headers)
        await self._send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})

    async def start(self, status: int, headers: Headers) -> None:
        """Begin a streamed answer."""
        await self._start(status, headers)

    async def write(self, data: bytes) -> None:
        """Send; waits while the client does not read. Raises `Gone`."""
        if self._body_done and self._departure is None:
            self._departure = asyncio.create_task(asgi.departure(self._receive))
        if self._departure is not None and self._departure.done():
            raise Gone
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """The regular end of a streamed answer."""
        await self._send({"type": "http.response.body", "body": data})

    def close(self) -> None:
        """Let go of what watches the client."""
        if self._departure is not None:
            self._departure.cancel()

    async def _start(self, status: int, headers: Headers) -> None:
        self.started = True
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            }
        )
