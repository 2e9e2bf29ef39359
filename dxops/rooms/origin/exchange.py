"""One request on its long way: who asks for what, and the ways to answer that are not files."""

from __future__ import annotations

from time import time_ns
from typing import Protocol, cast

from dxops.base.rsgi import HeaderList, Headers, HttpProtocol, Scope, WebsocketProtocol
from dxops.rooms.origin.access_lines import Access
from dxops.rooms.origin.model import Request
from dxops.rooms.origin.pages import Page, render
from dxops.rooms.origin.respond import Context
from dxops.rooms.origin.rules import is_navigation


class AccessLog(Protocol):
    """Told of every answered request. Never blocks, never raises. `started_ns` is since 1970."""

    def told(self, access: Access, scope: Scope, started_ns: int) -> None: ...

    def body(self, access: Access) -> str:
        """For `hit`, of an answer that is given often."""
        ...

    def hit(self, body: str, scope: Scope, headers: Headers, started_ns: int) -> None: ...


class Exchange:
    """A request and its answer. `hot_key` is None where the answer must not be remembered."""

    def __init__(
        self,
        scope: Scope,
        protocol: HttpProtocol | WebsocketProtocol,
        accept_encoding: str | None,
        access_log: AccessLog | None,
    ) -> None:
        headers = scope.headers
        self.scope = scope
        self.accept_encoding = accept_encoding
        self.is_websocket = scope.proto != "http"
        self.method = scope.method
        self.navigation = is_navigation(headers.get("accept"), headers.get("sec-fetch-mode"))
        self.host = ""
        self.answered = False
        self._protocol = protocol
        self._access_log = access_log
        self._started_ns = time_ns() if access_log is not None else 0

    @property
    def protocol(self) -> HttpProtocol:
        """The HTTP exchange; taking it counts as answering."""
        self.answered = True
        return cast(HttpProtocol, self._protocol)

    @property
    def raw_protocol(self) -> HttpProtocol | WebsocketProtocol:
        """The exchange as it came, for a handler that answers by itself."""
        self.answered = True
        return self._protocol

    def host_header(self) -> str | None:
        """The authority of the request line, else the one `Host`. None for none, for several, and for one that is not
        text. HTTP/1.0 may leave it out: then it is this machine."""
        if self.scope.authority is not None:
            return self.scope.authority
        given = self.scope.headers.get_all("host")
        if not given and self.scope.http_version.startswith("1") and self.scope.http_version != "1.1":
            return "localhost"
        return given[0] if len(given) == 1 else None

    def request(self, path: str) -> Request:
        """What the rules decide by; `path` is the cleaned one."""
        return Request(
            path=path,
            query=self.scope.query_string,
            navigation=self.navigation,
            service_worker=self.scope.headers.get("service-worker") == "script",
        )

    def page(self, page: Page, extra: HeaderList | None = None, context: Context | None = None) -> None:
        """Answer with a page of ours: HTML for page loads, plain text for the rest; a WebSocket is just refused."""
        if self.answered:
            return
        if self.is_websocket:
            self.answered = True
            cast(WebsocketProtocol, self._protocol).close(page.status)
            return
        headers, body = render(page, html=self.navigation, extra=extra or [])
        self.protocol.response_bytes(page.status, headers, body)
        self.log(context, page.status, len(body))

    def log(self, context: Context | None, status: int, size_bytes: int) -> None:
        """Tell the access log, if there is one."""
        if self._access_log is not None:
            self._access_log.told(self.access(context, status, size_bytes), self.scope, self._started_ns)

    def access(self, context: Context | None, status: int, size_bytes: int) -> Access:
        """The line for the access log."""
        return Access(
            host=self.host,
            app=context.site.app if context else "",
            environment=context.site.environment if context else "",
            release=context.site.release_id if context else "",
            method=self.method,
            path=self.scope.path,
            status=status,
            size_bytes=size_bytes if self.method != "HEAD" else 0,
            version=context.site.version if context else "",
            cid=context.site.cid if context else "",
            via=context.host.via if context else "",
        )
