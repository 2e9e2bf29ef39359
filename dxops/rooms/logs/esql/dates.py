"""ES|QL's functions of dates. Dates are DateTime64(3); units are cut in the request's time zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from dxops.rooms.logs.esql.values import (
    DATE,
    DOUBLE,
    KEYWORD,
    LONG,
    NULL,
    NUMBERS,
    TEXTS,
    Misuse,
    Value,
    constant,
    date,
    date_text,
    number,
    of_ms,
    text,
    zone_text,
)
from dxops.rooms.logs.fields import literal
from dxops.wire.es.dates import parse_date
from dxops.wire.es.errors import EsError
from dxops.wire.es.zones import zone_name
from dxops.wire.esql import plan as p

_EXTRACT: Final = {
    "year": "toYear({0}, {1})",
    "month_of_year": "toMonth({0}, {1})",
    "day_of_month": "toDayOfMonth({0}, {1})",
    "day_of_week": "toDayOfWeek({0}, 0, {1})",
    "day_of_year": "toDayOfYear({0}, {1})",
    "hour_of_day": "toHour({0}, {1})",
    "minute_of_hour": "toMinute({0}, {1})",
    "minute_of_day": "(toHour({0}, {1}) * 60 + toMinute({0}, {1}))",
    "second_of_minute": "toSecond({0}, {1})",
    "second_of_day": "(toHour({0}, {1}) * 3600 + toMinute({0}, {1}) * 60 + toSecond({0}, {1}))",
    "epoch_day": "intDiv(toUnixTimestamp64Milli({0}), 86400000)",
    "aligned_week_of_year": "(intDiv(toDayOfYear({0}, {1}) - 1, 7) + 1)",
}
_PATTERN: Final = {
    "yyyy": "%Y", "uuuu": "%Y", "yy": "%y", "MMMM": "%M", "MMM": "%b", "MM": "%m", "M": "%c", "dd": "%d", "d": "%e",
    "DDD": "%j", "EEE": "%a", "EEEE": "%W", "HH": "%H", "H": "%k", "hh": "%I", "h": "%l", "mm": "%i", "ss": "%S",
    "a": "%p",
}  # fmt: skip
_UNITS: Final = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
_DIFF: Final = {
    **{name: unit for unit in _UNITS for name in (unit, unit + "s")},
    "ms": "millisecond", "ss": "second", "s": "second", "mi": "minute", "n": "minute", "hh": "hour", "dd": "day",
    "d": "day", "wk": "week", "ww": "week", "mm": "month", "m": "month", "qq": "quarter", "q": "quarter",
    "yy": "year", "yyyy": "year",
}  # fmt: skip
_STEPS: Final = (
    (1, "second"), (5, "second"), (10, "second"), (30, "second"), (1, "minute"), (5, "minute"), (10, "minute"),
    (30, "minute"), (1, "hour"), (3, "hour"), (12, "hour"), (1, "day"), (7, "day"), (1, "month"), (3, "month"),
    (1, "year"),
)  # fmt: skip
MAX_BUCKETS: Final = 10_000
_SECONDS: Final = {
    "millisecond": 0.001, "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2_592_000,
    "quarter": 7_776_000, "year": 31_536_000,
}  # fmt: skip


class Dates(msgspec.Struct, frozen=True):
    """The clock and the zone of a query."""

    now_ms: int
    zone: dt.tzinfo

    @property
    def quoted(self) -> str:
        return zone_text(self.zone, zone_name(self.zone))

    def read(self, value: Value, what: str) -> Value:
        """A date, or a constant text as one. Raises `Misuse`."""
        if value.type in (DATE, NULL):
            return value
        if value.is_constant and isinstance(value.constant, str):
            try:
                return of_ms(parse_date(value.constant, self.now_ms, time_zone=self.zone))
            except EsError as error:
                raise Misuse(f"[{what}] needs a date: {error.reason}") from None
        raise Misuse(f"argument of [{what}] must be [datetime], found type [{value.type}]; use TO_DATETIME")

    def cut(self, value: str, span: p.Span) -> Value:
        """The start of the span around a date."""
        if span.amount < 1:
            raise Misuse("a date is cut to a span above zero")
        cut = f"toStartOfInterval({value}, toInterval{span.unit.capitalize()}({span.amount}), {self.quoted})"
        return Value(f"toDateTime64({cut}, 3, {self.quoted})", DATE)


def moved(value: str, span: p.Span, sign: int) -> Value:
    """A date some spans later."""
    return Value(f"add{span.unit.capitalize()}s({value}, {span.amount * sign})", DATE)


def _trunc(dates: Dates, given: Sequence[Value], name: str) -> Value:
    span = constant(given[0], name)
    if not isinstance(span, p.Span):
        raise Misuse(f"first argument of [{name}] must be a span like 1 hour")
    return dates.cut(date(dates.read(given[1], name), name), span)


def _bucket(dates: Dates, given: Sequence[Value], name: str) -> Value:
    size = constant(given[1], name)
    if given[0].type in NUMBERS:
        what = number(given[0], name)
        if any(each.type not in NUMBERS for each in given[1:]):
            raise Misuse(f"[{name}] of a number needs a size, or a count of buckets with a first and a last number")
        if len(given) == 4:
            low, high = float(constant(given[2], name)), float(constant(given[3], name))
            size = _round_size((high - low) / min(max(1, size), MAX_BUCKETS))
        if not isinstance(size, int | float) or size <= 0:
            raise Misuse(f"[{name}] needs a size above zero")
        return Value(f"floor({what} / {float(size)!r}) * {float(size)!r}", DOUBLE)
    what = date(dates.read(given[0], name), name)
    if isinstance(size, p.Span):
        return dates.cut(what, size)
    if len(given) != 4 or not isinstance(size, int) or size < 1:
        raise Misuse(f"[{name}] of a date needs a span, or a count of buckets with a first and a last date")
    first, last = (int(constant(dates.read(each, name), name)) for each in given[2:])
    wanted_s = max(0.001, (last - first) / 1000) / size
    amount, unit = next((step for step in _STEPS if step[0] * _SECONDS[step[1]] >= wanted_s), _STEPS[-1])
    return dates.cut(what, p.Span(amount, unit))


def _round_size(size: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50…"""
    scale = 1e-9
    while scale < 1e18:
        for step in (1.0, 2.0, 5.0):
            if step * scale >= size:
                return step * scale
        scale *= 10
    return scale


