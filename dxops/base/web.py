"""What every room's routes share: who asks, and how lists are paged."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

import msgspec

from dxops.base import asgi
from dxops.base.actors import Actor
from dxops.base.errors import Refused, Unauthenticated

S = TypeVar("S")
T = TypeVar("T")

MAX_PAGE = 200
_MAX_DIGITS = 18  # below 2 ** 63


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list: `items`, and `next`, the cursor of the following page (None at the end)."""

    items: list[T]
    next: str | None = None


def actor_of(connection: Any) -> Actor:
    """The actor that the app's middleware put on the connection (any ASGI connection: Request or WebSocket).

    Raises `Unauthenticated` where the route was reached without one.
    """
    actor = connection.scope.get("actor")
    if actor is None:
        raise Unauthenticated("no credential", hint="send 'Authorization: Bearer <token>' or sign in")
    assert isinstance(actor, Actor)
    return actor


def encode_cursor(*keys: str) -> str:
    """An opaque cursor from the sort keys of a page's last item."""
    return base64.urlsafe_b64encode("\x1f".join(keys).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> list[str]:
    """The sort keys back. Raises `Refused` for anything `encode_cursor` did not make."""
    try:
        keys = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split("\x1f")
    except ValueError:
        keys = []
    if len(keys) != parts:
        raise _no_cursor()
    return keys


def decode_number(cursor: str) -> int:
    """The one sort key back, where it is a number. Raises `Refused`."""
    text = decode_cursor(cursor, 1)[0]
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        raise _no_cursor()
    return int(text)


def decode_moment(cursor: str) -> tuple[datetime, str]:
    """A time and what tells those of the same time apart. Raises `Refused`."""
    moment, last = decode_cursor(cursor, 2)
    try:
        return datetime.fromisoformat(moment), last
    except ValueError:
        raise _no_cursor() from None


def page_of(found: Sequence[S], size: int, keys: Callable[[S], Sequence[str]], show: Callable[[S], T]) -> Page[T]:
    """A page of `size`, of the `size + 1` that were asked for. `keys` are an item's sort keys, `show` what is given."""
    cursor = encode_cursor(*keys(found[size - 1])) if len(found) > size else None
    return Page([show(item) for item in found[:size]], cursor)


def page_limit(limit: int | None, default: int = 50) -> int:
    """The page size to use. Raises `Refused` outside 1..200."""
    if limit is None:
        return default
    if not 1 <= limit <= MAX_PAGE:
        raise Refused(f"limit must be 1 to {MAX_PAGE}", field="limit")
    return limit


def _no_cursor() -> Refused:
    return Refused("not a cursor of this list", field="cursor", hint="pass 'next' of the page before, unchanged")


def keep_encoded_slashes(scope: Any) -> None:
    """Before routing: give `%2F` back to an ASGI scope's path, which servers hand over decoded, so that a name with
    slashes stays one segment. Read such a segment with `decode_segment`."""
    raw = scope.get("raw_path") or b""
    if b"%2f" in raw.lower():
        path = re.sub(rb"%2f", b"%252F", raw.partition(b"?")[0], flags=re.IGNORECASE)
        scope["path"] = unquote(path.decode("ascii", "replace"))


def decode_segment(segment: str) -> str:
    """A path segment as the caller meant it."""
    return segment.replace("%2F", "/")


async def while_connected(connection: Any, work: Awaitable[T]) -> T:
    """See `asgi.while_connected`. Raises `Refused` (`client_gone`), which nobody will see."""
    try:
        return await asgi.while_connected(connection.receive, work)
    except asgi.Gone:
        raise Refused("the client went away", code="client_gone") from None
