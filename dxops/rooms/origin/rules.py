"""What to answer, decided from a manifest and a request. Pure.

In order: a file of the release; its index document or `.html`; an asset of a release before (the caller's step, see
`find` and `otherwise`); `_redirects`; the nearest `404.html`; the single-page fallback for page loads; 404.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from dxops.rooms.origin.caching import outlives_release
from dxops.rooms.origin.model import Decision, File, Manifest, Nothing, Redirect, Request, Serve
from dxops.wire import headers_file, redirects
from dxops.wire.mime import is_html, is_known_asset

MAX_PATH: Final = 4096

_SLASHES: Final = re.compile(r"//+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DOTS: Final = re.compile(r"(^|[/\\])\.\.?([/\\]|$)")
_HIDDEN: Final = frozenset({redirects.FILE, headers_file.FILE})
_SAFE: Final = "/:@!$&'()*+,;=~-._"


def clean_path(path: str) -> str | None:
    """The path to look up, with repeated slashes merged; None for one that no honest client sends: control
    characters, `.` and `..` segments (clients resolve them; also by backslash), no leading slash."""
    if not path.startswith("/") or len(path) > MAX_PATH or _CONTROL.search(path) or _DOTS.search(path):
        return None
    return _SLASHES.sub("/", path) if "//" in path else path


def is_navigation(accept: str | None, fetch_mode: str | None) -> bool:
    """True for a page load: by `Sec-Fetch-Mode`, or a client that names HTML in `Accept` (`*/*` does not)."""
    return fetch_mode == "navigate" or (accept is not None and "text/html" in accept.lower())


def find(manifest: Manifest, request: Request) -> Serve | Redirect | None:
    """The release's own answer for the path, or None when the path is not in it."""
    name = request.path[1:]
    if name in _HIDDEN:
        return None
    files = manifest.files
    if (file := files.get(name)) is not None:
        return Serve(file)
    if name == "" or name.endswith("/"):
        if (file := files.get(f"{name}index.html")) is not None:
            return Serve(file)
        if name and f"{name[:-1]}.html" in files:
            return _moved(request.path[:-1], request.query)
        return None
    if (file := files.get(f"{name}.html")) is not None:
        return Serve(file)
    if f"{name}/index.html" in files:
        return _moved(f"{request.path}/", request.query)
    return None


def otherwise(manifest: Manifest, request: Request) -> Decision:
    """The answer for a path that `find` does not know."""
    if manifest.broken is not None:
        return Nothing(500, manifest.broken)
    if match := redirects.match_redirect(manifest.redirects, request.path, request.query):
        if match.is_redirect:
            return Redirect(match.target, match.status)
        return _rewrite(manifest, match.target, match.status)
    return _not_found(manifest, request)


def _rewrite(manifest: Manifest, target: str, status: int) -> Decision:
    cleaned = clean_path(target)
    found = find(manifest, Request(path=cleaned)) if cleaned is not None else None
    if isinstance(found, Redirect):  # `/* /docs 200` with docs/index.html: serve it, do not send away
        found = find(manifest, Request(path=f"{cleaned}/"))
    if isinstance(found, Serve):
        return Serve(found.file, status)
    return Nothing(404 if status == 200 else status)


def _not_found(manifest: Manifest, request: Request) -> Decision:
    folder = request.path[1:].rpartition("/")[0]
    while True:
        page = manifest.files.get(f"{folder}/404.html" if folder else "404.html")
        if page is not None:
            return Serve(page, 404)
        if not folder:
            break
        folder = folder.rpartition("/")[0]
    index = manifest.files.get("index.html")
    if index is None or is_known_asset(request.path) or request.path[1:] in _HIDDEN:
        return Nothing(404)
    if request.navigation and not request.service_worker:
        return Serve(index, varies=True)
    return Nothing(404, varies=True)


def _moved(path: str, query: str) -> Redirect:
    location = quote(path, safe=_SAFE)
    return Redirect(location + (f"?{redirects.clean_query(query)}" if query else ""), 301)


def from_earlier(manifest: Manifest, request: Request) -> File | None:
    """The asset that an earlier release's page may still ask for."""
    if request.service_worker:
        return None
    file = manifest.files.get(request.path[1:])
    if file is None or file.path in _HIDDEN:
        return None
    return file if outlives_release(file.path, is_document=is_html(file.content_type)) else None
