"""Where in a text a query's terms are. Time grows with the text, not with what a pattern could match.

Regular expressions are not marked: they are Lucene's, and matched by the store.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import msgspec

from dxops.wire import query_terms as kinds
from dxops.wire.query_terms import QueryTerm
from dxops.wire.text_words import WORD, words

MAX_CHARS: Final = 1_000_000
MAX_TERMS: Final = 64  # of those that are not plain words
MAX_PHRASE: Final = 100  # words
MAX_FUZZY: Final = 20_000  # words of the text that a fuzzy term is compared with
_PIECE: Final = re.compile(r"\\(.)|([*?])|([^*?\\]+)", re.DOTALL)


class Mark(msgspec.Struct, frozen=True, order=True):
    """Characters `start` to `end` (from 0, `end` excluded)."""

    start: int
    end: int


def marks(text: str, terms: Iterable[QueryTerm]) -> list[Mark]:
    """The places of `terms` in `text`, in order, none within another. Of a very long text, the beginning."""
    text = text[:MAX_CHARS]
    spans = [(found.start(), found.end(), found[0].lower()) for found in WORD.finditer(text)]
    plain: set[str] = set()
    others: dict[QueryTerm, None] = {}
    for term in terms:
        if term.kind == kinds.WORD:
            plain.add(term.text.lower())
        else:
            others[msgspec.structs.replace(term, fields=())] = None
    found = [Mark(start, end) for start, end, word in spans if word in plain]
    for term in list(others)[:MAX_TERMS]:
        found += _of(text, spans, term)
    return _merged(found)


Spans = list[tuple[int, int, str]]


def _of(text: str, spans: Spans, term: QueryTerm) -> list[Mark]:
    wanted = term.text.lower()
    match term.kind:
        case kinds.PREFIX:
            return [Mark(start, end) for start, end, word in spans if wanted and word.startswith(wanted)]
        case kinds.FUZZY:
            edits = term.edits if term.edits >= 0 else 0 if len(wanted) < 3 else 1 if len(wanted) < 6 else 2
            near = {word for word in {word for _, _, word in spans[:MAX_FUZZY]} if _near(word, wanted, edits)}
            return [Mark(start, end) for start, end, word in spans if word in near]
        case kinds.WHOLE:
            return [Mark(0, len(text))] if text and text == term.text else []
        case kinds.PHRASE | kinds.PHRASE_PREFIX:
            return _phrase(text, spans, term.text, term.kind == kinds.PHRASE_PREFIX)
        case kinds.WILDCARD:
            return _wildcard(text, spans, term.text)
    return []


def _phrase(text: str, spans: Spans, phrase: str, last_is_prefix: bool) -> list[Mark]:
    wanted = words(phrase)
    if len(wanted) > MAX_PHRASE:
        return []
    if not wanted:
        return [Mark(0, len(text))] if text and text == phrase else []
    said = [word for _, _, word in spans]
    size = len(wanted)
    *before, last = wanted
    return [
        Mark(spans[at][0], spans[at + size - 1][1])
        for at in range(len(said) - size + 1)
        if (size == 1 or said[at] == wanted[0])
        and said[at : at + size - 1] == before
        and (said[at + size - 1] == last or (last_is_prefix and said[at + size - 1].startswith(last)))
    ]


def _wildcard(text: str, spans: Spans, pattern: str) -> list[Mark]:
    """Words that match, or the literal parts of the pattern where the whole value does."""
    chunks, anchored_start, anchored_end = _chunks(pattern)
    if not chunks:
        return []
    whole = [
        Mark(start, end)
        for start, end, word in spans
        if _matches(word, chunks, anchored_start, anchored_end) is not None
    ]
    return whole or _matches(text, chunks, anchored_start, anchored_end) or []


def _chunks(pattern: str) -> tuple[list[re.Pattern[str]], bool, bool]:
    """The parts between stars as expressions of fixed length, and whether the pattern begins and ends with one."""
    parts = [""]
    for found in _PIECE.finditer(pattern):
        if found[2] == "*":
            parts.append("")
        elif found[2] == "?":
            parts[-1] += "."
        else:
            parts[-1] += re.escape(found[1] or found[3] or "")
    made = [re.compile(part, re.DOTALL | re.IGNORECASE) for part in parts if part]
    return made, bool(parts[0]), bool(parts[-1])


def _matches(text: str, chunks: list[re.Pattern[str]], at_start: bool, at_end: bool) -> list[Mark] | None:
    """Where the chunks are, one after another, or None."""
    found: list[Mark] = []
    at = 0
    for index, chunk in enumerate(chunks):
        place = chunk.match(text, at) if index == 0 and at_start else chunk.search(text, at)
        if place is None:
            return None
        found.append(Mark(place.start(), place.end()))
        at = place.end()
    if at_end and at != len(text):
        size = found[-1].end - found[-1].start
        place = chunks[-1].fullmatch(text, len(text) - size) if not (at_start and len(chunks) == 1) else None
        before = found[-2].end if len(found) > 1 else 0
        if place is None or place.start() < before:
            return None
        found[-1] = Mark(place.start(), place.end())
    return found


def _near(word: str, wanted: str, edits: int) -> bool:
    """Whether `word` is at most `edits` edits from `wanted` (a swap of neighbours is one)."""
    if abs(len(word) - len(wanted)) > edits:
        return False
    before_last: list[int] = []
    last = list(range(len(wanted) + 1))
    for row, char in enumerate(word, 1):
        now = [row]
        for column, other in enumerate(wanted, 1):
            cost = min(last[column] + 1, now[-1] + 1, last[column - 1] + (char != other))
            if row > 1 and column > 1 and char == wanted[column - 2] and word[row - 2] == other:
                cost = min(cost, before_last[column - 2] + 1)
            now.append(cost)
        before_last, last = last, now
    return last[-1] <= edits


def _merged(found: list[Mark]) -> list[Mark]:
    """Overlapping marks as one."""
    if all(one.end <= two.start for one, two in pairwise(found)):
        return found
    out: list[Mark] = []
    for mark in sorted(found):
        if out and mark.start < out[-1].end:
            out[-1] = Mark(out[-1].start, max(out[-1].end, mark.end))
        else:
            out.append(mark)
    return out
