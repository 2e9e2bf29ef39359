"""A query tree as KQL text, for filter pills and links."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from dxops.wire.query_tree import (
    All,
    And,
    Exists,
    Ids,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Prefix,
    Range,
    Scalar,
    Term,
    Wildcard,
    Words,
)

_OR, _AND, _UNIT = range(3)  # how tightly an expression binds

_KEYWORD: Final = re.compile(r"(?<!\S)(and|or|not)(?!\S)", re.IGNORECASE)
_SPECIAL: Final = re.compile(r'[\\():<>"*{}\t\r\n]')
_CONTROLS: Final = {"\t": "\\t", "\r": "\\r", "\n": "\\n"}
_SPACE: Final = re.compile(r"\s")
_EDGE: Final = re.compile(r"^\s+|\s+$")
_PATTERN: Final = re.compile(r"\\(.)|([*?])|([^*?\\]+)|\\$", re.DOTALL)


class _NotKql(Exception):
    """KQL has no words for this node."""


def render(node: Node) -> str | None:
    """KQL that means `node`, or None where KQL cannot say it (fuzzy, regular expressions, `?`, `AtLeast`).

    What KQL can say is read back by `parse` as the same tree; `Term`, `Prefix` and `Ids`, which it has not, become
    the closest it has: a quoted value, a trailing `*`, quoted values of `_id`.
    """
    try:
        return _render(node, _OR)
    except _NotKql:
        return None


def value_text(text: str) -> str:
    """A value as a query has it: in quotes where it needs them."""
    try:
        return text if _run(text, True) == text and not _SPACE.search(text) else _quoted(text)
    except _NotKql:
        return _quoted(text)


def name_text(name: str) -> str:
    """A field's name as a query has it."""
    try:
        return _field(name)
    except _NotKql:
        return _quoted(name)


def _render(node: Node, within: int) -> str:
    match node:
        case All():
            return "*"
        case Nothing():
            return "not *"
        case And(clauses) | Or(clauses):
            level, word = (_AND, " and ") if isinstance(node, And) else (_OR, " or ")
            return _wrapped(word.join(_render(clause, level + 1) for clause in clauses), level, within)
        case Not(Not()):
            raise _NotKql
        case Not(clause):
            return "not " + _render(clause, _UNIT)
        case Range(fields):
            return _each(fields, within, lambda prefix: _range(node, prefix))
        case Ids(values):
            return f"_id:({' or '.join(_quoted(value) for value in values)})"
        case _:
            return _leaf(node, within)


def _leaf(node: Node, within: int) -> str:
    match node:
        case Exists(fields):
            return _each(fields, within, lambda name: f"{name or '*'}:*")
        case Term(fields, values) if not node.case_insensitive and values:
            texts = [_quoted(_text(value)) for value in values]
            joined = texts[0] if len(texts) == 1 else f"({' or '.join(texts)})"
            return _each(fields, within, lambda name: f"{name or '*'}:{joined}")
        case Words(fields, text) if node.least == 1 and not node.fuzziness and not node.last_is_prefix:
            return _each(fields, within, lambda name: _value(name, _run(text, bool(name))))
        case Phrase(fields, text) if not node.slop and not node.last_is_prefix:
            return _each(fields, within, lambda name: _value(name, _quoted(text)))
        case Wildcard(fields, pattern) if not node.case_insensitive:
            return _each(fields, within, lambda name: _value(name, _wild(pattern)))
        case Prefix(fields, text) if not node.case_insensitive and text:
            return _each(fields, within, lambda name: _value(name, _run(text, False) + "*"))
        case _:
            raise _NotKql


def _wrapped(text: str, level: int, within: int) -> str:
    return f"({text})" if level < within else text


def _each(fields: tuple[str, ...], within: int, write: Callable[[str], str]) -> str:
    """`write` for every field, joined by `or`. It gets "" for any field."""
    if not fields:
        return write("")
    texts = [write(_field(name)) for name in fields]
    return texts[0] if len(texts) == 1 else _wrapped(" or ".join(texts), _OR, within)


def _value(name: str, value: str) -> str:
    return f"{name}:{value}" if name else value


def _range(node: Range, name: str) -> str:
    bounds = [(">", node.gt), (">=", node.gte), ("<", node.lt), ("<=", node.lte)]
    texts = [f"{name or '*'} {sign} {_quoted(_text(bound))}" for sign, bound in bounds if bound is not None]
    if node.format or node.time_zone or not texts:
        raise _NotKql
    return texts[0] if len(texts) == 1 else f"({' and '.join(texts)})"


def _field(name: str) -> str:
    if not name or name == "*":
        raise _NotKql
    return _run(name.replace("*", "\0"), False).replace("\0", "*") if "\0" not in name else _fail()


def _fail() -> str:
    raise _NotKql


def _text(value: Scalar) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _run(text: str, fielded: bool) -> str:
    """`text` unquoted. White space at an edge and the literal `null` can only be said by code."""
    if not text or any("\ud800" <= char <= "\udfff" for char in text):
        raise _NotKql
    if fielded and text == "null":
        return _code(text[0]) + text[1:]
    core = _EDGE.sub("", text)
    start = len(text) - len(text.lstrip())
    lead, tail = text[:start], text[start + len(core) :]
    whole = "".join(map(_code, lead)) + _SPECIAL.sub(_escape, core) + "".join(map(_code, tail))
    return _KEYWORD.sub(r"\\\1", whole)


def _escape(found: re.Match[str]) -> str:
    return _CONTROLS.get(found[0]) or "\\" + found[0]


def _code(char: str) -> str:
    return f"\\u{ord(char):04x}"


def _wild(pattern: str) -> str:
    """`query_tree.Wildcard`'s pattern as a run; `?` as a wildcard does not exist in KQL."""
    text, stars = "", False
    for escaped, wild, plain in (found.groups() for found in _PATTERN.finditer(pattern)):
        if wild == "?":
            raise _NotKql
        stars = stars or wild == "*"
        text += "\0" if wild else escaped or plain or "\\"
    if not stars or "\0" in pattern or not text.strip("\0"):
        raise _NotKql
    return _run(text, False).replace("\0", "*")
