"""Bucket aggregations as the keys to group rows by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from dxops.rooms.logs.fields import base_name, literal, literals, value_of
from dxops.rooms.logs.filters import condition
from dxops.rooms.logs.ordering import Key, behind
from dxops.rooms.logs.patterns import regexp_of_lucene
from dxops.rooms.logs.times import Times
from dxops.rooms.logs.values import (
    BOOLEAN,
    NUMBER,
    TEXT,
    Kinds,
    milliseconds,
    number,
    number_of_scalar,
    numbers,
    text,
    text_of,
    texts,
    typed,
)
from dxops.wire import query_tree as tree
from dxops.wire.es.agg_buckets import (
    Composite,
    CompositeSource,
    DateHistogram,
    DateRanges,
    Filter,
    Filters,
    Global,
    Histogram,
    Missing,
    Ranges,
    Terms,
)
from dxops.wire.es.agg_encode import range_bounds
from dxops.wire.es.agg_request import Aggregation
from dxops.wire.es.dates import parse_date
from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.rounding import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

Ask = Callable[[str], Awaitable[Sequence[Sequence[Any]]]]
_MAX_CUTS: Final = 10_000
_EXACT_MS: Final = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS}


class Step(msgspec.Struct, frozen=True):
    """`keys` are SQL on a row of `log_events`, several where they join arrays. `size` 0: every bucket is kept.

    `slots`: keys are places in a list of so many buckets. `least`: documents that a bucket must have.
    """

    keys: tuple[str, ...]
    kinds: tuple[str, ...] = (NUMBER,)
    size: int = 0
    slots: int = 0
    least: int = 1
    order_by: tuple[str, ...] = ()  # with {0}, {1} for the names of keys
    after: str = ""  # as `order_by`
    nullable: bool = False
    by_path: bool = False
    is_date: bool = False
    composite: bool = False

    def conditions(self, names: Sequence[str]) -> list[str]:
        """What a row must meet to be in a bucket at all."""
        found = [] if self.nullable or self.slots else [f"{name} IS NOT NULL" for name in names]
        if not self.nullable and not self.slots:
            kinds = zip(names, self.kinds, strict=True)
            found += [f"{name} != ''" for name, kind in kinds if kind in (TEXT, BOOLEAN)]
        return [*found, _named(self.after, names)] if self.after else found

    def order(self, names: Sequence[str]) -> list[str]:
        return [_named(each, names) for each in self.order_by] or list(names)

    def key(self, own: Sequence[Any]) -> Any:
        """The key as results have it."""
        if self.slots:
            return None
        shown = tuple(typed(kind, value) for kind, value in zip(self.kinds, own, strict=True))
        return shown if self.composite else shown[0]


def _named(sql: str, names: Sequence[str]) -> str:
    """`sql` with `§0§`, `§1§`… as the keys' names; values in it may hold anything else."""
    for place, name in enumerate(names):
        sql = sql.replace(f"§{place}§", name)
    return sql


async def step_of(of: Aggregation, where: str, kinds: Kinds, times: Times, now_ms: int, ask: Ask) -> Step:
    """How to group for `of`, among the rows of `where`. `ask` runs a statement, for what calendars need to know."""
    match of.spec:
        case Terms() as spec:
            return _terms(spec, kinds, times)
        case DateHistogram() as spec:
            return Step((await _date_key(spec, where, kinds, now_ms, ask),))
        case Histogram() as spec:
            return Step((_number_key(spec, kinds),))
        case Ranges() as spec:
            parts = [_between(spec, kinds, each.from_, each.to) for each in spec.ranges]
            return _slots(parts)
        case DateRanges() as spec:
            value = _moment(spec.field, spec.missing, spec.format, kinds, now_ms)
            bounds = [range_bounds(spec, each, now_ms) for each in spec.ranges]
            return _slots([_within(value, low, high) for low, high in bounds])
        case Filter(query):
            return _slots([condition(query, times)])
        case Filters() as spec:
            parts = [condition(query, times) for query in spec.queries]
            if spec.other_key:
                parts.append(f"NOT ({' OR '.join(f'({part})' for part in parts) or '0'})")
            return _slots(parts)
        case Missing(field):
            return _slots([condition(tree.Not(tree.Exists((field,))), times)])
        case Global():
            return _slots(["1"])
        case Composite() as spec:
            return await _composite(spec, where, kinds, times, now_ms, ask)
    raise AssertionError(of)


