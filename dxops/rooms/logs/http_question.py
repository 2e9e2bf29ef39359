"""The parameters that all of the explorer's routes share, and the shapes of what they answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request
from litestar.di import Provide
from litestar.params import QueryParameter

from dxops.rooms.logs.completing import Proposal
from dxops.rooms.logs.fields import COLUMNS
from dxops.rooms.logs.model import Field, NumberStats, Pattern, ValueCount
from dxops.rooms.logs.patterns_of_lines import selecting_query
from dxops.rooms.logs.question import Question
from dxops.rooms.logs.showing import ShownLine
from dxops.wire import query_tree as tree
from dxops.wire.query_terms import PHRASE_PREFIX, PREFIX, REGEXP, WILDCARD, terms

AnyRequest = Request[Any, Any, Any]


async def question(
    asked_query: Annotated[str, QueryParameter(name="query", description="What to find; empty is everything")] = "",
    lang: Annotated[Literal["kql", "lucene"], QueryParameter(description="The query's language")] = "kql",
    start: Annotated[
        str,
        QueryParameter(name="from", description="Begin of the range: RFC 3339, milliseconds since 1970, or date math"),
    ] = "now-15m",
    end: Annotated[str, QueryParameter(name="to", description="End of the range, not within")] = "now",
    stream: Annotated[
        list[str] | None,
        QueryParameter(description="Streams, with `*` and `-exclusions`; several times for several. Default: all"),
    ] = None,
    filter_: Annotated[
        list[str] | None,
        QueryParameter(
            name="filter",
            description="JSON `{field, op, value | values | gt, gte, lt, lte}`; op is, is_not, one_of, not_one_of, "
            "exists, not_exists, range, not_range. Several times for several, all of which must hold",
        ),
    ] = None,
    tz: Annotated[str, QueryParameter(description="Time zone of dates without one, and of rounding")] = "UTC",
) -> Question:
    """The question of a request. No route has a parameter of its own with one of these names: Litestar mixes them
    up."""
    return Question(
        query=asked_query,
        lang=lang,
        start=start,
        end=end,
        streams=tuple(stream or ()),
        filters=tuple(filter_ or ()),
        tz=tz,
    )


ASKED = {"asked": Provide(question)}


class ShownWindow(msgspec.Struct, frozen=True):
    """Milliseconds since 1970, the end not within."""

    from_ms: int
    to_ms: int


class ShownTerm(msgspec.Struct, frozen=True):
    """What to highlight in `field` (null: anywhere). `prefix`: words that begin with it."""

    field: str | None
    text: str
    prefix: bool


class FoundLines(msgspec.Struct, frozen=True, kw_only=True):
    """A page of lines. `next` goes into `after`. `total_relation` is `gte` where counting stopped."""

    items: list[ShownLine]
    total: int | None
    total_relation: Literal["eq", "gte"]
    next: str | None
    took_ms: int
    sql: str
    window: ShownWindow
    terms: list[ShownTerm]


class ShownHistogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts by value of the breakdown; the first bucket begins at `start_ms`. What is beyond 12 values is `…`."""

    start_ms: int
    interval_ms: int
    series: dict[str, list[int]]
    total: int
    took_ms: int
    sql: str


class ShownField(msgspec.Struct, frozen=True, kw_only=True):
    """A field. `conflict`: senders disagree on its kind. `column`: one that every line has under one of many names."""

    name: str
    kinds: tuple[str, ...]
    documents: int
    conflict: bool
    column: bool


class FoundFields(msgspec.Struct, frozen=True):
    """Most frequent first."""

    items: list[ShownField]
    sql: str


class FoundValues(msgspec.Struct, frozen=True, kw_only=True):
    """Values by frequency. `sampled`: only of the newest `documents`. `numbers` where the field holds numbers."""

    values: list[ValueCount]
    documents: int
    having: int
    distinct: int
    sampled: bool
    numbers: NumberStats | None
    sql: str


class ShownPattern(Pattern, frozen=True, kw_only=True):
    """`query` is KQL that selects such lines, null where none can."""

    query: str | None


class FoundPatterns(msgspec.Struct, frozen=True, kw_only=True):
    """Most frequent first. `sampled`: found in the newest lines only."""

    items: list[ShownPattern]
    sampled: bool
    took_ms: int
    sql: str


class Proposals(msgspec.Struct, frozen=True):
    """Likeliest first."""

    items: list[Proposal]


class Around(msgspec.Struct, frozen=True):
    """Lines by time; `at` is the index of the one they are around (null: it is gone)."""

    items: list[ShownLine]
    at: int | None


def shown_field(field: Field, *, column: bool = False) -> ShownField:
    kinds = tuple(kind for kind in field.kinds if kind)
    plain = set(kinds) - {"list", "inner"}
    return ShownField(name=field.name, kinds=kinds, documents=field.documents, conflict=len(plain) > 1, column=column)


def shown_pattern(pattern: Pattern) -> ShownPattern:
    """With a query: its longest constant words as a phrase each."""
    return ShownPattern(**msgspec.structs.asdict(pattern), query=selecting_query(pattern.template))


def shown_terms(query: tree.Node) -> list[ShownTerm]:
    """What can be marked in the lines. Regular expressions are matched by the store only."""
    found = []
    for term in terms(query):
        if term.kind != REGEXP:
            text = term.text.strip("*") if term.kind == WILDCARD else term.text
            names: list[str | None] = [COLUMNS.get(name, name) for name in term.fields]
            prefix = term.kind in (PREFIX, PHRASE_PREFIX, WILDCARD)
            found += [ShownTerm(name, text, prefix) for name in names or [None]]
    return found[:200]
