"""Values of fields as SQL, by the kinds that `log_shapes` knows of them: what sorting and aggregating work on.

A field may hold an array, which is its JSON text in `attrs`; then every element counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dxops.rooms.logs.fields import base_name, is_message, is_time, literal, literals, value_of
from dxops.rooms.logs.model import Rows
from dxops.wire.query_tree import Scalar

NUMBER: Final = "number"
BOOLEAN: Final = "boolean"
TEXT: Final = "text"
_ARRAYS: Final = frozenset({"list", "inner"})
_NUMBERS_ALWAYS: Final = frozenset({"_seq_no"})
_TEXTS_ALWAYS: Final = frozenset({"_index", "_id"})


class Kinds(msgspec.Struct, frozen=True):
    """Which kinds of values fields were seen with, by name."""

    of: Mapping[str, frozenset[str]] = {}

    def kind(self, field: str) -> str:
        """`date`, `number`, `boolean` or `text`: what a field is sorted and grouped as; text where senders disagree."""
        name = base_name(field)
        if is_time(name):
            return "date"
        if name in _NUMBERS_ALWAYS:
            return NUMBER
        found = self.of.get(name, frozenset()) - _ARRAYS
        return next(iter(found)) if len(found) == 1 else TEXT

    def has_arrays(self, field: str) -> bool:
        name = base_name(field)
        return not is_message(name) and bool(self.of.get(name, frozenset()) & _ARRAYS)

    def known(self, field: str) -> bool:
        """Whether any document has it."""
        name = base_name(field)
        return is_time(name) or name in _NUMBERS_ALWAYS | _TEXTS_ALWAYS or name in self.of


async def read_kinds(store: Rows, streams: Sequence[str] | None, fields: Iterable[str]) -> Kinds:
    """The kinds of these fields in these streams (None: in all)."""
    names = sorted({base_name(field) for field in fields} - _NUMBERS_ALWAYS - _TEXTS_ALWAYS)
    names = [name for name in names if not is_time(name)]
    if not names or (streams is not None and not streams):
        return Kinds()
    within = "" if streams is None else f"stream IN ({literals(tuple(streams))}) AND "
    sql = (
        "SELECT field, groupUniqArray(kind) FROM log_shapes "  # noqa: S608 - quoted literals
        "ARRAY JOIN fields AS field, kinds AS kind "
        f"WHERE {within}field IN ({literals(names)}) GROUP BY field"
    )
    rows = (await store.query(sql)).rows
    return Kinds({name: frozenset(kinds) - {""} for name, kinds in rows})


def text(field: str, kinds: Kinds, missing: Scalar | None = None) -> str:
    """SQL of the value of a field without arrays, NULL where a document has none."""
    value = value_of(base_name(field))
    return f"nullIf({value}, '')" if missing is None else f"if({value} = '', {literal(text_of(missing))}, {value})"


def number(field: str, kinds: Kinds, missing: Scalar | None = None) -> str:
    """As `text`, of `numbers`."""
    name = base_name(field)
    if is_time(name):
        return "toFloat64(toUnixTimestamp64Milli(ts))"
    if name in _NUMBERS_ALWAYS:
        return "toFloat64(seq)"
    value = value_of(name)
    one = f"toFloat64OrNull({value})"
    if kinds.kind(field) == BOOLEAN:
        one = f"if({value} = '', NULL, toFloat64({value} = 'true'))"
    return one if missing is None else f"ifNull({one}, {number_of_scalar(missing)!r})"


def texts(field: str, kinds: Kinds, missing: Scalar | None = None) -> str:
    """SQL of the values as an array of texts, each once; empty where a document has none."""
    value = value_of(base_name(field))
    one = f"if({value} = '', [], [{value}])"
    if kinds.has_arrays(field):
        raw = f"JSONExtractArrayRaw({value})"
        plain = "arrayMap(e -> if(startsWith(e, '\"'), JSONExtractString(e), e), " + raw + ")"
        one = f"if(startsWith({value}, '[') AND notEmpty({raw}), arrayDistinct({plain}), {one})"
    return one if missing is None else f"if(empty({one}), [{literal(text_of(missing))}], {one})"


def numbers(field: str, kinds: Kinds, missing: Scalar | None = None) -> str:
    """SQL of the values as an array of Float64: what is no number is left out; dates are milliseconds since 1970."""
    name = base_name(field)
    if is_time(name):
        return "[toFloat64(toUnixTimestamp64Milli(ts))]"
    if name in _NUMBERS_ALWAYS:
        return "[toFloat64(seq)]"
    value = value_of(name)
    if kinds.kind(field) == BOOLEAN:
        one = f"if({value} = '', emptyArrayFloat64(), [if({value} = 'true', 1., 0.)])"
    else:
        number = f"toFloat64OrNull({value})"
        one = f"if(isNull({number}), emptyArrayFloat64(), [assumeNotNull({number})])"
    if kinds.has_arrays(field) or not kinds.known(field):
        elements = f"arrayMap(e -> toFloat64OrNull(e), JSONExtractArrayRaw({value}))"
        several = f"arrayMap(e -> assumeNotNull(e), arrayFilter(e -> isNotNull(e), {elements}))"
        one = f"if(startsWith({value}, '['), {several}, {one})"
    return one if missing is None else f"if(empty({one}), [{number_of_scalar(missing)!r}], {one})"


def milliseconds(field: str, kinds: Kinds) -> str:
    """SQL of a date as Int64 milliseconds since 1970; nullable unless it is the row's time."""
    name = base_name(field)
    if is_time(name):
        return "toUnixTimestamp64Milli(ts)"
    value = value_of(name)
    if kinds.kind(field) == NUMBER:
        return f"toInt64OrNull({value})"
    return f"toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull({value}, 3, 'UTC'))"


def text_of(value: Scalar) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def number_of_scalar(value: Scalar) -> float:
    """Not a number counts as 0."""
    try:
        return float(value)
    except (ValueError, OverflowError):
        return 0.0


def typed(kind: str, raw: Any) -> Any:
    """A value as the store answers it, as JSON shows it: whole numbers without a point, booleans as such."""
    if raw is None:
        return None
    if kind == BOOLEAN and isinstance(raw, str):
        return raw == "true" if raw in ("true", "false") else raw
    return int(raw) if isinstance(raw, float) and raw.is_integer() and abs(raw) < 2**63 else raw
