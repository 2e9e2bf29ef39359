"""Elasticsearch's `simple_query_string`: a query language without syntax errors.

    "fried eggs" +(eggplant | potato) -frittata eg* roam~1 "a b"~2

`+` is and, `|` or, `-` not, `*` after a word a prefix, `~N` after a word edits, after a phrase slop. Operators bind
from left to right. What does not fit is ignored, as the original does. An operator whose flag is off is text.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from dxops.wire.lucene.options import Options
from dxops.wire.minimum import minimum
from dxops.wire.query_tree import (
    MAX_CHARS,
    MAX_CLAUSES,
    MAX_DEPTH,
    All,
    AtLeast,
    Exists,
    Fuzzy,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Prefix,
    QuerySyntaxError,
    Words,
    both,
    either,
)

FLAGS: Final = frozenset(
    {"AND", "OR", "NOT", "PREFIX", "PHRASE", "PRECEDENCE", "ESCAPE", "WHITESPACE", "FUZZY", "NEAR", "SLOP"}
)
_OPERATORS: Final = {"+": "AND", "|": "OR", "-": "NOT", "(": "PRECEDENCE", ")": "PRECEDENCE", '"': "PHRASE"}
_TAIL: Final = re.compile(r"~([0-9]{0,3})(?=[\s+|()\"]|$)")
_MAX_EDITS: Final = 2


class _Level(msgspec.Struct):
    """What was read of one pair of parentheses."""

    tree: Node | None = None
    join: str = ""  # the operator read since the last clause
    negated: bool = False
    parts: list[Node] = msgspec.field(default_factory=list)  # clauses without operators between them


def parse_simple(text: str, options: Options | None = None, flags: frozenset[str] = FLAGS) -> Node:
    """The tree; nothing where there is no term. Raises `QuerySyntaxError` only beyond the bounds on size."""
    if len(text) > MAX_CHARS:
        raise QuerySyntaxError(f"The query is longer than {MAX_CHARS} characters", MAX_CHARS)
    return _Simple(text, options or Options(), flags).run()


class _Simple:
    def __init__(self, text: str, options: Options, flags: frozenset[str]) -> None:
        self.text = text
        self.options = options
        self.flags = flags
        self.levels = [_Level()]
        self.clauses = 0

    def run(self) -> Node:
        at = 0
        while at < len(self.text):
            at = self._step(at)
        while len(self.levels) > 1:  # a ( without its end: what was read counts
            self._close()
        return self._tree(self.levels[0], self.options.minimum_should_match) or Nothing()

    def _step(self, at: int) -> int:
        char = self.text[at]
        if char.isspace():
            return at + 1
        operator = _OPERATORS.get(char)
        if operator not in self.flags:
            return self._word(at)
        level = self.levels[-1]
        if char == "(":
            self._open(at)
        elif char == ")":
            if len(self.levels) > 1:
                self._close()
        elif char == '"':
            return self._phrase(at)
        elif char == "-":
            level.negated = not level.negated
        elif level.parts or level.tree is not None:
            level.join = operator or ""
        return at + 1

    def _open(self, at: int) -> None:
        if len(self.levels) > MAX_DEPTH:
            raise QuerySyntaxError(f"The query is nested more than {MAX_DEPTH} deep", at)
        self.levels.append(_Level())

    def _close(self) -> None:
        inner = self._tree(self.levels.pop(), None)
        if inner is not None:
            self._add(inner)

    def _phrase(self, at: int) -> int:
        end = at + 1
        while end < len(self.text) and self.text[end] != '"':
            end += 2 if self.text[end] == "\\" and "ESCAPE" in self.flags else 1
        if end >= len(self.text):  # no closing quote: not a phrase
            return at + 1
        body = self._unescaped(self.text[at + 1 : end])
        slop = _TAIL.match(self.text, end + 1) if self.flags & {"NEAR", "SLOP"} else None
        if body.strip():
            self._term(Phrase(self.options.fields, body, int(slop[1] or 0) if slop else self.options.phrase_slop), at)
        return slop.end() if slop else end + 1

    def _word(self, at: int) -> int:
        end = at
        escaped_star = False
        while end < len(self.text):
            char = self.text[end]
            if char == "\\" and "ESCAPE" in self.flags:
                escaped_star = self.text[end + 1 : end + 2] == "*"
                end += 2
                continue
            if char.isspace() or (char != "-" and _OPERATORS.get(char, "") in self.flags and end > at):
                break
            if char == "~" and end > at and "FUZZY" in self.flags and _TAIL.match(self.text, end):
                break
            escaped_star = False
            end += 1
        end = min(end, len(self.text))
        raw = self.text[at:end]
        fuzzy = _TAIL.match(self.text, end) if "FUZZY" in self.flags else None
        self._word_term(raw, escaped_star, fuzzy, at)
        return fuzzy.end() if fuzzy else end

    def _word_term(self, raw: str, escaped_star: bool, fuzzy: re.Match[str] | None, at: int) -> None:
        fields = self.options.fields
        text = self._unescaped(raw)
        if fuzzy is not None:
            edits = min(int(fuzzy[1]), _MAX_EDITS) if fuzzy[1] else self.options.edits
            self._term(Fuzzy(fields, text, edits, self.options.prefix_length), at)
        elif raw == "*":
            self._term(Exists(fields) if fields else All(), at)
        elif raw.endswith("*") and not escaped_star and "PREFIX" in self.flags:
            self._term(Prefix(fields, text[:-1], case_insensitive=True), at)
        else:
            self._term(Words(fields, text, -1 if self.options.all_words else 1), at)

    def _term(self, node: Node, at: int) -> None:
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise QuerySyntaxError(f"The query has more than {MAX_CLAUSES} clauses", at)
        self._add(node)

    def _add(self, node: Node) -> None:
        level = self.levels[-1]
        clause: Node = Not(node) if level.negated else node
        level.negated = False
        if level.join and (level.parts or level.tree is not None):
            before = self._tree(level, None)
            pair = [before, clause] if before is not None else [clause]
            level.tree, level.parts = (both(pair) if level.join == "AND" else either(pair)), []
        else:
            level.parts.append(clause)
        level.join = ""

    def _tree(self, level: _Level, least: str | int | None) -> Node | None:
        parts = ([level.tree] if level.tree is not None else []) + level.parts
        if not parts:
            return None
        if self.options.all_words:
            return both(parts)
        optional = list(parts[0].clauses) if len(parts) == 1 and isinstance(parts[0], Or) else parts
        count = 1 if least is None else max(1, minimum(least, len(optional)))
        if len(optional) == 1 or count == 1:
            return either(parts)
        if count > len(optional):
            return Nothing()
        return both(optional) if count == len(optional) else AtLeast(count, tuple(optional))

    def _unescaped(self, text: str) -> str:
        return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if "ESCAPE" in self.flags else text
