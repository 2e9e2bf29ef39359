"""Names with `*`, which is any run of characters, dots included. Time grows with the lengths, whatever the pattern."""

from __future__ import annotations


def name_matches(pattern: str, name: str) -> bool:
    """Whether `name` as a whole is that of `pattern`."""
    if "*" not in pattern:
        return pattern == name
    first, *middle, last = pattern.split("*")
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def name_is_within(pattern: str, name: str) -> bool:
    """Whether `name` is that of `pattern` or below it: `a` takes `a.b`."""
    return name_matches(pattern, name) or name_matches(pattern + ".*", name)
