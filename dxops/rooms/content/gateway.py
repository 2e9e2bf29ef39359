"""The IPFS gateways: path (`/ipfs/<cid>/…`), subdomain (`<cid>.ipfs.<host>`) and trustless (`raw`, `car`).

Serves what is held here and nothing else: absent content is 404 at once. Read-only; any page may read it (CORS).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl

from dxops.base.asgi import Receive
from dxops.base.errors import DxopsError, Missing, Refused, TooLarge, Unavailable
from dxops.rooms.content import exchange as http
from dxops.rooms.content import gateway_blocks, gateway_files, gateway_routing
from dxops.rooms.content.exchange import Cut, Exchange, Gone, Headers
from dxops.rooms.content.gateway_ask import Ask
from dxops.rooms.content.listing import CSP, problem
from dxops.rooms.content.service import ContentService
from dxops.wire.cid import LIBP2P_KEY, Cid
from dxops.wire.gateway import (
    Format,
    NotAcceptable,
    Subdomain,
    Target,
    Unsatisfiable,
    header_text,
    negotiate,
    segments_of,
    subdomain_of,
    target_of,
    uri_redirect,
)

log = logging.getLogger(__name__)

CORS: Final[Headers] = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
    ("access-control-allow-headers", "Content-Type, Range, User-Agent, X-Requested-With, If-None-Match"),
    (
        "access-control-expose-headers",
        "Content-Range, Content-Length, X-Chunked-Output, X-Stream-Output, X-Ipfs-Path, X-Ipfs-Roots, Etag",
    ),
]
_ROUTING: Final = b"/routing/v1/"


class Gateway:
    """The listener, an ASGI callable. `hosts` are names, without port, that get a subdomain for each site.

    `X-Forwarded-Proto` is not believed: `public_scheme` says how people reach this.
    """

    def __init__(
        self, content: ContentService, *, hosts: Collection[str] = ("localhost",), public_scheme: str = "http"
    ) -> None:
        self._content = content
        self._hosts = frozenset(hosts)
        self._scheme = public_scheme

    async def __call__(self, scope: http.Scope, receive: Receive, send: http.Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        try:
            await self._answer(exchange)
        except (Cut, Gone):
            pass
        except DxopsError as error:
            if exchange.started:
                raise  # a body shorter than its stated length: the connection is closed
            await _fail(exchange, error)
        except Exception as error:
            log.exception("gateway: request failed", extra={"path": exchange.path.decode("latin-1")})
            if exchange.started:
                raise
            await _fail(exchange, Unavailable(f"internal error ({type(error).__name__})"))
        finally:
            exchange.close()

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.method == "OPTIONS":
            await exchange.reply(204, [*CORS, ("access-control-max-age", "86400")])
            return
        if exchange.method not in ("GET", "HEAD"):
            await exchange.reply(405, [("allow", "GET, HEAD, OPTIONS"), ("content-type", "text/plain")], b"read-only\n")
            return
        if exchange.path.startswith(_ROUTING):
            await gateway_routing.answer(self._content, exchange, exchange.path[len(_ROUTING) :])
            return
        site = subdomain_of(exchange.host)
        if site is not None:
            await self._site(exchange, site)
            return
        if exchange.path.rstrip(b"/") in (b"/ipfs", b"/ipns") and (to := uri_redirect(exchange.query)) is not None:
            await exchange.reply(301, [*CORS, ("location", to)])
            return
        target = target_of(exchange.path)
        if target is None:
            raise Missing("this is an IPFS gateway", hint="ask for /ipfs/<cid>[/path]")
        if target.namespace == "ipns":
            raise Missing("this gateway resolves no IPNS names", code="ipns", hint="ask for /ipfs/<cid>")
        if exchange.header("service-worker") == "script" and not target.segments:
            raise Refused("a service worker may not be registered for a whole gateway", code="service_worker")
        cid = Cid.parse(target.name)
        if self._has_sites(exchange.host) and not _wants_blocks(exchange):
            await exchange.reply(301, [*CORS, ("location", self._site_url(exchange, cid, target))])
            return
        await self._serve(exchange, cid, target, base=f"/ipfs/{target.name}", isolated=False)

    async def _site(self, exchange: Exchange, site: Subdomain) -> None:
        """A site on a host of its own: paths are the site's, `_redirects` count."""
        if site.namespace == "ipns":
            raise Missing("this gateway resolves no IPNS names", code="ipns")
        cid = Cid.parse(site.label)
        if cid.codec == LIBP2P_KEY:
            raise Missing("this gateway resolves no IPNS names", code="ipns")
        segments, slash = segments_of(exchange.path)
        target = Target(namespace="ipfs", name=str(cid), segments=segments, slash=slash or not segments)
        await self._serve(exchange, cid, target, base="", isolated=True)

    async def _serve(self, exchange: Exchange, cid: Cid, target: Target, *, base: str, isolated: bool) -> None:
        query = dict(parse_qsl(exchange.query, keep_blank_values=True, max_num_fields=50))
        wish = negotiate(query, exchange.header("accept") or "")
        headers = [*CORS, ("x-ipfs-path", header_text(target.path))]
        ask = Ask(
            exchange=exchange,
            content=self._content,
            root=cid,
            target=target,
            query=query,
            wish=wish,
            headers=headers,
            base=base,
            isolated=isolated,
        )
        if "only-if-cached" in (exchange.header("cache-control") or "") and not await self._content.dag.holds_block(
            cid
        ):
            await exchange.reply(412, [*CORS, ("content-type", "text/plain")], b"not held here\n")
            return
        if wish.format is Format.UNIXFS:
            await gateway_files.serve(ask)
        else:
            await gateway_blocks.serve(ask)

    def _has_sites(self, host: str) -> bool:
        return host.rpartition(":")[0] in self._hosts or host in self._hosts

    def _site_url(self, exchange: Exchange, cid: Cid, target: Target) -> str:
        v1 = cid.to_v1()
        label = str(v1) if len(str(v1)) <= 63 else v1.encode("k")
        if len(label) > 63:
            raise Refused(f"{cid} is too long for a host name", code="label_too_long", hint="use 127.0.0.1")
        path = target.path.removeprefix(f"/ipfs/{target.name}")
        slash = "/" if target.slash or not path else ""
        query = f"?{exchange.query}" if exchange.query else ""
        return f"{self._scheme}://{label}.ipfs.{exchange.host}{path}{slash}{query}"


