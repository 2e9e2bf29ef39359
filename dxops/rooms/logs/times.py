"""How dates in queries are read, and our own ids."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dxops.wire import query_tree as tree
from dxops.wire.es.dates import parse_date
from dxops.wire.es.errors import EsError


class Times(msgspec.Struct, frozen=True):
    """How bounds that are dates are read: `resolve(text, round_up, format, time_zone)` gives milliseconds since 1970,
    or None for a text that is no date. `seq_of` tells the sequence number that an id of ours stands for."""

    resolve: Callable[[tree.Scalar, bool, str | None, str | None], int | None]
    seq_of: Callable[[str], int | None] = lambda _: None


def times_at(now_ms: int, seq_of: Callable[[str], int | None]) -> Times:
    """Dates counted from `now_ms`; `seq_of` reads the ids that we made."""

    def resolve(bound: tree.Scalar, up: bool, form: str | None, where: str | None) -> int | None:
        try:
            return parse_date(bound, now_ms, round_up=up, format=form, time_zone=where)
        except EsError:
            return None

    return Times(resolve, seq_of)
