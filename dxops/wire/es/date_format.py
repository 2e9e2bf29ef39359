"""Elasticsearch's date formats: names (`strict_date_optional_time`), Java patterns (`yyyy-MM-dd`), joined by `||`.

A format reads a text into `Parts` and writes a moment as text. Formats with names are written below as Java patterns
with two letters of our own: `f`, a fraction of one to nine digits with its dot, and `o`, any offset (`Z`, `+02`,
`+0200`, `+02:00`). What is between brackets may be missing.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.zones import epoch_ms, local, offset_text, zone, zone_name

DEFAULT: Final = "strict_date_optional_time||epoch_millis"
MAX_LENGTH: Final = 256
MAX_FORMATS: Final = 16

_MONTHS: Final = tuple(calendar.month_name)
_SHORT_MONTHS: Final = tuple(calendar.month_abbr)
_DAYS: Final = tuple(calendar.day_name)

_STRICT: Final = {
    "date": "yyyy-MM-dd",
    "date_hour": "yyyy-MM-dd'T'HH",
    "date_hour_minute": "yyyy-MM-dd'T'HH:mm",
    "date_hour_minute_second": "yyyy-MM-dd'T'HH:mm:ss",
    "date_hour_minute_second_fraction": "yyyy-MM-dd'T'HH:mm:ssf",
    "date_hour_minute_second_millis": "yyyy-MM-dd'T'HH:mm:ssf",
    "date_optional_time": "yyyy[-MM[-dd['T'[HH[:mm[:ss[f]]]][o]]]]",
    "date_optional_time_nanos": "yyyy[-MM[-dd['T'[HH[:mm[:ss[f]]]][o]]]]",
    "date_time": "yyyy-MM-dd'T'HH:mm:ss[f]o",
    "date_time_no_millis": "yyyy-MM-dd'T'HH:mm:sso",
    "hour": "HH",
    "hour_minute": "HH:mm",
    "hour_minute_second": "HH:mm:ss",
    "hour_minute_second_fraction": "HH:mm:ssf",
    "hour_minute_second_millis": "HH:mm:ssf",
    "ordinal_date": "yyyy-DDD",
    "ordinal_date_time": "yyyy-DDD'T'HH:mm:ss[f]o",
    "ordinal_date_time_no_millis": "yyyy-DDD'T'HH:mm:sso",
    "time": "HH:mm:ss[f]o",
    "time_no_millis": "HH:mm:sso",
    "t_time": "'T'HH:mm:ss[f]o",
    "t_time_no_millis": "'T'HH:mm:sso",
    "week_date": "YYYY-'W'ww-e",
    "week_date_time": "YYYY-'W'ww-e'T'HH:mm:ss[f]o",
    "week_date_time_no_millis": "YYYY-'W'ww-e'T'HH:mm:sso",
    "weekyear": "YYYY",
    "weekyear_week": "YYYY-'W'ww",
    "weekyear_week_day": "YYYY-'W'ww-e",
    "year": "yyyy",
    "year_month": "yyyy-MM",
    "year_month_day": "yyyy-MM-dd",
}
_NAMED: Final = {
    **{f"strict_{name}": pattern for name, pattern in _STRICT.items()},
    **{name: re.sub(r"([MdHmsw])\1", r"\1", pattern) for name, pattern in _STRICT.items()},  # one or two digits
    "iso8601": "yyyy[-MM[-dd['T'[HH[:mm[:ss[f]]]][o]]]]",
    "rfc3339_lenient": "yyyy[-MM[-dd['T'[HH[:mm[:ss[f]]]][o]]]]",
    "basic_date": "yyyyMMdd",
    "basic_date_time": "yyyyMMdd'T'HHmmss[f]o",
    "basic_date_time_no_millis": "yyyyMMdd'T'HHmmsso",
    "basic_ordinal_date": "yyyyDDD",
    "basic_ordinal_date_time": "yyyyDDD'T'HHmmss[f]o",
    "basic_ordinal_date_time_no_millis": "yyyyDDD'T'HHmmsso",
    "basic_time": "HHmmss[f]o",
    "basic_time_no_millis": "HHmmsso",
    "basic_t_time": "'T'HHmmss[f]o",
    "basic_t_time_no_millis": "'T'HHmmsso",
    "basic_week_date": "YYYY'W'wwe",
}
_EPOCHS: Final = {"epoch_millis": 1, "epoch_second": 1000}
_EPOCH_TEXT: Final = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,9}))?")

_NUMBERS: Final = {
    "M": "month",
    "L": "month",
    "d": "day",
    "D": "day_of_year",
    "H": "hour",
    "h": "hour_of_half",
    "m": "minute",
    "s": "second",
    "w": "week",
    "e": "day_of_week",
}


class Parts(msgspec.Struct):
    """What a text said. None was not said."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    day_of_year: int | None = None
    week_year: int | None = None
    week: int | None = None
    day_of_week: int | None = None
    hour: int | None = None
    hour_of_half: int | None = None
    afternoon: bool | None = None
    minute: int | None = None
    second: int | None = None
    ms: int | None = None
    zone: dt.tzinfo | None = None

    def moment_ms(self, default_zone: dt.tzinfo, round_up: bool) -> int:
        """Milliseconds since the epoch. Missing parts are the least possible; rounding up, the time of day's are the
        greatest (Elasticsearch's "missing date components": a missing month or day stays the first)."""
        hour = self.hour
        if self.hour_of_half is not None:
            hour = self.hour_of_half % 12 + (12 if self.afternoon else 0)
        top = (23, 59, 59, 999) if round_up else (0, 0, 0, 0)
        said = (hour, self.minute, self.second, self.ms)
        clock = [low if part is None else part for part, low in zip(said, top, strict=True)]
        second = min(clock[2], 59)  # a leap second is read as the second before it
        time = dt.time(clock[0], clock[1], second, clock[3] * 1000, tzinfo=self.zone or default_zone)
        return epoch_ms(dt.datetime.combine(self._date(), time))

    def _date(self) -> dt.date:
        if self.week_year is not None:
            return dt.date.fromisocalendar(self.week_year, self.week or 1, self.day_of_week or 1)
        year = 1970 if self.year is None else self.year
        if self.day_of_year is not None:
            if not 1 <= self.day_of_year <= 365 + calendar.isleap(year):
                raise ValueError("day of year")
            return dt.date(year, 1, 1) + dt.timedelta(days=self.day_of_year - 1)
        return dt.date(year, self.month or 1, self.day or 1)


