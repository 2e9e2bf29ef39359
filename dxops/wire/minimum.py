"""`minimum_should_match` in all its forms: `3`, `-1`, `75%`, `-25%`, `2<75%`, `2<-25% 9<-3`."""

from __future__ import annotations

import re
from typing import Final

_SIMPLE: Final = re.compile(r"([+-]?)([0-9]{1,9})(%?)")
_CONDITION: Final = re.compile(r"([+-]?[0-9]{1,9})\s*<\s*([+-]?[0-9]{1,9}%?)")


def minimum(spec: str | int, optional: int) -> int:
    """How many of `optional` clauses must match: 0 or more, beyond `optional` where it cannot be met.

    Raises `ValueError` for a form that is none of the above.
    """
    text = str(spec).strip()
    if "<" not in text:
        return _simple(text, optional)
    chosen = optional  # up to the first condition's number, all are required
    conditions = _conditions(text)
    for above, value in conditions:
        if optional <= above:
            break
        chosen = _simple(value, optional)
    return chosen


def _conditions(text: str) -> list[tuple[int, str]]:
    found = list(_CONDITION.finditer(text))
    rest = _CONDITION.sub("", text).strip()
    if rest or not found:
        raise ValueError(text)
    return [(int(each[1]), each[2]) for each in found]


def _simple(text: str, optional: int) -> int:
    found = _SIMPLE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    number = int(found[2])
    if found[3]:
        number = min(number, 100) * optional // 100 if found[1] == "-" else number * optional // 100
    return max(optional - number, 0) if found[1] == "-" else number
