"""A piece of SQL with the type that ES|QL gives it, and how types meet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dxops.base.errors import Refused
from dxops.rooms.logs.fields import literal

KEYWORD: Final = "keyword"
TEXT: Final = "text"
IP: Final = "ip"
LONG: Final = "long"
DOUBLE: Final = "double"
BOOLEAN: Final = "boolean"
DATE: Final = "date"
NULL: Final = "null"
SPAN: Final = "time_duration"
SOURCE: Final = "_source"

TEXTS: Final = frozenset({KEYWORD, TEXT, IP})
NUMBERS: Final = frozenset({LONG, DOUBLE})
_NO_CONSTANT: Final = object()


class Value(msgspec.Struct, frozen=True):
    """`sql` is nullable, or an array where `several`. `constant` is the literal that it is, `mixed` says that senders
    disagree on the field's type, so that a comparison with a number means a number."""

    sql: str
    type: str
    several: bool = False
    constant: Any = _NO_CONSTANT
    mixed: bool = False

    @property
    def is_constant(self) -> bool:
        return self.constant is not _NO_CONSTANT

    @property
    def one(self) -> str:
        """A single value: of several, NULL, as in the original."""
        return f"if(length({self.sql}) = 1, {self.sql}[1], NULL)" if self.several else self.sql

    @property
    def array(self) -> str:
        """All values as an array without NULL."""
        return self.sql if self.several else f"if(isNull({self.sql}), [], [assumeNotNull({self.sql})])"


class Misuse(Refused):
    """What cannot be asked of a value."""


def of_literal(value: Any) -> Value:
    """A constant as SQL."""
    if value is None:
        return Value("NULL", NULL, constant=None)
    if isinstance(value, bool):
        return Value("true" if value else "false", BOOLEAN, constant=value)
    if isinstance(value, int):
        return Value(f"toInt64({value})", LONG, constant=value)
    if isinstance(value, float):
        return Value(f"toFloat64({value!r})", DOUBLE, constant=value)
    return Value(literal(str(value)), KEYWORD, constant=value)


def of_ms(ms: int) -> Value:
    """A moment."""
    return Value(f"fromUnixTimestamp64Milli(toInt64({int(ms)}), 'UTC')", DATE, constant=ms)


def number(value: Value, what: str) -> str:
    """SQL of a number. Raises `Misuse`."""
    if value.type == NULL:
        return "CAST(NULL, 'Nullable(Float64)')"
    if value.type in NUMBERS:
        return value.one
    if value.mixed:
        return f"toFloat64OrNull({value.one})"
    raise Misuse(f"argument of [{what}] must be [numeric], found type [{value.type}]; use TO_DOUBLE")


def text(value: Value, what: str) -> str:
    """SQL of a text. Raises `Misuse`."""
    if value.type in TEXTS:
        return value.one
    if value.type == NULL:
        return "CAST(NULL, 'Nullable(String)')"
    raise Misuse(f"argument of [{what}] must be [string], found type [{value.type}]; use TO_STRING")


def date(value: Value, what: str) -> str:
    """SQL of a date. Raises `Misuse`."""
    if value.type == DATE:
        return value.one
    if value.type == NULL:
        return "CAST(NULL, 'Nullable(DateTime64(3, \\'UTC\\'))')"
    raise Misuse(f"argument of [{what}] must be [datetime], found type [{value.type}]; use TO_DATETIME")


def boolean(value: Value, what: str) -> str:
    """SQL of a truth. Raises `Misuse`."""
    if value.type == BOOLEAN:
        return value.one
    if value.type == NULL:
        return "CAST(NULL, 'Nullable(Bool)')"
    raise Misuse(f"argument of [{what}] must be [boolean], found type [{value.type}]")


def constant(value: Value, what: str) -> Any:
    """The literal. Raises `Misuse`."""
    if not value.is_constant:
        raise Misuse(f"argument of [{what}] must be a constant")
    return value.constant


def common_type(values: Sequence[Value], what: str) -> str:
    """The type that all of them can be shown as. Raises `Misuse`."""
    types = {value.type for value in values} - {NULL}
    if not types:
        return NULL
    if len(types) == 1:
        return next(iter(types))
    if types <= NUMBERS:
        return DOUBLE
    if types <= TEXTS:
        return KEYWORD
    raise Misuse(f"arguments of [{what}] must be of one type, found [{', '.join(sorted(types))}]")


def as_type(value: Value, type_: str) -> str:
    """SQL of one value as `type_`, which `common_type` found."""
    if value.type == NULL:
        return "NULL"
    return f"toFloat64({value.one})" if type_ == DOUBLE and value.type == LONG else value.one


def date_text(sql: str) -> str:
    """A date as `2026-01-01T00:00:00.000Z`. (The server's own `%f` has six digits.)"""
    whole = f"formatDateTime({sql}, '%Y-%m-%dT%H:%i:%S', 'UTC')"
    return f"concat({whole}, '.', leftPad(toString(positiveModulo(toUnixTimestamp64Milli({sql}), 1000)), 3, '0'), 'Z')"


def zone_text(zone: dt.tzinfo, name: str) -> str:
    """A zone as ClickHouse names it, quoted."""
    if name[:1] in "+-":
        name = f"Fixed/UTC{name}" + (":00" if name.count(":") == 1 else "")
    return literal(name)
