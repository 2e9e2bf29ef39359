"""What Granian hands to a bare listener, as types: the parts of RSGI 1.x that we use.

Facts that the names do not tell (Granian 2.8): `path` is percent-decoded once, bytes that are not UTF-8 become U+FFFD;
`authority` is set for absolute-form and HTTP/2 requests only; `headers.get` answers None for a value that is not UTF-8;
a HEAD request answered with `response_bytes` gets its Content-Length and no body. `response_stream` has NO
back-pressure: `send_bytes` returns at once and the bytes wait in memory for a slow client. Bound what is sent that
way; serve large bodies with `response_file_range`, which reads as the client takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

HeaderList = list[tuple[str, str]]


class Headers(Protocol):
    """Request headers; names in lower case."""

    def __contains__(self, key: str) -> bool: ...

    def get(self, key: str, default: str | None = None) -> str | None: ...

    def get_all(self, key: str) -> list[str]: ...

    def items(self) -> list[tuple[str, str]]: ...


class Scope(Protocol):
    """A request. `proto` is `http` or `ws`."""

    @property
    def proto(self) -> str: ...

    @property
    def http_version(self) -> str: ...

    @property
    def client(self) -> str: ...

    @property
    def scheme(self) -> str: ...

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def query_string(self) -> str: ...

    @property
    def authority(self) -> str | None: ...

    @property
    def headers(self) -> Headers: ...


class StreamTransport(Protocol):
    async def send_bytes(self, data: bytes) -> None: ...

    async def send_str(self, data: str) -> None: ...


class HttpProtocol(Protocol):
    """One HTTP exchange: read the body by awaiting or iterating it, answer once."""

    async def __call__(self) -> bytes: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def client_disconnect(self) -> None: ...

    def response_empty(self, status: int, headers: HeaderList) -> None: ...

    def response_str(self, status: int, headers: HeaderList, body: str) -> None: ...

    def response_bytes(self, status: int, headers: HeaderList, body: bytes) -> None: ...

    def response_file(self, status: int, headers: HeaderList, file: str) -> None: ...

    def response_file_range(self, status: int, headers: HeaderList, file: str, start: int, end: int) -> None: ...

    def response_stream(self, status: int, headers: HeaderList) -> StreamTransport: ...


class WebsocketMessage(Protocol):
    """`kind` is 0 for close, 1 for bytes, 2 for text."""

    @property
    def kind(self) -> int: ...

    @property
    def data(self) -> bytes | str: ...


class WebsocketTransport(Protocol):
    async def receive(self) -> WebsocketMessage: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def send_str(self, data: str) -> None: ...


class WebsocketProtocol(Protocol):
    async def accept(self) -> WebsocketTransport: ...

    def close(self, status: int | None = None) -> tuple[int, bool]: ...
