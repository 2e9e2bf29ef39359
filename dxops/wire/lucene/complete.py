"""What can be typed at a place in a Lucene query, for the query bar."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from dxops.wire.kql.complete import CONJUNCTION, FIELD, VALUE, Completion
from dxops.wire.lucene.scan import pieces

_REST: Final = re.compile(r'[^\s():"\[\]{}^~]*')
_JOINS: Final = frozenset({"AND", "OR", "NOT", "&&", "||"})
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_PLAIN: Final = re.compile(r"[\w.@#%$][\w.@#%$-]*")
_SPECIAL: Final = re.compile(r'[\\+\-=&|!(){}\[\]^"~*?:/<>\s]')


class _Place(msgspec.Struct):
    """Where the pieces so far have led. `field` is that of the value that is due, `group` that of `field:(`."""

    due: str = FIELD
    field: str = ""
    group: str = ""
    name: str = ""  # the last word, which a colon makes a field


def complete(text: str, cursor: int) -> tuple[Completion, ...]:
    """What fits at `cursor`, likeliest first. Never raises."""
    cursor = max(0, min(cursor, len(text)))
    read = list(pieces(text[:cursor]))
    rest = _REST.match(text, cursor)
    end = rest.end() if rest else cursor
    typed, start, quoted = "", cursor, False
    if read:
        kind, piece, at = read[-1]
        if kind == "word" or (kind == "quoted" and not (len(piece) > 1 and piece.endswith('"'))):
            read.pop()
            typed, start, quoted = _plain(piece.removeprefix('"')), at, kind == "quoted"
    place = _walk(read)
    if place.due == VALUE:
        return (Completion(VALUE, typed, start, end, place.field, "", quoted),)
    if place.group:
        found = (Completion(VALUE, typed, start, end, place.group, "", quoted),)
        return found if place.due == FIELD else (Completion(CONJUNCTION, typed, start, end), *found)
    fields = (
        Completion(FIELD, typed, start, end, "", "", quoted),
        Completion(VALUE, typed, start, end, "", "", quoted),
    )
    if place.due == FIELD:
        return fields
    # words may follow each other: an operator is possible, and so is another term
    return (Completion(CONJUNCTION, typed, start, end), *fields)


def value_text(text: str) -> str:
    """A value as a query has it: in quotes where it needs them."""
    if _PLAIN.fullmatch(text) and text not in _JOINS:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def name_text(name: str) -> str:
    """A field's name as a query has it."""
    return _SPECIAL.sub(lambda found: found[0] if found[0] in "-" and found.start() else "\\" + found[0], name)


def _plain(piece: str) -> str:
    return _ESCAPE.sub(r"\1", piece)


def _walk(read: list[tuple[str, str, int]]) -> _Place:
    place = _Place()
    outer: list[_Place] = []
    for kind, piece, _ in read:
        match kind:
            case "open":
                group = place.field if place.due == VALUE else place.group
                outer.append(place)
                place = _Place(group=group)
            case "close":
                place = outer.pop() if outer else _Place()
                place.due, place.field, place.name = CONJUNCTION, "", ""
            case "space":
                if place.due != VALUE:
                    place.name = ""
            case "word" if piece in _JOINS:
                place.due, place.field, place.name = FIELD, "", ""
            case "word":
                name = "" if place.due == VALUE else _plain(piece)
                place.due, place.field, place.name = CONJUNCTION, "", name
            case "mark" if piece == ":" and place.name:
                place.due, place.field, place.name = VALUE, place.name, ""
            case "mark" | "bang" if piece in "+-!" and place.due != VALUE:
                place.due = FIELD
            case "quoted" | "regex" | "range":
                place.due, place.field, place.name = CONJUNCTION, "", ""
    return place
