"""Java's date patterns (`dd/MMM/yyyy:HH:mm:ss Z`), English names only: reading and writing times.

Letters: y u M L d D H k K h m s S n a E e w Y Z X x z V G, quotes, and optional sections in [ ]. Anything else is
refused when the pattern is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

MAX_PATTERN_CHARS: Final = 200

_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"]
_MONTHS += ["November", "December"]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTH_NUMBERS = {name[:length].lower(): number for number, name in enumerate(_MONTHS, 1) for length in (3, len(name))}
_ZONE_NAMES = {
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "CET": 1,
    "CEST": 2,
}
_OFFSET = r"[+-][0-9]{2}(?::?[0-9]{2})?|[Zz]"
_NAME = r"[A-Za-z][A-Za-z0-9_+/-]{0,40}"

_Part = tuple[str, int]  # (letter, count), ("'", literal's number), ("[", 0), ("]", 0)


class BadPattern(ValueError):
    """The pattern is not one of these; the message names the letter."""


class JavaPattern(msgspec.Struct, frozen=True):
    """A pattern that was checked. `fields` are the regex's groups in order."""

    text: str
    regex: re.Pattern[str]
    fields: tuple[_Part, ...]
    parts: tuple[tuple[str, int, str], ...]

    def read(self, text: str, *, default_year: int, zone: tzinfo = UTC) -> tuple[datetime, int]:
        """(the moment with its zone, nanoseconds of its second). `zone` counts where the text has none.

        What the text leaves out is the start of the smallest given unit; the year is `default_year`. Raises
        `ValueError` when the text is not of this pattern.
        """
        match = self.regex.fullmatch(text)
        if match is None:
            raise ValueError(f"text [{text[:100]}] does not match the pattern [{self.text}]")
        return _moment(list(zip(self.fields, match.groups(), strict=True)), default_year, zone)

    def write(self, moment: datetime, nanos: int | None = None) -> str:
        """The moment in its own zone."""
        nanos = moment.microsecond * 1000 if nanos is None else nanos
        return "".join(literal or _written(letter, count, moment, nanos) for letter, count, literal in self.parts)


@lru_cache(maxsize=512)
def java_pattern(text: str) -> JavaPattern:
    """Raises `BadPattern`."""
    if len(text) > MAX_PATTERN_CHARS:
        raise BadPattern(f"the pattern has more than {MAX_PATTERN_CHARS} characters")
    regex, fields, parts, depth = "", [], [], 0
    for letter, count, literal in _split(text):
        if letter == "[":
            regex, depth = regex + "(?:", depth + 1
        elif letter == "]":
            regex, depth = regex + ")?", depth - 1
            if depth < 0:
                raise BadPattern("']' without '['")
        elif literal:
            regex += re.escape(literal)
            parts.append(("", 0, literal))
        else:
            regex += f"({_expected(letter, count)})"
            fields.append((letter, count))
            parts.append((letter, count, ""))
    if depth:
        raise BadPattern("'[' without ']'")
    return JavaPattern(text, re.compile(regex, re.ASCII | re.IGNORECASE), tuple(fields), tuple(parts))


def _split(text: str) -> list[tuple[str, int, str]]:
    found: list[tuple[str, int, str]] = []
    place = 0
    while place < len(text):
        char = text[place]
        if char == "'":
            end = place + 1
            literal = ""
            while True:
                stop = text.find("'", end)
                if stop < 0:
                    raise BadPattern("a quote is not closed")
                literal += text[end:stop]
                if text[stop + 1 : stop + 2] != "'" or stop == place + 1:
                    break
                literal, end = literal + "'", stop + 2
            found.append(("", 0, literal or "'"))
            place = stop + 1
        elif char in "[]":
            found.append((char, 0, ""))
            place += 1
        elif char.isascii() and char.isalpha():
            count = len(text[place:]) - len(text[place:].lstrip(char))
            found.append((char, count, ""))
            place += count
        else:
            found.append(("", 0, char))
            place += 1
    return found


def _digits(count: int) -> str:
    return "[0-9]{1,2}" if count == 1 else f"[0-9]{{{count}}}"


def _expected(letter: str, count: int) -> str:
    if letter in "yuY" or (letter == "x" and count == 4):
        return "[0-9]{2}" if count == 2 else "[0-9]{1,9}" if count == 1 else f"[+-]?[0-9]{{{count}}}"
    if letter in "ML" and count > 2:
        return "|".join(sorted({name[:3] for name in _MONTHS} if count == 3 else set(_MONTHS), key=len, reverse=True))
    if letter in "MLdHkKhmsw":
        return _digits(count)
    if letter == "D":
        return "[0-9]{1,3}" if count < 3 else "[0-9]{3}"
    if letter == "S":
        return f"[0-9]{{{count}}}" if count <= 9 else _unknown(letter)
    if letter == "n":
        return "[0-9]{1,9}"
    if letter == "a":
        return r"[AP]\.?M\.?"
    if letter in "Ee":
        return "|".join([*_DAYS, *(day[:3] for day in _DAYS)]) if letter == "E" else "[1-7]"
    if letter == "Z":
        return _OFFSET if count < 3 else f"{_OFFSET}|{_NAME}"
    if letter in "Xx":
        return _OFFSET
    if letter in "zV":
        return f"{_NAME}|{_OFFSET}"
    return "AD|BC" if letter == "G" else _unknown(letter)


