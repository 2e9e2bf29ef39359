"""A small SQL as the same plan.

SELECT host, COUNT(*) AS n FROM "logs-*" WHERE status >= 500 GROUP BY host HAVING n > 3 ORDER BY n DESC LIMIT 10
"""

from __future__ import annotations

from typing import Any, Final

from dxops.wire.esql import plan as p
from dxops.wire.esql.expressions import Reader, has_call
from dxops.wire.esql.functions import AGGREGATES
from dxops.wire.esql.lexer import END, NAME, NUMBER, TEXT, tokens

_AFTER: Final = ("from", "where", "group", "having", "order", "limit", "as")
_REFUSED: Final = {
    "show": "ask the REST API",
    "describe": "ask _mapping",
    "desc": "ask _mapping",
    "insert": "send documents to _bulk",
    "update": "send documents to _bulk",
    "delete": "use _delete_by_query",
}


def parse_sql(text: str, parameters: list[Any] | None = None) -> p.Plan:
    """The plan of a SELECT over one table (which may be a pattern). Raises `EsqlError`."""
    reader = Reader(text, tokens(text, sql=True), parameters or [], sql=True)
    start = reader.token
    if start.kind == NAME and start.text.lower() in _REFUSED:
        reader.invalid(f"[{start.text.upper()}] is not supported: {_REFUSED[start.text.lower()]}", start)
    reader.need_word("select")
    if reader.token.is_word("distinct"):
        reader.invalid("SELECT DISTINCT is not supported: use GROUP BY", reader.token)
    every, columns = _columns(reader)
    reader.need_word("from")
    commands: list[p.Command] = [p.From(_table(reader))]
    if reader.word("where"):
        commands.append(p.Where(reader.expression()))
    commands += _grouped(reader, every, columns)
    if reader.word("order"):
        reader.need_word("by")
        commands.append(_order(reader, columns))
    if reader.word("limit"):
        commands.append(p.Limit(reader.whole()))
    reader.sign(";")
    if reader.token.kind != END:
        reader.fail("the end")
    if not every:
        commands.append(p.Keep(tuple(each.name for each in columns)))
    return p.Plan(tuple(commands))


def _columns(reader: Reader) -> tuple[bool, tuple[p.Named, ...]]:
    if reader.sign("*"):
        return True, ()
    found = [_column(reader)]
    while reader.sign(","):
        found.append(_column(reader))
    return False, tuple(found)


def _column(reader: Reader) -> p.Named:
    start = reader.at
    expression = reader.expression()
    name = expression.name if isinstance(expression, p.Column) else reader.source(start)
    if reader.word("as") or (reader.token.kind == NAME and not reader.token.is_word(*_AFTER)):
        if reader.token.kind != NAME:
            reader.fail("a name")
        name = reader.token.text
        reader.at += 1
    return p.Named(name, expression)


def _table(reader: Reader) -> tuple[str, ...]:
    token = reader.token
    if token.kind not in (NAME, TEXT):
        reader.fail("a table")
    reader.at += 1
    return tuple(part.strip() for part in token.text.split(",") if part.strip())


def _grouped(reader: Reader, every: bool, columns: tuple[p.Named, ...]) -> list[p.Command]:
    """Grouping, or the computed columns where there is none."""
    aggregates = tuple(
        p.Aggregate(each.name, each.expression) for each in columns if has_call(each.expression, AGGREGATES)
    )
    by: list[p.Named] = []
    start = reader.token
    if reader.word("group"):
        reader.need_word("by")
        by.append(_group_key(reader, columns))
        while reader.sign(","):
            by.append(_group_key(reader, columns))
    if not by and not aggregates:
        if reader.token.is_word("having"):
            reader.invalid("HAVING needs GROUP BY or an aggregate", reader.token)
        computed = tuple(each for each in columns if each.expression != p.Column(each.name))
        return [p.Eval(computed)] if computed else []
    plain = [each for each in columns if not has_call(each.expression, AGGREGATES)]
    keys = {each.name for each in by}
    lost = [each.name for each in plain if each.name not in keys]
    if every or lost:
        reader.invalid(f"Cannot use non-grouped column [{lost[0] if lost else '*'}], expected its GROUP BY", start)
    commands: list[p.Command] = [p.Stats(aggregates, tuple(by))]
    if reader.word("having"):
        commands.append(p.Where(_by_name(reader.expression(), columns)))
    return commands


def _group_key(reader: Reader, columns: tuple[p.Named, ...]) -> p.Named:
    """A column by its alias or number, or an expression."""
    named = _ordinal(reader, columns)
    if named is not None:
        return named
    start = reader.at
    expression = reader.expression()
    for each in columns:
        if each.expression == expression or p.Column(each.name) == expression:
            return each
    name = expression.name if isinstance(expression, p.Column) else reader.source(start)
    return p.Named(name, expression)


def _ordinal(reader: Reader, columns: tuple[p.Named, ...]) -> p.Named | None:
    token = reader.token
    if token.kind != NUMBER:
        return None
    if not token.text.isdigit() or len(token.text) > 4 or not 1 <= int(token.text) <= len(columns):
        reader.invalid(f"Ordinal [{token.text}] is not one of the {len(columns)} columns", token)
    reader.at += 1
    return columns[int(token.text) - 1]


def _by_name(expression: p.Expression, columns: tuple[p.Named, ...]) -> p.Expression:
    """`expression` with what SELECT already computes replaced by its name."""
    for each in columns:
        if each.expression == expression:
            return p.Column(each.name)
    match expression:
        case p.Call(name, arguments):
            return p.Call(name, tuple(_by_name(each, columns) for each in arguments))
        case p.In(value, items):
            return p.In(_by_name(value, columns), items)
        case p.IsNull(value):
            return p.IsNull(_by_name(value, columns))
    return expression


def _order(reader: Reader, columns: tuple[p.Named, ...]) -> p.Sort:
    keys: list[p.SortBy] = []
    while True:
        named = _ordinal(reader, columns)
        expression: p.Expression = p.Column(named.name) if named else _by_name(reader.expression(), columns)
        descending, nulls_first = reader.direction()
        keys.append(p.SortBy(expression, descending, nulls_first or False))
        if not reader.sign(","):
            return p.Sort(tuple(keys))
