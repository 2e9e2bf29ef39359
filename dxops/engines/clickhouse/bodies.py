"""Bodies of requests and answers: read piece by piece, decompressed and compressed, never larger than was allowed."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Protocol

import lz4.frame
from backports import zstd

from dxops.base.asgi import Receive, next_part
from dxops.wire.clickhouse_http import BadRequest

_PIECE = 1 << 20  # decompressed at a time
STALL_S = 30.0
"""How long a client may send nothing, or take nothing, before it is given up."""


async def pieces(receive: Receive, encoding: str, limit_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body, decompressed, in pieces of at most 1 MiB or what arrived at once. Raises `BadRequest` for an encoding
    that is unknown or broken and for a body over `limit_bytes`, `Gone` when the client is."""
    decode = decoder(encoding)
    size = 0
    more = True
    while more:
        part, more = await next_part(receive, STALL_S)
        for piece in decode.feed(part):
            size += len(piece)
            if size > limit_bytes:
                raise BadRequest(f"the body is larger than {limit_bytes} bytes, decompressed", 307)
            yield piece
    if not decode.complete:
        raise BadRequest("the compressed body ends too early", 33)


class Decoder(Protocol):
    """`feed` bytes, get decompressed pieces; `complete` says whether a frame is unfinished."""

    @property
    def complete(self) -> bool: ...

    def feed(self, data: bytes) -> Iterator[bytes]: ...


def decoder(encoding: str) -> Decoder:
    """For a Content-Encoding. Raises `BadRequest` for one that is not known."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _Identity()
    if name in ("gzip", "deflate"):
        return _Zlib()
    if name == "zstd":
        return _Frames(zstd.ZstdDecompressor, zstd.ZstdError)
    if name == "lz4":
        return _Frames(lz4.frame.LZ4FrameDecompressor, RuntimeError)
    raise BadRequest(f"the Content-Encoding '{name}' is not known; use zstd, lz4, gzip or deflate", 36)


class _Identity:
    complete = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield data


class _Zlib:
    """gzip (several members too) and deflate."""

    def __init__(self) -> None:
        self._made = zlib.decompressobj(47)
        self._begun = False

    @property
    def complete(self) -> bool:
        return not self._begun or self._made.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._made.eof:
                self._made = zlib.decompressobj(47)
            self._begun = True
            try:
                piece = self._made.decompress(data, _PIECE)
            except zlib.error as error:
                raise BadRequest(f"the compressed body is broken: {error}", 354) from None
            data = self._made.unconsumed_tail or self._made.unused_data
            if piece:
                yield piece


class _Frames:
    """zstd and lz4 frames: objects with `decompress(data, max_length)`, `needs_input`, `eof` and `unused_data`."""

    def __init__(self, make: Callable[[], Any], error: type[Exception]) -> None:
        self._make = make
        self._error = error
        self._made = make()
        self._begun = False

    @property
    def complete(self) -> bool:
        return not self._begun or bool(self._made.eof)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._made.needs_input or self._made.eof):
            if self._made.eof:
                self._made = self._make()
            self._begun = True
            try:
                piece = self._made.decompress(data, _PIECE)
            except self._error as error:
                raise BadRequest(f"the compressed body is broken: {error}", 354) from None
            data = (self._made.unused_data or b"") if self._made.eof else b""
            if piece:
                yield piece


class Encoder:
    """Compresses an answer piece by piece; `encoding` None passes it through."""

    def __init__(self, encoding: str | None) -> None:
        self.encoding = encoding
        self._begun = False
        self._made: Any = None
        if encoding == "zstd":
            self._made = zstd.ZstdCompressor(level=1)
        elif encoding == "lz4":
            self._made = lz4.frame.LZ4FrameCompressor()
        elif encoding is not None:
            self._made = zlib.compressobj(1, wbits=31 if encoding == "gzip" else 15)

    def add(self, data: bytes) -> bytes:
        """What can be sent after `data`."""
        head = b""
        if self.encoding == "lz4" and not self._begun:
            head = self._made.begin()
        self._begun = True
        return data if self._made is None else head + self._made.compress(data)

    def end(self) -> bytes:
        """The rest."""
        if self._made is None:
            return b""
        if not self._begun:
            return self.add(b"") + bytes(self._made.flush())
        return bytes(self._made.flush())
