"""The origin's values: what a manifest holds, and what can be decided about a request."""

from __future__ import annotations

import msgspec

from dxops.wire.headers_file import HeaderRule
from dxops.wire.redirects import Rule


class Variant(msgspec.Struct, frozen=True, gc=False):
    """A compressed form of a file: `coding` is `br`, `zstd` or `gzip`."""

    coding: str
    cid: str
    size_bytes: int


class File(msgspec.Struct, frozen=True):
    """A file of a release. `immutable`: its name changes with its content, so it may be cached for ever."""

    path: str
    cid: str
    size_bytes: int
    content_type: str
    immutable: bool = False
    variants: tuple[Variant, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """A release as it is served. `files` by path without leading slash.

    `broken` says why `_redirects` cannot be used; then a path that is not in the release answers 500.
    """

    cid: str
    root: str
    files: dict[str, File]
    redirects: tuple[Rule, ...] = ()
    broken: str | None = None
    headers: tuple[HeaderRule, ...] = ()
    warnings: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True):
    """What a decision depends on. `path` is decoded and starts with one `/`; `navigation` is a page load."""

    path: str
    query: str = ""
    navigation: bool = False
    service_worker: bool = False


class Serve(msgspec.Struct, frozen=True):
    """Answer with `file`. `varies`: the choice depended on being a navigation."""

    file: File
    status: int = 200
    varies: bool = False


class Redirect(msgspec.Struct, frozen=True):
    """Answer with a `Location`."""

    location: str
    status: int


class Nothing(msgspec.Struct, frozen=True):
    """Answer with a plain page of ours: 404, 410, 451, or 500 with `reason`."""

    status: int = 404
    reason: str = ""
    varies: bool = False


Decision = Serve | Redirect | Nothing
