"""One admitted request of the gateway."""

from __future__ import annotations

from dataclasses import dataclass

from dxops.rooms.content.dag import Found
from dxops.rooms.content.exchange import Exchange, Headers
from dxops.rooms.content.service import ContentService
from dxops.wire.cid import Cid
from dxops.wire.gateway import IMMUTABLE, Target, Wish, etag_matches


@dataclass(frozen=True, kw_only=True)
class Ask:
    """`base` is the URL path of the site's root, without trailing slash; `isolated` tells that the site has an origin
    of its own."""

    exchange: Exchange
    content: ContentService
    root: Cid
    target: Target
    query: dict[str, str]
    wish: Wish
    headers: Headers
    base: str
    isolated: bool

    async def find(self) -> Found:
        """The end of the path. Raises `Missing`, `Refused`."""
        return await self.content.dag.resolve_segments(self.root, self.target.segments)

    def common(self, found: Found, etag: str) -> Headers:
        """Headers of every answer about immutable content."""
        roots = ",".join(str(cid) for cid in found.roots)
        varies = ("vary", "Accept")
        return [*self.headers, ("x-ipfs-roots", roots), ("etag", etag), ("cache-control", IMMUTABLE), varies]

    async def unchanged(self, found: Found, etag: str) -> bool:
        """Answers 304 when the client has this already."""
        if not etag_matches(self.exchange.header("if-none-match"), etag):
            return False
        await self.exchange.reply(304, self.common(found, etag))
        return True
