"""Lines that differ only in variables, as one pattern.

Two steps: ClickHouse masks what is plainly variable (numbers, addresses, identifiers, quoted texts) and counts; the
few thousand masked lines that remain are merged here where they have the same length and mostly the same words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from operator import eq
from typing import Final

from dxops.rooms.logs.model import Pattern
from dxops.wire import query_tree as tree
from dxops.wire.kql import render

VARIABLE: Final = "<*>"

_RULES: Final = (
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]?\d*(?:Z|[+-]\d\d:?\d\d)?",
    r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+)?",
    r"[\w.+-]+@[\w-]+\.[\w.]+",
    r"0x[0-9a-fA-F]+",
    r"\b[0-9a-fA-F]*\d[0-9a-fA-F]*[a-fA-F][0-9a-fA-F]{4,}\b",
    r"\b[a-zA-Z_-]*\d[\w-]{5,}\b",
    r"[-+]?\d+(?:[.,]\d+)*",
)
_EXPRESSION: Final = "|".join(_RULES).replace("\\", "\\\\").replace("'", "\\'")

MASKED: Final = f"replaceRegexpAll(substring(message, 1, 2000), '{_EXPRESSION}', '{VARIABLE}')"
"""SQL of a message with its plain variables masked."""

_ALIKE: Final = 0.6
_MOST_PARTS: Final = 400
_MOST_WORDS: Final = 8_000  # of other patterns that one is compared with
_MOST_PHRASES: Final = 20


def merge_masked(patterns: list[Pattern]) -> list[Pattern]:
    """Patterns with the same number of words of which at least 60 % are the same, the first word among them, become
    one. Most frequent first."""
    groups: dict[tuple[int, str], list[tuple[list[str], Pattern]]] = defaultdict(list)
    for pattern in sorted(patterns, key=lambda each: -each.count):
        words = pattern.template.split(" ")
        group = groups[(len(words), words[0])]
        blank = words.count("")
        for index, (known, merged) in enumerate(group[: min(_MOST_PARTS, _MOST_WORDS // len(words))]):
            same = sum(map(eq, known, words))
            if blank:
                same -= sum(one == other == "" for one, other in zip(known, words, strict=True))
            if same >= _ALIKE * len(words) and len(words) > 2:
                joint = [one if one == other else VARIABLE for one, other in zip(known, words, strict=True)]
                group[index] = (joint, _joined(merged, pattern, " ".join(joint)))
                break
        else:
            group.append((words, pattern))
    found = [pattern for group in groups.values() for _, pattern in group]
    return sorted(found, key=lambda each: (-each.count, each.template))


def _joined(one: Pattern, other: Pattern, template: str) -> Pattern:
    return Pattern(
        template=template,
        count=one.count + other.count,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=max(one.last_ms, other.last_ms),
        example=one.example,
        levels=tuple(sorted({*one.levels, *other.levels})),
    )


def selecting_query(template: str) -> str | None:
    """KQL for lines of a pattern: what stands between its variables, as phrases. A little more than the pattern may
    match. None where nothing constant has a word in it."""
    parts = [part.strip() for part in re.split(r"\S*<\*>\S*", template)]
    phrases = [tree.Phrase(("message",), part) for part in parts if re.search(r"\w", part)]
    return render(tree.both(list(phrases[:_MOST_PHRASES]))) if phrases else None
