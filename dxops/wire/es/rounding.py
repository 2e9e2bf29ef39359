"""Calendar arithmetic on milliseconds since the epoch, in a time zone: what date math and date histograms share."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Final

import msgspec

from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.zones import epoch_ms, local

UNITS: Final = "y, M, w, d, h, H, m, s"
SECOND_MS: Final = 1000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

_ELAPSED: Final = {"h": HOUR_MS, "H": HOUR_MS, "m": MINUTE_MS, "s": SECOND_MS}
_MIDNIGHT: Final = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}


def floor_ms(ms: int, unit: str, where: dt.tzinfo) -> int:
    """The start of the unit around `ms`. Units are those of date math, and `q` for quarters; weeks start on Monday."""
    if unit in _ELAPSED:
        return floor_fixed_ms(ms, _ELAPSED[unit], where)
    day = local(ms, where).replace(**_MIDNIGHT, fold=0)  # type: ignore[arg-type]
    if unit == "w":
        day -= dt.timedelta(days=day.weekday())
    elif unit == "M":
        day = day.replace(day=1)
    elif unit == "q":
        day = day.replace(day=1, month=day.month - (day.month - 1) % 3)
    elif unit == "y":
        day = day.replace(day=1, month=1)
    return epoch_ms(day)


def floor_fixed_ms(ms: int, size_ms: int, where: dt.tzinfo) -> int:
    """The start of the interval of `size_ms` around `ms`; intervals are counted from the local 1 January 1970."""
    if where is dt.UTC:
        return ms - ms % size_ms
    shift = _offset_ms(ms, where)
    start = ms - (ms + shift) % size_ms
    if size_ms <= HOUR_MS or _offset_ms(start, where) == shift:
        return start
    wall = local(start + shift, dt.UTC).replace(tzinfo=where)  # a clock change lies within: keep the local start
    return epoch_ms(wall)


def shift_ms(ms: int, unit: str, count: int, where: dt.tzinfo) -> int:
    """`count` units later (earlier where negative). 31 January and a month is the last of February."""
    if unit in _ELAPSED:
        return ms + count * _ELAPSED[unit]
    at = local(ms, where)
    try:
        if unit in "wd":
            return epoch_ms(at + dt.timedelta(days=count * (7 if unit == "w" else 1)))
        months = at.year * 12 + at.month - 1 + count * {"M": 1, "q": 3, "y": 12}[unit]
        year, month = months // 12, months % 12 + 1
        return epoch_ms(at.replace(year=year, month=month, day=min(at.day, _days(year, month))))
    except (ValueError, OverflowError, calendar.IllegalMonthError) as error:
        raise EsError(ILLEGAL, "date math leaves the years 1 to 9999") from error


def _days(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _offset_ms(ms: int, where: dt.tzinfo) -> int:
    return round((local(ms, where).utcoffset() or dt.timedelta()).total_seconds()) * 1000


class Rounding(msgspec.Struct, frozen=True):
    """How a date histogram cuts time: calendar units, or a fixed size in milliseconds. `offset_ms` moves the cuts."""

    where: dt.tzinfo
    unit: str = ""
    size_ms: int = 0
    offset_ms: int = 0

    def floor(self, ms: int) -> int:
        """The key of the bucket around `ms`."""
        ms -= self.offset_ms
        start = floor_ms(ms, self.unit, self.where) if self.unit else floor_fixed_ms(ms, self.size_ms, self.where)
        return start + self.offset_ms

    def next(self, key: int) -> int:
        """The key after `key`, across clock changes."""
        if self.unit:
            return shift_ms(key - self.offset_ms, self.unit, 1, self.where) + self.offset_ms
        following = self.floor(key + self.size_ms)
        return following if following > key else self.floor(key + self.size_ms + HOUR_MS)
