"""KQL's grammar by recursive descent.

query := or?                      or := and ("or" and)*          and := not ("and" not)*      not := "not"* unit
unit  := "(" or ")" | field ":" "{" or "}" | field (< | <= | > | >=) value | field ":" values | value
"""

from __future__ import annotations

from typing import Final

import msgspec

from dxops.wire.kql.hints import hints
from dxops.wire.kql.lexer import AND, END, NOT, OR, QUOTED, RANGE, RUN, Token, tokens
from dxops.wire.query_tree import (
    MAX_CHARS,
    MAX_CLAUSES,
    MAX_DEPTH,
    All,
    Exists,
    Node,
    Not,
    Phrase,
    QuerySyntaxError,
    Range,
    Wildcard,
    Words,
    both,
    either,
)

_KINDS: Final = {RUN: "a value", QUOTED: "a quoted value", END: "the end", RANGE: "a comparison"}
_AFTER: Final = "`and`, `or` or the end"
_COLON: Final = 'Put a value that contains `:` in quotes, as in `field:"10:30"`.'


def parse(text: str) -> Node:
    """The tree of a KQL query; empty or blank is `All`. Raises `QuerySyntaxError` with position, expectation, hint."""
    if len(text) > MAX_CHARS:
        raise QuerySyntaxError(f"The query is longer than {MAX_CHARS} characters", MAX_CHARS)
    parser = _Parser(text)
    return parser.query()


class _Scope(msgspec.Struct, frozen=True):
    """Where a unit stands. In a list of values (`field:(…)`) `fields` are set. `prefix` is that of `field:{…}`."""

    fields: tuple[str, ...] | None = None
    prefix: str = ""
    opened: Token | None = None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0
        self.clauses = 0

    def query(self) -> Node:
        if self.tokens[0].kind == END:
            return All()
        node = self._or(_Scope())
        self._expect(END, _AFTER)
        return node

    def _or(self, scope: _Scope) -> Node:
        found = [self._and(scope)]
        while self._take(OR):
            found.append(self._and(scope))
        return either(found) if len(found) > 1 else found[0]

    def _and(self, scope: _Scope) -> Node:
        found = [self._not(scope)]
        while self._take(AND):
            found.append(self._not(scope))
        return both(found) if len(found) > 1 else found[0]

    def _not(self, scope: _Scope) -> Node:
        negated = False
        while self._take(NOT):
            negated = not negated
        node = self._unit(scope)
        return Not(node) if negated else node

    def _unit(self, scope: _Scope) -> Node:
        token = self.tokens[self.at]
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise QuerySyntaxError(f"The query has more than {MAX_CLAUSES} clauses", token.start)
        if token.kind == "(":
            return self._group(scope, token, ")")
        if token.kind not in (RUN, QUOTED):
            raise self._fail("a value" if scope.fields is not None else "a field, a value or (")
        self.at += 1
        following = self.tokens[self.at]
        if following.kind not in (":", RANGE):
            return _match(token, self._fields_of_bare(scope))
        if scope.fields is not None:
            raise self._fail(f"{_AFTER} of the values".replace("the end", ")"), _COLON)
        self.at += 1
        name = scope.prefix + token.text
        fields = () if name == "*" and token.kind == RUN else (name,)
        if following.kind == RANGE:
            return self._range(fields, following)
        return self._values(name, fields, scope)

    def _fields_of_bare(self, scope: _Scope) -> tuple[str, ...]:
        if scope.fields is not None:
            return scope.fields
        return (scope.prefix + "*",) if scope.prefix else ()

    def _values(self, name: str, fields: tuple[str, ...], scope: _Scope) -> Node:
        token = self.tokens[self.at]
        if token.kind == "(":
            return self._group(msgspec.structs.replace(scope, fields=fields), token, ")")
        if token.kind == "{":
            return self._group(_Scope(prefix=name + "."), token, "}")
        if token.kind not in (RUN, QUOTED):
            hint = f"Write `not {name}:value` or `{name}:(not value)`." if token.kind == NOT else ""
            hint = f"Write `{name} {token.text} value`, without the colon." if token.kind == RANGE else hint
            raise self._fail(f"a value after `{name}:`", hint)
        self.at += 1
        return _match(token, fields)

    def _group(self, scope: _Scope, opened: Token, closes: str) -> Node:
        self.at += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise QuerySyntaxError(f"The query is nested more than {MAX_DEPTH} deep", opened.start)
        node = self._or(scope)
        what = f"`and`, `or` or {closes} for the {opened.kind} at {opened.start + 1}"
        self._expect(closes, what)
        self.depth -= 1
        return node

    def _range(self, fields: tuple[str, ...], operator: Token) -> Node:
        token = self.tokens[self.at]
        if token.kind not in (RUN, QUOTED):
            raise self._fail(f"a value after `{operator.text}`")
        if token.pattern is not None:
            raise self._fail(f"a value without `*` after `{operator.text}`")
        self.at += 1
        bound = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[operator.text]
        return Range(fields, **{bound: token.text})

    def _take(self, kind: str) -> bool:
        if self.tokens[self.at].kind != kind:
            return False
        self.at += 1
        return True

    def _expect(self, kind: str, expected: str) -> None:
        if not self._take(kind):
            raise self._fail(expected, _COLON if self.tokens[self.at].kind == ":" else "")

    def _fail(self, expected: str, hint: str = "") -> QuerySyntaxError:
        token = self.tokens[self.at]
        found = _KINDS.get(token.kind, f"`{token.kind}`")
        if token.kind in (RUN, QUOTED):
            found = f"`{self.text[token.start : token.end][:40]}`"
        if not hint and token.kind == NOT and self.at:
            hint = "Write `and not`."
        elif not hint and token.kind == RUN and token.text.split()[:1] and token.text.split()[0].lower() in (AND, OR):
            hint = "Keywords need white space on both sides."
        if not hint:
            hint = next((each.text for each in hints(self.text)), "")
        return QuerySyntaxError(f"Expected {expected}, found {found}", token.start, hint)


def _match(token: Token, fields: tuple[str, ...]) -> Node:
    """A value of `fields` (empty: of any)."""
    if token.kind == QUOTED:
        return Phrase(fields, token.text)
    if token.pattern is not None:
        if not token.pattern.strip("*"):
            return Exists(fields) if fields else All()
        return Wildcard(fields, token.pattern)
    if token.text == "null" and fields and token.end - token.start == len("null"):  # not where it is escaped
        return Not(Exists(fields))
    return Words(fields, token.text)
