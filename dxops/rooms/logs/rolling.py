"""Rolling over: the next index's name, and whether conditions are met. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dxops.rooms.logs.aliases import with_alias, without_alias
from dxops.rooms.logs.catalog import Backing, Catalog, Stream
from dxops.rooms.logs.describing import Moment, backing_name, create_index, with_stream
from dxops.rooms.logs.naming import write_index
from dxops.rooms.logs.settings import PROVIDED_NAME
from dxops.wire.elastic.date_math import resolve_date_math
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument, index_not_found
from dxops.wire.es.durations import duration_ms
from dxops.wire.es.errors import EsError

_NUMBERED: Final = re.compile(r"(.*-)([0-9]{1,18})(>?)", re.DOTALL)
_BYTES: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*(b|kb|k|mb|m|gb|g|tb|t|pb|p)?", re.IGNORECASE)
_POWERS: Final = {"b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_AGES: Final = frozenset({"max_age", "min_age"})
_SIZES: Final = frozenset({"max_size", "min_size", "max_primary_shard_size", "min_primary_shard_size"})
_COUNTS: Final = frozenset({"max_docs", "min_docs", "max_primary_shard_docs", "min_primary_shard_docs"})


class Measured(msgspec.Struct, frozen=True):
    """Of the index that would be rolled over."""

    age_ms: int
    documents: int
    size_bytes: int


class Condition(msgspec.Struct, frozen=True):
    """`max_docs` 1000. `value` in milliseconds, bytes or documents."""

    name: str
    value: int
    text: str

    def met(self, measured: Measured) -> bool:
        if self.name in _AGES:
            return measured.age_ms >= self.value
        return (measured.size_bytes if self.name in _SIZES else measured.documents) >= self.value


def read_conditions(conditions: object) -> list[Condition]:
    """`{"max_age": "7d", "max_docs": 1000}`. Raises `ElasticRefused`."""
    if conditions is None:
        return []
    if not isinstance(conditions, Mapping):
        raise ElasticRefused(illegal_argument("[conditions] must be an object"))
    return [_condition(name, value) for name, value in conditions.items()]


def due(conditions: list[Condition], measured: Measured) -> bool:
    """As in the original: any `max_` condition, and all `min_` ones; without conditions always."""
    least = [each.met(measured) for each in conditions if each.name.startswith("min_")]
    most = [each.met(measured) for each in conditions if each.name.startswith("max_")]
    return all(least) and (any(most) or not most)


def size_bytes(value: object, key: str) -> int:
    """`50gb`. Raises `ElasticRefused`."""
    found = _BYTES.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found[2] is None and found[1] != "0"):
        reason = f"failed to parse setting [{key}] with value [{value}] as a size in bytes: unit is missing or unknown"
        raise ElasticRefused(illegal_argument(reason))
    return int(float(found[1]) * (1 << _POWERS[(found[2] or "b")[0].lower()]))


def age_ms(value: object, key: str) -> int:
    """`7d`. Raises `ElasticRefused`."""
    try:
        return duration_ms(value, key)
    except EsError as error:
        raise ElasticRefused(illegal_argument(error.reason)) from error


def rolled(
    catalog: Catalog, target: str, new_index: str | None, body: Mapping[str, Any], at: Moment
) -> tuple[Catalog, str, str]:
    """(the catalogue after it, the old index, the new one). `target` is an alias with a write index, or a data stream.

    Raises `ElasticRefused`.
    """
    stream = catalog.streams.get(target)
    if stream is not None and stream.kind == "data_stream":
        if new_index is not None:
            raise ElasticRefused(
                illegal_argument("new index name may not be specified when rolling over a data stream")
            )
        return _rolled_stream(catalog, stream, at)
    if stream is not None:
        reason = "rollover target is a [concrete index] but one of [alias,data_stream] was expected"
        raise ElasticRefused(illegal_argument(reason))
    if target not in catalog.aliases:
        raise ElasticRefused(index_not_found(target))
    old = write_index(catalog, target)
    if old is None:
        raise ElasticRefused(illegal_argument(f"rollover target [{target}] does not point to a write index"))
    if catalog.streams[old].kind == "data_stream":
        return _rolled_stream(catalog, catalog.streams[old], at)
    given = new_index or next_name(catalog.streams[old])
    made = create_index(catalog, given, body, at)
    new = resolve_date_math(given, at.now_ms)
    marked = catalog.aliases[target][old].get("is_write_index") is True
    if marked:
        made = with_alias(made, target, old, {**catalog.aliases[target][old], "is_write_index": False})
        made = with_alias(made, target, new, {**catalog.aliases[target][old], "is_write_index": True})
    else:  # the alias moves
        made = with_alias(without_alias(made, target, [old]), target, new, catalog.aliases[target][old])
    was = made.streams[old]
    return with_stream(made, msgspec.structs.replace(was, rollovers={**was.rollovers, target: at.now_ms})), old, new


def next_name(stream: Stream) -> str:
    """`logs-000002` after `logs-000001`; of one that was made with date math, by today's date."""
    given = str(stream.settings.get(PROVIDED_NAME) or stream.name)
    found = _NUMBERED.fullmatch(given)
    if found is None:
        reason = rf"index name [{stream.name}] does not match pattern '^.*-\d+$'"
        raise ElasticRefused(illegal_argument(reason))
    return f"{found[1]}{int(found[2]) + 1:06d}{found[3]}"


def _rolled_stream(catalog: Catalog, stream: Stream, at: Moment) -> tuple[Catalog, str, str]:
    generation = stream.generation + 1
    new = Backing(backing_name(stream.name, generation, at.now_ms), at.uuid(), at.now_ms)
    made = with_stream(catalog, msgspec.structs.replace(stream, backing=(*stream.backing, new)))
    return made, stream.backing[-1].name, new.name


def _condition(name: str, value: object) -> Condition:
    text = f"[{name}: {value}]"
    if name in _AGES:
        return Condition(name, age_ms(value, name), text)
    if name in _SIZES:
        return Condition(name, size_bytes(value, name), text)
    if name not in _COUNTS:
        raise ElasticRefused(illegal_argument(f"[conditions] unknown field [{name[:100]}]"))
    if isinstance(value, bool) or not str(value).isdecimal():
        raise ElasticRefused(illegal_argument(f"[{name}] must be a number of documents"))
    return Condition(name, int(str(value)), text)
