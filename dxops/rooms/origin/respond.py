"""Response headers of released files. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from dxops.base.ports import Host, LiveSite
from dxops.base.rsgi import HeaderList
from dxops.rooms.origin.caching import IMMUTABLE, REVALIDATE
from dxops.rooms.origin.model import Manifest, Serve, Variant
from dxops.wire.headers_file import apply_headers

_NOT_IN_304: Final = frozenset({"content-type", "content-encoding", "content-disposition", "accept-ranges"})
_SAFE: Final = "/:@!$&'()*+,;=~-._"


class Context(msgspec.Struct, frozen=True):
    """Where an answer comes from: the host asked, the live site, and the manifest that holds the file (that of an
    earlier release for its assets)."""

    host: Host
    site: LiveSite
    manifest: Manifest


class Representation(msgspec.Struct, frozen=True):
    """The bytes chosen: a file as it is, or one of its variants."""

    cid: str
    size_bytes: int
    coding: str | None = None

    @property
    def etag(self) -> str:
        return f'"{self.cid}"'


def representation(serve: Serve, coding: str | None) -> Representation:
    """The bytes for a chosen coding."""
    for variant in serve.file.variants:
        if variant.coding == coding:
            return Representation(variant.cid, variant.size_bytes, variant.coding)
    return Representation(serve.file.cid, serve.file.size_bytes)


def sizes(variants: tuple[Variant, ...]) -> list[tuple[str, int]]:
    """What `choose_encoding` chooses from."""
    return [(variant.coding, variant.size_bytes) for variant in variants]


def site_headers(context: Context) -> dict[str, str]:
    """What every answer of a site carries, redirects and errors too: which release, and which way it came.

    `cache-tag` is for a cache in front; the edge takes it off towards people.
    """
    headers = {"server": "dxops", "x-dx-release": context.site.release_id, "x-dx-via": context.host.via}
    if context.host.via != "edge":
        headers["cache-tag"] = context.site.release_id
    return headers


def file_headers(context: Context, serve: Serve, chosen: Representation, request_path: str) -> dict[str, str]:
    """All headers of a 200 (or the status of `serve`) but those of framing. `_headers` has the last word on what it
    may touch."""
    file = serve.file
    named_by_content = file.immutable and serve.status == 200 and request_path[1:] == file.path
    headers = {
        "content-type": file.content_type,
        "cache-control": IMMUTABLE if named_by_content else REVALIDATE,
        "x-content-type-options": "nosniff",
        "referrer-policy": "strict-origin-when-cross-origin",
    }
    vary = ["Accept-Encoding"] if file.variants else []
    if serve.varies:
        vary += ["Accept", "Sec-Fetch-Mode"]
    if vary:
        headers["vary"] = ", ".join(vary)
    apply_headers(context.manifest.headers, request_path, headers)
    if chosen.coding:
        headers["content-encoding"] = chosen.coding
    if serve.status == 200:
        headers["etag"] = chosen.etag
        headers["accept-ranges"] = "bytes"
    headers["x-ipfs-path"] = f"/ipfs/{context.manifest.root}/{quote(file.path, safe=_SAFE)}"
    headers["x-ipfs-roots"] = context.manifest.root
    return headers | site_headers(context)


def not_modified(headers: dict[str, str]) -> HeaderList:
    """The headers of the 304 that stands for an answer with `headers`."""
    return [(name, value) for name, value in headers.items() if name not in _NOT_IN_304]
