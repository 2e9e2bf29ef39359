"""When a document happened: `strict_date_optional_time` and `epoch_millis`, as milliseconds since 1970 UTC.

More lenient than the original where that keeps a log that it would refuse: a blank or a lower-case `t` between date and
time, `,` before the fraction, second 60. A time without a zone is UTC. Beyond milliseconds is cut (towards the past).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

MIN_MS: Final = -62_135_596_800_000  # 0001-01-01
MAX_MS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_ISO = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?"
    r"(?:(?<=[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,12}))?)?)?"
    r" ?(Z|z|[+-][0-9]{2}(?::?[0-9]{2})?)?|T)?",
    re.ASCII,
)
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,12})?", re.ASCII)
_SECONDS = {f"{number:02d}.": number * 1000 for number in range(60)}
_MILLIS = {f"{number:03d}Z": number for number in range(1000)}
_MINUTES_KEPT = 8192
_minutes: dict[str, int] = {}  # "2026-01-01T00:00:" -> ms; logs share few of them, also those of many days


def read_time(value: object) -> int | None:
    """`@timestamp`: ISO text, or epoch milliseconds as number or text. None when it is neither or out of range."""
    if type(value) is str:
        if len(value) == 24:
            minute, second, fraction = _minutes.get(value[:17]), _SECONDS.get(value[17:20]), _MILLIS.get(value[20:])
            if minute is not None and second is not None and fraction is not None:
                return minute + second + fraction
        return _read_text(value)
    if type(value) is int or type(value) is float:
        return _in_range(value)
    if type(value) is list and len(value) == 1 and type(value[0]) is not list:
        return read_time(value[0])
    return None


def read_times(values: Sequence[Any]) -> list[int | None]:
    """`read_time` of each, in less time where all are of the usual form and of minutes that were met before."""
    try:
        return [_minutes[value[:17]] + _SECONDS[value[17:20]] + _MILLIS[value[20:]] for value in values]
    except (KeyError, TypeError):
        return [read_time(value) for value in values]


def read_loose_time(value: object) -> int | None:
    """`timestamp`, `time`, `ts`: ISO text, or a number since 1970 whose size tells s, ms, us or ns. None if neither."""
    if type(value) is str:
        parsed = _iso(value)
        if parsed is not None or not _NUMBER.fullmatch(value):
            return parsed
        value = float(value) if "." in value else int(value)
    if type(value) is not int and type(value) is not float:
        return None
    size = abs(value)
    if size < 100_000_000_000:
        return _in_range(value * 1000)
    if size < 100_000_000_000_000:
        return _in_range(value)
    return _in_range(value // 1000 if size < 100_000_000_000_000_000 else value // 1_000_000)


def read_iso(text: str) -> tuple[int, bool] | None:
    """(milliseconds as if in UTC unless the text has a zone, whether it has one); None for no ISO time."""
    time_ms = _iso(text)
    match = _ISO.fullmatch(text) if time_ms is not None else None
    return None if time_ms is None or match is None else (time_ms, match[8] is not None)


@lru_cache(maxsize=256)
def format_ms(time_ms: int) -> str:
    """`2026-01-01T00:00:00.000Z`; the time must be within MIN_MS and MAX_MS."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{time_ms % 1000:03d}Z"


def _read_text(text: str) -> int | None:
    parsed = _iso(text)
    if parsed is not None:
        return parsed
    if _NUMBER.fullmatch(text):
        return _in_range(float(text) if "." in text else int(text))
    return None


def _iso(text: str) -> int | None:
    if len(text) > 60:
        return None
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    leap = second == "60"
    seconds = 59 if leap else int(second or 0)
    try:
        minute_start = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), tzinfo=UTC)
        moment = minute_start.replace(second=seconds)
    except ValueError:
        return None
    offset_min = _offset_min(zone)
    if offset_min is None:
        return None
    whole = (moment - _EPOCH) // _MS + (1000 if leap else 0) - offset_min * 60_000
    if len(text) == 24 and text[10] == "T" and text[19] == "." and text[23] == "Z" and not leap:
        if len(_minutes) >= _MINUTES_KEPT:
            _minutes.clear()
        _minutes[text[:17]] = whole - seconds * 1000
    return _in_range(whole + int((fraction or "0").ljust(3, "0")[:3]))


def _offset_min(zone: str | None) -> int | None:
    if zone is None or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0
    if hours > 18 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def _in_range(number: float) -> int | None:
    return int(number // 1) if MIN_MS <= number <= MAX_MS else None
