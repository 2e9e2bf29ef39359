"""The pages that are ours: the index of an environment, and what went wrong. Every value in them is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import msgspec

from dxops.base.rsgi import HeaderList

_STYLE: Final = (
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{max-width:42rem;margin:12vh auto 4rem;padding:0 1.5rem}"
    "h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}p{margin:.5rem 0}"
    "ul{list-style:none;margin:1.5rem 0;padding:0;border-top:1px solid #8884}"
    "li{display:flex;justify-content:space-between;gap:1rem;padding:.6rem 0;border-bottom:1px solid #8884}"
    "small{opacity:.7}a{color:LinkText}code{font-size:.95em;overflow-wrap:anywhere}"
)
_HEADERS: Final = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
)


class Link(msgspec.Struct, frozen=True):
    """A line of a list: where to go, its name, a remark."""

    url: str
    name: str
    remark: str = ""


class Page(msgspec.Struct, frozen=True):
    """A page of ours. `lines` are plain text."""

    status: int
    title: str
    lines: tuple[str, ...] = ()
    links: Sequence[Link] = ()
    retry_after_s: int = 0


def render(page: Page, *, html: bool, extra: HeaderList) -> tuple[HeaderList, bytes]:
    """Headers and body: HTML for people, plain text for the rest."""
    body = (_html(page) if html else _text(page)).encode("utf-8", "replace")
    kind = "text/html; charset=utf-8" if html else "text/plain; charset=utf-8"
    later = [("retry-after", str(page.retry_after_s))] if page.retry_after_s else []
    server = [] if any(name == "server" for name, _ in extra) else [("server", "dxops")]
    return [("content-type", kind), *_HEADERS, *server, *later, *extra], body


def _html(page: Page) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in page.lines)
    items = "".join(
        f'<li><a href="{escape(link.url)}">{escape(link.name)}</a><small>{escape(link.remark)}</small></li>'
        for link in page.links
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(page.title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(page.title)}</h1>{lines}{f'<ul>{items}</ul>' if items else ''}</main></body></html>\n"
    )


def _text(page: Page) -> str:
    links = [f"  {link.url}  {link.remark}".rstrip() for link in page.links]
    return "\n".join([f"{page.status} {page.title}", *page.lines, *links]) + "\n"
