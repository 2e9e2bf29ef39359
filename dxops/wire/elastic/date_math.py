"""Date math in names: `<logs-{now/d}-000001>`, `<logs-{now-1M/M{yyyy.MM|+02:00}}>`; default format `yyyy.MM.dd`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from dxops.wire.elastic.errors import ElasticRefused, Fault
from dxops.wire.elastic.java_time import java_pattern, zone_of

_STEP = re.compile(r"([+-])([0-9]{0,6})([yMwdhHms])|/([yMwdhHms])", re.ASCII)
_SECONDS: Final = {"w": 604800, "d": 86400, "h": 3600, "H": 3600, "m": 60, "s": 1}
_ROUND: Final[dict[str, Callable[[datetime], datetime]]] = {
    "y": lambda moment: _midnight(moment).replace(month=1, day=1),
    "M": lambda moment: _midnight(moment).replace(day=1),
    "w": lambda moment: _midnight(moment) - timedelta(days=moment.weekday()),
    "d": lambda moment: _midnight(moment),
    "h": lambda moment: moment.replace(minute=0, second=0, microsecond=0),
    "H": lambda moment: moment.replace(minute=0, second=0, microsecond=0),
    "m": lambda moment: moment.replace(second=0, microsecond=0),
    "s": lambda moment: moment.replace(microsecond=0),
}


def resolve_date_math(name: str, now_ms: int) -> str:
    """The name that `<…>` stands for; any other name as it is. Raises `ElasticRefused` saying what is wrong."""
    if not name.startswith("<") or not name.endswith(">"):
        return name
    text = name[1:-1]
    parts: list[str] = []
    place = 0
    while place < len(text):
        char = text[place]
        if char == "\\" and place + 1 < len(text):
            parts.append(text[place + 1])
            place += 2
        elif char == "{":
            end = _closing(text, place, name)
            parts.append(_evaluated(text[place + 1 : end], now_ms, name))
            place = end + 1
        elif char == "}":
            raise _bad(name, "a closing brace has no opening one")
        else:
            parts.append(char)
            place += 1
    result = "".join(parts)
    if not result:
        raise _bad(name, "nothing is inside")
    return result


def shift(moment: datetime, steps: str) -> datetime:
    """`moment` after steps like `-1M/M`; also what pipelines and ranges use. Raises `ValueError`."""
    place = 0
    while place < len(steps):
        match = _STEP.match(steps, place)
        if match is None:
            raise ValueError(f"[{steps[place : place + 20]}] is not date math")
        if match[4]:
            moment = _ROUND[match[4]](moment)
        else:
            moment = _moved(moment, int(match[2] or 1) * (-1 if match[1] == "-" else 1), match[3])
        place = match.end()
    return moment


def _closing(text: str, start: int, name: str) -> int:
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            return place
    raise _bad(name, "an opening brace is not closed")


def _evaluated(expression: str, now_ms: int, name: str) -> str:
    math, brace, form = expression.partition("{")
    if brace and not form.endswith("}"):
        raise _bad(name, "text follows the format")
    pattern, _, zone_text = form.removesuffix("}").partition("|")
    if not math.startswith("now"):
        raise _bad(name, "the expression does not begin with [now]")
    try:
        zone: tzinfo = zone_of(zone_text) if zone_text else UTC
        moment = shift(datetime.fromtimestamp(now_ms / 1000, zone), math[3:])
        return java_pattern(pattern or "yyyy.MM.dd").write(moment)
    except (ValueError, OverflowError) as error:
        raise _bad(name, str(error)) from None


def _moved(moment: datetime, count: int, unit: str) -> datetime:
    if unit in _SECONDS:
        return moment + timedelta(seconds=count * _SECONDS[unit])
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "y" else 1)
    first = _midnight(moment).replace(day=1, year=months // 12, month=months % 12 + 1)
    following = (first + timedelta(days=31)).replace(day=1)
    last_day = (following - timedelta(days=1)).day
    return moment.replace(year=first.year, month=first.month, day=min(moment.day, last_day))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _bad(name: str, why: str) -> ElasticRefused:
    reason = f"invalid dynamic name expression [{name[:300]}]: {why}"
    return ElasticRefused(Fault(type="parse_exception", reason=reason))
