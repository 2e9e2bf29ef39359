"""ES|QL's commands.

FROM logs-* METADATA _id | WHERE status >= 500 AND message : "timeout" | STATS n = COUNT(*) BY host | SORT n DESC
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from dxops.wire.esql import plan as p
from dxops.wire.esql.errors import EsqlError
from dxops.wire.esql.expressions import Reader, has_call, has_search
from dxops.wire.esql.functions import AGGREGATES
from dxops.wire.esql.lexer import END, NAME, SIGN, Token, name_text, tokens

MAX_COMMANDS: Final = 100
MAX_ROWS: Final = 10_000  # of `LIMIT`; the original's `esql.query.result_truncation_max_size`

_HEAD: Final = re.compile(r"(?>(?:\s+|//[^\r\n]*|/\*.*?\*/)*)(?P<word>[A-Za-z]+)", re.DOTALL)
_INDEX: Final = re.compile(
    r'(?>(?:\s+|//[^\r\n]*|/\*.*?\*/)*)(?:"(?P<quoted>[^"\r\n]+)"|(?P<plain>(?:[^\s,|"=\[\]/()]|/(?![/*]))+))',
    re.DOTALL,
)
_COMMA: Final = re.compile(r"\s*(,)")
_PATTERN: Final = re.compile(r"(?:`(?:[^`]|``)+`|[\w@.*])+")

_REFUSED: Final = {
    "dissect": "use an ingest pipeline",
    "grok": "use an ingest pipeline",
    "enrich": "documents have no enrich policies",
    "lookup": "dxops joins no indices",
    "join": "dxops joins no indices",
    "inline": "use STATS",
    "inlinestats": "use STATS",
    "mv_expand": "use MV_ functions",
    "change_point": "see the monitors of the console",
    "completion": "dxops has no models",
    "rerank": "dxops has no models",
    "sample": "leave it out: every document is read",
    "fork": "send several queries",
    "fuse": "dxops computes no scores",
    "show": "ask GET /",
    "ts": "see the metrics of the console",
    "explain": "see the SQL of a search in the console",
    "registered_domain": "use an ingest pipeline",
    "uri_parts": "use an ingest pipeline",
}


def parse(text: str, parameters: list[Any] | None = None) -> p.Plan:
    """The plan. Raises `EsqlError`: `parsing_exception` for syntax, `verification_exception` for what cannot be."""
    head = _HEAD.match(text)
    word = head["word"].lower() if head else ""
    if head is not None and word == "from":
        indices, rest = _indices(text, head.end())
        reader = _reader(text, rest, parameters)
        first: p.Command = p.From(indices, _metadata(reader))
    else:
        reader = _reader(text, 0, parameters)
        if not reader.word("row"):
            if word in _REFUSED:
                raise EsqlError(
                    f"[{word.upper()}] is not supported: {_REFUSED[word]}", text, head.start("word") if head else 0
                )
            reader.fail("FROM or ROW")
        first = p.Row(_named(reader))
    commands = [first]
    while reader.sign("|"):
        if len(commands) >= MAX_COMMANDS:
            reader.fail(f"at most {MAX_COMMANDS} commands")
        commands.append(_command(reader, commands))
    if reader.token.kind != END:
        reader.fail("'|' or the end")
    return p.Plan(tuple(commands))


def _reader(text: str, start: int, parameters: list[Any] | None) -> Reader:
    """A reader from `start` on, with the positions of the whole text."""
    blank = re.sub(r"[^\r\n]", " ", text[:start]) + text[start:]
    return Reader(text, tokens(blank), parameters or [])


def _indices(text: str, at: int) -> tuple[tuple[str, ...], int]:
    found: list[str] = []
    while True:
        name = _INDEX.match(text, at)
        if name is None:
            raise EsqlError("mismatched input expecting an index name or pattern", text, at)
        found.append(name["quoted"] or name["plain"])
        comma = _COMMA.match(text, name.end())
        if comma is None:
            parts = [each.strip() for one in found for each in one.split(",")]
            return tuple(each for each in parts if each), name.end()
        at = comma.end()


def _metadata(reader: Reader) -> tuple[str, ...]:
    bracket = reader.sign("[")
    if not reader.word("metadata"):
        if bracket:
            reader.fail("METADATA")
        return ()
    names = [_name(reader)]
    while reader.sign(","):
        names.append(_name(reader))
    if bracket:
        reader.need_sign("]")
    return tuple(names)


def _name(reader: Reader) -> str:
    token = reader.token
    if token.kind != NAME:
        reader.fail("a field name")
    reader.at += 1
    return token.text


def _command(reader: Reader, before: list[p.Command]) -> p.Command:
    token = reader.token
    word = token.text.lower()
    if token.kind == NAME and word in _COMMANDS:
        reader.at += 1
        start = reader.at
        command = _COMMANDS[word](reader)
        _check_searches(command, before, reader, reader.tokens[start])
        return command
    if token.kind == NAME and word in _REFUSED:
        raise EsqlError(f"[{token.text.upper()}] is not supported: {_REFUSED[word]}", reader.text, token.start)
    reader.fail(f"one of {', '.join(_COMMANDS)}".upper().replace("ONE OF", "one of"))


def _check_searches(command: p.Command, before: list[p.Command], reader: Reader, at: Token) -> None:
    """A search looks into documents, which are there until rows are made of them."""
    expressions: list[p.Expression] = []
    match command:
        case p.Where(condition):
            if all(
                isinstance(each, p.From | p.Where | p.Keep | p.Drop | p.Sort | p.Eval | p.Rename) for each in before
            ):
                return
            expressions = [condition]
        case p.Eval(columns):
            expressions = [column.expression for column in columns]
        case p.Sort(keys):
            expressions = [key.expression for key in keys]
        case p.Stats(aggregates, by):
            expressions = [one.expression for one in aggregates] + [group.expression for group in by]
    if any(has_search(each) for each in expressions):
        reader.invalid("[:], MATCH, QSTR and KQL can only be used in WHERE, before STATS and LIMIT", at)


def _where(reader: Reader) -> p.Where:
    start = reader.token
    condition = reader.expression()
    if has_call(condition, AGGREGATES):
        reader.invalid("cannot use aggregate functions in WHERE; use STATS first", start)
    return p.Where(condition)


def _eval(reader: Reader) -> p.Eval:
    start = reader.token
    columns = _named(reader)
    if any(has_call(each.expression, AGGREGATES) for each in columns):
        reader.invalid("cannot use aggregate functions in EVAL; use STATS", start)
    return p.Eval(columns)


def _named(reader: Reader) -> tuple[p.Named, ...]:
    found = [_one_named(reader)]
    while reader.sign(","):
        found.append(_one_named(reader))
    return tuple(found)


def _one_named(reader: Reader) -> p.Named:
    name = _assigned(reader)
    start = reader.at
    expression = reader.expression()
    if name is not None:
        return p.Named(name, expression)
    return p.Named(expression.name if isinstance(expression, p.Column) else reader.source(start), expression)


def _assigned(reader: Reader) -> str | None:
    """The name of `name = …`, taken with its sign."""
    token, following = reader.token, reader.tokens[min(reader.at + 1, len(reader.tokens) - 1)]
    if token.kind != NAME or following.kind != SIGN or following.text != "=":
        return None
    reader.at += 2
    return token.text


def _stats(reader: Reader) -> p.Stats:
    aggregates: list[p.Aggregate] = []
    start = reader.token
    if not reader.token.is_word("by"):
        aggregates.append(_aggregate(reader))
        while reader.sign(","):
            aggregates.append(_aggregate(reader))
    by = _named(reader) if reader.word("by") else ()
    if any(has_call(each.expression, AGGREGATES) for each in by):
        reader.invalid("cannot use an aggregate for grouping", start)
    return p.Stats(tuple(aggregates), by)


def _aggregate(reader: Reader) -> p.Aggregate:
    start = reader.token
    named = _one_named(reader)
    if not has_call(named.expression, AGGREGATES):
        reader.invalid(f"expected an aggregate function but found [{named.name}]", start)
    return p.Aggregate(named.name, named.expression, reader.expression() if reader.word("where") else None)


def _sort(reader: Reader) -> p.Sort:
    keys: list[p.SortBy] = []
    while True:
        expression = reader.expression()
        descending, nulls_first = reader.direction()
        keys.append(p.SortBy(expression, descending, descending if nulls_first is None else nulls_first))
        if not reader.sign(","):
            return p.Sort(tuple(keys))


def _patterns(reader: Reader) -> tuple[str, ...]:
    found = [_one_pattern(reader)]
    while reader.sign(","):
        found.append(_one_pattern(reader))
    return tuple(found)


def _one_pattern(reader: Reader) -> str:
    """A name with `*`, which the lexer cuts into several tokens that touch."""
    start = reader.token
    found = _PATTERN.match(reader.text, start.start)
    if found is None:
        reader.fail("a field name or pattern")
    while reader.token.kind != END and reader.token.start < found.end():
        reader.at += 1
    raw = found[0]
    return name_text(raw) if "`" in raw else raw


def _rename(reader: Reader) -> p.Rename:
    pairs: list[tuple[str, str]] = []
    while True:
        first = _name(reader)
        if reader.sign("="):
            pairs.append((_name(reader), first))
        else:
            reader.need_word("as")
            pairs.append((first, _name(reader)))
        if not reader.sign(","):
            return p.Rename(tuple(pairs))


def _limit(reader: Reader) -> p.Limit:
    return p.Limit(min(reader.whole(), MAX_ROWS))


_COMMANDS: Final[dict[str, Callable[[Reader], p.Command]]] = {
    "where": _where,
    "eval": _eval,
    "stats": _stats,
    "sort": _sort,
    "keep": lambda reader: p.Keep(_patterns(reader)),
    "project": lambda reader: p.Keep(_patterns(reader)),
    "drop": lambda reader: p.Drop(_patterns(reader)),
    "rename": _rename,
    "limit": _limit,
}