class DateFormat:
    """One format without `||`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._scale = _EPOCHS.get(name, 0)
        self._is_iso = name.removeprefix("strict_") in ("date_optional_time", "date_time")
        if self._scale:
            return
        named = _NAMED.get(name)
        reader = _PatternReader(named or name, own_letters=named is not None)
        self._read = re.compile(reader.regex)
        self._parts = tuple(reader.parts)
        writer = _PatternReader(_STRICT[name], own_letters=True) if name in _STRICT else reader
        self._write = tuple(writer.writers)

    def parse(self, text: str, default_zone: dt.tzinfo, round_up: bool) -> int | None:
        """Milliseconds since the epoch, or None where `text` does not have this format."""
        if self._scale:
            return _epoch(text, self._scale)
        found = self._read.fullmatch(text)
        if found is None:
            return None
        parts = Parts()
        try:
            for (name, convert), value in zip(self._parts, found.groups(), strict=True):
                if value is not None:
                    setattr(parts, name, convert(value))
            return parts.moment_ms(default_zone, round_up)
        except (ValueError, EsError):  # 31 April, hour 25, an unknown zone
            return None

    def write(self, moment: dt.datetime) -> str:
        """`moment` (of the zone to show) in this format."""
        if self._scale:
            ms = epoch_ms(moment)
            whole, rest = divmod(abs(ms), self._scale)
            text = f"{whole}.{rest:03}".rstrip("0") if rest else str(whole)
            return f"-{text}" if ms < 0 else text
        if self._is_iso:  # what histograms write, once a bucket: a third of the time of the general way
            text = moment.isoformat(timespec="milliseconds")
            return text[:-6] + "Z" if text.endswith("+00:00") else text
        return "".join(write(moment) for write in self._write)


def _epoch(text: str, scale: int) -> int | None:
    found = _EPOCH_TEXT.fullmatch(text)
    if found is None:
        return None
    fraction = int((found[3] or "0").ljust(9, "0")) * scale // 1_000_000_000
    size = int(found[2]) * scale + fraction
    return -size if found[1] else size


Writer = Callable[[dt.datetime], str]
Convert = Callable[[str], object]


class _PatternReader:
    """A Java pattern as a regular expression, its groups' parts, and writers. One pass over the letters."""

    def __init__(self, pattern: str, own_letters: bool) -> None:
        self.pattern = pattern
        self.own_letters = own_letters
        self.regex = ""
        self.parts: list[tuple[str, Convert]] = []
        self.writers: list[Writer] = []
        depth = 0
        if len(pattern) > MAX_LENGTH:
            raise EsError(ILLEGAL, f"Invalid format: longer than {MAX_LENGTH} characters")
        for piece in _pieces(pattern):
            if piece == "[":
                depth += 1
                self.regex += "(?:"
            elif piece == "]" and depth:
                depth -= 1
                self.regex += ")?+"
            elif piece[0] == "'":
                self._literal("'" if piece == "''" else piece[1:-1].replace("''", "'"))
            elif piece[0].isascii() and piece[0].isalpha():
                self._letters(piece[0], len(piece))
            elif piece in "]{}#":
                raise self._bad(f"[{piece}] has no meaning here")
            else:
                self._literal(piece)
        if depth:
            raise self._bad("a [ is not closed")

    def _bad(self, why: str) -> EsError:
        return EsError(ILLEGAL, f"Invalid format: [{self.pattern}]: {why}")

    def _literal(self, text: str) -> None:
        self.regex += re.escape(text)
        self.writers.append(lambda _: text)

    def _add(self, regex: str, part: str, convert: Convert, write: Writer) -> None:
        self.regex += f"((?>{regex}))"  # atomic, as Java reads: a hostile format cannot make it slow
        self.parts.append((part, convert))
        self.writers.append(write)

    def _letters(self, letter: str, count: int) -> None:
        if letter in "yuY":
            self._year("week_year" if letter == "Y" else "year", count)
        elif letter in "ML" and count >= 3:
            names = _MONTHS if count == 4 else _SHORT_MONTHS
            numbers = {name.lower(): number for number, name in enumerate(names) if name}
            self._add(_any_of(names), "month", lambda text: numbers[text.lower()], lambda at: names[at.month])
        elif letter in "Ec" or (letter == "e" and count >= 3):
            days = _DAYS if count >= 4 else tuple(day[:3] for day in _DAYS)
            self.regex += f"(?>{_any_of(days)})"
            self.writers.append(lambda at: days[at.weekday()])
        elif letter in _NUMBERS and count <= (3 if letter == "D" else 2):
            write = _WRITE[letter]
            self._add(_digits(count, letter), _NUMBERS[letter], int, lambda at: f"{write(at):0{count}}")
        elif letter == "S" and count <= 9:
            digits = f"[0-9]{{{count}}}"
            self._add(digits, "ms", _ms, lambda at: f"{at.microsecond // 1000:03}".ljust(count, "0")[:count])
        elif letter == "a":
            self._add("[AaPp][Mm]", "afternoon", lambda t: t[0] in "Pp", lambda at: "AM" if at.hour < 12 else "PM")
        elif letter == "f" and self.own_letters:
            self._add(r"[.,][0-9]{1,9}", "ms", lambda text: _ms(text[1:]), lambda at: f".{at.microsecond // 1000:03}")
        else:
            self._zone(letter, count)

    def _year(self, part: str, count: int) -> None:
        def of(at: dt.datetime) -> int:
            return at.isocalendar().year if part == "week_year" else at.year

        if count == 2:
            self._add("[0-9]{2}", part, lambda text: 2000 + int(text), lambda at: f"{of(at) % 100:02}")
        else:
            digits = "[0-9]{1,4}" if count < 4 else "[0-9]{4}"
            self._add(digits, part, int, lambda at: f"{of(at):0{count}}")

    def _zone(self, letter: str, count: int) -> None:
        if letter == "o" and self.own_letters:
            regex, colon, utc = r"[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?", ":", "Z"
        elif letter in "Xx" and count <= 3:
            regex = ("[+-][0-9]{2}(?:[0-9]{2})?", "[+-][0-9]{4}", "[+-][0-9]{2}:[0-9]{2}")[count - 1]
            colon = ":" if count == 3 else ""
            regex, utc = (f"Z|{regex}", "Z") if letter == "X" else (regex, "")
        elif letter == "Z" and count in (1, 2, 3, 5):
            regex, colon, utc = ("[+-][0-9]{4}", "", "") if count < 4 else ("Z|[+-][0-9]{2}:[0-9]{2}", ":", "Z")
        elif letter in "zvV":
            self._add("[A-Za-z0-9_+:/-]{1,64}", "zone", zone, lambda at: zone_name(at.tzinfo or dt.UTC))
            return
        else:
            raise self._bad(f"Unknown pattern letter: {letter * count}")

        def write(at: dt.datetime) -> str:
            span = at.utcoffset() or dt.timedelta()
            return utc if utc and not span else offset_text(span, colon)

        self._add(regex, "zone", zone, write)


