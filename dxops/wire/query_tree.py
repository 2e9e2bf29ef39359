"""One query tree for every query language: KQL, Lucene's query string and Elasticsearch's query DSL all become this.

What a leaf means, since nothing here is mapped (`docs/protocols/elasticsearch.md` says how each language gets here):

- `fields` are names as documents have them, dotted (`http.request.method`), possibly patterns with `*`. An empty tuple
  means any field. Several fields mean any of them.
- A field with several values (an array) matches when any of its values does.
- `Words` is analysed search: a text value matches by its tokens, case apart; a number, boolean or a value of a field
  declared `keyword` matches as a whole.
- `Term` compares whole values, case-sensitively unless told otherwise. `1` and `"1"` are equal.
- Dates and date math stay as written (`now-15m/d`): they are resolved against a clock where the tree is compiled.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

Scalar: TypeAlias = str | int | float | bool

# Every language keeps within these and says so in its error; what walks a tree may recurse.
MAX_CHARS: Final = 65_536
MAX_DEPTH: Final = 80
MAX_CLAUSES: Final = 1_024
MAX_VALUES: Final = 65_536  # of one `Term`: Elasticsearch's `index.max_terms_count`


class All(msgspec.Struct, frozen=True, tag=True):
    """Every document."""


class Nothing(msgspec.Struct, frozen=True, tag=True):
    """No document."""


class And(msgspec.Struct, frozen=True, tag=True):
    clauses: tuple[Node, ...]


class Or(msgspec.Struct, frozen=True, tag=True):
    clauses: tuple[Node, ...]


class Not(msgspec.Struct, frozen=True, tag=True):
    """Documents that `clause` does not match, those without its field included."""

    clause: Node


class AtLeast(msgspec.Struct, frozen=True, tag=True):
    """At least `count` of `clauses`: Elasticsearch's `minimum_should_match` beyond one."""

    count: int
    clauses: tuple[Node, ...]


class Exists(msgspec.Struct, frozen=True, tag=True):
    """A field of this name (or matching this pattern) has a value that is not null."""

    fields: tuple[str, ...]


class Term(msgspec.Struct, frozen=True, tag=True):
    """One of `values`, whole."""

    fields: tuple[str, ...]
    values: tuple[Scalar, ...]
    case_insensitive: bool = False


class Words(msgspec.Struct, frozen=True, tag=True):
    """Analysed search for `text`: `least` of its words (1: any, -1: all).

    `fuzziness` is the edit distance allowed per word: 0, 1, 2, or -1 for AUTO. `last_is_prefix`: the last word may be
    the beginning of one (`match_bool_prefix`). `prefix_length`: characters that edits leave alone.
    """

    fields: tuple[str, ...]
    text: str
    least: int = 1
    fuzziness: int = 0
    last_is_prefix: bool = False
    prefix_length: int = 0


class Phrase(msgspec.Struct, frozen=True, tag=True):
    """The words of `text` next to each other in this order, `slop` moves apart at most.

    A number, boolean or a value of a field declared `keyword` matches as a whole.
    `last_is_prefix`: the last word may be the beginning of one (`match_phrase_prefix`).
    """

    fields: tuple[str, ...]
    text: str
    slop: int = 0
    last_is_prefix: bool = False


class Range(msgspec.Struct, frozen=True, tag=True):
    """Values between bounds; None is open. Texts are numbers, dates or date math, by what the field holds.

    `format` and `time_zone` are Elasticsearch's, for bounds that are dates (`epoch_millis`, `+02:00`).
    """

    fields: tuple[str, ...]
    gt: Scalar | None = None
    gte: Scalar | None = None
    lt: Scalar | None = None
    lte: Scalar | None = None
    format: str | None = None
    time_zone: str | None = None


class Prefix(msgspec.Struct, frozen=True, tag=True):
    fields: tuple[str, ...]
    text: str
    case_insensitive: bool = False


class Wildcard(msgspec.Struct, frozen=True, tag=True):
    """`*` any run, `?` any one character, `\\` escapes. Of a whole value, or of a token of a text."""

    fields: tuple[str, ...]
    pattern: str
    case_insensitive: bool = False


class Regexp(msgspec.Struct, frozen=True, tag=True):
    """Lucene's regular expressions, anchored at both ends. Of a whole value, or of a token of a text."""

    fields: tuple[str, ...]
    pattern: str
    case_insensitive: bool = False


class Fuzzy(msgspec.Struct, frozen=True, tag=True):
    """A value or token at most `edits` edits away (-1: AUTO), sharing the first `prefix_length` characters."""

    fields: tuple[str, ...]
    text: str
    edits: int = -1
    prefix_length: int = 0


class Ids(msgspec.Struct, frozen=True, tag=True):
    """Documents by `_id`."""

    values: tuple[str, ...]


Node: TypeAlias = (
    All
    | Nothing
    | And
    | Or
    | Not
    | AtLeast
    | Exists
    | Term
    | Words
    | Phrase
    | Range
    | Prefix
    | Wildcard
    | Regexp
    | Fuzzy
    | Ids
)


class QuerySyntaxError(Exception):
    """A query that cannot be read: what is wrong, where (`position`, characters from 0), what was expected or tried.

    `hint` is a whole sentence for the person who typed it ("`?` is not a wildcard in KQL…"), or "".
    """

    def __init__(self, message: str, position: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.hint = hint


class Hint(msgspec.Struct, frozen=True):
    """A sentence about a query that can be read, but probably means something else. `position`: characters from 0."""

    position: int
    text: str


def both(clauses: list[Node]) -> Node:
    """`And`, flattened: without clauses everything, one clause itself."""
    flat = [inner for clause in clauses for inner in (clause.clauses if isinstance(clause, And) else (clause,))]
    flat = [clause for clause in flat if not isinstance(clause, All)]
    if not flat:
        return All()
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def either(clauses: list[Node]) -> Node:
    """`Or`, flattened: without clauses nothing, one clause itself."""
    flat = [inner for clause in clauses for inner in (clause.clauses if isinstance(clause, Or) else (clause,))]
    if not flat:
        return Nothing()
    return flat[0] if len(flat) == 1 else Or(tuple(flat))