def _wants_blocks(exchange: Exchange) -> bool:
    """Trustless clients verify what they get: an origin of its own gives them nothing but a redirect."""
    query = dict(parse_qsl(exchange.query))
    return negotiate(query, exchange.header("accept") or "").format in (Format.RAW, Format.CAR)


async def _fail(exchange: Exchange, error: DxopsError) -> None:
    status = (
        404 if isinstance(error, Missing)
        else 406 if isinstance(error, NotAcceptable)
        else 416 if isinstance(error, Unsatisfiable)
        else 413 if isinstance(error, TooLarge)
        else 501 if error.code == "inside_node"
        else 400 if isinstance(error, Refused)
        else 503 if isinstance(error, Unavailable)
        else 500
    )  # fmt: skip
    headers = [*CORS, ("cache-control", "no-store"), ("x-content-type-options", "nosniff")]
    if isinstance(error, Unavailable):
        headers.append(("retry-after", str(max(1, round(error.retry_after_s)))))
    if "text/html" in (exchange.header("accept") or ""):
        title = {400: "Bad request", 404: "Not held here", 503: "Try again"}.get(status, "This cannot be shown")
        page = [*headers, ("content-type", "text/html; charset=utf-8"), ("content-security-policy", CSP)]
        await exchange.reply(status, page, problem(title, error.message, error.hint))
        return
    text = f"{error.message}\n" + (f"{error.hint}\n" if error.hint else "")
    await exchange.reply(
        status, [*headers, ("content-type", "text/plain; charset=utf-8")], text.encode("utf-8", "replace")
    )
