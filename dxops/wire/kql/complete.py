"""What can be typed at a place in a KQL query, for the query bar."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from dxops.wire.kql.lexer import AND, END, NOT, OR, QUOTED, RANGE, RUN, Token, tokens

FIELD: Final = "field"
OPERATOR: Final = "operator"  # : < <= > >=
VALUE: Final = "value"
CONJUNCTION: Final = "conjunction"  # and, or

_REST: Final = re.compile(r'[^\s():<>"{}]*')


class Completion(msgspec.Struct, frozen=True):
    """One thing that fits: replace `start` to `end` (characters from 0) by what begins with `prefix`.

    `field` is the whole name of the field whose value is due ("" for a value of any field). `within` is the prefix
    that `field:{` gives to names inside: a field `items.name` is typed as `name` where `within` is `items.`.
    `quoted`: the text to replace begins with a quote.
    """

    kind: str
    prefix: str
    start: int
    end: int
    field: str = ""
    within: str = ""
    quoted: bool = False


class _Place(msgspec.Struct):
    """Where the tokens so far have led. `values_of` is set within `field:(`."""

    due: str = FIELD  # FIELD: a unit; OPERATOR: a name was read; VALUE; CONJUNCTION: a unit is complete
    field: str = ""
    within: str = ""
    in_values: bool = False


def complete(text: str, cursor: int) -> tuple[Completion, ...]:
    """What fits at `cursor`, likeliest first. Never raises; what is wrong elsewhere does not matter."""
    cursor = max(0, min(cursor, len(text)))
    before = tokens(text[:cursor], tolerant=True)[:-1]
    typed: Token | None = None
    if before and before[-1].kind in (RUN, QUOTED) and before[-1].end == cursor:
        last = before[-1]
        if last.kind == RUN or not last.closed:
            typed = before.pop()
    place = _walk(before)
    rest = _REST.match(text, cursor)
    end = rest.end() if rest else cursor
    if typed is None:
        return _fitting(place, "", cursor, end, False)
    found = _fitting(place, typed.text, typed.start, end, typed.kind == QUOTED)
    word = text[typed.start : cursor].split()[-1:]
    if typed.kind == RUN and word and typed.start + len(word[0]) < cursor and _begins_conjunction(word[0]):
        conjunction = Completion(CONJUNCTION, word[0], cursor - len(word[0]), end)
        return (conjunction, *found)
    return found


def _begins_conjunction(word: str) -> bool:
    return any(each.startswith(word.lower()) for each in (AND, OR))


def _fitting(place: _Place, prefix: str, start: int, end: int, quoted: bool) -> tuple[Completion, ...]:
    value = Completion(VALUE, prefix, start, end, place.field, place.within, quoted)
    if place.due == VALUE:
        return (value,)
    if place.due == FIELD:
        return (Completion(FIELD, prefix, start, end, "", place.within, quoted), value)
    conjunction = Completion(CONJUNCTION, prefix, start, end)
    if place.due == OPERATOR:
        return (Completion(OPERATOR, prefix, start, end, place.field), conjunction)
    return (conjunction,)


def _walk(read: list[Token]) -> _Place:
    place = _Place()
    outer: list[_Place] = []
    for token in read:
        match token.kind:
            case "(" | "{":
                outer.append(place)
                place = _opened(place, token.kind)
            case ")" | "}":
                place = outer.pop() if outer else _Place()
                place.due = CONJUNCTION
            case _:
                _step(place, token)
    return place


def _opened(place: _Place, kind: str) -> _Place:
    if kind == "{":
        return _Place(within=place.field + ".")
    if place.due == VALUE:
        return _Place(VALUE, place.field, place.within, in_values=True)
    return _Place(within=place.within)


def _step(place: _Place, token: Token) -> None:
    if token.kind in (RUN, QUOTED):
        if place.due == FIELD:
            place.field, place.due = place.within + token.text, OPERATOR
        else:
            place.due = CONJUNCTION
    elif token.kind in (":", RANGE):
        place.due = VALUE
    elif token.kind in (AND, OR, NOT):
        place.due = VALUE if place.in_values else FIELD
        if not place.in_values:
            place.field = ""
    else:
        assert token.kind == END
