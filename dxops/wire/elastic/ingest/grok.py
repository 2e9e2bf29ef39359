"""Grok: `%{IP:client} %{NUMBER:bytes:int}` as regular expressions that cannot run away.

Expansion is bounded in depth and size, matching in time and in the length of its input; a loop among definitions is
named. Fields are dotted (`a.b`) or bracketed (`[a][b]`); `(?<name>…)` captures too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from dxops.wire.elastic.ingest.grok_patterns import ECS_V1, LEGACY
from dxops.wire.elastic.ingest.patterns import TIMEOUT_S, BadPattern, compile_bounded, searched

MAX_PATTERN_CHARS: Final = 10_000
MAX_EXPANDED_CHARS: Final = 200_000
MAX_DEPTH: Final = 40

_REFERENCE = re.compile(r"%\{([A-Za-z0-9_-]+)(?::([A-Za-z0-9_@.\[\]-]+))?(?::([a-z]+))?\}|\(\?<([A-Za-z_][^>=!]*)>")
_BROKEN = re.compile(r"%\{[^}]{0,60}\}?")
_TYPES: Final = ("int", "long", "float", "double", "boolean", "string")


class BadGrok(ValueError):
    """The pattern, or the text against it."""


class _Field(msgspec.Struct, frozen=True):
    group: str
    path: str
    type: str


class _Compiled(msgspec.Struct, frozen=True):
    regex: Any
    fields: tuple[_Field, ...]


class Grok:
    """A list of patterns, of which the first that fits is taken."""

    def __init__(self, patterns: Sequence[str], definitions: Mapping[str, str], *, ecs: bool = False) -> None:
        """Raises `BadGrok` for what cannot be expanded or compiled."""
        self.patterns = list(patterns)
        library = ECS_V1 if ecs else LEGACY
        known = {**library, **definitions} if definitions else library
        self._compiled = [_compile(pattern, known) for pattern in patterns]

    def read(self, text: str) -> tuple[dict[str, Any], int] | None:
        """(fields by their paths, the number of the pattern), or None if none fits. Raises `BadGrok`, `TooSlow`."""
        for number, compiled in enumerate(self._compiled):
            search = partial(compiled.regex.search, text, timeout=TIMEOUT_S)
            match = searched(text, self.patterns[number], search)
            if match is not None:
                return _fields(match, compiled.fields), number
        return None


def _fields(match: Any, fields: Sequence[_Field]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields:
        text = match[field.group]
        if text is not None and field.path not in found:
            found[field.path] = _typed(text, field)
    return found


def _typed(text: str, field: _Field) -> Any:
    try:
        if field.type in ("int", "long"):
            return int(text)
        if field.type in ("float", "double"):
            return float(text)
    except ValueError:
        raise BadGrok(f"[{text[:60]}] of the field [{field.path}] is no {field.type}") from None
    return text.lower() == "true" if field.type == "boolean" else text


def _compile(pattern: str, known: Mapping[str, str]) -> _Compiled:
    if len(pattern) > MAX_PATTERN_CHARS:
        raise BadGrok(f"the pattern has more than {MAX_PATTERN_CHARS} characters")
    fields: list[_Field] = []
    text = _expanded(pattern, known, fields, ())
    try:
        return _Compiled(compile_bounded(text), tuple(fields))
    except BadPattern as error:
        raise BadGrok(f"the pattern [{pattern[:200]}] cannot be used: {error}") from None


def _expanded(pattern: str, known: Mapping[str, str], fields: list[_Field], within: tuple[str, ...]) -> str:
    pieces: list[str] = []
    size = end = 0
    for match in _REFERENCE.finditer(pattern):
        name, path, kind, capture = match.groups()
        pieces.append(_literal(pattern[end : match.start()], pattern))
        end = match.end()
        if capture is not None:
            pieces.append(f"(?P<{_field(fields, capture, 'string')}>")
            continue
        definition = known.get(name)
        if definition is None:
            raise BadGrok(f"Unable to find pattern [{name}] in Grok's pattern dictionary")
        if name in within or len(within) >= MAX_DEPTH:
            raise BadGrok(
                f"circular reference in pattern [{name}] back to pattern [{' -> '.join([*within, name])[:300]}]"
            )
        if kind is not None and kind not in _TYPES:
            raise BadGrok(f"[{kind}] is no type of a capture; use one of {', '.join(_TYPES)}")
        opening = "(?:" if path is None else f"(?P<{_field(fields, path, kind or 'string')}>"
        inner = _expanded(definition, known, fields, (*within, name))
        size += len(inner)
        if size > MAX_EXPANDED_CHARS or len(fields) > 1000:
            raise BadGrok(f"the pattern [{pattern[:200]}] is too large when its names are filled in")
        pieces.append(f"{opening}{inner})")
    return "".join(pieces) + _literal(pattern[end:], pattern)


def _field(fields: list[_Field], name: str, kind: str) -> str:
    path = re.sub(r"\]\[|\[", ".", name).strip(".]").replace("]", "")
    if not path or ".." in path:
        raise BadGrok(f"[{name[:60]}] is not the name of a field")
    fields.append(_Field(f"g{len(fields)}", path, kind))
    return fields[-1].group


def _literal(text: str, pattern: str) -> str:
    broken = _BROKEN.search(text)
    if broken is not None:
        raise BadGrok(f"[{broken[0]}] in the pattern [{pattern[:200]}] is not a reference like %{{NAME:field:type}}")
    if r"\h" in text.replace(r"\\", ""):
        raise BadGrok(r"\h is not supported; write [0-9A-Fa-f]")
    return text
