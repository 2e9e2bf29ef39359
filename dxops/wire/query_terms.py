"""What of a query to highlight in a document."""

from __future__ import annotations

from typing import Final

import msgspec

from dxops.wire.query_tree import (
    And,
    AtLeast,
    Fuzzy,
    Node,
    Or,
    Phrase,
    Prefix,
    Regexp,
    Term,
    Wildcard,
    Words,
)
from dxops.wire.text_words import words

WORD: Final = "word"
PHRASE: Final = "phrase"
PHRASE_PREFIX: Final = "phrase_prefix"
PREFIX: Final = "prefix"
WHOLE: Final = "whole"
WILDCARD: Final = "wildcard"
REGEXP: Final = "regexp"
FUZZY: Final = "fuzzy"


class QueryTerm(msgspec.Struct, frozen=True):
    """`text`, by `kind`: a word (lower case), a phrase, the beginning of a word or phrase, a whole value, a pattern.

    An empty `fields` means any field. `edits` is for `fuzzy`.
    """

    fields: tuple[str, ...]
    kind: str
    text: str
    edits: int = 0


def terms(node: Node) -> tuple[QueryTerm, ...]:
    """The terms that can make a document match, each once, in the query's order. What is negated is left out."""
    found: dict[QueryTerm, None] = {}
    pending = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, And | Or | AtLeast):
            pending.extend(reversed(each.clauses))
        else:
            found.update(dict.fromkeys(_of_leaf(each)))
    return tuple(found)


def _of_leaf(node: Node) -> list[QueryTerm]:
    match node:
        case Words(fields, text):
            kind = FUZZY if node.fuzziness else WORD
            found = [QueryTerm(fields, kind, word, node.fuzziness) for word in words(text)]
            if node.last_is_prefix and found:
                found[-1] = msgspec.structs.replace(found[-1], kind=PREFIX, edits=0)
            return found
        case Phrase(fields, text):
            return [QueryTerm(fields, PHRASE_PREFIX if node.last_is_prefix else PHRASE, text)]
        case Term(fields, values):
            return [QueryTerm(fields, WHOLE, _text(value)) for value in values]
        case Prefix(fields, text):
            return [QueryTerm(fields, PREFIX, text)]
        case Wildcard(fields, pattern):
            return [QueryTerm(fields, WILDCARD, pattern)]
        case Regexp(fields, pattern):
            return [QueryTerm(fields, REGEXP, pattern)]
        case Fuzzy(fields, text, edits):
            return [QueryTerm(fields, FUZZY, text, edits)]
        case _:
            return []


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
