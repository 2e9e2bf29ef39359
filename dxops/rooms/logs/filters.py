"""The query tree as a condition over `log_events`.

How each leaf reads, since nothing is mapped, is said in `docs/protocols/elasticsearch.md`. Two indexes carry it: words
of `lower(message)`, and whole values of `attrs`. Conditions are written so that ClickHouse can use them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from math import inf
from typing import Final

import orjson

from dxops.base.errors import Refused
from dxops.rooms.logs.fields import (
    COLUMNS,
    base_name,
    is_message,
    is_pattern,
    is_time,
    like_pattern,
    literal,
    literals,
    looks_like_id,
    number_of,
    value_of,
)
from dxops.rooms.logs.patterns import like_of_wildcard, regexp_of_lucene, regexp_of_wildcard
from dxops.rooms.logs.times import Times
from dxops.wire import query_tree as tree

_WORD: Final = re.compile(r"[0-9A-Za-z\u0080-\U0010ffff]+")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_MAX_CLAUSES: Final = 4096
_ROW_NAMES: Final = frozenset({"_index", "_id", "_seq_no", *COLUMNS})  # one value each, never an array

Condition = Callable[[str], str]
"""From the SQL of a text to a condition on it."""


def condition(node: tree.Node, times: Times) -> str:
    """SQL that is true (1) for the documents that `node` matches, else false (0), never NULL.

    Raises `Refused` for what cannot be asked, naming it.
    """
    return _Compiler(times).compile(node)


class _Compiler:
    def __init__(self, times: Times) -> None:
        self._times = times
        self._clauses = 0

    def compile(self, node: tree.Node) -> str:
        self._clauses += 1
        if self._clauses > _MAX_CLAUSES:
            raise Refused(f"a query has at most {_MAX_CLAUSES} clauses")
        match node:
            case tree.All():
                return "1"
            case tree.Nothing():
                return "0"
            case tree.And(clauses):
                return self._joined(clauses, " AND ", "1")
            case tree.Or(clauses):
                return self._joined(clauses, " OR ", "0")
            case tree.Not(clause):
                return f"NOT ({self.compile(clause)})"
            case tree.AtLeast(count, clauses):
                return f"({' + '.join(f'({self.compile(clause)})' for clause in clauses)}) >= {int(count)}"
            case tree.Exists(fields):
                return _either([_exists(base_name(field)) for field in fields]) if fields else "1"
            case tree.Ids(values):
                return self._ids(values)
            case tree.Term(fields=("_id",)):
                return self._ids(tuple(str(value) for value in node.values))
            case tree.Range(fields=()):
                raise Refused("a range needs a field", hint="write duration:>5, without a space behind the name")
            case tree.Range():
                return _either([self._range(base_name(field), node) for field in node.fields])
            case tree.Term():
                return self._text(node.fields, lambda name: _term(name, node))
            case tree.Words():
                return self._text(node.fields, lambda name: _words(name, node))
            case tree.Phrase():
                return self._text(node.fields, lambda name: _phrase(name, node))
            case tree.Prefix():
                pattern = like_of_wildcard(_escaped(node.text) + "*")
                return self._text(node.fields, lambda name: _like(name, pattern, node.case_insensitive))
            case tree.Wildcard():
                return self._text(node.fields, lambda name: _wildcard(name, node))
            case tree.Regexp():
                pattern = regexp_of_lucene(node.pattern)
                return self._text(node.fields, lambda name: _regexp(name, pattern, node.case_insensitive))
            case tree.Fuzzy():
                return self._text(node.fields, lambda name: _fuzzy(name, node))

    def _joined(self, clauses: tuple[tree.Node, ...], operator: str, empty: str) -> str:
        return operator.join(f"({self.compile(clause)})" for clause in clauses) or empty

    def _ids(self, values: tuple[str, ...]) -> str:
        """Documents without an id of their own are known by their sequence number."""
        if not values:
            return "0"
        own = f"id IN ({literals(values)})"
        made = [seq for value in values if (seq := self._times.seq_of(value)) is not None]
        return f"({own} OR (seq IN ({', '.join(map(str, made))}) AND id = ''))" if made else own

    def _text(self, fields: tuple[str, ...], one: Callable[[str | None], Condition]) -> str:
        """`one(name)` makes the condition for the value of a field (None: of any field)."""
        if not fields:
            return f"{one('message')('message')} OR {_any_value(one(None))}"
        parts = []
        for field in map(base_name, fields):
            if field == "*":
                parts.append(self._text((), one))
            elif is_pattern(field):
                parts.append(
                    f"arrayExists((k, v) -> k LIKE {literal(like_pattern(field))} AND ({one(None)('v')}), "
                    "mapKeys(attrs), mapValues(attrs))"
                )
            else:
                parts.append(one(field)(value_of(field)))
        return _either(parts)

    def _range(self, field: str, node: tree.Range) -> str:
        bounds = [
            (operator, bound, up)
            for operator, bound, up in (
                (">", node.gt, True),
                (">=", node.gte, False),
                ("<", node.lt, False),
                ("<=", node.lte, True),
            )
            if bound is not None
        ]
        if not bounds:
            return _exists(field)
        if is_pattern(field):
            raise Refused(f"a range needs one field, not the pattern '{field}'", field=field)
        return " AND ".join(self._bound(field, operator, bound, up, node) for operator, bound, up in bounds)

    def _bound(self, field: str, operator: str, bound: tree.Scalar, up: bool, node: tree.Range) -> str:
        numeric = not isinstance(bound, str) or _NUMBER.fullmatch(bound) is not None
        if is_time(field):
            moment = self._times.resolve(bound, up, node.format, node.time_zone)
            if moment is None:
                raise Refused(f"'{bound}' is not a date", field=field, hint="use now-15m, 2026-01-31 or milliseconds")
            return f"ts {operator} fromUnixTimestamp64Milli({moment}, 'UTC')"
        if numeric and node.format is None:
            return f"ifNull({number_of(field)} {operator} {float_of(bound)!r}, 0)"
        moment = self._times.resolve(bound, up, node.format, node.time_zone)
        if moment is not None:
            value = f"parseDateTime64BestEffortOrNull({value_of(field)}, 3, 'UTC')"
            return f"ifNull({value} {operator} fromUnixTimestamp64Milli({moment}, 'UTC'), 0)"
        value = value_of(field)
        return f"({value} != '' AND {value} {operator} {literal(str(bound))})"


def float_of(value: tree.Scalar) -> float:
    """A number, or a text that is one; beyond what a double holds, infinity."""
    try:
        return float(value)
    except OverflowError:
        return inf if isinstance(value, int) and value > 0 else -inf


def _either(parts: list[str]) -> str:
    return " OR ".join(f"({part})" for part in parts) if len(parts) != 1 else parts[0]


def _exists(field: str) -> str:
    if is_time(field) or field in ("_index", "_id", "_seq_no"):
        return "1"
    if field == "*":
        return "1"
    if field in COLUMNS:
        return f"{COLUMNS[field]} != ''"
    if is_pattern(field):
        inside = f"arrayExists(f -> f LIKE {literal(like_pattern(field))}, fields)"
    else:
        inside = f"arrayExists(f -> f = {literal(field)} OR startsWith(f, {literal(field + '.')}), fields)"
    return f"template IN (SELECT template FROM log_shapes WHERE {inside})"  # noqa: S608 - names are quoted literals


def _any_value(inner: Condition) -> str:
    return inner("")


def _texts(value: tree.Scalar) -> list[str]:
    """How a document may write the value: `500` also as `500.0` and back; texts as they are."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float):
        return [repr(value), str(int(value))] if value.is_integer() and abs(value) < 1e15 else [repr(value)]
    return [str(value), f"{value}.0"] if isinstance(value, int) else [value]


