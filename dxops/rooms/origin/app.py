"""The listener of the apps' port: from `Host` and path to bytes.

A hit is one dictionary lookup by (host, path, accept-encoding) to prepared headers and body. Everything else takes the
long way, which fills that dictionary; a flip replaces it by an empty one.
"""

from __future__ import annotations

import logging
from pathlib import Path
from time import time_ns
from typing import Final, Protocol

import msgspec

from dxops.base.clock import Clock
from dxops.base.errors import DxopsError, Unavailable
from dxops.base.ports import Content, Host, Sites
from dxops.base.rsgi import HttpProtocol, Scope, WebsocketProtocol
from dxops.rooms.origin import answers, rules
from dxops.rooms.origin.config import OriginConfig
from dxops.rooms.origin.exchange import AccessLog, Exchange
from dxops.rooms.origin.model import Decision, Manifest, Redirect, Request, Serve
from dxops.rooms.origin.respond import Context, site_headers
from dxops.rooms.origin.serve import FileServer, Hot, HotKey
from dxops.rooms.origin.sites import Live, SiteBoard
from dxops.wire.http_negotiation import none_match_hits, parse_host
from dxops.wire.mime import is_known_asset

log = logging.getLogger(__name__)

_WELL_KNOWN: Final = "/.well-known/dx"
_LOCAL: Final = "localhost"


class KubeHandler(Protocol):
    """The node's own services below `/.well-known/dx/`, over HTTP and WebSocket."""

    def handles(self, path: str) -> bool: ...

    async def __call__(self, scope: Scope, protocol: HttpProtocol | WebsocketProtocol, *, environment: str) -> None: ...


