"""One request to the Elasticsearch API, and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
import orjson

from dxops.base.asgi import Gone, Receive
from dxops.engines.clickhouse.bodies import pieces
from dxops.rooms.logs.elastic.access import Caller
from dxops.rooms.logs.elastic.bodies import Held
from dxops.wire.clickhouse_http import BadRequest
from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument, too_large
from dxops.wire.elastic.media import PRODUCT_HEADER, Answering

Send = Callable[[dict[str, Any]], Awaitable[None]]  # Any: ASGI messages are open dictionaries
_BODY_S = 300.0  # how long a body may take in all, however slowly it trickles
_TOO_LARGE = 307  # what `pieces` calls a body over its limit


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `path` are the decoded segments."""

    method: str
    path: tuple[str, ...]
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    caller: Caller
    answering: Answering
    receive: Receive
    limit_bytes: int
    held: Held

    def length(self) -> int:
        """How long the body is as it comes, 0 if that is not known. Raises `ElasticRefused` (413)."""
        text = self.headers.get("content-length", "")
        length = int(text[:19]) if text.isascii() and text.isdigit() else 0
        if length > self.limit_bytes:
            raise ElasticRefused(too_large(self.limit_bytes))
        return length

    async def body(self) -> bytes:
        """The whole body, decompressed. Raises `ElasticRefused` (413, 400), `Gone`, and `SpoolFull` when there is no
        memory for it."""
        self.length()
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(_BODY_S):
                async for piece in pieces(self.receive, self.headers.get("content-encoding", ""), self.limit_bytes):
                    await self.held.take(len(piece))
                    parts.append(piece)
            return b"".join(parts)
        except TimeoutError:
            raise Gone from None
        except BadRequest as error:
            if error.code == _TOO_LARGE:
                raise ElasticRefused(too_large(self.limit_bytes)) from error
            raise ElasticRefused(illegal_argument(str(error))) from error

    async def json(self) -> Any:
        """The body as JSON; None for an empty one. Raises `ElasticRefused`."""
        body = await self.body()
        if not body.strip():
            return None
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ElasticRefused(Fault(type="parse_exception", reason=f"the body is not JSON: {error}")) from error


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`body` is encoded already."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    """Close the connection instead of sending this."""


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """By name in lower case; of one that is there twice, the last."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def parameters_of(query: bytes) -> dict[str, str]:
    """The query string; a parameter without a value is ""."""
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def segments_of(raw_path: bytes) -> tuple[str, ...]:
    """Path segments, each percent-decoded once."""
    return tuple(unquote(part) for part in raw_path.partition(b"?")[0].decode("latin-1").split("/") if part)


async def send_answer(send: Send, answer: Answer, *, head: bool) -> None:
    """Send it whole; of a HEAD request only the head; of one that is `cut` as little as makes the server hang up."""
    if answer.cut:
        await send({"type": "http.response.start", "status": answer.status, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        return
    headers = [
        (PRODUCT_HEADER[0].lower().encode(), PRODUCT_HEADER[1].encode()),
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        *((name.encode(), value.encode()) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})
