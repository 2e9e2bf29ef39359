"""The plan of an ES|QL query: commands in order, each over the columns that the one before leaves.

Expressions are over columns by name. Names are dotted as documents have them; patterns have `*`.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from dxops.wire.query_tree import Node, Scalar


class Literal(msgspec.Struct, frozen=True, tag=True):
    """None is `null`."""

    value: Scalar | None


class Span(msgspec.Struct, frozen=True, tag=True):
    """`15 minutes`. `unit`: millisecond, second, minute, hour, day, week, month, quarter, year."""

    amount: int
    unit: str


class Column(msgspec.Struct, frozen=True, tag=True):
    name: str


class Call(msgspec.Struct, frozen=True, tag=True):
    """A function of `functions.py` by its first name in lower case, or an operator: + - * / % == != < <= > >= and or
    not neg. `and` and `or` take two or more. `count` without arguments counts rows."""

    name: str
    arguments: tuple[Expression, ...]


class In(msgspec.Struct, frozen=True, tag=True):
    value: Expression
    items: tuple[Expression, ...]


class IsNull(msgspec.Struct, frozen=True, tag=True):
    value: Expression


class Like(msgspec.Struct, frozen=True, tag=True):
    """`pattern` is a whole value's, as `query_tree.Wildcard` has it (`*`, `?`), or with `regexp` Lucene's."""

    value: Expression
    pattern: str
    regexp: bool = False


class Search(msgspec.Struct, frozen=True, tag=True):
    """A query over the documents themselves: `field : "words"`, `MATCH`, `QSTR`, `KQL`. Only right after `FROM`."""

    node: Node


Expression: TypeAlias = Literal | Span | Column | Call | In | IsNull | Like | Search


class Named(msgspec.Struct, frozen=True):
    """A column to be, and its expression. Without a name in the query, it is the expression's text."""

    name: str
    expression: Expression


class Aggregate(msgspec.Struct, frozen=True):
    """Like `Named`, with an aggregate function somewhere inside. `where` limits the rows it sees."""

    name: str
    expression: Expression
    where: Expression | None = None


class SortBy(msgspec.Struct, frozen=True):
    expression: Expression
    descending: bool = False
    nulls_first: bool = False


class From(msgspec.Struct, frozen=True, tag=True):
    """`metadata`: `_id`, `_index`, `_source`… asked for as columns."""

    indices: tuple[str, ...]
    metadata: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True, tag=True):
    columns: tuple[Named, ...]


class Where(msgspec.Struct, frozen=True, tag=True):
    condition: Expression


class Eval(msgspec.Struct, frozen=True, tag=True):
    columns: tuple[Named, ...]


class Stats(msgspec.Struct, frozen=True, tag=True):
    aggregates: tuple[Aggregate, ...]
    by: tuple[Named, ...] = ()


class Sort(msgspec.Struct, frozen=True, tag=True):
    keys: tuple[SortBy, ...]


class Keep(msgspec.Struct, frozen=True, tag=True):
    patterns: tuple[str, ...]


class Drop(msgspec.Struct, frozen=True, tag=True):
    patterns: tuple[str, ...]


class Rename(msgspec.Struct, frozen=True, tag=True):
    """Pairs of (old, new)."""

    pairs: tuple[tuple[str, str], ...]


class Limit(msgspec.Struct, frozen=True, tag=True):
    count: int


Command: TypeAlias = From | Row | Where | Eval | Stats | Sort | Keep | Drop | Rename | Limit


class Plan(msgspec.Struct, frozen=True):
    """The first command is `From` or `Row`."""

    commands: tuple[Command, ...]