def _slots(parts: Sequence[str]) -> Step:
    """A row may be in several of these buckets, or in none."""
    places = ", ".join(f"if({part}, toInt32({place}), toInt32(-1))" for place, part in enumerate(parts))
    return Step((f"arrayJoin(arrayFilter(p -> p >= 0, [{places}]))",), slots=len(parts))


def _between(spec: Ranges, kinds: Kinds, low: Any, high: Any) -> str:
    if not kinds.has_arrays(spec.field):
        value = number(spec.field, kinds, spec.missing)
        return _within(value, None if low is None else float(low), None if high is None else float(high))
    parts = [f"e >= {float(low)!r}"] if low is not None else []
    parts += [f"e < {float(high)!r}"] if high is not None else []
    return f"arrayExists(e -> {' AND '.join(parts) or '1'}, {numbers(spec.field, kinds, spec.missing)})"


def _within(value: str, low: float | None, high: float | None) -> str:
    parts = [f"{value} >= {low}"] if low is not None else []
    parts += [f"{value} < {high}"] if high is not None else []
    return f"ifNull({' AND '.join(parts) or f'{value} IS NOT NULL'}, 0)"


# terms


def _terms(spec: Terms, kinds: Kinds, times: Times) -> Step:
    kind = kinds.kind(spec.field)
    return Step(
        (_term_key(spec, kinds),),
        (kind,),
        size=spec.size,
        least=max(1, spec.min_doc_count),
        order_by=tuple(_order(spec)),
        by_path=any(key.path not in ("_count", "_key") for key in spec.order),
        is_date=kind == "date",
    )


def _term_key(spec: Terms, kinds: Kinds) -> str:
    chosen = spec.include is not None or spec.exclude or spec.include_pattern or spec.exclude_pattern
    kind = kinds.kind(spec.field)
    if chosen or kinds.has_arrays(spec.field) or kind == "date":
        return f"arrayJoin({_chosen(spec, kinds)})"
    if kind == NUMBER:
        return number(spec.field, kinds, spec.missing)
    # '' for no value: grouping by a Nullable(String) took half again as long as by a String
    return value_of(base_name(spec.field)) if spec.missing is None else text(spec.field, kinds, spec.missing)


def _order(spec: Terms) -> list[str]:
    """In SQL where it is by count and key; by a metric, the most frequent are compared afterwards."""
    if any(key.path not in ("_count", "_key") for key in spec.order):
        return ["n DESC", "§0§"]
    found = [f"{'n' if key.path == '_count' else '§0§'} {'DESC' if key.descending else 'ASC'}" for key in spec.order]
    return found if any(key.path == "_key" for key in spec.order) else [*found, "§0§ ASC"]


def _values(field: str, missing: tree.Scalar | None, kinds: Kinds) -> tuple[str, bool]:
    """The array of a field's values, and whether they are numbers."""
    if kinds.kind(field) == "date":
        return f"[{milliseconds(field, kinds)}]", True
    if kinds.kind(field) == NUMBER:
        return f"arrayDistinct({numbers(field, kinds, missing)})", True
    return texts(field, kinds, missing), False


def _chosen(spec: Terms, kinds: Kinds) -> str:
    values, numeric = _values(spec.field, spec.missing, kinds)
    tests = []
    for listed, wanted in ((spec.include, ""), (spec.exclude or None, "NOT ")):
        if listed is not None:
            inside = (
                ", ".join(repr(number_of_scalar(each)) for each in listed)
                if numeric
                else literals([text_of(each) for each in listed])
            )
            tests.append(f"e {wanted}IN ({inside})" if listed else "0")
    for pattern, wanted in ((spec.include_pattern, ""), (spec.exclude_pattern, "NOT ")):
        if pattern:
            if numeric:
                raise EsError(ILLEGAL, f"[{spec.field}] holds numbers: include and exclude must be values, no pattern")
            tests.append(f"{wanted}match(e, {literal(f'^(?:{regexp_of_lucene(pattern)})$')})")
    return f"arrayFilter(e -> {' AND '.join(tests)}, {values})" if tests else values


# histograms


def _number_key(spec: Histogram, kinds: Kinds) -> str:
    if not kinds.has_arrays(spec.field):
        return _cut(spec, number(spec.field, kinds, spec.missing))
    return f"arrayJoin({_number_keys(spec, kinds)})"


def _number_keys(spec: Histogram, kinds: Kinds) -> str:
    return f"arrayDistinct(arrayMap(e -> {_cut(spec, 'e')}, {numbers(spec.field, kinds, spec.missing)}))"


