"""What aggregations share: errors, orders, intervals, gap policies."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from dxops.wire.es.body import Body, json_kind
from dxops.wire.es.errors import ILLEGAL, PARSING, EsError

_CALENDAR: Final = {
    "second": "s",
    "1s": "s",
    "minute": "m",
    "1m": "m",
    "hour": "h",
    "1h": "h",
    "day": "d",
    "1d": "d",
    "week": "w",
    "1w": "w",
    "month": "M",
    "1M": "M",
    "quarter": "q",
    "1q": "q",
    "year": "y",
    "1y": "y",
}
MAX_PATH: Final = 1_000
_FIXED: Final = re.compile(r"([+-]?)([0-9]{1,12})(ms|s|m|h|d)")
_FIXED_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class OrderKey(msgspec.Struct, frozen=True):
    """`path` is `_count`, `_key`, or that of a metric: `avg_x`, `stats.max`, `filtered>avg_x`."""

    path: str
    descending: bool = False


class Bounds(msgspec.Struct, frozen=True):
    """Of a histogram; numbers, dates or date math. None is open."""

    least: str | int | float | None = None
    most: str | int | float | None = None


def parse_order(value: Any, default: tuple[OrderKey, ...]) -> tuple[OrderKey, ...]:
    if value is None:
        return default
    found: list[OrderKey] = []
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict) or not item:
            raise EsError(
                PARSING, f"[order] must be objects like {{_count: desc}}, found {json_kind(item)}", key="order"
            )
        for path, way in item.items():
            if not isinstance(way, str) or way.lower() not in ("asc", "desc"):
                raise EsError(PARSING, f"Unknown order direction [{way}] of [{path}]", key="order")
            if len(path) > MAX_PATH:
                raise EsError(ILLEGAL, f"[order] has a path longer than {MAX_PATH} characters", key="order")
            name = "_key" if path in ("_term", "_time") else str(path)
            found.append(OrderKey(name, way.lower() == "desc"))
    return tuple(found)


def calendar_unit(text: str) -> str | None:
    """`y q M w d h m s`, or None where `text` is not one calendar unit."""
    return _CALENDAR.get(text)


def fixed_ms(value: Any, key: str, signed: bool = False) -> int:
    """`90m`, `1d`; an offset may have a sign or be a number of milliseconds."""
    if signed and isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _FIXED.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found[1] and not signed):
        raise EsError(
            ILLEGAL, f"failed to parse [{key}] with value {json_kind(value)}: not like 90s, 5m or 1d", key=key
        )
    size = int(found[2]) * _FIXED_MS[found[3]]
    if not size and not signed:
        raise EsError(ILLEGAL, f"[{key}] must be 1 millisecond or more, found [{value}]", key=key)
    return -size if found[1] == "-" else size


def parse_bounds(body: Body, key: str) -> Bounds | None:
    value = body.take(key)
    if value is None:
        return None
    inner = Body(key, value)
    least, most = inner.take("min"), inner.take("max")
    inner.close()
    for each in (least, most):
        if each is not None and (isinstance(each, bool) or not isinstance(each, str | int | float)):
            raise inner.wrong("min", "a number or date", each)
    return Bounds(least, most)


def need_field(body: Body) -> str:
    body.refuse("script", "dxops runs no scripts")
    field = body.text("field")
    if not field:
        raise EsError(ILLEGAL, f"Required one of fields [field, script], but none were specified in [{body.kind}]")
    return field


def stand_in(body: Body) -> str | int | float | bool | None:
    """`missing`: the value of documents without the field."""
    value = body.take("missing")
    if value is not None and not isinstance(value, str | int | float | bool):
        raise body.wrong("missing", "a value", value)
    return value
