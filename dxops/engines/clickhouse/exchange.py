"""One request and its answer, as the front passes them on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from dxops.base.asgi import Gone
from dxops.engines.clickhouse.bodies import STALL_S, Encoder
from dxops.wire.clickhouse_http import Call, accepted_encoding

_SLICE = 128 * 1024

HeaderPairs = list[tuple[bytes, bytes]]


class Asked(msgspec.Struct, frozen=True):
    """A request whose sender is known. `changes` is False for GET, which never changes anything."""

    call: Call
    headers: Mapping[str, str]
    reads_only: bool
    changes: bool


class Exchange:
    """The answer's side of a request."""

    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._send = send
        self.query_id = ""
        self.started = False

    async def start(self, status: int, headers: HeaderPairs) -> None:
        """Send the head."""
        self.started = True
        common = [(b"server", b"dxops"), (b"x-clickhouse-timezone", b"UTC")]
        if self.query_id:
            common.append((b"x-clickhouse-query-id", self.query_id.encode("latin-1", "replace")))
        await self._send({"type": "http.response.start", "status": status, "headers": common + headers})

    async def body(self, data: bytes, *, more: bool = False) -> None:
        """Send a piece, in slices: Granian counts messages when it holds a sender back, not bytes. Raises `Gone` when
        the client does not take it."""
        for start in range(0, max(len(data), 1), _SLICE):
            last = start + _SLICE >= len(data)
            await self._body(data[start : start + _SLICE], more=more or not last)

    async def _body(self, data: bytes, *, more: bool) -> None:
        try:
            await asyncio.wait_for(self._send({"type": "http.response.body", "body": data, "more_body": more}), STALL_S)
        except (TimeoutError, OSError, RuntimeError):
            raise Gone from None

    async def plain(self, status: int, data: bytes, headers: HeaderPairs | None = None) -> None:
        """A whole answer."""
        kind = (b"content-type", b"text/plain; charset=UTF-8")
        await self.start(status, [kind, (b"content-length", str(len(data)).encode()), *(headers or [])])
        await self.body(data)

    async def fail(self, status: int, code: int, text: str, headers: HeaderPairs | None = None) -> None:
        """An error. Once the head is sent there is nothing left to say it with, and the connection ends."""
        if self.started:
            return
        extra = [(b"x-clickhouse-exception-code", str(code).encode()), *(headers or [])]
        await self.plain(status, text.encode() + b"\n", extra)


def encoder_for(asked: Asked) -> Encoder:
    """Answers are compressed where URL and headers both ask for it."""
    accepts = asked.call.compress_answers
    return Encoder(accepted_encoding(asked.headers.get("accept-encoding", "")) if accepts else None)


_KINDS = {
    "J": "application/json; charset=UTF-8",
    "C": "text/csv; charset=UTF-8",
    "T": "text/tab-separated-values; charset=UTF-8",
}


def head_of(encoder: Encoder, output_format: str, numbers: str) -> HeaderPairs:
    """The headers of a query's answer; `numbers` is its summary so far."""
    kind = _KINDS.get(output_format[0], "application/octet-stream")
    head = [
        (b"content-type", kind.encode()),
        (b"x-clickhouse-format", output_format.encode("latin-1", "replace")),
        (b"x-clickhouse-summary", numbers.encode()),
    ]
    if encoder.encoding is not None:
        head.append((b"content-encoding", encoder.encoding.encode()))
    return head