def _unknown(letter: str) -> str:
    raise BadPattern(f"the letter [{letter}] is not supported in a date pattern")


def _moment(pairs: list[tuple[_Part, str | None]], default_year: int, zone: tzinfo) -> tuple[datetime, int]:
    values: dict[str, int] = {}
    afternoon: bool | None = None
    nanos = 0
    for (letter, count), text in pairs:
        if text is None or letter in "EeGwY":
            continue
        if letter in "yu":
            values["y"] = _year(text, count)
        elif letter in "ML":
            values["M"] = int(text) if count <= 2 else _MONTH_NUMBERS[text.lower()]
        elif letter == "S":
            nanos = int(text.ljust(9, "0"))
        elif letter == "n":
            nanos = int(text)
        elif letter == "a":
            afternoon = text[0] in "Pp"
        elif letter in "ZXxzV":
            zone = zone_of(text)
        else:
            values[letter] = int(text)
    hour = values.get("H", values.get("k", 0) % 24)
    if "h" in values or "K" in values:
        hour = values.get("h", values.get("K", 0)) % 12 + (12 if afternoon else 0)
    year = values.get("y", default_year)
    moment = datetime(
        year, values.get("M", 1), values.get("d", 1), hour, values.get("m", 0), values.get("s", 0), nanos // 1000, zone
    )
    if "D" in values:
        moment = moment.replace(month=1, day=1) + timedelta(days=values["D"] - 1)
    return moment, nanos


def _year(text: str, count: int) -> int:
    number = int(text)
    return 2000 + number if count == 2 else number


def zone_of(text: str) -> tzinfo:
    """`Z`, `UTC`, `+01:00`, `+0100`, `+1`, `Europe/Paris`, `CET`. Raises `ValueError`."""
    if text in ("Z", "z", "UTC", "GMT", "UT"):
        return UTC
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?", text, re.ASCII)
    if match is not None:
        minutes = int(match[2]) * 60 + int(match[3] or 0)
        if minutes > 18 * 60:
            raise ValueError(f"the offset [{text}] is out of range")
        return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
    if text.upper() in _ZONE_NAMES:
        return timezone(timedelta(hours=_ZONE_NAMES[text.upper()]))
    return _named_zone(text)


@lru_cache(maxsize=256)
def _named_zone(text: str) -> tzinfo:
    if not re.fullmatch(_NAME, text, re.ASCII):
        raise ValueError(f"[{text[:60]}] is not a time zone")
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"the time zone [{text[:60]}] is not known") from None


def _written(letter: str, count: int, moment: datetime, nanos: int) -> str:
    if letter in "yu":
        return f"{moment.year % 100:02d}" if count == 2 else f"{moment.year:0{count}d}"
    if letter == "Y" or (letter == "x" and count == 4):
        return f"{moment.isocalendar().year:04d}"
    if letter in "ML":
        name = _MONTHS[moment.month - 1]
        return f"{moment.month:0{count}d}" if count < 3 else name[:3] if count == 3 else name
    if letter == "E":
        name = _DAYS[moment.weekday()]
        return name[:3] if count < 4 else name
    if letter in "ZXx":
        return _offset(letter, count, moment)
    if letter in "zV":
        return str(moment.tzinfo) if isinstance(moment.tzinfo, ZoneInfo) else _offset("X", 3, moment)
    if letter == "S":
        return f"{nanos:09d}"[:count]
    if letter == "a":
        return "AM" if moment.hour < 12 else "PM"
    if letter == "G":
        return "AD"
    return f"{_NUMBERS[letter](moment, nanos):0{count}d}"


_NUMBERS: Final[dict[str, Callable[[datetime, int], int]]] = {
    "d": lambda moment, _: moment.day,
    "D": lambda moment, _: moment.timetuple().tm_yday,
    "H": lambda moment, _: moment.hour,
    "k": lambda moment, _: moment.hour or 24,
    "K": lambda moment, _: moment.hour % 12,
    "h": lambda moment, _: moment.hour % 12 or 12,
    "m": lambda moment, _: moment.minute,
    "s": lambda moment, _: moment.second,
    "n": lambda _, nanos: nanos,
    "e": lambda moment, _: moment.isoweekday(),
    "w": lambda moment, _: moment.isocalendar().week,
}


def _offset(letter: str, count: int, moment: datetime) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    if not minutes and letter == "X":
        return "Z"
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    hours, rest = divmod(minutes, 60)
    if letter in "Xx" and count == 1 and not rest:
        return f"{sign}{hours:02d}"
    colon = ":" if (letter in "Xx" and count >= 3) or (letter == "Z" and count in (2, 5)) else ""
    return f"{sign}{hours:02d}{colon}{rest:02d}"
