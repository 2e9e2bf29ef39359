"""A plan's commands as nested SELECTs over `log_events`. Pure: which fields there are is passed in."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dxops.base.errors import Refused
from dxops.rooms.logs.esql.dates import Dates
from dxops.rooms.logs.esql.expressions import Expressions
from dxops.rooms.logs.esql.values import (
    BOOLEAN,
    DATE,
    DOUBLE,
    KEYWORD,
    LONG,
    NULL,
    SOURCE,
    SPAN,
    TEXT,
    Misuse,
    Value,
)
from dxops.rooms.logs.fields import is_message, is_time, literal, value_of
from dxops.rooms.logs.filters import condition
from dxops.rooms.logs.times import Times
from dxops.rooms.logs.values import Kinds, numbers, texts
from dxops.wire.esql import plan as p
from dxops.wire.esql.uses import ALL, names_in, used_after
from dxops.wire.name_patterns import name_matches
from dxops.wire.query_tree import Node

MAX_COLUMNS: Final = 1_000
MAX_ROWS: Final = 10_000
DEFAULT_ROWS: Final = 1_000
MAX_INLINE: Final = 400
"""Longer SQL of a column is computed once, in a SELECT of its own, before others use it."""

ID: Final = "_id"
METADATA: Final = {
    "_index": Value("nullIf(toString(stream), '')", KEYWORD),
    ID: Value("if(id = '', concat('\\0', toString(seq)), toNullable(id))", ID),
    "_version": Value("toNullable(toInt64(version))", LONG),
    "_score": Value("toNullable(toFloat64(1))", DOUBLE),
    "_source": Value("tuple(toString(template), attrs, message, toUnixTimestamp64Milli(ts))", SOURCE),
}


class Shown(msgspec.Struct, frozen=True):
    """A column of the result."""

    name: str
    type: str
    several: bool


class Statement(msgspec.Struct, frozen=True):
    """`sql` without OFFSET; rows have the columns in order. `ordered`: every row has its place, so pages can be cut."""

    sql: str
    columns: tuple[Shown, ...]


class Documents(msgspec.Struct, frozen=True):
    """What `FROM` reads: `where` the condition on `log_events`, `kinds` of the fields that the plan uses, all of them
    in `every` where it may show all."""

    where: str
    kinds: Kinds
    every: tuple[str, ...] = ()


class NotAColumn(Misuse):
    """`name` is what was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Unknown column [{name[:200]}]")
        self.name = name


def column_of(name: str, kinds: Kinds) -> Value:
    """A document's field."""
    if is_time(name):
        return Value("ts", DATE)  # as it is, so that the primary key is used
    several = kinds.has_arrays(name)
    kind = kinds.kind(name)
    if kind == "number":
        if several:
            return Value(numbers(name, kinds), DOUBLE, several=True)
        return Value(f"toFloat64OrNull({value_of(name)})", DOUBLE)
    if several:
        found = texts(name, kinds)
        if kind == "boolean":
            return Value(f"arrayMap(e -> e = 'true', {found})", BOOLEAN, several=True)
        return Value(found, KEYWORD, several=True)
    value = value_of(name)
    if kind == "boolean":
        return Value(f"if({value} = '', NULL, {value} = 'true')", BOOLEAN)
    mixed = len(kinds.of.get(name, frozenset()) - {"list", "inner"}) > 1
    return Value(f"nullIf({value}, '')", TEXT if is_message(name) else KEYWORD, mixed=mixed)


class _Stage:
    """A SELECT in the making."""

    def __init__(self, source: str, columns: dict[str, Value], *, of_documents: bool = False) -> None:
        self.source = source
        self.columns = columns
        self.wheres: list[str] = []
        self.order: list[tuple[str, str]] = []  # SQL, and which way
        self.limit: int | None = None
        self.of_documents = of_documents

    def select(self, shown: list[str]) -> str:
        where = f" WHERE {' AND '.join(self.wheres)}" if self.wheres else ""
        order = f" ORDER BY {', '.join(f'{sql} {way}' for sql, way in self.order)}" if self.order else ""
        limit = f" LIMIT {self.limit}" if self.limit is not None else ""
        return f"SELECT {', '.join(shown) or '1'} FROM {self.source}{where}{order}{limit}"  # noqa: S608


