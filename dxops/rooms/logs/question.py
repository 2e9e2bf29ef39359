"""What every request to the explorer says: a query, filters, a stretch of time, streams. Text in, values out."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import msgspec

from dxops.base.errors import Refused, Unreadable
from dxops.rooms.logs.columns import meaning_columns
from dxops.rooms.logs.filters import condition
from dxops.rooms.logs.model import Window
from dxops.rooms.logs.times import Times
from dxops.wire import kql, lucene
from dxops.wire import query_tree as tree
from dxops.wire.es.dates import parse_date
from dxops.wire.es.errors import EsError
from dxops.wire.es.zones import zone
from dxops.wire.query_rewrite import with_time_zone

Lang: TypeAlias = Literal["kql", "lucene"]

BAD_QUERY: Final = "bad_query"
MAX_FILTERS: Final = 100
MAX_FILTER: Final = 65_536
_AT_FAULT: Final = re.compile(r"""[():"{}<>]|[^\s():"{}<>]+""")
_LONGEST_GAP_MS: Final = 1000


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """As it came. `filters` are JSON texts of `Filter`."""

    query: str = ""
    lang: Lang = "kql"
    start: str = "now-15m"
    end: str = "now"
    streams: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    tz: str = "UTC"


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One filter pill."""

    field: str
    op: Literal["is", "is_not", "one_of", "not_one_of", "exists", "not_exists", "range", "not_range"]
    value: str | int | float | bool | None = None
    values: list[str | int | float | bool] = []
    gt: str | int | float | None = None
    gte: str | int | float | None = None
    lt: str | int | float | None = None
    lte: str | int | float | None = None


def read_query(question: Question, times: Times) -> tree.Node:
    """Query and filters as one tree that compiles. Raises `Unreadable` (`bad_query`), `Refused` for a filter."""
    parsed = meaning_columns(with_time_zone(parse(question.query, question.lang), question.tz))
    _try(parsed, times)
    if len(question.filters) > MAX_FILTERS:
        raise Refused(f"at most {MAX_FILTERS} filters", field="filter")
    filters = [meaning_columns(with_time_zone(read_filter(text), question.tz)) for text in question.filters]
    return tree.both([parsed, *filters])


def parse(text: str, lang: Lang) -> tree.Node:
    """The tree of a query; blank is everything. Raises `Unreadable`."""
    if not text.strip():
        return tree.All()
    try:
        return kql.parse(text) if lang == "kql" else lucene.parse(text, lucene.Options())
    except tree.QuerySyntaxError as error:
        position = min(error.position, len(text))
        raise Unreadable(
            error.message,
            code=BAD_QUERY,
            hint=error.hint or None,
            field="query",
            position=position,
            length=_length(text, position),
        ) from error


def read_filter(text: str) -> tree.Node:
    """Raises `Refused`."""
    if len(text) > MAX_FILTER:
        raise Refused(f"a filter has at most {MAX_FILTER} characters", field="filter")
    try:
        found = msgspec.json.decode(text, type=Filter)
    except msgspec.MsgspecError as error:
        hint = 'write {"field": "level", "op": "is", "value": "error"}'
        raise Refused(f"not a filter: {error}", field="filter", hint=hint) from error
    if not found.field:
        raise Refused("a filter names a field", field="filter")
    node = _filter(found)
    return tree.Not(node) if found.op.startswith(("not_", "is_not")) else node


def read_window(question: Question, now_ms: int) -> Window:
    """The stretch of time, its end not within. Raises `Refused`."""
    start = _moment(question.start, now_ms, question.tz, "from", up=False)
    end = _moment(question.end, now_ms, question.tz, "to", up=True)
    if end <= start:
        raise Refused("the time range ends before it begins", field="from", hint="'from' must be before 'to'")
    return Window(start, end)


def _filter(found: Filter) -> tree.Node:
    fields = (found.field,)
    if found.op in ("is", "is_not"):
        if found.value is None:
            raise Refused(f"the filter on '{found.field}' has no value", field="filter")
        return tree.Term(fields, (found.value,))
    if found.op in ("one_of", "not_one_of"):
        if not found.values or len(found.values) > 1000:
            raise Refused(f"the filter on '{found.field}' needs 1 to 1000 values", field="filter")
        return tree.Term(fields, tuple(found.values))
    if found.op in ("exists", "not_exists"):
        return tree.Exists(fields)
    bounds = {name: getattr(found, name) for name in ("gt", "gte", "lt", "lte")}
    if all(bound is None for bound in bounds.values()):
        raise Refused(f"the range on '{found.field}' has no bound", field="filter")
    return tree.Range(fields, **bounds)


def _try(node: tree.Node, times: Times) -> None:
    """What a language can say and the store cannot be asked is a fault of the query too."""
    try:
        condition(node, times)
    except Refused as error:
        raise Unreadable(error.message, code=BAD_QUERY, hint=error.hint, field="query") from error


def _moment(text: str, now_ms: int, tz: str, field: str, *, up: bool) -> int:
    """An end without a time of day, or rounded (`now/d`), means the end of that day."""
    try:
        where = zone(tz)
    except EsError as error:
        raise Refused(error.reason, field="tz", hint="use a name like Europe/Berlin") from error
    try:
        first = parse_date(text, now_ms, time_zone=where)
        last = parse_date(text, now_ms, round_up=True, time_zone=where) if up else first
    except EsError as error:
        hint = "use RFC 3339, milliseconds since 1970, or date math like now-15m"
        raise Refused(f"'{text[:80]}' is not a time", field=field, hint=hint) from error
    return last + 1 if last - first > _LONGEST_GAP_MS else first


def _length(text: str, position: int) -> int:
    """Of the run of characters at fault; 0 at the end."""
    found = _AT_FAULT.match(text, position)
    return 0 if found is None else found.end() - position