def _term(name: str | None, node: tree.Term) -> Condition:
    texts = [text for value in node.values for text in _texts(value)]
    if node.case_insensitive:
        texts = [text.lower() for text in texts]
    raw = [shape for text in texts for shape in (orjson.dumps(text).decode(), text)]
    networks = [text for text in texts if "/" in text and _is_network(text)]

    def made(sql: str) -> str:
        if name is None and not sql:
            return f"hasAny(mapValues(attrs), [{literals(texts)}])"
        plain = COLUMNS.get(name or "", sql)  # compared by its dictionary, not value by value
        value = f"lowerUTF8({sql})" if node.case_insensitive else plain
        some = [text for text in texts if text]
        whole = f"{value} IN ({literals(some)})" if some else "0"
        if name in _ROW_NAMES:
            return whole
        parts = [whole]
        if "" in texts and name is not None:
            parts.append(f"({value} = '' AND {_exists(name)})")
        if name != "message":
            parts.append(f"(startsWith({value}, '[') AND hasAny(JSONExtractArrayRaw({value}), [{literals(raw)}]))")
        if name is not None and is_message(name):
            words = [text.lower() for text in texts if _WORD.fullmatch(text)]
            if words:
                parts.append(f"hasAnyTokens(lower(message), [{literals(words)}])")
        parts += [f"(isIPv4String({value}) AND isIPAddressInRange({value}, {literal(net)}))" for net in networks]
        return f"({_either(parts)})"

    return made


