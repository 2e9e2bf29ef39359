"""The gateway's directory page and its error page: small, self-contained, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape as html

from dxops.rooms.content.model import Entry
from dxops.wire.gateway import escape

VERSION = 1  # part of the ETag: raise it when the page changes

_STYLE = """
:root{color-scheme:light dark;--ink:#1b2430;--soft:#66717f;--line:#e3e7ec;--paper:#fff;--link:#0b57d0}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#98a3b1;--line:#2b323b;--paper:#14181d;--link:#8ab4f8}}
body{margin:0 auto;max-width:60rem;padding:2rem 1.25rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);
background:var(--paper)}
h1{font-size:1.15rem;font-weight:600;overflow-wrap:anywhere;margin:0 0 .25rem}
p{color:var(--soft);margin:0 0 1.5rem;font-size:.85rem;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse}td{padding:.45rem .5rem;border-top:1px solid var(--line);vertical-align:top}
td:first-child{overflow-wrap:anywhere}td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.n,td.c{color:var(--soft);font-size:.85rem}td.c{font-family:ui-monospace,monospace;white-space:nowrap}
a{color:var(--link);text-decoration:none}a:hover,a:focus-visible{text-decoration:underline}
@media(max-width:40rem){td.c{display:none}}
""".replace("\n", "")
CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def listing(title: str, cid: str, entries: Iterable[Entry], *, root: bool) -> bytes:
    """The page of a directory. Links are relative, so it works below a path and on a subdomain alike."""
    rows = [] if root else ["<tr><td><a href='../'>..</a><td class=c><td class=n>"]
    for entry in entries:
        size = "" if entry.size_bytes is None else readable(entry.size_bytes)
        slash = "/" if entry.kind == "directory" else ""
        name = html(entry.name.encode("utf-8", "replace").decode())
        rows.append(
            f'<tr><td><a href="./{html(escape(entry.name))}{slash}">{name}{slash}</a>'
            f'<td class=c title="{html(entry.cid)}">{html(_short(entry.cid))}<td class=n>{size}'
        )
    return _page(title, f"<p>{html(cid)}</p><table>{''.join(rows)}</table>")


def problem(title: str, message: str, hint: str | None) -> bytes:
    """The page for an error, for people; programs get plain text."""
    return _page(title, f"<p>{html(message)}</p>" + (f"<p>{html(hint)}</p>" if hint else ""))


def readable(size: int) -> str:
    """`12 B`, `3.4 kB`, `1.2 GB`."""
    if size < 1000:
        return f"{size} B"
    value, unit = float(size), ""
    for unit in ("kB", "MB", "GB", "TB", "PB"):  # noqa: B007 - the last one used is the answer
        value /= 1000
        if value < 999.5:
            break
    return f"{value:.1f} {unit}"


def _short(cid: str) -> str:
    return f"{cid[:8]}…{cid[-6:]}" if len(cid) > 16 else cid


def _page(title: str, body: str) -> bytes:
    shown = html(title.encode("utf-8", "replace").decode())
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{shown}</title><style>{_STYLE}</style><h1>{shown}</h1>{body}"
    ).encode()
