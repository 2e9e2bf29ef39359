"""What a caller may set for both query string languages."""

from __future__ import annotations

import msgspec


class Options(msgspec.Struct, frozen=True):
    """`fields` are those of terms without one; empty: any. `all_words`: `default_operator` is AND.

    `edits` is what a bare `~` allows (-1: AUTO). `minimum_should_match` is Elasticsearch's, for the outermost clauses.
    """

    fields: tuple[str, ...] = ()
    all_words: bool = False
    phrase_slop: int = 0
    edits: int = -1
    prefix_length: int = 0
    leading_wildcard: bool = True
    minimum_should_match: str | int | None = None
    time_zone: str | None = None
    words_as_phrases: bool = False