class OriginApp:
    """The RSGI app. `start` before it is served, `stop` after.

    `default_environment` is that of plain `localhost` and of addresses. `spool` is a directory of its own, emptied at
    start. `access_log` is told of every answered request.
    """

    def __init__(
        self,
        content: Content,
        sites: Sites,
        kube: KubeHandler | None,
        config: OriginConfig,
        clock: Clock,
        *,
        default_environment: str,
        spool: Path,
        access_log: AccessLog | None = None,
    ) -> None:
        self._kube = kube
        self._default_environment = default_environment
        self._access_log = access_log
        self._files = FileServer(content, config, clock, spool)
        self._board = SiteBoard(content, sites, self._files.flush)

    async def start(self) -> None:
        """Empty the spool, take the first site table and follow it. Does not fail while PostgreSQL is away."""
        self._files.prepare()
        await self._board.start()

    async def stop(self) -> None:
        """Stop following the site table."""
        await self._board.stop()

    async def __call__(self, scope: Scope, protocol: HttpProtocol) -> None:
        headers = scope.headers
        hot = self._files.hot
        key = (scope.authority or headers.get("host"), scope.path, headers.get("accept-encoding"))
        hit = hot.get(key)
        if hit is None or "range" in headers or scope.proto != "http":
            return await self._handle(scope, protocol, hot, key)
        method = scope.method
        if method not in ("GET", "HEAD"):
            return await self._handle(scope, protocol, hot, key)
        hit.body.used = True
        access_log = self._access_log
        started_ns = time_ns() if access_log is not None else 0
        if_none_match = headers.get("if-none-match")
        if if_none_match is None or not none_match_hits(if_none_match, hit.etag):
            protocol.response_bytes(200, hit.headers, hit.data)
            what = method
        else:
            protocol.response_empty(304, hit.not_modified)
            what = "304" if method == "GET" else "304 to HEAD"
        if access_log is not None:
            access_log.hit(hit.lines.get(what) or _line(access_log, hit, method, what), scope, headers, started_ns)
        return None

    async def _handle(self, scope: Scope, protocol: HttpProtocol, hot: dict[HotKey, Hot], key: HotKey) -> None:
        exchange = Exchange(scope, protocol, key[2], self._access_log)
        try:
            await self._route(exchange, hot, key)
        except Unavailable as error:
            log.warning("cannot answer now", extra={"path": scope.path, "reason": error.message})
            exchange.page(answers.unavailable(error.message, error.retry_after_s))
        except DxopsError as error:
            log.error("a released file cannot be read", extra={"path": scope.path, "reason": error.message})
            exchange.page(answers.unreadable())
        except Exception:
            log.exception("request failed", extra={"path": scope.path})
            exchange.page(answers.failed())

    async def _route(self, exchange: Exchange, hot: dict[HotKey, Hot], key: HotKey) -> None:
        raw_host = exchange.host_header()
        asked = parse_host(raw_host) if raw_host is not None else None
        if asked is None:
            return exchange.page(answers.bad_host())
        exchange.host = asked.name
        if not self._board.ready:
            return exchange.page(answers.starting())
        host = self._board.host(asked.name)
        if host is None and (asked.name == _LOCAL or asked.is_address):
            host = Host(name=asked.name, via="kube", environment=self._default_environment, app=None)
        path = rules.clean_path(exchange.scope.path)
        if host is not None and path is not None and (path == _WELL_KNOWN or path.startswith(f"{_WELL_KNOWN}/")):
            return await self._node(exchange, host, path)
        if exchange.is_websocket:
            return exchange.page(answers.no_service(exchange.scope.path))
        if exchange.method not in ("GET", "HEAD"):
            return exchange.page(answers.wrong_method(exchange.method), [("allow", "GET, HEAD")])
        if path is None:
            return exchange.page(answers.bad_path(len(exchange.scope.path) > rules.MAX_PATH))
        if host is None:
            return exchange.page(answers.unknown_host(asked, self._board.table))
        if host.app is None:
            index = path == "/"
            return exchange.page(answers.index(host, asked, self._board.table) if index else answers.no_page(path))
        live = await self._board.live((host.app, host.environment))
        if live is None:
            return exchange.page(answers.no_release(host, asked, self._board.table))
        return await self._site(exchange, host, live, path, hot, key)

    async def _node(self, exchange: Exchange, host: Host, path: str) -> None:
        """The node's own services, on every host that is ours: never an app's `index.html` there."""
        if self._kube is None or not self._kube.handles(path):
            return exchange.page(answers.no_service(path))
        return await self._kube(exchange.scope, exchange.raw_protocol, environment=host.environment)

    async def _site(
        self, exchange: Exchange, host: Host, live: Live, path: str, hot: dict[HotKey, Hot], key: HotKey
    ) -> None:
        request = exchange.request(path)
        manifest = live.manifest
        decision: Decision | None = rules.find(manifest, request)
        if decision is None and is_known_asset(path) and (earlier := await self._earlier(live, request)):
            manifest, decision = earlier
        if decision is None:
            decision = rules.otherwise(manifest, request)
        context = Context(host, live.site, manifest)
        if isinstance(decision, Serve):
            return await self._files.send(exchange, context, decision, path, hot, key)
        headers = list(site_headers(context).items())
        if isinstance(decision, Redirect):
            headers += [("cache-control", "no-cache"), ("location", decision.location)]
            exchange.protocol.response_empty(decision.status, headers)
            return exchange.log(context, decision.status, 0)
        if decision.varies:
            headers.append(("vary", "Accept, Sec-Fetch-Mode"))
        return exchange.page(answers.nothing(decision, path, live.site.app), headers, context)

    async def _earlier(self, live: Live, request: Request) -> tuple[Manifest, Serve] | None:
        """The asset in a release before, newest first. A release that cannot be read is passed over."""
        for cid in live.site.previous:
            try:
                manifest = await self._board.manifest(cid)
            except DxopsError as error:
                log.warning("an earlier release cannot be read", extra={"manifest": cid, "reason": error.message})
                continue
            file = rules.from_earlier(manifest, request)
            if file is not None:
                return manifest, Serve(file)
        return None


def _line(access_log: AccessLog, hit: Hot, method: str, what: str) -> str:
    """The body of an access line, remembered with the answer. `what` is the method, or begins with 304."""
    status = 304 if what.startswith("304") else 200
    size_bytes = len(hit.data) if what == "GET" else 0
    access = msgspec.structs.replace(hit.access, method=method, status=status, size_bytes=size_bytes)
    line = hit.lines[what] = access_log.body(access)
    return line
