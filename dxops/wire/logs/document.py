"""A log document as a template and values.

A template is the document's text with marks (control characters, which JSON forbids in a text) where values were:

| mark | the value is |
|---|---|
| `PLAIN` inside quotes | a text without escapes, as it is |
| `NUMBER` | a number: its JSON text |
| `FLAG` | `true` or `false` |
| `LIST` | an array, or an object nested too deep: its JSON text |
| `ESCAPED` | a text with escapes, decoded; its JSON text is what orjson writes for it |
| `RAW` | a text whose escapes orjson would write differently: its JSON text |
| `TIME` inside quotes | the row's time, as `2026-01-01T00:00:00.000Z` |
| `MESSAGE` inside quotes, `MESSAGE_ESCAPED` | the row's message, as `PLAIN` and `ESCAPED` |
| `MESSAGE_RAW` | the row's message, as `RAW` |
| `WHOLE` alone | the document's whole text, under the name "" |

`null`, `{}` and `[]` stay in the template: there is nothing to look for in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import orjson

PLAIN: Final = "\x00"
ESCAPED: Final = "\x01"
RAW: Final = "\x02"
NUMBER: Final = "\x03"
FLAG: Final = "\x04"
LIST: Final = "\x05"
TIME: Final = "\x06"
MESSAGE: Final = "\x07"
MESSAGE_ESCAPED: Final = "\x08"
MESSAGE_RAW: Final = "\x0e"
WHOLE: Final = "\x0f"

_AS_THEY_ARE: Final = frozenset({PLAIN, NUMBER, FLAG, LIST, RAW, MESSAGE_RAW, WHOLE})

MAX_DEPTH: Final = 24
"""Objects nested deeper are one value, their JSON text."""

_MARKS = re.compile("[\x00-\x08\x0e\x0f]")
_PART = re.compile(
    r'"((?:[^"\\]|\\.)*)"\s*:|[{}\[\]]|"(?:[^"\\]|\\.)*"|[\x00-\x08\x0e\x0f]|[^\s{}\[\]",:\x00-\x08\x0e\x0f]+'
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=8192)
def slots(template: str) -> tuple[tuple[str, str], ...]:
    """(mark, dotted name) of every mark of a template, in order."""
    found: list[tuple[str, str]] = []
    path: list[str] = []
    key = ""
    for match in _PART.finditer(template):
        part = match.group()
        if match.group(1) is not None:
            key = _key(match.group(1))
        elif part == "{":
            path.append(key)
        elif part == "}":
            path.pop()
        elif mark := _MARKS.search(part):
            found.append((mark.group(), "" if mark.group() == WHOLE else ".".join((*path[1:], key))))
    return tuple(found)


class _Filling(NamedTuple):
    """A template taken apart: `pieces` with a place for each value, and which value goes where."""

    pieces: list[str]
    plain: list[tuple[int, str]]
    others: list[tuple[int, str, str]]


@lru_cache(maxsize=8192)
def _filling(template: str) -> _Filling:
    literal = _MARKS.split(template)
    pieces = [literal[0]]
    filling = _Filling(pieces, [], [])
    for (mark, name), piece in zip(slots(template), literal[1:], strict=True):
        if mark in _AS_THEY_ARE:
            filling.plain.append((len(pieces), name))
        else:
            filling.others.append((len(pieces), mark, name))
        pieces += ("", piece)
    return filling


def assemble(template: str, attrs: Mapping[str, str], message: str, ts_ms: int) -> bytes:
    """The document as it was sent. `ts_ms` is the row's time in milliseconds since 1970.

    Raises KeyError where `attrs` lacks a value of the template.
    """
    filling = _filling(template)
    out = filling.pieces.copy()
    for place, name in filling.plain:
        out[place] = attrs[name]
    for place, mark, name in filling.others:
        if mark == TIME:
            out[place] = time_text(ts_ms)
        elif mark == MESSAGE:
            out[place] = message
        else:
            out[place] = orjson.dumps(message if mark == MESSAGE_ESCAPED else attrs[name]).decode()
    return "".join(out).encode()


def time_text(ts_ms: int) -> str:
    """`2026-01-01T00:00:00.000Z`."""
    second, ms = divmod(ts_ms, 1000)
    return f"{_second_text(second)}.{ms:03d}Z"


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return f"{_EPOCH + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}"


def _key(literal: str) -> str:
    return literal if "\\" not in literal else str(orjson.loads(f'"{literal}"'))
