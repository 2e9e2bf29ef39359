"""How long documents are kept and what that costs. Pure.

Whole days by UTC go, oldest first. A day is old enough when all of it is: whoever keeps 7 days has today and the 7 days
before. Today and what is dated later never go by size: what a limit of bytes cannot hold of one day is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

import msgspec

GB: Final = 1_000_000_000
SETTING: Final = "setting"
POLICY: Final = "policy"
DATA_STREAM: Final = "data stream"
DEFAULT: Final = "default"
_RATE_DAYS: Final = 7


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept at most; None is no bound."""

    days: int | None = None
    bytes: int | None = None
    documents: int | None = None

    @property
    def any(self) -> bool:
        """Whether something goes at all."""
        return not (self.days is self.bytes is self.documents is None)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a stream, and where they come from: `source`, and the pattern or policy by `name`."""

    limits: Limits
    source: str
    name: str = ""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream has of one day. `bytes` is its share of the disk, `sent_bytes` what it was as JSON."""

    day: date
    documents: int
    bytes: int
    sent_bytes: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's days, oldest first."""

    stream: str
    days: tuple[Day, ...] = ()

    @property
    def documents(self) -> int:
        return sum(day.documents for day in self.days)

    @property
    def bytes(self) -> int:
        return sum(day.bytes for day in self.days)

    @property
    def sent_bytes(self) -> int:
        return sum(day.sent_bytes for day in self.days)


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule does to a stream. `goes_*` is what will be deleted, `oldest_kept` the first day that stays.

    `bytes_per_day` is what the last whole days brought; `steady_bytes` what it comes to, None for growth without end.
    Money is a month's, None where no price is known or there is no end.
    """

    goes_documents: int
    goes_bytes: int
    oldest_kept: date | None
    bytes_per_day: float
    steady_bytes: int | None
    month_now: float | None = None
    month_steady: float | None = None


def rule_of(stream: str, settings: Mapping[str, Limits], lifecycles: Mapping[str, Rule], default: Limits) -> Rule:
    """The first of: the setting whose pattern fits best, the stream's policy or lifecycle, the default. All limits
    come from one of them. `settings` are by pattern (`*` stands for anything)."""
    fitting = [pattern for pattern in settings if fits(pattern, stream)]
    if fitting:
        best = max(fitting, key=_closeness)
        return Rule(limits=settings[best], source=SETTING, name=best)
    return lifecycles.get(stream) or Rule(limits=default, source=DEFAULT)


def fits(pattern: str, stream: str) -> bool:
    """Only `*` is special."""
    return fnmatchcase(stream, pattern.replace("[", "[[]").replace("?", "[?]"))


def _closeness(pattern: str) -> tuple[bool, int, str]:
    """A whole name before any pattern, then the pattern that says more."""
    return "*" not in pattern, len(pattern) - pattern.count("*"), pattern


def cutoff(usage: Usage, limits: Limits, today: date) -> date | None:
    """The first day that stays: everything dated before goes. None when nothing goes."""
    first = today - timedelta(days=limits.days) if limits.days is not None else None
    stays = [day for day in usage.days if first is None or day.day >= first]
    for most, amount in ((limits.bytes, "bytes"), (limits.documents, "documents")):
        if most is None:
            continue
        held = sum(getattr(day, amount) for day in stays)
        while stays and stays[0].day < today and held > most:
            held -= getattr(stays[0], amount)
            stays = stays[1:]
    gone = [day for day in usage.days if not stays or day.day < stays[0].day]
    if not gone:
        return None
    return stays[0].day if stays else max(gone[-1].day + timedelta(days=1), first or gone[-1].day)


def forecast(usage: Usage, limits: Limits, now: datetime, *, price_per_gb: float = 0.0) -> Forecast:
    """What these limits would do. `price_per_gb` is of a month; 0 for no price."""
    today = now.date()
    first = cutoff(usage, limits, today)
    goes = [day for day in usage.days if first is not None and day.day < first]
    kept = [day for day in usage.days if first is None or day.day >= first]
    rate, documents = daily(usage, now)
    bounds = [] if limits.days is None else [rate * (limits.days + 1)]
    if limits.bytes is not None:
        bounds.append(max(float(limits.bytes), rate))
    if limits.documents is not None and documents > 0:
        bounds.append(rate / documents * max(float(limits.documents), documents))
    steady = round(min(bounds)) if bounds else None
    return Forecast(
        goes_documents=sum(day.documents for day in goes),
        goes_bytes=sum(day.bytes for day in goes),
        oldest_kept=kept[0].day if kept else None,
        bytes_per_day=rate,
        steady_bytes=steady,
        month_now=usage.bytes / GB * price_per_gb if price_per_gb else None,
        month_steady=steady / GB * price_per_gb if price_per_gb and steady is not None else None,
    )


def daily(usage: Usage, now: datetime) -> tuple[float, float]:
    """Bytes and documents a day: the mean of the last seven whole days, those before its first one not counted; of a
    stream that began today, today's so far drawn out to a day."""
    today = now.date()
    past = [day for day in usage.days if today - timedelta(days=_RATE_DAYS) <= day.day < today]
    if past:
        days = (today - past[0].day).days
        return sum(day.bytes for day in past) / days, sum(day.documents for day in past) / days
    begun = [day for day in usage.days if day.day == today]
    passed = max(
        1 / 24, (now - datetime(today.year, today.month, today.day, tzinfo=now.tzinfo)).total_seconds() / 86400
    )
    return sum(day.bytes for day in begun) / passed, sum(day.documents for day in begun) / passed


def days_until_full(usages: Iterable[Usage], rules: Mapping[str, Rule], now: datetime, room_bytes: int) -> float | None:
    """Days until streams that grow have taken `room_bytes`; None when they never will, by what they do now."""
    growth, to_come = 0.0, 0.0
    for usage in usages:
        seen = forecast(usage, rules[usage.stream].limits, now)
        if seen.steady_bytes is None:
            growth += seen.bytes_per_day
        else:
            to_come += max(0.0, seen.steady_bytes - usage.bytes + seen.goes_bytes)
    if growth > 0:
        return max(0.0, (room_bytes - to_come) / growth)
    return 0.0 if to_come > room_bytes else None


def removals(usages: Sequence[Usage], rules: Mapping[str, Rule], today: date) -> dict[date, list[str]]:
    """Which streams go from which day, oldest day first."""
    found: dict[date, list[str]] = {}
    for usage in usages:
        first = cutoff(usage, rules[usage.stream].limits, today)
        for day in usage.days:
            if first is not None and day.day < first:
                found.setdefault(day.day, []).append(usage.stream)
    return {day: sorted(found[day]) for day in sorted(found)}


def oldest_days(partitions: Mapping[date, int], today: date, needed_bytes: int) -> list[date]:
    """The oldest days that have to go for this much room; yesterday and what is later stays."""
    found, room = [], 0
    for day in sorted(partitions):
        if room >= needed_bytes or day >= today - timedelta(days=1):
            break
        found.append(day)
        room += partitions[day]
    return found
