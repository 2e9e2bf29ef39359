"""Time zones as requests name them: `Europe/Berlin`, `+02:00`, `-0330`, `Z`, `UTC`, `GMT+1`."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dxops.wire.es.errors import ILLEGAL, EsError

_OFFSET: Final = re.compile(r"(?:UTC|GMT|UT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?(?::?([0-9]{2}))?")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MS: Final = dt.timedelta(milliseconds=1)

EARLIEST_MS: Final = -62_135_596_800_000 + 86_400_000  # a day inside what datetime holds, so that offsets fit
LATEST_MS: Final = 253_402_300_799_999 - 86_400_000


def zone(name: str) -> dt.tzinfo:
    """The zone, or `EsError`."""
    if name in ("Z", "UTC", "GMT", "UT", "z"):
        return dt.UTC
    found = _OFFSET.fullmatch(name)
    if found is not None:
        hours, minutes, seconds = (int(found[index] or 0) for index in (2, 3, 4))
        if hours > 18 or minutes > 59 or seconds > 59:
            raise EsError(ILLEGAL, f"Zone offset [{name}] is out of range; it is at most 18 hours")
        span = dt.timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return dt.timezone(-span if found[1] == "-" else span) if span else dt.UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise EsError(ILLEGAL, f"Unknown time-zone ID: [{name[:80]}]") from error


def zone_name(of: dt.tzinfo) -> str:
    """The zone as ClickHouse and answers name it: an IANA name, `UTC`, or `+02:00`."""
    if of is dt.UTC:
        return "UTC"
    if isinstance(of, ZoneInfo):
        return of.key
    return offset_text(of.utcoffset(None) or dt.timedelta())


def offset_text(span: dt.timedelta, colon: str = ":") -> str:
    """`+02:00`."""
    seconds = round(span.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    text = f"{sign}{seconds // 3600:02}{colon}{seconds // 60 % 60:02}"
    return text + f"{colon}{seconds % 60:02}" if seconds % 60 else text


def local(ms: int, of: dt.tzinfo) -> dt.datetime:
    """The wall clock of `of` at `ms` since the epoch, or `EsError` outside the years 1 to 9999."""
    if not EARLIEST_MS <= ms <= LATEST_MS:
        raise EsError(ILLEGAL, f"date [{ms}] is outside the years 1 to 9999")
    moment = _EPOCH + dt.timedelta(milliseconds=ms)
    return moment if of is dt.UTC else moment.astimezone(of)


def epoch_ms(moment: dt.datetime) -> int:
    """Milliseconds since the epoch. A wall clock that does not exist (spring) moves on by the gap; one that exists
    twice (autumn) is the first of the two."""
    try:
        return (moment - _EPOCH) // _MS
    except OverflowError as error:
        raise EsError(ILLEGAL, f"date [{moment}] is outside the years 1 to 9999") from error