def _extract(dates: Dates, given: Sequence[Value], name: str) -> Value:
    part = str(constant(given[0], name)).lower()
    sql = _EXTRACT.get(part)
    if sql is None:
        raise Misuse(f"[{name}] has no [{part[:60]}]; it has {', '.join(_EXTRACT)}")
    what = date(dates.read(given[1], name), name)
    return Value(f"toInt64({sql.format(what, dates.quoted)})", LONG)


def _format(dates: Dates, given: Sequence[Value], name: str) -> Value:
    what = date(dates.read(given[-1], name), name)
    if len(given) == 1:
        return Value(date_text(what), KEYWORD)
    pattern = _pattern(str(constant(given[0], name)), name)
    return Value(f"formatDateTime({what}, {literal(pattern)}, {dates.quoted})", KEYWORD)


def _parse(dates: Dates, given: Sequence[Value], name: str) -> Value:
    what = text(given[-1], name)
    if len(given) == 1:
        return _best(what)
    pattern = _pattern(str(constant(given[0], name)), name)
    return Value(f"toDateTime64(parseDateTimeOrNull({what}, {literal(pattern)}, {dates.quoted}), 3, 'UTC')", DATE)


def _pattern(java: str, name: str) -> str:
    """Java's pattern as ClickHouse's."""
    found, at = "", 0
    while at < len(java):
        char = java[at]
        if char == "'":
            end = java.find("'", at + 1)
            if end < 0:
                raise Misuse(f"[{name}] [{java[:60]}]: a quote is not closed")
            found += java[at + 1 : end].replace("%", "%%") or "'"
            at = end + 1
            continue
        run = len(java[at:]) - len(java[at:].lstrip(char)) if char.isalpha() else 1
        letters = java[at : at + run]
        if char.isalpha() and letters not in _PATTERN:
            raise Misuse(f"[{name}] does not know [{letters}] in a format; it knows {', '.join(_PATTERN)}")
        found += _PATTERN.get(letters, letters.replace("%", "%%"))
        at += run
    return found


def _diff(dates: Dates, given: Sequence[Value], name: str) -> Value:
    unit = _DIFF.get(str(constant(given[0], name)).lower())
    if unit is None:
        raise Misuse(f"[{name}] counts in {', '.join(_UNITS)}")
    first, last = (date(dates.read(each, name), name) for each in given[1:])
    return Value(f"toInt64(age({literal(unit)}, {first}, {last}, 'UTC'))", LONG)


def _to_datetime(dates: Dates, given: Sequence[Value], name: str) -> Value:
    value = given[0]
    if value.type in (DATE, NULL):
        return Value(date(value, name), DATE)
    if value.is_constant and isinstance(value.constant, str):
        return dates.read(value, name)
    if value.type in NUMBERS:
        return Value(f"fromUnixTimestamp64Milli(toInt64({value.one}), 'UTC')", DATE)
    if value.type in TEXTS:
        return _best(value.one)
    raise Misuse(f"argument of [{name}] must be a date, a text or milliseconds, found type [{value.type}]")


def _best(sql: str) -> Value:
    return Value(f"parseDateTime64BestEffortOrNull({sql}, 3, 'UTC')", DATE)


DATES: Final[dict[str, Callable[[Dates, Sequence[Value], str], Value]]] = {
    "now": lambda dates, _given, _name: of_ms(dates.now_ms),
    "date_trunc": _trunc,
    "bucket": _bucket,
    "date_extract": _extract,
    "date_format": _format,
    "date_parse": _parse,
    "date_diff": _diff,
    "to_datetime": _to_datetime,
}
