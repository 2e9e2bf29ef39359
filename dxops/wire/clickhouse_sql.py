"""Cutting ClickHouse SQL into tokens, as far as a front needs: where strings and comments end, where data begins.

Works on bytes, because what follows `INSERT … FORMAT x` is data in any encoding. The lexical rules are those of the
ClickHouse manual, "Syntax"; here documents, `#` comments and typographic quotes are recognised, so that nothing hides
behind them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

import msgspec


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted"  # a name in "…" or `…`
    STRING = "string"
    NUMBER = "number"
    OTHER = "other"  # one character of punctuation
    ODD = "odd"  # not ASCII, a here document, an open quote: for a careful reader to refuse


class Token(msgspec.Struct, frozen=True):
    """`text` is the bare name in lower case for WORD, the unquoted name for QUOTED, else as written."""

    kind: Kind
    text: str
    start: int
    end: int


class Statement(msgspec.Struct, frozen=True):
    """A request's SQL. `verb` is its first word in lower case (`(` skipped).

    For an INSERT with data, `sql` ends before FORMAT or VALUES, `format` names the data's format and `data_at` is where
    the data begins. For the rest `format` is that of a trailing FORMAT clause, which `sql` no longer has.
    """

    verb: str
    sql: bytes
    format: str | None = None
    data_at: int | None = None

    @property
    def takes_data(self) -> bool:
        return self.data_at is not None


_TOKEN = re.compile(
    rb"""
    (?P<space>[\s\x00]+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
  | (?P<string>'(?:[^'\\]|\\.|'')*')
  | (?P<quoted>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
  | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<number>\d[\w.]*)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<odd>['"`$\#\x80-\xff]|/\*)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_UNESCAPE = re.compile(r"\\(.)|(['\"`])\2", re.DOTALL)


def tokens(sql: bytes, start: int = 0) -> Iterator[Token]:
    """The tokens from `start` on, comments and white space left out. Never fails: what has no end is ODD."""
    for match in _TOKEN.finditer(sql, start):
        group = match.lastgroup
        if group == "space":
            continue
        text = match[0].decode("utf-8", "replace")
        if group == "word":
            yield Token(Kind.WORD, text.lower(), match.start(), match.end())
        elif group == "quoted":
            name = _UNESCAPE.sub(lambda found: found[1] or found[2], text[1:-1])
            yield Token(Kind.QUOTED, name, match.start(), match.end())
        else:
            kind = {"string": Kind.STRING, "number": Kind.NUMBER, "other": Kind.OTHER}.get(group or "", Kind.ODD)
            yield Token(kind, text, match.start(), match.end())


def statement(sql: bytes) -> Statement:
    """Split what a client sent as SQL. Never fails: the engine judges what this does not understand."""
    verb = next((token.text for token in tokens(sql) if token.text != "("), "")
    if verb == "insert":
        return _insert(sql)
    return _with_trailing_format(sql, verb)


def _insert(sql: bytes) -> Statement:
    """INSERT INTO t [(columns)] [SETTINGS …] FORMAT x data, VALUES data; with SELECT or WITH it is a plain query."""
    depth = 0
    for token in tokens(sql):
        if token.kind is Kind.OTHER:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        elif token.kind is Kind.WORD and depth == 0:
            if token.text in ("select", "with", "watch", "from"):
                return _with_trailing_format(sql, "insert")
            if token.text == "values":
                return Statement("insert", sql[: token.start].rstrip(), "Values", token.end)
            if token.text == "format" and (found := _format_name(sql, token.end)) is not None:
                return Statement("insert", sql[: token.start].rstrip(), found.text, _data_start(sql, found.end))
    return Statement("insert", sql)


def _format_name(sql: bytes, start: int) -> Token | None:
    found = next(tokens(sql, start), None)
    if found is None or found.kind is not Kind.WORD:
        return None
    return Token(found.kind, sql[found.start : found.end].decode(), found.start, found.end)


def _data_start(sql: bytes, end: int) -> int:
    """Data begins after the blanks and the one line end (or the one blank) behind the format's name."""
    match = re.compile(rb"[ \t]*(?:\r?\n|;(?:\r?\n)?)|[ \t]+|").match(sql, end)
    assert match is not None
    return match.end()


def _with_trailing_format(sql: bytes, verb: str) -> Statement:
    """Take `FORMAT x [;]` off the end. In `… FORMAT x SETTINGS a = 1` only the format goes, the settings stay."""
    found = list(tokens(sql))
    while found and found[-1].text == ";":
        found.pop()
    if not found:
        return Statement(verb, sql.strip())
    end = found[-1].end
    for index in range(len(found) - 2, 0, -1):
        token, name = found[index], found[index + 1]
        if token.kind is not Kind.WORD or token.text != "format" or name.kind is not Kind.WORD:
            continue
        settings = found[index + 2 :]
        if settings and settings[0].text != "settings":
            continue
        rest = b" " + sql[settings[0].start : end] if settings else b""
        written = sql[name.start : name.end].decode()
        return Statement(verb, sql[: token.start].rstrip() + rest, written)
    return Statement(verb, sql[:end].strip())
