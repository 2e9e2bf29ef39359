"""KQL's tokens. A run of unquoted words is one token: `status:not found` has the value `not found`… unless a keyword
stands between white space."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from dxops.wire.query_tree import QuerySyntaxError

RUN: Final = "run"
QUOTED: Final = "quoted"
AND: Final = "and"
OR: Final = "or"
NOT: Final = "not"
RANGE: Final = "range"
END: Final = "end"

_SPACE: Final = re.compile(r"\s+")
_WORD: Final = re.compile(r'(?:[^\s\\():<>"{}]|\\.)+', re.DOTALL)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)("?)', re.DOTALL)
_OPERATOR: Final = re.compile(r"[<>]=?")
_ESCAPE: Final = re.compile(
    r'\\(?:u([0-9a-fA-F]{4})|((?:[aA][nN][dD]|[oO][rR]|[nN][oO][tT])(?![^\s():<>"{}]))|(.?))', re.DOTALL
)
_QUOTED_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([trn"\\]))')
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE: Final = re.compile("[\ud800-\udfff]")
_CONTROLS: Final = {"t": "\t", "r": "\r", "n": "\n"}
_SPECIAL: Final = frozenset('\\():<>"*{}')
_OPENS: Final = frozenset({"", "(", "{"})  # after these, `and` and `or` are values


class Token(msgspec.Struct, frozen=True):
    """`kind` is one of the constants above, or the bracket or colon itself.

    `text` has its escapes resolved. `pattern` is set where a run has wildcards, in `query_tree.Wildcard`'s syntax.
    `closed` is False for a quote without end, which only a tolerant reading gives.
    """

    kind: str
    start: int
    end: int
    text: str = ""
    pattern: str | None = None
    closed: bool = True


def tokens(text: str, tolerant: bool = False) -> list[Token]:
    """All tokens, `END` last. Raises `QuerySyntaxError` for a bad escape or an unclosed quote, unless `tolerant`."""
    found: list[Token] = []
    at, last = 0, ""
    while True:
        space = _SPACE.match(text, at)
        spaced = space is not None
        at = space.end() if space else at
        if at >= len(text):
            found.append(Token(END, len(text), len(text)))
            return found
        token = _token(text, at, last, spaced, tolerant)
        found.append(token)
        at, last = token.end, token.kind


def _token(text: str, at: int, last: str, spaced: bool, tolerant: bool) -> Token:
    char = text[at]
    if char in "():{}":
        return Token(char, at, at + 1)
    if char in "<>":
        operator = _OPERATOR.match(text, at)
        assert operator is not None
        return Token(RANGE, at, operator.end(), operator[0])
    if char == '"':
        return _quoted(text, at, tolerant)
    keyword = _keyword(text, at, last, spaced)
    return Token(keyword, at, at + len(keyword)) if keyword else _run(text, at, tolerant)


def _keyword(text: str, at: int, last: str, spaced: bool) -> str:
    """The keyword at `at`, or "". Keywords need white space on both sides; `not` may begin a group."""
    word = _WORD.match(text, at)
    if word is None or len(word[0]) > 3:
        return ""
    name = word[0].lower()
    if name not in (AND, OR, NOT) or not text[word.end() : word.end() + 1].isspace():
        return ""
    if name == NOT:
        return name if spaced or last in _OPENS or last == ":" else ""
    return name if spaced and last not in _OPENS else ""


def _quoted(text: str, at: int, tolerant: bool) -> Token:
    quote = _QUOTED.match(text, at)
    assert quote is not None
    if not quote[2] and not tolerant:
        raise QuerySyntaxError(f'Expected a closing " for the quote at {at + 1}, found the end', len(text))
    end = quote.end() if quote[2] else len(text)

    def resolve(escape: re.Match[str]) -> str:
        return chr(int(escape[1], 16)) if escape[1] else _CONTROLS.get(escape[2], escape[2])

    resolved = _QUOTED_ESCAPE.sub(resolve, quote[1])
    return Token(QUOTED, at, end, _without_surrogates(resolved, at, tolerant), closed=bool(quote[2]))


def _run(text: str, start: int, tolerant: bool) -> Token:
    end = at = start
    while True:
        word = _WORD.match(text, at)
        if word is None or (at > start and _keyword(text, at, RUN, True)):
            break
        end = word.end()
        space = _SPACE.match(text, end)
        if space is None:
            break
        at = space.end()
    if end == start:  # a backslash ends the text
        if not tolerant:
            raise QuerySyntaxError("Expected a character after \\, found the end", start, _BACKSLASH)
        return Token(RUN, start, len(text), text[start:])
    return _resolved(text[start:end], start, end, tolerant)


_BACKSLASH: Final = "Write \\\\ for a backslash, or put the value in quotes."


def _resolved(raw: str, start: int, end: int, tolerant: bool) -> Token:
    """The run with its escapes resolved, and its pattern where a `*` is not escaped."""
    if "\\" not in raw:
        plain = _without_surrogates(raw, start, tolerant)
        return Token(RUN, start, end, plain, plain.replace("?", "\\?") if "*" in plain else None)
    text: list[str] = []
    pattern: list[str] = []
    at, wild = 0, False
    for escape in _ESCAPE.finditer(raw):
        plain = raw[at : escape.start()]
        literal = _literal(escape, start, tolerant)
        wild = wild or "*" in plain
        text += [plain, literal]
        pattern += [plain.replace("?", "\\?"), re.sub(r"[*?\\]", r"\\\g<0>", literal)]
        at = escape.end()
    rest = raw[at:]
    whole = _without_surrogates("".join((*text, rest)), start, tolerant)
    if not wild and "*" not in rest:
        return Token(RUN, start, end, whole)
    joined = "".join((*pattern, rest.replace("?", "\\?")))
    return Token(RUN, start, end, whole, _without_surrogates(joined, start, tolerant))


def _literal(escape: re.Match[str], start: int, tolerant: bool) -> str:
    code, keyword, char = escape.groups()
    if code:
        return chr(int(code, 16))
    if keyword:
        return str(keyword)
    if char in _CONTROLS:
        return _CONTROLS[char]
    if char not in _SPECIAL and not tolerant:
        message = f"Expected a character that can be escaped after \\, found {char!r}"
        raise QuerySyntaxError(message, start + escape.start(), _BACKSLASH)
    return str(char)


def _without_surrogates(text: str, at: int, tolerant: bool) -> str:
    """`text` with pairs of surrogates joined. A lone one is no character, and no document can hold it."""
    if _LONE.search(text) is None:
        return text
    text = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    if _LONE.search(text) is not None and not tolerant:
        raise QuerySyntaxError("Expected characters, found half of a surrogate pair", at)
    return text
