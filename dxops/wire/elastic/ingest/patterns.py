"""Regular expressions from strangers: bounded when they are compiled, in CPU time when they run, and in their input."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import regex

MAX_CHARS: Final = 200_000
MAX_UNROLLED: Final = 300_000  # `(a{1000}){1000}` compiles to 270 MB
MAX_TEXT_CHARS: Final = 1 << 20
TIMEOUT_S: Final = 0.5  # of CPU time, per search

T = TypeVar("T")

_REPEAT = re.compile(r"\{([0-9]*)(?:,[0-9]*)?\}", re.ASCII)


class BadPattern(ValueError):
    """Not a regular expression, or one that is too large."""


class TooSlow(ValueError):
    """The search was stopped, or not started."""


def compile_bounded(pattern: str) -> Any:
    """Raises `BadPattern`."""
    if len(pattern) > MAX_CHARS or unrolled_size(pattern) > MAX_UNROLLED:
        raise BadPattern(f"the pattern [{pattern[:200]}] is too large")
    try:
        return regex.compile(pattern, regex.VERSION0)
    except (regex.error, OverflowError, RecursionError) as error:
        raise BadPattern(f"Invalid regex pattern [{pattern[:200]}]: {error}") from None


def searched(text: str, pattern: str, search: Callable[[], T]) -> T:
    """What `search` gives; it passes `timeout=TIMEOUT_S` on. Raises `TooSlow`."""
    if len(text) > MAX_TEXT_CHARS:
        raise TooSlow(f"the value has {len(text)} characters, more than the {MAX_TEXT_CHARS} that a pattern reads")
    try:
        return search()
    except TimeoutError:
        raise TooSlow(f"the pattern [{pattern[:200]}] took longer than {TIMEOUT_S} s and was stopped") from None


def unrolled_size(pattern: str) -> int:
    """About how many nodes the pattern has when `{n}` is written out n times."""
    sizes = [0]  # of the groups that are open
    last = place = 0
    while place < len(pattern):
        char = pattern[place]
        repeat = _REPEAT.match(pattern, place) if char == "{" else None
        if repeat is not None:
            sizes[-1] += last * (max(1, int(repeat[1][:7] or 1)) - 1)
            place = repeat.end()
            continue
        if char == "(":
            sizes.append(0)
        elif char == ")" and len(sizes) > 1:
            last = sizes.pop() + 1
            sizes[-1] += last
        else:
            last = 1
            sizes[-1] += 1
        place = _after(pattern, place)
        if sizes[-1] > MAX_UNROLLED:
            break
    return sum(sizes)


def _after(pattern: str, place: int) -> int:
    """The place after an escape, a class of characters, or one character."""
    if pattern[place] == "\\":
        return place + 2
    if pattern[place] != "[":
        return place + 1
    place += 3 if pattern[place + 1 : place + 3] == "^]" else 2 if pattern[place + 1 : place + 2] == "]" else 1
    while place < len(pattern) and pattern[place] != "]":
        place += 2 if pattern[place] == "\\" else 1
    return place + 1