def _words(name: str | None, node: tree.Words) -> Condition:
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(node.text)))
    whole = node.text.strip()

    def made(sql: str) -> str:
        if name is None and not sql:
            return f"has(mapValues(attrs), {literal(whole)})"
        if name == "_id" or name == "_index":
            return f"{sql} = {literal(whole)}"
        if not words:
            return f"{sql} = {literal(whole)}" if whole else "0"
        if name != "message" and looks_like_id(whole):
            inside = f"has(JSONExtractArrayRaw({sql}), {literal(orjson.dumps(whole).decode())})"
            return f"({sql} = {literal(whole)} OR (startsWith({sql}, '[') AND {inside}))"
        if node.fuzziness:
            return _counted([_fuzzy_word(word, node.fuzziness, 0, sql) for word in words], node.least)
        exact = words[:-1] if node.last_is_prefix else words
        text = f"lower({sql})"
        parts = []
        if exact:
            if node.least in (-1, len(words)) or (node.least == 1 and not node.last_is_prefix):
                every = node.least != 1 or len(exact) == 1
                parts.append(f"{'hasAllTokens' if every else 'hasAnyTokens'}({text}, [{literals(exact)}])")
            else:
                parts = [f"hasAllTokens({text}, [{literal(word)}])" for word in exact]
        if node.last_is_prefix:
            parts.append(f"match({text}, {literal(_BEGIN + re.escape(words[-1]))})")
        if len(parts) == 1:
            return parts[0]
        return _counted(parts, node.least if len(parts) == len(words) else -1)

    return made


_BEGIN: Final = "(^|[^0-9a-z\\x{80}-\\x{10ffff}])"
_END: Final = "($|[^0-9a-z\\x{80}-\\x{10ffff}])"
_BETWEEN: Final = "[^0-9a-z\\x{80}-\\x{10ffff}]+"


def _counted(parts: list[str], least: int) -> str:
    if least == -1 or least >= len(parts):
        return "(" + " AND ".join(parts) + ")"
    if least <= 1:
        return "(" + " OR ".join(parts) + ")"
    return f"({' + '.join(f'({part})' for part in parts)}) >= {least}"


