"""Which streams there are, and the fields of their documents: what stands in for mappings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from dxops.rooms.logs.fields import like_pattern, literal, literals, value_of
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.values import Kinds, texts
from dxops.wire.logs.cut import MESSAGE_NAMES, TIME_NAME

MAX_FIELDS: Final = 10_000
_SAMPLE: Final = 200_000
_TYPES: Final = {"number": "double", "boolean": "boolean", "text": "keyword", "list": "keyword", "inner": "keyword"}


class StreamField(msgspec.Struct, frozen=True):
    """A field by the type that Elasticsearch would call it, and the streams that have it so."""

    name: str
    type: str
    streams: tuple[str, ...]


async def stream_names(store: Rows) -> list[str]:
    """Every stream that ever got a document."""
    rows = (await store.query("SELECT DISTINCT toString(stream) AS s FROM log_shapes ORDER BY s")).rows
    return [name for (name,) in rows]


async def stream_fields(store: Rows, streams: Sequence[str], patterns: Sequence[str] = ("*",)) -> list[StreamField]:
    """The fields whose names fit one of the patterns, by name. `@timestamp` is always there."""
    if not streams:
        return []
    fitting = " OR ".join(f"field LIKE {literal(like_pattern(pattern))}" for pattern in patterns)
    sql = (
        "SELECT field, kind, groupUniqArray(toString(stream)) FROM log_shapes "  # noqa: S608 - quoted literals
        f"ARRAY JOIN fields AS field, kinds AS kind WHERE stream IN ({literals(tuple(streams))}) AND ({fitting}) "
        f"AND kind != '' GROUP BY field, kind ORDER BY field, kind LIMIT {MAX_FIELDS}"
    )
    found: dict[str, dict[str, set[str]]] = {}
    for name, kind, where in (await store.query(sql)).rows:
        type_ = "text" if name in MESSAGE_NAMES and kind == "text" else _TYPES[kind]
        kinds = found.setdefault(name, {})
        kinds.setdefault("" if kind in ("list", "inner") else type_, set()).update(where)
    if any(pattern in ("*", TIME_NAME) for pattern in patterns):
        found[TIME_NAME] = {"date": set(streams)}
    return [
        StreamField(name, type_ or "keyword", tuple(sorted(where)))
        for name, kinds in sorted(found.items())
        for type_, where in sorted(kinds.items())
        if type_ or len(kinds) == 1  # an array of numbers is a number
    ]


async def begun_values(
    store: Rows, condition: str, field: str, kinds: Kinds, begin: str, *, size: int, ignore_case: bool, after: str
) -> list[str]:
    """Values of a field that begin so, in order, among the newest 200,000 documents of `condition`."""
    test = f"startsWith({'lowerUTF8(e)' if ignore_case else 'e'}, {literal(begin.lower() if ignore_case else begin)})"
    later = f" AND e > {literal(after)}" if after else ""
    sql = (
        f"SELECT DISTINCT arrayJoin(arrayFilter(e -> {test}{later}, v)) AS found FROM "  # noqa: S608
        f"(SELECT {texts(field, kinds)} AS v FROM log_events WHERE ({condition}) AND {value_of(field)} != '' "
        f"ORDER BY ts DESC LIMIT {_SAMPLE}) ORDER BY found LIMIT {int(size)}"
    )
    return [value for (value,) in (await store.query(sql)).rows]
