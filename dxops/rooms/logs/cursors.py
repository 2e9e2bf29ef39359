"""Cursors of the explorer's search: the sort values of a page's last line, bound to their order."""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from dxops.base.errors import Refused

_MAX: Final = 16_384


def write_cursor(values: tuple[Any, ...], sort: str, order: str) -> str:
    """An opaque text."""
    encoded = msgspec.json.encode([sort, order, *values])
    return base64.urlsafe_b64encode(encoded).decode().rstrip("=")


def read_cursor(text: str, sort: str, order: str) -> tuple[Any, ...]:
    """The values back. Raises `Refused` for anything `write_cursor` did not make for this order."""
    try:
        if len(text) > _MAX:
            raise ValueError("too long")
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        found = msgspec.json.decode(decoded, type=list[str | int | float | bool | None])
        if found[:2] != [sort, order]:
            raise ValueError("of another order")
    except (ValueError, msgspec.MsgspecError) as error:
        hint = "pass 'next' of the page before, with the same sort and order"
        raise Refused("not a cursor of this search", field="after", hint=hint) from error
    return tuple(found[2:])
