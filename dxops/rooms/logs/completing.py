"""Completion of the query bar: fields, operators, values and keywords at the cursor, ready to be put in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from dxops.rooms.logs.explorer import Explorer
from dxops.rooms.logs.fields import is_time
from dxops.rooms.logs.model import Field, Selection
from dxops.rooms.logs.question import Lang
from dxops.wire.kql import complete as complete_kql
from dxops.wire.kql.complete import OPERATOR, Completion
from dxops.wire.kql.render import name_text as kql_name
from dxops.wire.kql.render import value_text as kql_value
from dxops.wire.lucene import complete as complete_lucene
from dxops.wire.lucene.complete import name_text as lucene_name
from dxops.wire.lucene.complete import value_text as lucene_value

MOST: Final = 30
MAX_TEXT: Final = 8_192
_KEPT_S: Final = 5.0
_KEPT: Final = 64
_LONGEST: Final = 200  # characters of a value that is worth proposing
_ABOUT: Final = {
    ":": "is, or has the word",
    ":*": "exists",
    ">=": "from",
    ">": "above",
    "<=": "up to",
    "<": "below",
    "and": "both",
    "or": "either",
    "not": "all others",
}
_RANGES: Final = (">=", ">", "<=", "<")


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Put `insert` in the place of the characters from `replace[0]` to before `replace[1]`."""

    kind: Literal["field", "operator", "value", "keyword"]
    label: str
    insert: str
    replace: tuple[int, int]
    about: str


class Completer:
    """Proposals over an explorer. Remembers fields for a few seconds, since it is asked at every key."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._known: dict[object, tuple[float, list[Field]]] = {}

    async def propose(self, selection: Selection, lang: Lang, text: str, cursor: int) -> list[Proposal]:
        """What fits at `cursor` of `text`, likeliest first. Values are those of the selection's documents."""
        text = text[:MAX_TEXT]
        places = complete_kql(text, cursor) if lang == "kql" else complete_lucene(text, cursor)
        found: list[Proposal] = []
        for place in places:
            match place.kind:
                case "field":
                    found += await self._fields(selection, lang, place, cursor)
                case "operator":
                    found += _operators(lang, place, await self._field(selection, place.field))
                case "value" if place.field:
                    found += await self._values(selection, lang, place)
                case "conjunction":
                    found += _keywords(lang, place)
        return found[:MOST]

    async def _fields(self, selection: Selection, lang: Lang, place: Completion, cursor: int) -> list[Proposal]:
        wanted = place.within.lower() + place.prefix.lower()
        fields = [field for field in await self._all(selection) if wanted in field.name.lower()]
        fields.sort(key=lambda field: not field.name.lower().startswith(wanted))
        found = []
        for field in fields:
            name = field.name.removeprefix(place.within)
            if name == place.prefix and not place.quoted:
                found += _operators(lang, Completion(OPERATOR, "", cursor, cursor, field.name), field)
                continue
            written = kql_name(name) if lang == "kql" else lucene_name(name)
            replace = (place.start, place.end)
            found.append(Proposal(kind="field", label=name, insert=f"{written}:", replace=replace, about=_about(field)))
        return found

    async def _values(self, selection: Selection, lang: Lang, place: Completion) -> list[Proposal]:
        if is_time(place.field) or place.field == "message" or "*" in place.field:
            return []
        top = await self._explorer.top_values(selection, place.field, prefix=place.prefix.strip("*"), limit=MOST)
        write = kql_value if lang == "kql" else lucene_value
        return [
            Proposal(
                kind="value",
                label=each.value,
                insert=write(each.value),
                replace=(place.start, place.end),
                about=f"{each.count:,} of {top.answer.documents:,}",
            )
            for each in top.answer.values
            if len(each.value) <= _LONGEST
        ]

    async def _field(self, selection: Selection, name: str) -> Field | None:
        return next((field for field in await self._all(selection) if field.name == name), None)

    async def _all(self, selection: Selection) -> list[Field]:
        """The fields there are, the columns first."""
        now = time.monotonic()
        days = None if selection.window is None else (selection.window.start_ms // 86_400_000, selection.window.end_ms)
        key = (selection.streams, None if days is None else (days[0], days[1] // 86_400_000))
        kept = self._known.get(key)
        if kept is not None and now - kept[0] < _KEPT_S:
            return kept[1]
        columns = await self._explorer.columns(selection)
        names = {field.name for field in columns}
        others: Sequence[Field] = (await self._explorer.fields(selection)).answer
        found = [*columns, *(field for field in others if field.name not in names)]
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[key] = (now, found)
        return found


def _operators(lang: Lang, place: Completion, field: Field | None) -> list[Proposal]:
    signs = [":", ":*"]
    if field is None or "number" in field.kinds or is_time(field.name):
        signs += _RANGES
    if lang == "lucene":
        signs = [sign if sign.startswith(":") else f":{sign}" for sign in signs]
    return [
        Proposal(
            kind="operator",
            label=sign,
            insert=f" {sign} " if sign in _RANGES else sign,
            replace=(place.start, place.end),
            about=_ABOUT[sign] if sign in _ABOUT else _ABOUT[sign[1:]],
        )
        for sign in signs
        if sign.startswith(place.prefix)
    ]


def _keywords(lang: Lang, place: Completion) -> list[Proposal]:
    words = ("and", "or") if lang == "kql" else ("AND", "OR", "NOT")
    return [
        Proposal(
            kind="keyword", label=word, insert=f"{word} ", replace=(place.start, place.end), about=_ABOUT[word.lower()]
        )
        for word in words
        if word.lower().startswith(place.prefix.lower())
    ]


def _about(field: Field) -> str:
    kinds = [kind for kind in field.kinds if kind]
    return f"{' and '.join(kinds) or 'empty'}, {field.documents:,} lines"
