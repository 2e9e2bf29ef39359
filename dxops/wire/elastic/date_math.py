"""Date math in names: `<logs-{now/d}-000001>`, `<logs-{now-1M/M{yyyy.MM|+02:00}}>`; default format `yyyy.MM.dd`."""

from __future__ import annotations

from datetime import UTC, tzinfo

from dxops.wire.elastic.errors import ElasticRefused, Fault
from dxops.wire.elastic.java_time import java_pattern, zone_of
from dxops.wire.es.dates import parse_date
from dxops.wire.es.errors import EsError
from dxops.wire.es.zones import local


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
        moment = local(parse_date(math, now_ms, time_zone=zone), zone)
        return java_pattern(pattern or "yyyy.MM.dd").write(moment)
    except EsError as error:
        raise _bad(name, error.reason) from None
    except (ValueError, OverflowError) as error:
        raise _bad(name, str(error)) from None


def _bad(name: str, why: str) -> ElasticRefused:
    reason = f"invalid dynamic name expression [{name[:300]}]: {why}"
    return ElasticRefused(Fault(type="parse_exception", reason=reason))
