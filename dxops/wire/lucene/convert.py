"""luqum's tree as `query_tree`, with Lucene's own meaning of operators.

Lucene has no tree of AND and OR: within one pair of parentheses every clause is required, optional or prohibited. AND
makes both its neighbours required; NOT and `-` prohibit, `+` requires; with any required clause, optional ones do not
filter. So `a OR b AND c` is b and c.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

import msgspec
from luqum import tree as lt
from luqum.exceptions import ParseError
from luqum.thread import parse as luqum_parse

from dxops.wire.lucene.options import Options
from dxops.wire.lucene.scan import Scanned, scan
from dxops.wire.minimum import minimum
from dxops.wire.query_tree import (
    All,
    AtLeast,
    Exists,
    Fuzzy,
    Node,
    Not,
    Nothing,
    Phrase,
    QuerySyntaxError,
    Range,
    Regexp,
    Wildcard,
    Words,
    both,
    either,
)

_AT: Final = re.compile(r"(?:unexpected\s+|Illegal character )'(.*)' at position ([0-9]+)!?$", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_WILD: Final = re.compile(r"\\(.)|([*?])|([^*?\\]+)", re.DOTALL)


def parse(text: str, options: Options | None = None) -> Node:
    """The tree of a `query_string`; an empty or blank one matches nothing. Raises `QuerySyntaxError`."""
    options = options or Options()
    scanned = scan(text)
    if not scanned.text.strip():
        return Nothing()
    try:
        tree = luqum_parse(scanned.text)
    except ParseError as error:
        raise _syntax_error(str(error), scanned) from error
    except (ValueError, ArithmeticError) as error:  # "p q"~1.5
        raise QuerySyntaxError("Expected a whole number after ~", text.find("~")) from error
    return _Converter(options, scanned).top(tree)


def _syntax_error(message: str, scanned: Scanned) -> QuerySyntaxError:
    found = _AT.search(message)
    if found is None:
        return QuerySyntaxError("Expected a term, found the end", scanned.length)
    return QuerySyntaxError(f"Expected a term, found `{found[1][:40]}`", scanned.origin(int(found[2])))


class _Clause(msgspec.Struct):
    """One clause of a flat query: `join` is AND, OR or "" before it, `sign` is +, - or ""."""

    join: str
    sign: str
    item: lt.Item
    required: bool = False
    prohibited: bool = False


class _Converter:
    def __init__(self, options: Options, scanned: Scanned) -> None:
        self.options = options
        self.scanned = scanned

    def top(self, item: lt.Item) -> Node:
        return self._clauses(item, self.options.fields, self.options.minimum_should_match)

    def _clauses(self, item: lt.Item, fields: tuple[str, ...], least: str | int | None = None) -> Node:
        """What stands between one pair of parentheses."""
        clauses = _flat(item)
        _decide(clauses, self.options.all_words)
        required = [self._item(each.item, fields) for each in clauses if each.required]
        prohibited = [Not(self._item(each.item, fields)) for each in clauses if each.prohibited]
        optional = [self._item(each.item, fields) for each in clauses if not each.required and not each.prohibited]
        count = 0 if required or not optional else 1
        if least is not None:
            count = max(count, minimum(least, len(optional)))
        if count > len(optional):
            return Nothing()
        if count == 1:
            required.append(either(optional))
        elif count:
            required.append(both(optional) if count == len(optional) else AtLeast(count, tuple(optional)))
        return both([*required, *prohibited])

    def _item(self, item: lt.Item, fields: tuple[str, ...]) -> Node:
        match item:
            case lt.Boost():
                return self._item(item.expr, fields)
            case lt.BaseGroup() | lt.BaseOperation() | lt.Plus() | lt.Not() | lt.Prohibit():
                return self._clauses(item.expr if isinstance(item, lt.BaseGroup) else item, fields)
            case lt.SearchField():
                return self._field(item)
            case lt.Range():
                return self._range(item, fields)
            case lt.From() | lt.To():
                bound = _plain(item.a)
                name = (
                    ("gte" if item.include else "gt") if isinstance(item, lt.From) else "lte" if item.include else "lt"
                )
                return Range(fields, time_zone=self.options.time_zone, **{name: bound})
            case lt.Regex():
                return Regexp(fields, item.value[1:-1].replace("\\/", "/"))
            case _:
                return self._term(item, fields)

    def _term(self, item: lt.Item, fields: tuple[str, ...]) -> Node:
        match item:
            case lt.Proximity():
                return Phrase(fields, _plain(item.term), int(item.degree or 0))
            case lt.Fuzzy():
                return self._fuzzy(item, fields)
            case lt.Phrase():
                return Phrase(fields, _plain(item), self.options.phrase_slop)
            case lt.Word():
                return self._word(item, fields)
        raise QuerySyntaxError("Expected a term", self._at(item))

    def _word(self, item: lt.Word, fields: tuple[str, ...]) -> Node:
        wild = any(found[2] for found in _WILD.finditer(item.value))
        if not wild:
            if self.options.words_as_phrases:
                return Phrase(fields, _plain(item), self.options.phrase_slop)
            return Words(fields, _plain(item), -1 if self.options.all_words else 1)
        if not item.value.strip("*"):
            return Exists(fields) if fields else All()
        if not self.options.leading_wildcard and item.value[0] in "*?":
            raise QuerySyntaxError("'*' or '?' is not allowed as the first character", self._at(item))
        return Wildcard(fields, _pattern(item.value))

    def _field(self, item: lt.SearchField) -> Node:
        name = _ESCAPE.sub(r"\1", item.name)
        inner = item.expr
        if isinstance(inner, lt.SearchField):
            hint = f'Put the value in quotes, as in {name}:"…", or write \\: for a colon.'
            raise QuerySyntaxError(f"Expected a value after `{name}:`, found another field", self._at(inner), hint)
        if name == "_exists_" and isinstance(inner, lt.Term):
            return Exists((_plain(inner),))
        if isinstance(inner, lt.Prohibit) and isinstance(inner.a, lt.Word):
            inner = lt.Word("-" + inner.a.value)  # a negative number
        fields = () if name == "*" else (name,)
        return self._item(inner, fields)

    def _range(self, item: lt.Range, fields: tuple[str, ...]) -> Node:
        low, high = (None if each.value == "*" else _plain(each) for each in (item.low, item.high))
        lows = {"gte" if item.include_low else "gt": low}
        highs = {"lte" if item.include_high else "lt": high}
        return Range(fields, time_zone=self.options.time_zone, **lows, **highs)

    def _fuzzy(self, item: lt.Fuzzy, fields: tuple[str, ...]) -> Node:
        text = _plain(item.term)
        if str(item).endswith("~"):  # no degree was given
            return Fuzzy(fields, text, self.options.edits, self.options.prefix_length)
        degree = Decimal(item.degree)
        edits = min(int(degree), 2) if degree >= 1 else min(int((1 - degree) * len(text)), 2) if degree else 0
        return Fuzzy(fields, text, edits, self.options.prefix_length)

    def _at(self, item: lt.Item) -> int:
        return self.scanned.origin(item.pos or 0)


def _flat(item: lt.Item) -> list[_Clause]:
    """The clauses of one level, as they stood in the text."""
    found: list[_Clause] = []
    pending: list[tuple[str, lt.Item]] = [("", item)]
    while pending:
        join, each = pending.pop()
        if isinstance(each, lt.BaseOperation):
            own = "AND" if isinstance(each, lt.AndOperation) else "OR" if isinstance(each, lt.OrOperation) else ""
            children = [(own if index else join, child) for index, child in enumerate(each.children)]
            pending.extend(reversed(children))
        else:
            found.append(_signed(join, each))
    return found


def _signed(join: str, item: lt.Item) -> _Clause:
    sign = ""
    while isinstance(item, lt.Plus | lt.Prohibit | lt.Not):
        minus = not isinstance(item, lt.Plus)
        sign = ("+" if sign == "-" else "-") if minus else sign or "+"
        item = item.a
    return _Clause(join, sign, item)


def _decide(clauses: list[_Clause], all_words: bool) -> None:
    """Which clauses are required and which prohibited, by Lucene's classic rules."""
    for index, clause in enumerate(clauses):
        before = clauses[index - 1] if index else None
        if before is not None and not before.prohibited:
            if clause.join == "AND":
                before.required = True
            elif clause.join == "OR" and all_words:
                before.required = before.sign == "+"
        clause.prohibited = clause.sign == "-"
        if clause.sign == "+":
            clause.required = True
        elif not clause.prohibited:
            clause.required = clause.join != "OR" if all_words else clause.join == "AND"


def _plain(item: lt.Item) -> str:
    """A term's text without quotes and escapes."""
    if isinstance(item, lt.Prohibit):
        return "-" + _plain(item.a)
    value: str = item.value[1:-1] if isinstance(item, lt.Phrase) else item.value
    return _ESCAPE.sub(r"\1", value)


def _pattern(value: str) -> str:
    """In `query_tree.Wildcard`'s syntax: only `*`, `?` and the backslash are escaped."""
    return "".join(
        wild or plain or (f"\\{escaped}" if escaped in "*?\\" else escaped)
        for escaped, wild, plain in (found.groups(default="") for found in _WILD.finditer(value))
    )
