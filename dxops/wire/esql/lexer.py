"""Tokens of ES|QL and of SQL."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from dxops.wire.esql.errors import EsqlError
from dxops.wire.query_tree import MAX_CHARS

NAME: Final = "name"  # maybe dotted, maybe quoted in parts, maybe with *
TEXT: Final = "text"
NUMBER: Final = "number"
PARAMETER: Final = "parameter"
SIGN: Final = "sign"
END: Final = "end"

_ESQL: Final = re.compile(
    r"""
      (?P<space>(?:\s+|//[^\r\n]*|/\*.*?\*/)+)
    | (?P<unclosed>/\*)
    | (?P<text>\"{3}.*?\"{3,5}|"(?:[^"\\\r\n]|\\.)*")
    | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<parameter>\?\??[A-Za-z0-9_]*)
    | (?P<name>(?:`(?:[^`]|``)+`|[A-Za-z_@][\w@]*)(?:\.(?:`(?:[^`]|``)+`|[\w@]+))*)
    | (?P<sign>==|!=|<=|>=|::|[-+*/%<>=:,.|()\[\]])
    """,
    re.VERBOSE | re.DOTALL,
)
_SQL: Final = re.compile(
    r"""
      (?P<space>(?:\s+|--[^\r\n]*|/\*.*?\*/)+)
    | (?P<unclosed>/\*)
    | (?P<text>'(?:[^']|'')*')
    | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<parameter>\?)
    | (?P<name>(?:"(?:[^"]|"")+"|`(?:[^`]|``)+`|[A-Za-z_@][\w@]*)(?:\.(?:"(?:[^"]|"")+"|`(?:[^`]|``)+`|[\w@]+))*)
    | (?P<sign><>|!=|<=|>=|::|[-+*/%<>=,();])
    """,
    re.VERBOSE | re.DOTALL,
)
_PART: Final = re.compile(r'`((?:[^`]|``)+)`|"((?:[^"]|"")+)"|([^.`"]+)')
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r"}


class Token(msgspec.Struct, frozen=True):
    """`text` is resolved: quotes and escapes are gone. `quoted`: a name that is no keyword."""

    kind: str
    text: str
    start: int
    end: int
    quoted: bool = False

    def is_word(self, *words: str) -> bool:
        """Whether this is one of the keywords `words` (lower case)."""
        return self.kind == NAME and not self.quoted and self.text.lower() in words


def tokens(text: str, sql: bool = False) -> list[Token]:
    """All tokens, `END` last. Raises `EsqlError` for what is no token."""
    if len(text) > MAX_CHARS:
        raise EsqlError(f"the query is longer than {MAX_CHARS} characters", text, MAX_CHARS)
    found: list[Token] = []
    at = 0
    while at < len(text):
        piece = (_SQL if sql else _ESQL).match(text, at)
        if piece is None:
            raise EsqlError(f"token recognition error at: '{text[at : at + 20]}'", text, at)
        kind = piece.lastgroup or ""
        if kind == "unclosed":
            raise EsqlError("expected */ for this comment, found <EOF>", text, at)
        if kind != "space":
            found.append(_token(kind, piece[0], at))
        at = piece.end()
    return [*found, Token(END, "", len(text), len(text))]


def _token(kind: str, raw: str, at: int) -> Token:
    end = at + len(raw)
    if kind == TEXT:
        return Token(kind, _resolved(raw), at, end)
    if kind == NAME:
        quoted = raw[0] in '`"'
        return Token(kind, name_text(raw) if quoted or "`" in raw or '"' in raw else raw, at, end, quoted)
    return Token(kind, raw, at, end)


def _resolved(raw: str) -> str:
    if raw.startswith("'"):
        return raw[1:-1].replace("''", "'")
    if raw.startswith('"""'):
        return raw[3:-3]
    return _ESCAPE.sub(lambda found: _CONTROLS.get(found[1], found[1]), raw[1:-1])


def name_text(raw: str) -> str:
    """A dotted name without its quotes."""
    parts = [
        (back or "").replace("``", "`") or (double or "").replace('""', '"') or plain
        for back, double, plain in (found.groups() for found in _PART.finditer(raw))
    ]
    return ".".join(parts)
