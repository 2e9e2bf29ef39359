"""Expressions of a plan as typed SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dxops.rooms.logs.esql.aggregates import AGGREGATES
from dxops.rooms.logs.esql.dates import DATES, Dates, moved
from dxops.rooms.logs.esql.scalars import SCALARS
from dxops.rooms.logs.esql.values import (
    BOOLEAN,
    DATE,
    DOUBLE,
    LONG,
    NULL,
    NUMBERS,
    SOURCE,
    SPAN,
    TEXTS,
    Misuse,
    Value,
    boolean,
    number,
    of_literal,
    text,
)
from dxops.rooms.logs.fields import literal
from dxops.rooms.logs.patterns import regexp_of_lucene, regexp_of_wildcard
from dxops.wire.esql import plan as p
from dxops.wire.query_tree import Node

MAX_SQL: Final = 200_000
_COMPARISONS: Final = {"==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class Expressions:
    """`column` finds a column by name, `search` makes the condition of a query over the documents themselves.

    `grouped`: aggregate functions are allowed, over `inner`; other columns are those of the grouping.
    """

    def __init__(self, column: Callable[[str], Value], search: Callable[[Node], str], dates: Dates) -> None:
        self._column = column
        self._search = search
        self._dates = dates

    def value(self, expression: p.Expression) -> Value:
        """Raises `Misuse`."""
        found = self._value(expression)
        if len(found.sql) > MAX_SQL:
            raise Misuse("an expression grows too large when its columns are filled in")
        if found.type == SOURCE and not isinstance(expression, p.Column):
            raise Misuse("[_source] can only be shown")
        return found

    def aggregate(self, expression: p.Expression, where: str | None, keys: dict[str, Value]) -> Value:
        """An expression around aggregate functions; `keys` are the columns of the grouping."""
        match expression:
            case p.Call(name, arguments) if name in AGGREGATES:
                given = [self.value(each) for each in arguments]
                if any(each.type == SOURCE for each in given):
                    raise Misuse("[_source] can only be shown")
                return AGGREGATES[name](given, where, name.upper())
            case p.Call(name, arguments):
                return self._call(name, [self.aggregate(each, where, keys) for each in arguments], arguments)
            case p.Column(name):
                if name not in keys:
                    raise Misuse(
                        f"column [{name}] must appear in the STATS BY clause or be used in an aggregate function"
                    )
                return keys[name]
        return self.value(expression)

    def truth(self, expression: p.Expression, what: str) -> str:
        """SQL of a condition. Raises `Misuse`."""
        return boolean(self.value(expression), what)

    def _value(self, expression: p.Expression) -> Value:
        match expression:
            case p.Literal(value):
                return of_literal(value)
            case p.Span():
                return Value("", SPAN, constant=expression)
            case p.Column(name):
                return self._column(name)
            case p.Call(name, arguments):
                return self._call(name, [self.value(each) for each in arguments], arguments)
            case p.In(value, items):
                return self._in(self.value(value), [self.value(each) for each in items])
            case p.IsNull(value):
                inner = self.value(value)
                return Value(f"empty({inner.sql})" if inner.several else f"isNull({inner.sql})", BOOLEAN)
            case p.Like(value, pattern, regexp):
                what = text(self.value(value), "RLIKE" if regexp else "LIKE")
                made = regexp_of_lucene(pattern) if regexp else regexp_of_wildcard(pattern)
                return Value(f"match({what}, {literal(f'(?s)^(?:{made})$')})", BOOLEAN)
            case p.Search(node):
                return Value(f"({self._search(node)})", BOOLEAN)

    def _call(self, name: str, given: list[Value], arguments: Sequence[p.Expression]) -> Value:
        if any(each.type == SPAN for each in given) and name not in ("+", "-", "date_trunc", "bucket"):
            raise Misuse(f"[{name.upper()}] takes no span of time")
        if any(each.type == SOURCE for each in given):
            raise Misuse("[_source] can only be shown")
        if name in ("and", "or"):
            return Value("(" + f" {name.upper()} ".join(boolean(each, name.upper()) for each in given) + ")", BOOLEAN)
        if name == "not":
            return Value(f"(NOT {boolean(given[0], 'NOT')})", BOOLEAN)
        if name in _COMPARISONS:
            left, right = self._alike(given[0], given[1], name)
            return Value(f"({left} {_COMPARISONS[name]} {right})", BOOLEAN)
        if name == "neg":
            return Value(f"(-{number(given[0], '-')})", LONG if given[0].type == LONG else DOUBLE)
        if name in ("+", "-", "*", "/", "%"):
            return self._arithmetic(name, given[0], given[1])
        if name in DATES:
            return DATES[name](self._dates, given, name.upper())
        make = SCALARS.get(name)
        if make is None:
            raise Misuse(f"[{name.upper()}] cannot be used here")
        return make(given)

    def _in(self, value: Value, items: Sequence[Value]) -> Value:
        pairs = [self._alike(value, item, "IN") for item in items if item.type != NULL]
        if not pairs:
            return Value("CAST(NULL, 'Nullable(Bool)')", BOOLEAN)
        if len({left for left, _ in pairs}) == 1 and all(item.is_constant for item in items):
            return Value(f"({pairs[0][0]} IN ({', '.join(right for _, right in pairs)}))", BOOLEAN)
        return Value("(" + " OR ".join(f"{left} = {right}" for left, right in pairs) + ")", BOOLEAN)

    def _alike(self, left: Value, right: Value, what: str) -> tuple[str, str]:
        """Both as what can be compared."""
        if NULL in (left.type, right.type):
            return left.one, right.one
        if DATE in (left.type, right.type):
            return self._dates.read(left, what).one, self._dates.read(right, what).one
        if left.type in NUMBERS or right.type in NUMBERS:
            return number(left, what), number(right, what)
        if left.type in TEXTS and right.type in TEXTS:
            return left.one, right.one
        if left.type == right.type == BOOLEAN:
            return left.one, right.one
        raise Misuse(f"[{what}] cannot compare [{left.type}] with [{right.type}]; convert one of them")

    def _arithmetic(self, sign: str, left: Value, right: Value) -> Value:
        for date_side, span_side in ((left, right), (right, left)):
            span = span_side.constant if span_side.type == SPAN else None
            if isinstance(span, p.Span):
                if sign not in "+-" or (sign == "-" and span_side is left) or date_side.type not in (DATE, NULL):
                    raise Misuse(f"[{sign}] takes a date and a span of time")
                return moved(date_side.one, span, -1 if sign == "-" else 1) if date_side.type == DATE else date_side
        if left.type == LONG and right.type == LONG:
            if sign == "/":
                return Value(f"intDiv({left.one}, nullIf({right.one}, 0))", LONG)
            if sign == "%":
                return Value(f"modulo({left.one}, nullIf({right.one}, 0))", LONG)
            return Value(f"({left.one} {sign} {right.one})", LONG)
        one, two = number(left, sign), number(right, sign)
        if sign == "/":
            return Value(f"({one} / nullIf({two}, 0))", DOUBLE)
        if sign == "%":
            return Value(f"modulo({one}, nullIf({two}, 0))", DOUBLE)
        return Value(f"({one} {sign} {two})", DOUBLE)
