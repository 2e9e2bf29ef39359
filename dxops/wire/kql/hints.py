"""What a query probably meant: text that KQL takes literally but Lucene does not."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from dxops.wire.kql.lexer import QUOTED, RUN, Token, tokens
from dxops.wire.query_tree import Hint

_LUCENE: Final = "; this looks like Lucene, which the switch beside the query bar selects."
_SIGNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"(?:^|\s)(&&|\|\|)(?:\s|$)"), "KQL has `and` and `or`, not `&&` and `||`"),
    (re.compile(r"^([\[{])\S+\s+TO\s+\S+[\]}]?$"), "KQL ranges are written `field >= a and field <= b`"),
    (re.compile(r"^(/).+/$"), "KQL has no regular expressions, and searches `/` literally"),
    (re.compile(r"\S(~)[0-9.]*$"), "KQL has no fuzzy search, and searches `~` literally"),
    (re.compile(r"\S(\^)[0-9.]+$"), "KQL has no boosts, and searches `^` literally"),
    (re.compile(r"(?:^|\s)([+!-])[A-Za-z_]"), "KQL says `and` and `not`, and searches `+`, `-` and `!` literally"),
    (re.compile(r"^[^\s?]+(\?)[^\s?]|^(\?)[^\s?]"), "`?` is not a wildcard in KQL; `*` is"),
)


def hints(text: str) -> tuple[Hint, ...]:
    """Hints for a query, whether it parses or not, in order."""
    found: list[Hint] = []
    for token, following in pairwise(tokens(text, tolerant=True)):
        found.extend(_of(token, following, text))
    return tuple(sorted(found, key=lambda hint: hint.position))


def _of(token: Token, following: Token, text: str) -> list[Hint]:
    if token.kind == QUOTED and following.kind != ":" and "*" in token.text:
        return [Hint(token.start, "Within quotes `*` is an asterisk, not a wildcard.")]
    if token.kind != RUN:
        return []
    if following.kind == ":":
        said = "KQL writes `field:*` for a field that exists, not `_exists_:field`"
        return [Hint(token.start, said + _LUCENE)] if token.text == "_exists_" else []
    raw = text[token.start : token.end]
    return [
        Hint(token.start + sign.start(sign.lastindex or 0), said + _LUCENE)
        for pattern, said in _SIGNS
        if (sign := pattern.search(raw)) is not None
    ]
