"""How people are named. Apart from the other rules: the configuration needs it, and every command reads that."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


def name_fault(name: str) -> str | None:
    """What is wrong with a person's name, or None."""
    if _NAME.fullmatch(name):
        return None
    return "must be 1 to 63 of a-z, 0-9, '.', '_', '-', beginning and ending with a letter or digit"
