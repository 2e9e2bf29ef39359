"""A call of Kubo RPC as its handlers see it, and how they answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final

import orjson

from dxops.base.actors import Actor
from dxops.base.errors import Refused, TooLarge
from dxops.rooms.content.exchange import Cut, Exchange
from dxops.wire.kubo import Query, line
from dxops.wire.multipart import MultipartReader, Part, PartEnd, boundary_of

if TYPE_CHECKING:
    from dxops.rooms.content.service import ContentService

STREAM_HEADERS: Final = [("content-type", "application/json"), ("x-chunked-output", "1")]


class Call:
    """`query` holds arguments and flags; `actor` has been admitted."""

    def __init__(self, exchange: Exchange, query: Query, content: ContentService, actor: Actor) -> None:
        self.exchange = exchange
        self.query = query
        self.content = content
        self.actor = actor

    async def json(self, value: object) -> None:
        """A single JSON answer."""
        await self.exchange.reply(200, [("content-type", "application/json")], orjson.dumps(value) + b"\n")

    async def start_lines(self) -> None:
        """Begin an answer of JSON lines."""
        self.exchange.in_lines = True
        await self.exchange.start(200, STREAM_HEADERS)

    async def put_lines(self, values: AsyncIterator[Mapping[str, object]]) -> None:
        """An answer of JSON lines; nothing is sent before the first value, so an early failure keeps its status."""
        async for value in values:
            if not self.exchange.started:
                await self.start_lines()
            await self.exchange.write(line(value))
        if not self.exchange.started:
            await self.start_lines()
        await self.exchange.end()

    async def put_bytes(self, chunks: AsyncIterator[bytes], *, media_type: str, length: int | None = None) -> None:
        """An answer of bytes. With `length`, a failure on the way is visible as a short body."""
        headers = [("content-type", media_type), ("x-stream-output", "1"), ("x-content-type-options", "nosniff")]
        if length is not None:
            headers += [("content-length", str(length)), ("x-content-length", str(length))]
        async for chunk in chunks:
            if not self.exchange.started:
                await self.exchange.start(200, headers)
            if chunk:
                await self.exchange.write(chunk)
        if not self.exchange.started:
            await self.exchange.start(200, headers)
        await self.exchange.end()

    async def files(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The uploaded files of a form, each as its bytes. Raises `Refused` for what is not a form or was cut."""
        reader = MultipartReader(boundary_of(self.exchange.header("content-type") or ""), max_parts=1000)
        events = _events(self.exchange, reader)
        async for event in events:
            if isinstance(event, Part):
                yield _until_end(events)

    async def one_file(self, limit_bytes: int) -> bytes:
        """The only uploaded file, whole. Raises `TooLarge`."""
        async for chunks in self.files():
            data = bytearray()
            async for chunk in chunks:
                data += chunk
                if len(data) > limit_bytes:
                    raise TooLarge(f"at most {limit_bytes} bytes are taken here")
            return bytes(data)
        raise Refused('argument "data" is required', field="data")


async def _events(exchange: Exchange, reader: MultipartReader) -> AsyncIterator[Part | bytes | PartEnd]:
    try:
        async for chunk in exchange.body():
            for event in reader.feed(chunk):
                yield event
    except Cut:
        reader.finish()  # says that it was cut, unless all parts had come
        return
    reader.finish()


async def _until_end(events: AsyncIterator[Part | bytes | PartEnd]) -> AsyncIterator[bytes]:
    async for event in events:
        if isinstance(event, bytes):
            yield event
        elif isinstance(event, PartEnd):
            return
