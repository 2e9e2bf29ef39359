"""Sending the bytes of a decided file: conditions, ranges, variants, and the memory of prepared answers."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Final

from dxops.base.clock import Clock
from dxops.base.ports import Content
from dxops.base.rsgi import HeaderList
from dxops.rooms.origin.access_lines import Access
from dxops.rooms.origin.bodies import LARGE_BYTES, Bodies, Body, Spool
from dxops.rooms.origin.config import OriginConfig
from dxops.rooms.origin.exchange import Exchange
from dxops.rooms.origin.model import Serve
from dxops.rooms.origin.respond import Context, Representation, file_headers, not_modified, representation, sizes
from dxops.wire.http_negotiation import UNSATISFIABLE, choose_encoding, if_range_holds, none_match_hits, parse_range

_MAX_HOT: Final = 50_000
_MB: Final = 1024 * 1024

HotKey = tuple[str | None, str, str | None]


class Hot:
    """A prepared 200: what `(host, path, accept-encoding)` gets unless it asks for a range. `lines` are the bodies of
    its access lines by method and status, made when they are first needed."""

    __slots__ = ("access", "body", "data", "etag", "headers", "lines", "not_modified")

    def __init__(self, headers: HeaderList, body: Body, etag: str, unchanged: HeaderList, access: Access) -> None:
        self.headers = headers
        self.body = body
        self.data = body.data
        self.etag = etag
        self.not_modified = unchanged
        self.access = access
        self.lines: dict[str, str] = {}


class FileServer:
    """Files to clients. `hot` is read by the listener on every request and replaced at every flip."""

    def __init__(self, content: Content, config: OriginConfig, clock: Clock, spool: Path) -> None:
        memory = config.memory_mb * _MB
        self._content = content
        self._small_bytes = min(LARGE_BYTES, memory // 8)
        self._bodies = Bodies(content, memory, self._evict)
        self._spool = Spool(content, spool, config.disk_mb * _MB, clock)
        self.hot: dict[HotKey, Hot] = {}

    def prepare(self) -> None:
        """Empty the spool."""
        self._spool.prepare()

    def flush(self) -> None:
        """Forget prepared answers. A request that began before keeps the old dictionary and fills that one, so that no
        answer of an old release outlives the swap. Bodies stay: they are named by content."""
        self.hot = {}
        self._bodies.forget_keys()

    def _evict(self, keys: list[Hashable]) -> None:
        for key in keys:
            self.hot.pop(key, None)  # type: ignore[call-overload]  # only hot keys are noted

    async def send(
        self, exchange: Exchange, context: Context, serve: Serve, path: str, hot: dict[HotKey, Hot], key: HotKey
    ) -> None:
        """Answer with `serve`, and remember the answer in `hot` under `key` if it depends on nothing else.

        Raises `Missing` or `Refused` for blocks that are gone or damaged, `Unavailable` when the disk is full: before
        anything was sent.
        """
        headers = exchange.scope.headers
        chosen = representation(serve, choose_encoding(exchange.accept_encoding, sizes(serve.file.variants)))
        prepared = file_headers(context, serve, chosen, path)
        if serve.status == 200:
            if_none_match = headers.get("if-none-match")
            if if_none_match is not None and none_match_hits(if_none_match, chosen.etag):
                exchange.protocol.response_empty(304, not_modified(prepared))
                return exchange.log(context, 304, 0)
            wanted = headers.get("range")
            if wanted is not None and exchange.method == "GET" and if_range_holds(headers.get("if-range"), chosen.etag):
                part = parse_range(wanted, chosen.size_bytes)
                if part is UNSATISFIABLE:
                    return self._unsatisfiable(exchange, context, prepared, chosen)
                if part is not None:
                    prepared["content-range"] = f"bytes {part.start}-{part.end - 1}/{chosen.size_bytes}"
                    return await self._bytes(exchange, context, 206, prepared, chosen, part.start, part.end)
        if chosen.size_bytes > self._small_bytes:
            return await self._bytes(exchange, context, serve.status, prepared, chosen, 0, chosen.size_bytes)
        body = await self._bodies.get(chosen.cid)
        listed = list(prepared.items())
        exchange.protocol.response_bytes(serve.status, listed, body.data)
        if serve.status == 200 and not serve.varies:
            access = exchange.access(context, 200, len(body.data))
            self._remember(hot, key, Hot(listed, body, chosen.etag, not_modified(prepared), access))
        return exchange.log(context, serve.status, len(body.data))

    def _unsatisfiable(
        self, exchange: Exchange, context: Context, prepared: dict[str, str], chosen: Representation
    ) -> None:
        prepared["content-range"] = f"bytes */{chosen.size_bytes}"
        prepared.pop("content-encoding", None)
        exchange.protocol.response_empty(416, list(prepared.items()))
        exchange.log(context, 416, 0)

    async def _bytes(
        self,
        exchange: Exchange,
        context: Context,
        status: int,
        prepared: dict[str, str],
        chosen: Representation,
        start: int,
        end: int,
    ) -> None:
        """Send bytes `start` to `end`: from memory where they are few, from a file where they are many."""
        listed = [*prepared.items(), ("content-length", str(end - start))]
        if exchange.method == "HEAD":
            exchange.protocol.response_empty(status, listed)
        elif chosen.size_bytes <= self._small_bytes:
            body = await self._bodies.get(chosen.cid)
            exchange.protocol.response_bytes(status, listed, body.data[start:end])
        elif end - start <= self._small_bytes:
            chunks = [chunk async for chunk in self._content.read(chosen.cid, start, end - start)]
            exchange.protocol.response_bytes(status, listed, b"".join(chunks))
        else:
            path = await self._spool.path(chosen.cid)
            exchange.protocol.response_file_range(status, listed, str(path), start, end)
        exchange.log(context, status, end - start)

    def _remember(self, hot: dict[HotKey, Hot], key: HotKey, answer: Hot) -> None:
        if len(hot) >= _MAX_HOT:  # a client that varies its Host or Accept-Encoding without end
            hot.clear()
            self._bodies.forget_keys()
        if key not in hot:
            hot[key] = answer
            self._bodies.note(answer.body, key)