class Compiler:
    """Makes the statement of one plan. `tie` is what rows of documents are ordered by behind everything else."""

    def __init__(self, plan: p.Plan, documents: Documents | None, times: Times, dates: Dates) -> None:
        self._plan = plan
        self._documents = documents
        self._times = times
        self._dates = dates
        self._later: list[Any] = [used_after(plan, place) for place in range(len(plan.commands))]
        self._stage = _Stage("system.one", {})

    def statement(self, *, pages: bool = False, most: int = MAX_ROWS) -> Statement:
        """Raises `Misuse`, `Refused`. `pages`: without a limit of its own, and with an order for every row."""
        for place, command in enumerate(self._plan.commands):
            self._apply(command, place)
        stage = self._stage
        if pages and stage.limit is not None:
            stage = self._stage = self._wrapped(ALL)
        if len(stage.columns) > MAX_COLUMNS:
            raise Refused(f"the result has {len(stage.columns)} columns, more than {MAX_COLUMNS}", hint="use KEEP")
        if pages:
            if stage.of_documents:
                stage.order += [("ts", "DESC"), ("seq", "DESC")]
            elif not stage.order:
                numbered = enumerate(stage.columns.values(), 1)
                stage.order += [(str(place), "ASC") for place, each in numbered if not each.several]
        else:
            stage.limit = min(most, DEFAULT_ROWS if stage.limit is None else stage.limit)
        shown = [_output(value) for value in stage.columns.values()]
        columns = tuple(Shown(name, value.type, value.several) for name, value in stage.columns.items())
        return Statement(stage.select(shown), columns)

    def _apply(self, command: p.Command, place: int) -> None:
        match command:
            case p.From(_, metadata):
                self._from(metadata)
            case p.Row(columns):
                self._stage = _Stage("system.one", {})
                self._eval(columns, place)
            case p.Where(test):
                if self._stage.limit is not None:
                    self._stage = self._wrapped(self._later[place], names_in(test))
                self._stage.wheres += [*self._narrowed(test), self._expressions().truth(test, "WHERE")]
            case p.Eval(columns):
                self._eval(columns, place)
            case p.Stats():
                self._stats(command)
            case p.Sort(keys):
                if self._stage.limit is not None:
                    self._stage = self._wrapped(self._later[place], *[names_in(key.expression) for key in keys])
                self._stage.order = [self._key(key) for key in keys]
            case p.Keep(patterns):
                self._keep(patterns)
            case p.Drop(patterns):
                self._drop(patterns)
            case p.Rename(pairs):
                self._rename(pairs)
            case p.Limit(count):
                before = self._stage.limit
                self._stage.limit = count if before is None else min(before, count)

    def _from(self, metadata: tuple[str, ...]) -> None:
        assert self._documents is not None
        columns: dict[str, Value] = {}
        for name in self._documents.every:
            columns[name] = column_of(name, self._documents.kinds)
        for name in metadata:
            if name not in METADATA:
                raise Misuse(f"unsupported METADATA field [{name[:60]}]; there are {', '.join(METADATA)}")
            columns[name] = METADATA[name]
        self._stage = _Stage("log_events", columns, of_documents=True)
        self._stage.wheres.append(self._documents.where)

    def _expressions(self) -> Expressions:
        return Expressions(self._column, self._search, self._dates)

    def _column(self, name: str) -> Value:
        found = self._stage.columns.get(name)
        if found is None and name.endswith(".keyword"):
            found = self._stage.columns.get(name.removesuffix(".keyword"))
        if found is None:
            raise NotAColumn(name)
        return Value(found.sql, KEYWORD) if found.type == ID else found

    def _search(self, node: Node) -> str:
        if not self._stage.of_documents:
            raise Misuse("a search can only be used before rows are computed or limited")
        return condition(node, self._times)

    def _narrowed(self, test: p.Expression) -> list[str]:
        """What must hold of a document for `test` to hold, so that the index of whole values is used."""
        match test:
            case p.Call("and", parts):
                return [each for part in parts for each in self._narrowed(part)]
            case p.Call("==", (p.Column(name), p.Literal(str() as text))) if self._stage.of_documents and text:
                own = self._stage.columns.get(name)
                if own is not None and own.type == KEYWORD and own.sql == f"nullIf({value_of(name)}, '')":
                    return [f"{value_of(name)} = {literal(text)}"]
        return []

    def _eval(self, columns: tuple[p.Named, ...], place: int) -> None:
        for named in columns:
            value = self._expressions().value(named.expression)
            if value.type == SPAN:
                raise Misuse(f"[{named.name[:100]}] is a span of time, which cannot be shown")
            self._stage.columns.pop(named.name, None)
            self._stage.columns[named.name] = value
            if len(value.sql) > MAX_INLINE:
                self._stage = self._wrapped(self._later[place], {each.name for each in columns}, *[
                    names_in(each.expression) for each in columns
                ])  # fmt: skip

    def _stats(self, command: p.Stats) -> None:
        if self._stage.limit is not None:
            used = [names_in(each.expression) for each in command.aggregates]
            used += [names_in(each.expression) for each in command.by]
            used += [names_in(each.where) for each in command.aggregates if each.where is not None]
            self._stage = self._wrapped(set(), *used)
        self._stage.order = []
        keys = {each.name: self._expressions().value(each.expression) for each in command.by}
        for name, value in keys.items():
            if value.type in (SPAN, SOURCE):
                raise Misuse(f"cannot group by [{name[:100]}]")
        grouped = {name: Value(f"k{place}", value.type) for place, (name, value) in enumerate(keys.items())}
        shown = [f"{_grouping(value)} AS k{place}" for place, value in enumerate(keys.values())]
        columns: dict[str, Value] = {}
        for place, each in enumerate(command.aggregates):
            where = None
            if each.where is not None:
                where = f"ifNull({self._expressions().truth(each.where, 'WHERE')}, false)"
            value = self._expressions().aggregate(each.expression, where, grouped)
            shown.append(f"{value.sql} AS a{place}")
            columns[each.name] = Value(f"a{place}", value.type, value.several)
        inner = self._stage.select(shown)
        if keys:
            inner += f" GROUP BY {', '.join(f'k{place}' for place in range(len(keys)))}"
        for name, value in grouped.items():
            columns.pop(name, None)
            columns[name] = value
        self._stage = _Stage(f"({inner})", columns)

    def _key(self, key: p.SortBy) -> tuple[str, str]:
        value = self._expressions().value(key.expression)
        if value.type in (SPAN, SOURCE):
            raise Misuse("cannot sort by this")
        sql = value.sql
        if value.several:
            ordered = f"arraySort({value.sql})[{-1 if key.descending else 1}]"
            sql = f"if(empty({value.sql}), NULL, {ordered})"
        return sql, f"{'DESC' if key.descending else 'ASC'} NULLS {'FIRST' if key.nulls_first else 'LAST'}"

    def _keep(self, patterns: tuple[str, ...]) -> None:
        columns: dict[str, Value] = {}
        for pattern in patterns:
            names = [name for name in self._stage.columns if name_matches(pattern, name)]
            if not names and "*" not in pattern:
                raise NotAColumn(pattern)
            for name in names:
                if "*" in pattern and name in columns:
                    continue
                columns.pop(name, None)
                columns[name] = self._stage.columns[name]
        self._stage.columns = columns

    def _drop(self, patterns: tuple[str, ...]) -> None:
        for pattern in patterns:
            names = [name for name in self._stage.columns if name_matches(pattern, name)]
            if not names:
                raise NotAColumn(pattern)
            for name in names:
                del self._stage.columns[name]

    def _rename(self, pairs: tuple[tuple[str, str], ...]) -> None:
        for old, new in pairs:
            if old not in self._stage.columns:
                raise NotAColumn(old)
            names = {name: new if name == old else name for name in self._stage.columns if name != new or old == new}
            self._stage.columns = {names[name]: value for name, value in self._stage.columns.items() if name in names}

    def _wrapped(self, later: Any, *more: set[str]) -> _Stage:
        """The stage so far as a SELECT that the next one reads: with the columns that are used from here on."""
        stage = self._stage
        wanted = stage.columns
        if later is not ALL:
            used = set(later).union(*more)
            wanted = {
                name: value
                for name, value in stage.columns.items()
                if name in used
                or f"{name}.keyword" in used
                or any("*" in each and name_matches(each, name) for each in used)
            }
        shown = [f"{value.sql} AS c{place}" for place, value in enumerate(wanted.values())]
        order = []
        for place, (sql, way) in enumerate(stage.order):
            shown.append(f"{sql} AS o{place}")
            order.append((f"o{place}", way))
        columns = {
            name: Value(f"c{place}", value.type, value.several, mixed=value.mixed)
            for place, (name, value) in enumerate(wanted.items())
        }
        made = _Stage(f"({stage.select(shown)})", columns)
        made.order = order
        return made


def _grouping(value: Value) -> str:
    """Each value of an array is a group of its own; no value is one too."""
    if not value.several:
        return value.sql
    return f"arrayJoin(if(empty({value.sql}), [NULL], arrayMap(e -> toNullable(e), {value.sql})))"


def _output(value: Value) -> str:
    if value.type == DATE:
        if value.several:
            return f"arrayMap(e -> toUnixTimestamp64Milli(e), {value.sql})"
        return f"toUnixTimestamp64Milli({value.sql})"
    return "NULL" if value.type == NULL else value.sql
