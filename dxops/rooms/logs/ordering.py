"""Sort keys as SQL, and the rows behind a given one: what `sort`, `search_after` and composite keys need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dxops.rooms.logs.fields import base_name, is_time, literal
from dxops.rooms.logs.times import Times
from dxops.rooms.logs.values import BOOLEAN, NUMBER, Kinds, number, number_of_scalar, numbers, text, text_of, texts
from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.sorting import DOC, SCORE, SHARD_DOC, SortKey


class Key(msgspec.Struct, frozen=True):
    """`order` is compared, `shown` answered. `kind`: date, number, boolean, text. A key that may be NULL puts these
    first or last."""

    order: str
    shown: str
    kind: str
    descending: bool = False
    nullable: bool = True
    nulls_first: bool = False
    format: str = ""

    @property
    def clause(self) -> str:
        """Inside ORDER BY."""
        way = "DESC" if self.descending else "ASC"
        return f"{self.order} {way}" + (f" NULLS {'FIRST' if self.nulls_first else 'LAST'}" if self.nullable else "")


TIE: Final = "seq"
EQUAL: Final = "toFloat64(1)"  # the score of every hit; a bare 1 in ORDER BY would mean the first column


def keys_of(sort: Sequence[SortKey], kinds: Kinds) -> list[Key]:
    """The request's keys and, last, `seq`, so that no two rows are equal. Without keys: the newest first."""
    keys = [_key(each, kinds) for each in sort]
    if not keys:
        keys = [Key("ts", "toUnixTimestamp64Milli(ts)", "date", descending=True, nullable=False)]
    return [*keys, Key(TIE, TIE, NUMBER, descending=keys[0].descending, nullable=False)]


def _key(sort: SortKey, kinds: Kinds) -> Key:
    down = sort.descending
    if sort.field in (DOC, SHARD_DOC, "_seq_no"):
        return Key(TIE, TIE, NUMBER, descending=down, nullable=False)
    if sort.field == SCORE:
        return Key(EQUAL, EQUAL, NUMBER, descending=down, nullable=False)
    if is_time(base_name(sort.field)):
        shown = "toUnixTimestamp64Milli(ts)"
        return Key("ts", shown, "date", descending=down, nullable=False, format=sort.format)
    if not kinds.known(sort.field) and not sort.unmapped_type:
        reason = f"No mapping found for [{sort.field[:200]}] in order to sort on"
        raise EsError(ILLEGAL, reason, key="sort", hint="give unmapped_type where no document may have the field")
    kind = kinds.kind(sort.field)
    kind = NUMBER if sort.numeric_type in ("long", "double") else kind
    numeric = kind == NUMBER
    value = _picked(sort, kinds, numeric)
    if sort.missing not in ("_last", "_first"):
        stand_in = repr(number_of_scalar(sort.missing)) if numeric else literal(text_of(sort.missing))
        return Key(f"ifNull({value}, {stand_in})", f"ifNull({value}, {stand_in})", kind, down, False)
    return Key(value, value, kind, down, True, sort.missing == "_first", sort.format)


def _picked(sort: SortKey, kinds: Kinds, numeric: bool) -> str:
    """SQL of the value that a document is sorted by, NULL where it has none."""
    mode = sort.mode or ("max" if sort.descending else "min")
    if not numeric and mode not in ("min", "max"):
        raise EsError(ILLEGAL, f"sort mode [{mode}] works on numbers only", key="mode")
    if not kinds.has_arrays(sort.field):
        return (number if numeric else text)(sort.field, kinds)
    if numeric:
        several = numbers(sort.field, kinds)
        pick = f"arrayReduce('median', {several})" if mode == "median" else f"array{mode.capitalize()}({several})"
    else:
        several = texts(sort.field, kinds)
        pick = f"arraySort({several})[{-1 if mode == 'max' else 1}]"
    return f"if(empty({several}), NULL, {pick})"


def behind(keys: Sequence[Key], values: Sequence[Any], times: Times) -> str:
    """The condition of rows that come after `values` in the order of `keys`; both are of one length."""
    choices: list[str] = []
    same: list[str] = []
    for key, value in zip(keys, values, strict=True):
        choices.append(" AND ".join([*same, _after(key, value, times)]))
        same.append(_equal(key, value, times))
    first = _not_before(keys[0], values[0], times)
    return f"({first}({' OR '.join(f'({each})' for each in choices)}))"


def _not_before(key: Key, value: Any, times: Times) -> str:
    """What the primary key can skip rows by, which an OR hides."""
    if key.nullable or value is None or key.order == EQUAL:
        return ""
    return f"{key.order} {'<=' if key.descending else '>='} {_literal(key, value, times)} AND "


def _after(key: Key, value: Any, times: Times) -> str:
    if value is None:
        return f"{key.order} IS NOT NULL" if key.nullable and key.nulls_first else "0"
    beyond = f"{key.order} {'<' if key.descending else '>'} {_literal(key, value, times)}"
    if not key.nullable:
        return beyond
    return f"ifNull({beyond}, {0 if key.nulls_first else 1})"


def _equal(key: Key, value: Any, times: Times) -> str:
    if value is None:
        return f"{key.order} IS NULL"
    return f"ifNull({key.order} = {_literal(key, value, times)}, 0)"


def _literal(key: Key, value: Any, times: Times) -> str:
    if key.order == "ts":
        moment = value if isinstance(value, int) else times.resolve(value, False, key.format or None, None)
        if moment is None:
            raise EsError(ILLEGAL, f"[search_after] [{str(value)[:80]}] is not a date", key="search_after")
        return f"fromUnixTimestamp64Milli({int(moment)}, 'UTC')"
    if key.kind in (NUMBER, "date"):
        try:
            return repr(int(value)) if isinstance(value, int) or key.order == TIE else repr(float(value))
        except (ValueError, OverflowError) as error:
            raise EsError(ILLEGAL, f"[search_after] [{str(value)[:80]}] is not a number", key="search_after") from error
    if key.kind == BOOLEAN or isinstance(value, str | int | float | bool):
        return literal(text_of(value))
    raise EsError(ILLEGAL, "[search_after] takes the values of a hit's [sort]", key="search_after")
