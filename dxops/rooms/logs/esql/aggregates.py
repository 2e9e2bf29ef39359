"""ES|QL's aggregate functions. Every value of an array counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dxops.rooms.logs.esql.values import DOUBLE, LONG, NUMBERS, Misuse, Value, constant, number

MAX_VALUES: Final = 10_000


def count(given: Sequence[Value], where: str | None) -> Value:
    """Rows, or values."""
    if not given or (given[0].is_constant and given[0].constant is not None):
        return Value("toInt64(count())" if where is None else f"toInt64(countIf({where}))", LONG)
    value = _filtered(given[0], where)
    return Value(f"toInt64({f'sum(length({value.sql}))' if value.several else f'count({value.sql})'})", LONG)


def _filtered(value: Value, where: str | None) -> Value:
    if where is None:
        return value
    return Value(f"if({where}, {value.sql}, {'[]' if value.several else 'NULL'})", value.type, value.several)


def _numeric(function: str, *, keeps: bool = False) -> Callable[[Sequence[Value], str | None, str], Value]:
    def make(given: Sequence[Value], where: str | None, name: str) -> Value:
        value = given[0]
        if value.several and value.type not in NUMBERS:
            raise Misuse(f"argument of [{name}] must be [numeric], found type [{value.type}]")
        if not value.several:
            value = Value(number(value, name), value.type if value.type in NUMBERS else DOUBLE)
        value = _filtered(value, where)
        type_ = value.type if keeps else DOUBLE
        if value.several:
            return Value(_unless_empty(value.sql, f"{function}Array({value.sql})"), type_)
        return Value(f"if(count({value.sql}) = 0, NULL, {function}({value.sql}))", type_)

    return make


def _unless_empty(array: str, sql: str) -> str:
    return f"if(sum(length({array})) = 0, NULL, {sql})"


def _extreme(function: str) -> Callable[[Sequence[Value], str | None, str], Value]:
    def make(given: Sequence[Value], where: str | None, name: str) -> Value:
        value = _filtered(given[0], where)
        if value.several:
            return Value(_unless_empty(value.sql, f"{function}Array({value.sql})"), value.type)
        return Value(f"if(count({value.sql}) = 0, NULL, {function}({value.sql}))", value.type)

    return make


def _distinct(given: Sequence[Value], where: str | None, _name: str) -> Value:
    value = _filtered(given[0], where)
    return Value(f"toInt64(uniqCombined64{'Array' if value.several else ''}({value.sql}))", LONG)


def _percentile(given: Sequence[Value], where: str | None, name: str) -> Value:
    percent = constant(given[1], name)
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
        raise Misuse(f"[{name}] needs a constant from 0 to 100")
    return _quantile(percent / 100)(given, where, name)


def _quantile(level: float) -> Callable[[Sequence[Value], str | None, str], Value]:
    def make(given: Sequence[Value], where: str | None, name: str) -> Value:
        value = given[0]
        if not value.several:
            value = Value(number(value, name), DOUBLE)
        elif value.type not in NUMBERS:
            raise Misuse(f"argument of [{name}] must be [numeric], found type [{value.type}]")
        value = _filtered(value, where)
        if value.several:
            return Value(_unless_empty(value.sql, f"quantileTDigestArray({level!r})({value.sql})"), DOUBLE)
        return Value(f"if(count({value.sql}) = 0, NULL, toFloat64(quantileTDigest({level!r})({value.sql})))", DOUBLE)

    return make


def _values(given: Sequence[Value], where: str | None, _name: str) -> Value:
    value = _filtered(given[0], where)
    suffix = "Array" if value.several else ""
    found = f"groupUniqArray{suffix}({MAX_VALUES})({value.sql})"
    return Value(
        f"arraySort(arrayMap(e -> assumeNotNull(e), arrayFilter(e -> isNotNull(e), {found})))", value.type, True
    )


AGGREGATES: Final[dict[str, Callable[[Sequence[Value], str | None, str], Value]]] = {
    "count": lambda given, where, _name: count(given, where),
    "count_distinct": _distinct,
    "sum": _numeric("sum", keeps=True),
    "avg": _numeric("avg"),
    "min": _extreme("min"),
    "max": _extreme("max"),
    "median": _quantile(0.5),
    "percentile": _percentile,
    "std_dev": _numeric("stddevPop"),
    "variance": _numeric("varPop"),
    "values": _values,
}
