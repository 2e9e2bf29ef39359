"""How text is cut into words for search: runs of letters and digits, cut at every other ASCII character, lower case.

The same as ClickHouse's `splitByNonAlpha` tokenizer over `lower(text)`, which the store's text index uses. Every
character beyond ASCII belongs to a word.
"""

from __future__ import annotations

import re
from typing import Final

WORD: Final = re.compile(r"[0-9A-Za-z\u0080-\U0010ffff]+")


def words(text: str) -> list[str]:
    """The words of `text`, in order, repeated ones too."""
    return [found.lower() for found in WORD.findall(text)]
