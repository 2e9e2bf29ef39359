"""Times as logs write them, as milliseconds since 1970. A time without a zone is of the zone given; one without a year
is the last such day before tomorrow."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from dxops.wire.elastic.times import read_iso

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_DAY_MS: Final = 86_400_000
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?", re.ASCII)
_CLF = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_SLASHED = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)(?:[.,](\d+))?", re.ASCII)
_APACHE = re.compile(r"([A-Z][a-z]{2}) (\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d+))? (\d{4})", re.ASCII)
_DAY_FIRST = re.compile(r"(\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?", re.ASCII)
_KLOG = re.compile(r"(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d+)", re.ASCII)


def iso_ms(text: str, zone: tzinfo) -> int | None:
    """`2026-01-01 00:00:00,123`, `2026-01-01T00:00:00.123456+02:00`, `2026-01-01 00:00:00 UTC`."""
    text = text.removesuffix(" UTC").removesuffix(" GMT") + "Z" if text.endswith((" UTC", " GMT")) else text
    found = read_iso(text)
    if found is None:
        return None
    time_ms, zoned = found
    return time_ms if zoned else _in_zone(datetime.fromtimestamp(time_ms / 1000, UTC), zone)


def syslog_ms(text: str, now_ms: int, zone: tzinfo) -> int | None:
    """`Nov  4 19:43:29`."""
    found = _SYSLOG.fullmatch(text)
    if found is None:
        return None
    month = _MONTHS.get(found[1], 0)
    return _yearless(month, found[2], (found[3], found[4], found[5]), found[6], now_ms, zone)


def klog_ms(text: str, now_ms: int, zone: tzinfo) -> int | None:
    """`1124 19:43:29.123456`."""
    found = _KLOG.fullmatch(text)
    if found is None:
        return None
    return _yearless(int(found[1]), found[2], (found[3], found[4], found[5]), found[6], now_ms, zone)


def clf_ms(text: str) -> int | None:
    """`24/Nov/2026:19:43:29 +0100`, as web servers write it."""
    found = _CLF.fullmatch(text)
    if found is None:
        return None
    offset = timedelta(hours=int(found[8]) % 24, minutes=int(found[9]) % 60) * (-1 if found[7] == "-" else 1)
    month = _MONTHS.get(found[2], 0)
    return _ms(found[3], month, found[1], (found[4], found[5], found[6]), None, timezone(offset))


def slashed_ms(text: str, zone: tzinfo) -> int | None:
    """`2026/11/24 19:43:29`: nginx's errors, Go."""
    found = _SLASHED.fullmatch(text)
    if found is None:
        return None
    return _ms(found[1], int(found[2]), found[3], (found[4], found[5], found[6]), found[7], zone)


def apache_ms(text: str, zone: tzinfo) -> int | None:
    """`Nov 24 19:43:29.123456 2026`: Apache's errors, without the day's name."""
    found = _APACHE.fullmatch(text)
    if found is None:
        return None
    return _ms(found[7], _MONTHS.get(found[1], 0), found[2], (found[3], found[4], found[5]), found[6], zone)


def day_first_ms(text: str, zone: tzinfo) -> int | None:
    """`24 Nov 2026 19:43:29.123`: Redis."""
    found = _DAY_FIRST.fullmatch(text)
    if found is None:
        return None
    return _ms(found[3], _MONTHS.get(found[2], 0), found[1], (found[4], found[5], found[6]), found[7], zone)


def _yearless(
    month: int, day: str, clock: tuple[str, str, str], fraction: str | None, now_ms: int, zone: tzinfo
) -> int | None:
    year = datetime.fromtimestamp(now_ms / 1000, zone).year
    for candidate in (year + 1, year, year - 1, year - 2, year - 3, year - 4):  # 29 February is every four years
        time_ms = _ms(str(candidate), month, day, clock, fraction, zone)
        if time_ms is not None and time_ms <= now_ms + _DAY_MS:
            return time_ms
    return None


def _ms(year: str, month: int, day: str, clock: tuple[str, str, str], fraction: str | None, zone: tzinfo) -> int | None:
    hour, minute, second = map(int, clock)
    try:
        moment = datetime(int(year), month, int(day), hour, minute, min(second, 59), tzinfo=zone)
    except (ValueError, OverflowError):
        return None
    millis = int((fraction or "0").ljust(3, "0")[:3])
    return int(moment.timestamp()) * 1000 + millis if second <= 60 else None


def _in_zone(moment: datetime, zone: tzinfo) -> int:
    return int(moment.replace(tzinfo=zone).timestamp() * 1000)