def _cut(spec: Histogram, value: str) -> str:
    return f"floor(({value} - {spec.offset!r}) / {spec.interval!r}) * {spec.interval!r} + {spec.offset!r}"


def _moment(field: str, missing: tree.Scalar | None, format: str | None, kinds: Kinds, now_ms: int) -> str:
    value = milliseconds(field, kinds)
    if missing is None or value.startswith("toUnixTimestamp64Milli(ts"):
        return value
    return f"ifNull({value}, {parse_date(missing, now_ms, format=format)})"


async def _date_key(spec: DateHistogram, where: str, kinds: Kinds, now_ms: int, ask: Ask) -> str:
    value = _moment(spec.field, spec.missing, spec.format, kinds, now_ms)
    size = spec.size_ms or _EXACT_MS.get(spec.unit, 0) or (DAY_MS if spec.unit == "d" else 0)
    utc = spec.time_zone in ("UTC", "Z", "GMT")
    if size and (utc or (size <= HOUR_MS and HOUR_MS % size == 0 and _whole_hours(spec))):
        moved = f"({value} - {spec.offset_ms})"
        return f"toInt64({value} - positiveModulo({moved}, {size}))"
    ends = (await ask(f"SELECT min({value}), max({value}) FROM log_events WHERE {where}"))[0]  # noqa: S608
    if ends[0] is None or ends[1] is None:
        return f"toInt64({value})"
    rounding = spec.rounding
    cuts = [rounding.floor(int(ends[0]))]
    while (following := rounding.next(cuts[-1])) <= int(ends[1]):
        cuts.append(following)
        if len(cuts) > _MAX_CUTS:
            reason = f"Trying to create too many buckets. Must be less than or equal to: [{_MAX_CUTS}]"
            raise EsError("too_many_buckets_exception", reason, hint="use a wider interval")
    places = ", ".join(map(str, cuts))
    return f"if(isNull({value}), NULL, roundDown(assumeNotNull({value}), [{places}]::Array(Int64)))"


def _whole_hours(spec: DateHistogram) -> bool:
    """Zones off by a part of an hour, or that ever were, need their calendar."""
    name = spec.time_zone
    return name.startswith(("+", "-", "Europe/", "America/New_York", "America/Los_Angeles")) and (
        not name.startswith(("+", "-")) or name.endswith("00") or (name[1:].isdigit() and len(name) < 4)
    )


# composite


async def _composite(spec: Composite, where: str, kinds: Kinds, times: Times, now_ms: int, ask: Ask) -> Step:
    sources = [await _source(each, where, kinds, now_ms, ask) for each in spec.sources]
    keys = [
        Key(f"§{place}§", f"§{place}§", kind, each.descending, each.missing_bucket, _nulls_first(each))
        for place, (each, (_, kind)) in enumerate(zip(spec.sources, sources, strict=True))
    ]
    after = ""
    if spec.after:
        values = [_after_value(each, value, now_ms) for each, value in zip(spec.sources, spec.after, strict=True)]
        after = behind(keys, values, times)
    nullable = any(each.missing_bucket for each in spec.sources)
    return Step(
        tuple(key for key, _ in sources),
        tuple(kind for _, kind in sources),
        size=spec.size,
        order_by=tuple(key.clause for key in keys),
        after=after,
        nullable=nullable,
        composite=True,
    )


def _nulls_first(source: CompositeSource) -> bool:
    return not source.descending if source.missing_first is None else source.missing_first


async def _source(of: CompositeSource, where: str, kinds: Kinds, now_ms: int, ask: Ask) -> tuple[str, str]:
    """The key and its kind."""
    match of.values:
        case Terms() as spec:
            kind = kinds.kind(spec.field)
            values = _chosen(spec, kinds)
        case Histogram() as spec:
            kind, values = NUMBER, _number_keys(spec, kinds)
        case DateHistogram() as spec:
            kind = NUMBER
            key = await _date_key(spec, where, kinds, now_ms, ask)
            values = f"arrayFilter(e -> isNotNull(e), [toNullable({key})])"
    if of.missing_bucket:
        some = f"arrayMap(e -> toNullable(e), {values})"
        return f"arrayJoin(if(empty({some}), [NULL], {some}))", kind
    return f"arrayJoin({values})", kind


def _after_value(of: CompositeSource, value: Any, now_ms: int) -> Any:
    if isinstance(of.values, DateHistogram) and isinstance(value, str):
        return parse_date(value, now_ms, format=of.values.format)
    return value