def _phrase(name: str | None, node: tree.Phrase) -> Condition:
    words = [word.lower() for word in _WORD.findall(node.text)]
    gap = (
        _BETWEEN
        if node.slop == 0
        else f"{_BETWEEN}(?:[0-9a-z\\x{{80}}-\\x{{10ffff}}]+{_BETWEEN}){{0,{min(node.slop, 100)}}}"
    )
    end = "" if node.last_is_prefix else _END
    pattern = _BEGIN + gap.join(map(re.escape, words)) + end

    def made(sql: str) -> str:
        if name is None and not sql:
            return f"has(mapValues(attrs), {literal(node.text)})"
        if not words:
            return f"{sql} = {literal(node.text)}"
        if name != "message" and looks_like_id(node.text):
            return f"{sql} = {literal(node.text)}"
        text = f"lower({sql})"
        sure = words[:-1] if node.last_is_prefix else words
        if len(words) == 1 and not node.last_is_prefix:
            return f"hasAllTokens({text}, [{literals(words)}])"
        tokens = f"hasAllTokens({text}, [{literals(list(dict.fromkeys(sure)))}]) AND " if sure else ""
        return f"({tokens}match({text}, {literal(pattern)}))"

    return made


def _like(name: str | None, pattern: str, case_insensitive: bool) -> Condition:
    def made(sql: str) -> str:
        if name is None and not sql:
            return f"arrayExists(v -> v {'ILIKE' if case_insensitive else 'LIKE'} {literal(pattern)}, mapValues(attrs))"
        return f"({sql} {'ILIKE' if case_insensitive else 'LIKE'} {literal(pattern)})"

    return made


def _wildcard(name: str | None, node: tree.Wildcard) -> Condition:
    like = like_of_wildcard(node.pattern)

    def made(sql: str) -> str:
        if name is None and not sql:
            return (
                f"arrayExists(v -> v {'ILIKE' if node.case_insensitive else 'LIKE'} {literal(like)}, mapValues(attrs))"
            )
        if name is not None and is_message(name):
            inner = like.strip("%")
            if like == f"%{inner}%" and "%" not in inner and "_" not in inner:
                return f"(lower({sql}) LIKE {literal(like.lower())})"
            return f"match(lower({sql}), {literal(_BEGIN + regexp_of_wildcard(node.pattern.lower()) + _END)})"
        return f"({sql} != '' AND {sql} {'ILIKE' if node.case_insensitive else 'LIKE'} {literal(like)})"

    return made


def _regexp(name: str | None, pattern: str, case_insensitive: bool) -> Condition:
    flags = "(?si)" if case_insensitive else "(?s)"

    def made(sql: str) -> str:
        if name is None and not sql:
            return f"arrayExists(v -> match(v, {literal(f'{flags}^(?:{pattern})$')}), mapValues(attrs))"
        whole = f"match({sql}, {literal(f'{flags}^(?:{pattern})$')})"
        if name is not None and is_message(name):
            return f"({whole} OR match(lower({sql}), {literal(f'{_BEGIN}(?:{pattern}){_END}')}))"
        return whole

    return made


def _fuzzy(name: str | None, node: tree.Fuzzy) -> Condition:
    def made(sql: str) -> str:
        if name is None and not sql:
            return f"has(mapValues(attrs), {literal(node.text)})"
        return _fuzzy_word(node.text.lower(), node.edits, node.prefix_length, sql)

    return made


def _fuzzy_word(word: str, edits: int, prefix_length: int, sql: str) -> str:
    allowed = edits if edits >= 0 else (0 if len(word) < 3 else 1 if len(word) < 6 else 2)
    if allowed == 0:
        return f"hasAllTokens(lower({sql}), [{literal(word)}])"
    head = f"startsWith(t, {literal(word[:prefix_length])}) AND " if prefix_length else ""
    return (
        f"arrayExists(t -> {head}abs(lengthUTF8(t) - {len(word)}) <= {allowed} AND "
        f"damerauLevenshteinDistance(t, {literal(word)}) <= {allowed}, splitByNonAlpha(lower({sql})))"
    )


def _escaped(text: str) -> str:
    return re.sub(r"([\\*?])", r"\\\1", text)


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