_WRITE: Final[dict[str, Callable[[dt.datetime], int]]] = {
    "M": lambda at: at.month,
    "L": lambda at: at.month,
    "d": lambda at: at.day,
    "D": lambda at: at.timetuple().tm_yday,
    "H": lambda at: at.hour,
    "h": lambda at: (at.hour + 11) % 12 + 1,
    "m": lambda at: at.minute,
    "s": lambda at: at.second,
    "w": lambda at: at.isocalendar().week,
    "e": lambda at: at.isoweekday(),
}


def _pieces(pattern: str) -> list[str]:
    """Quoted literals, runs of one letter, and single characters."""
    return [found[0] for found in re.finditer(r"'(?:[^']|'')*'|([A-Za-z])\1*|.", pattern, re.DOTALL)]


def _any_of(names: tuple[str, ...]) -> str:
    return "(?i:" + "|".join(name for name in names if name) + ")"


def _digits(count: int, letter: str) -> str:
    if count == 1:
        return "[0-9]{1,3}" if letter == "D" else "[0-9]" if letter == "e" else "[0-9]{1,2}"
    return f"[0-9]{{{count}}}"


def _ms(text: str) -> int:
    return int(text[:3].ljust(3, "0"))


@lru_cache(maxsize=256)
def date_format(spec: str) -> tuple[DateFormat, ...]:
    """The formats of `spec`, which are joined by `||`. Raises `EsError` for an unknown name or pattern."""
    names = [name.strip() for name in spec.split("||", MAX_FORMATS + 1)]
    if not all(names) or len(names) > MAX_FORMATS:
        raise EsError(ILLEGAL, f"Invalid format: [{spec[:MAX_LENGTH]}]: an empty format, or more than {MAX_FORMATS}")
    return tuple(DateFormat(name) for name in names)


def format_ms(ms: int, spec: str | None, shown_in: dt.tzinfo = dt.UTC) -> str:
    """`ms` since the epoch as text: by the first format of `spec`, in the zone `shown_in`."""
    return date_format(spec or DEFAULT)[0].write(local(ms, shown_in))
