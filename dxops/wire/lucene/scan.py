"""The pass before luqum: bounds, what luqum does not know, and a map of positions.

`&&`, `||` and `!` become AND, OR and NOT. Bounds of ranges become quoted, so that `-5` and `2024-01-01T10:00+02:00`
are bounds. Text in quotes, regular expressions and escapes stays.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

import msgspec

from dxops.wire.query_tree import MAX_CHARS, MAX_CLAUSES, MAX_DEPTH, Hint, QuerySyntaxError

_PIECE: Final = re.compile(
    r"""
      (?P<space>[\s\u3000]+)
    | (?P<quoted>"(?:[^"\\]|\\.)*"?)
    | (?P<regex>/(?:[^/\\]|\\.)*/?)
    | (?P<range>[\[{])
    | (?P<open>\()
    | (?P<close>\))
    | (?P<mark>[:+^~]|-)
    | (?P<compare>[<>]=?)
    | (?P<bang>!)
    | (?P<word>(?:[^\s\u3000"\\():^~\[\]{}]|\\.|(?<=T[0-9]{2}):[0-9]{2}(?::[0-9]{2})?)+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_RANGE: Final = re.compile(
    r"""(?P<low>"(?:[^"\\]|\\.)*"|[^\s\]}"]+) \s+ TO \s+ (?P<high>"(?:[^"\\]|\\.)*"|[^\s\]}"]+) \s* (?P<end>[\]}])""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER: Final = re.compile(r"[0-9.]+")
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_OPERATORS: Final = {"&&": "AND", "||": "OR"}
_JOINS: Final = frozenset({"AND", "OR", "NOT", "&&", "||"})


class Scanned(msgspec.Struct, frozen=True):
    """`text` for luqum. `starts` and `origins` say where its pieces were in the query."""

    text: str
    starts: tuple[int, ...]
    origins: tuple[int, ...]
    length: int

    def origin(self, position: int) -> int:
        """Where in the query `position` of `text` was."""
        index = bisect_right(self.starts, position) - 1
        if index < 0:
            return 0
        return min(self.origins[index] + position - self.starts[index], self.length)


def scan(text: str) -> Scanned:
    """Raises `QuerySyntaxError` for what is too long, too deep, or not closed."""
    if len(text) > MAX_CHARS:
        raise QuerySyntaxError(f"The query is longer than {MAX_CHARS} characters", MAX_CHARS)
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.out: list[str] = []
        self.size = 0
        self.starts: list[int] = []
        self.origins: list[int] = []
        self.open: list[int] = []
        self.words = 0
        self.unary = 0

    def run(self) -> Scanned:
        at, last = 0, "space"
        while at < len(self.text):
            piece = _PIECE.match(self.text, at)
            assert piece is not None
            assert piece.lastgroup is not None
            kind = piece.lastgroup
            at = self._piece(kind, piece[0], at, last) or piece.end()
            last = kind
        if self.open:
            raise QuerySyntaxError("Expected a ) for this (, found the end", self.open[-1])
        return Scanned("".join(self.out), tuple(self.starts), tuple(self.origins), len(self.text))

    def _emit(self, text: str, at: int) -> None:
        self.starts.append(self.size)
        self.origins.append(at)
        self.out.append(text)
        self.size += len(text)

    def _piece(self, kind: str, piece: str, at: int, last: str) -> int | None:
        """Writes one piece. Gives where to go on where that is not the piece's end."""
        match kind:
            case "quoted":
                if len(piece) < 2 or not _closes(piece, '"'):
                    raise QuerySyntaxError('Expected a closing " for this quote, found the end', at)
                self._count(at)
                self._emit(piece if last in ("space", "open", "mark", "compare", "bang") else " " + piece, at)
            case "regex":
                if last == "word":  # not a regular expression: a slash after a word
                    self._emit("\\/", at)
                    return at + 1
                if len(piece) < 2 or not _closes(piece, "/"):
                    raise QuerySyntaxError(
                        "Expected a closing / for this regular expression, found the end", at, _SLASH
                    )
                self._count(at)
                self._emit(piece, at)
            case "range":
                return self._range(at)
            case "open" | "close":
                self._paren(piece, at)
            case "word":
                self._word(piece, at)
            case "bang":
                self._unary(at)
                self._emit(" NOT ", at)
            case "compare":
                self._emit(piece, at)
                if self.text.startswith("-", at + len(piece)):
                    self._emit("\\-", at + len(piece))
                    return at + len(piece) + 1
            case "other" if piece in "]}":
                raise QuerySyntaxError(f"Expected a term, found `{piece}` without its beginning", at)
            case "other":
                raise QuerySyntaxError("Expected a character after \\, found the end", at)
            case "mark":
                self._unary(at)
                number = _NUMBER.match(self.text, at + 1)
                if piece in "^~" and number is not None and not _DECIMAL.fullmatch(number[0]):
                    raise QuerySyntaxError(f"Expected a number after {piece}, found `{number[0][:20]}`", at + 1)
                self._emit(piece, at)
            case _:
                self._emit(piece, at)
        return None

    def _word(self, piece: str, at: int) -> None:
        if piece not in _JOINS:
            self._count(at)
        elif piece == "NOT":
            self._unary(at)
        self._emit(_OPERATORS.get(piece, piece), at)

    def _paren(self, piece: str, at: int) -> None:
        if piece == "(":
            self.open.append(at)
            if len(self.open) > MAX_DEPTH:
                raise QuerySyntaxError(f"The query is nested more than {MAX_DEPTH} deep", at)
        elif not self.open:
            raise QuerySyntaxError("Expected a term, found `)` without its (", at)
        else:
            self.open.pop()
        self._emit(piece, at)

    def _range(self, at: int) -> int:
        found = _RANGE.match(self.text, at + 1)
        spaces = re.compile(r"\s*").match(self.text, at + 1)
        if found is None and spaces is not None:
            found = _RANGE.match(self.text, spaces.end())
        if found is None:
            hint = "Write a range as [1 TO 5], {1 TO 5} or [1 TO *], with TO in capitals."
            raise QuerySyntaxError("Expected a range with two bounds and its end", at, hint)
        self._count(at)
        low, high = (_bound(found[name]) for name in ("low", "high"))
        self._emit(f"{self.text[at]}{low} TO {high}{found['end']}", at)
        return found.end()

    def _count(self, at: int) -> None:
        self.words += 1
        self.unary = 0
        if self.words > MAX_CLAUSES:
            raise QuerySyntaxError(f"The query has more than {MAX_CLAUSES} clauses", at)

    def _unary(self, at: int) -> None:
        """Signs before (and boosts after) one term nest: bound them as parentheses are."""
        self.unary += 1
        if self.unary > MAX_DEPTH:
            raise QuerySyntaxError(f"The query has more than {MAX_DEPTH} signs on one term", at)


def pieces(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, text, position) of what can be told apart, whatever is wrong with it; a range is one piece."""
    at, last = 0, "space"
    while at < len(text):
        piece = _PIECE.match(text, at)
        assert piece is not None
        assert piece.lastgroup is not None
        kind, end = piece.lastgroup, piece.end()
        if kind == "regex" and last == "word":
            kind, end = "word", at + 1
        elif kind == "range":
            found = _RANGE.match(text, at + 1)
            end = found.end() if found is not None else end
        yield kind, text[at:end], at
        at, last = end, kind


def _closes(piece: str, mark: str) -> bool:
    """Whether the last character is `mark`, not escaped."""
    body = piece[1:-1]
    return piece[-1] == mark and (len(body) - len(body.rstrip("\\"))) % 2 == 0


def _bound(text: str) -> str:
    if text.startswith('"') or text == "*":
        return text
    trailing = len(text) - len(text.rstrip("\\"))
    return '"' + text + ("\\" if trailing % 2 else "") + '"'


_SLASH: Final = "A / begins a regular expression; write \\/ or put the value in quotes."


def hints(text: str) -> tuple[Hint, ...]:
    """What a query that can be read probably did not mean, in order."""
    found: list[Hint] = []
    at = 0
    last = "space"
    while at < len(text):
        piece = _PIECE.match(text, at)
        assert piece is not None
        assert piece.lastgroup is not None
        kind, end = piece.lastgroup, piece.end()
        if kind == "regex" and last == "word":
            kind, end = "word", at + 1
        elif kind == "regex" and re.match(r"[^\s)^~]", text[end : end + 1]):
            found.append(Hint(at, f"{piece[0]} is a regular expression, and what follows is another term. {_SLASH}"))
        elif kind == "word" and piece[0] in ("and", "or", "not"):
            found.append(Hint(at, f"`{piece[0]}` is searched as a word; Lucene's operators are in capitals."))
        at, last = end, kind
    return tuple(found)
