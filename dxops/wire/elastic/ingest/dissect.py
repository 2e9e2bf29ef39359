"""Dissect: `%{clientip} - [%{+ts} %{+ts}] %{?skip} %{*name}=%{&name} %{level->}`, no regular expressions."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

MAX_PATTERN_CHARS: Final = 10_000

_KEY = re.compile(r"%\{([^{}]*)\}")
_INSIDE = re.compile(r"([+?*&]?)([^/]*?)(?:/([0-9]{1,4}))?(->)?")

Role = Literal["", "+", "?", "*", "&"]


class BadDissect(ValueError):
    """The pattern, or the text against it."""


class _Key(msgspec.Struct, frozen=True):
    role: Role
    name: str
    order: int
    padded: bool
    after: str  # the delimiter that ends it; "" takes the rest


class Dissect(msgspec.Struct, frozen=True):
    """A pattern that was checked; see `read_dissect`."""

    text: str
    before: str
    keys: tuple[_Key, ...]

    def read(self, text: str, append_separator: str = "") -> dict[str, str]:
        """Names and values. Raises `BadDissect` when the text is not of this pattern."""
        if not text.startswith(self.before):
            raise self._unfit(text)
        values: list[str] = []
        place = len(self.before)
        for key in self.keys:
            end = text.find(key.after, place) if key.after else len(text)
            if end < 0:
                raise self._unfit(text)
            values.append(text[place:end])
            place = end + len(key.after)
            while key.padded and key.after and text.startswith(key.after, place):
                place += len(key.after)
        if place < len(text) and self.keys[-1].after:
            raise self._unfit(text)
        return self._named(values, append_separator)

    def _named(self, values: list[str], separator: str) -> dict[str, str]:
        found: dict[str, str] = {}
        appended: dict[str, list[tuple[int, int, str]]] = {}
        names: dict[str, str] = {}
        for place, (key, value) in enumerate(zip(self.keys, values, strict=True)):
            if key.role == "*":
                names[key.name] = value
            elif key.role == "+":
                appended.setdefault(key.name, []).append((key.order, place, value))
            elif key.role == "" and key.name:
                found[key.name] = value
        for key, value in zip(self.keys, values, strict=True):
            if key.role == "&" and names[key.name]:
                found[names[key.name]] = value
        for name, parts in appended.items():
            first = [found[name]] if name in found else []
            found[name] = separator.join(first + [value for _, _, value in sorted(parts)])
        return found

    def _unfit(self, text: str) -> BadDissect:
        return BadDissect(f"Unable to find match for dissect pattern: {self.text} against source: {text[:500]}")


def read_dissect(text: str) -> Dissect:
    """Raises `BadDissect`."""
    if len(text) > MAX_PATTERN_CHARS:
        raise BadDissect(f"the pattern has more than {MAX_PATTERN_CHARS} characters")
    matches = list(_KEY.finditer(text))
    if not matches:
        raise BadDissect(f"Unable to parse pattern: {text[:200]}. Reason: Unable to find any keys or delimiters.")
    ends = [match.start() for match in matches[1:]] + [len(text)]
    keys = []
    for match, end in zip(matches, ends, strict=True):
        inside = _INSIDE.fullmatch(match[1])
        if inside is None or (inside[1] in ("*", "&") and not inside[2]) or (inside[3] and inside[1] != "+"):
            raise BadDissect(f"Unable to parse pattern: {text[:200]}. Reason: the key [{match[1][:60]}] is not valid.")
        after = text[match.end() : end]
        if not after and end != len(text):
            raise BadDissect(f"Unable to parse pattern: {text[:200]}. Reason: nothing is between two keys.")
        role: Role = inside[1]  # type: ignore[assignment]
        keys.append(_Key(role, inside[2], int(inside[3] or 0), bool(inside[4]), after))
    names, references = ([key.name for key in keys if key.role == role] for role in ("*", "&"))
    if sorted(names) != sorted(references):
        raise BadDissect(f"Unable to parse pattern: {text[:200]}. Reason: [*] and [&] keys do not come in pairs.")
    return Dissect(text, text[: matches[0].start()], tuple(keys))
