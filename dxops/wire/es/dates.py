"""Dates as requests write them, resolved against a clock that is passed in: milliseconds since the epoch.

    now-15m/d    2024-01-01||+1M/d    2024-01-01T10:00:00+02:00    1704067200000

Arithmetic and rounding are those of the wall clock in `time_zone` (years to days) or of elapsed time (hours down).
`now` itself is the same moment in every zone. By which way a bound looks, a rounded date is the first or the last
millisecond of its unit, and missing parts of the time of day are the least or the greatest possible.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

import msgspec

from dxops.wire.es.date_format import DEFAULT, date_format
from dxops.wire.es.errors import EsError
from dxops.wire.es.rounding import UNITS, floor_ms, shift_ms
from dxops.wire.es.zones import EARLIEST_MS, LATEST_MS, zone
from dxops.wire.query_tree import Range, Scalar

PARSE: Final = "parse_exception"

_STEP: Final = re.compile(r"([+-])([0-9]{0,9})([yMwdhHms])|/([yMwdhHms])")
_MAX_TEXT: Final = 256


class Span(msgspec.Struct, frozen=True):
    """Milliseconds from `first_ms` to `last_ms`, both within; None is open."""

    first_ms: int | None
    last_ms: int | None


def parse_date(
    value: Scalar,
    now_ms: int,
    *,
    round_up: bool = False,
    format: str | None = None,
    time_zone: dt.tzinfo | str | None = None,
) -> int:
    """Milliseconds since the epoch of a date or date math. Raises `EsError` (`parse_exception`) where it is neither.

    `format` is Elasticsearch's (default `strict_date_optional_time||epoch_millis`).
    """
    where = zone(time_zone) if isinstance(time_zone, str) else time_zone or dt.UTC
    text = str(value)
    if isinstance(value, bool) or len(text) > _MAX_TEXT:
        raise EsError(PARSE, f"failed to parse date field [{text[:_MAX_TEXT]}]")
    if text.startswith("now"):
        return _math(text, text[3:], now_ms, where, round_up)
    anchor, bars, steps = text.partition("||")
    at = _plain(anchor, format or DEFAULT, where, round_up and not bars)
    return _math(text, steps, at, where, round_up) if bars else at


def is_date_math(value: Scalar) -> bool:
    """Whether `value` depends on the clock or carries steps."""
    return isinstance(value, str) and (value.startswith("now") or "||" in value)


def resolve_range(node: Range, now_ms: int, time_zone: dt.tzinfo = dt.UTC) -> Span:
    """The bounds of a range over dates. `time_zone` is used where the range names none.

    `gt` and `lte` take the end of a rounded date, `gte` and `lt` its start.
    """
    where = zone(node.time_zone) if node.time_zone else time_zone

    def at(bound: Scalar, round_up: bool) -> int:
        return parse_date(bound, now_ms, round_up=round_up, format=node.format, time_zone=where)

    firsts = [at(node.gte, False)] if node.gte is not None else []
    if node.gt is not None:
        firsts.append(at(node.gt, True) + 1)
    lasts = [at(node.lte, True)] if node.lte is not None else []
    if node.lt is not None:
        lasts.append(at(node.lt, False) - 1)
    return Span(max(firsts, default=None), min(lasts, default=None))


def _plain(text: str, spec: str, where: dt.tzinfo, round_up: bool) -> int:
    for each in date_format(spec):
        found = each.parse(text, where, round_up)
        if found is not None:
            return found
    raise EsError(PARSE, f"failed to parse date field [{text}] with format [{spec}]")


def _math(whole: str, steps: str, at: int, where: dt.tzinfo, round_up: bool) -> int:
    position = 0
    while position < len(steps):
        found = _STEP.match(steps, position)
        if found is None:
            start = len(whole) - len(steps) + position
            raise EsError(
                PARSE, f"failed to parse date math [{whole}]: expected +N, -N or /, then one of {UNITS}, at {start + 1}"
            )
        position = found.end()
        if not EARLIEST_MS <= at <= LATEST_MS:
            raise EsError(PARSE, f"date [{whole}] is outside the years 1 to 9999")
        if found[4]:
            at = floor_ms(at, found[4], where)
            at = shift_ms(at, found[4], 1, where) - 1 if round_up else at
        else:
            count = int(found[2] or 1)
            at = shift_ms(at, found[3], -count if found[1] == "-" else count, where)
    return at
