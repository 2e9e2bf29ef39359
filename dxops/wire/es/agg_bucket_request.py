"""Reads bucket aggregations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dxops.wire.es.agg_buckets import (
    BY_COUNT,
    BY_KEY,
    MAX_BUCKETS,
    BucketSpec,
    Composite,
    CompositeSource,
    DateHistogram,
    DateRanges,
    Filter,
    Filters,
    Global,
    Histogram,
    Missing,
    RangeBucket,
    Ranges,
    Terms,
    TopHits,
)
from dxops.wire.es.agg_options import calendar_unit, fixed_ms, need_field, parse_bounds, parse_order, stand_in
from dxops.wire.es.body import Body, json_kind
from dxops.wire.es.date_format import date_format
from dxops.wire.es.errors import ILLEGAL, PARSING, EsError, unsupported
from dxops.wire.es.hits import take_hits
from dxops.wire.es.query import parse_query
from dxops.wire.es.zones import zone
from dxops.wire.query_tree import MAX_VALUES, Scalar


def _date_histogram(value: Any) -> DateHistogram:
    return _date_histogram_of(Body("date_histogram", value))


def _date_histogram_of(body: Body) -> DateHistogram:
    unit, size = _interval(body)
    time_zone = body.text("time_zone", "UTC") or "UTC"
    zone(time_zone)
    offset = body.take("offset")
    made = DateHistogram(
        need_field(body),
        unit,
        size,
        time_zone,
        0 if offset is None else fixed_ms(offset, "offset", signed=True),
        _date_format(body),
        body.integer("min_doc_count", 0),
        parse_bounds(body, "extended_bounds"),
        parse_bounds(body, "hard_bounds"),
        body.boolean("keyed", False),
        parse_order(body.take("order"), BY_KEY),
        stand_in(body),
    )
    body.close()
    return made


def _date_format(body: Body) -> str | None:
    """`format` of dates, which must be one."""
    format = body.text("format")
    if format is not None:
        date_format(format)
    return format


def _interval(body: Body) -> tuple[str, int]:
    """The calendar unit, or the fixed size."""
    calendar, fixed, old = (body.text(key) for key in ("calendar_interval", "fixed_interval", "interval"))
    if sum(each is not None for each in (calendar, fixed, old)) != 1:
        reason = "Invalid interval specified, must be non-null and non-empty" if not (calendar or fixed or old) else (
            "Cannot use more than one of [calendar_interval], [fixed_interval] and [interval]"
        )  # fmt: skip
        raise EsError(ILLEGAL, reason, key=body.kind)
    if calendar is not None:
        unit = calendar_unit(calendar)
        if unit is None:
            reason = f"The supplied interval [{calendar[:40]}] could not be parsed as a calendar interval."
            raise EsError(ILLEGAL, reason, key="calendar_interval")
        return unit, 0
    if old is not None and calendar_unit(old):
        return calendar_unit(old) or "", 0
    return "", fixed_ms(old if fixed is None else fixed, "fixed_interval")


def _histogram(value: Any) -> Histogram:
    return _histogram_of(Body("histogram", value))


def _histogram_of(body: Body) -> Histogram:
    interval = body.number("interval")
    if interval is None or interval <= 0:
        raise EsError(ILLEGAL, f"[interval] must be >0 for histogram aggregation, found [{interval}]", key="interval")
    offset = body.number("offset")
    made = Histogram(
        need_field(body),
        interval,
        offset or 0,
        body.text("format"),
        body.integer("min_doc_count", 0),
        parse_bounds(body, "extended_bounds"),
        parse_bounds(body, "hard_bounds"),
        body.boolean("keyed", False),
        parse_order(body.take("order"), BY_KEY),
        stand_in(body),
    )
    body.close()
    return made


def _terms(value: Any) -> Terms:
    return _terms_of(Body("terms", value))


def _terms_of(body: Body) -> Terms:
    include, include_pattern = _chosen(body, "include")
    exclude, exclude_pattern = _chosen(body, "exclude")
    made = Terms(
        need_field(body),
        body.integer("size", 10, least=1, most=MAX_BUCKETS),
        parse_order(body.take("order"), BY_COUNT),
        body.integer("min_doc_count", 1),
        stand_in(body),
        include,
        exclude or (),
        include_pattern,
        exclude_pattern,
        body.text("format"),
        body.boolean("show_term_doc_count_error", False),
    )
    body.accept("shard_size", "shard_min_doc_count", "execution_hint", "collect_mode", "value_type")
    body.close()
    return made


def _chosen(body: Body, key: str) -> tuple[tuple[Scalar, ...] | None, str]:
    """Exact values, or a regular expression."""
    value = body.take(key)
    if value is None:
        return None, ""
    if isinstance(value, str):
        return None, value
    if isinstance(value, dict):
        raise unsupported(f"[{key}] by partition", "page with composite", key)
    if not isinstance(value, list) or not all(isinstance(each, str | int | float | bool) for each in value):
        raise body.wrong(key, "a regular expression or values", value)
    if len(value) > MAX_VALUES:
        raise EsError(ILLEGAL, f"[{key}] has {len(value)} values; at most {MAX_VALUES} are allowed", key=key)
    return tuple(value), ""


def _range_buckets(body: Body) -> tuple[RangeBucket, ...]:
    found: list[RangeBucket] = []
    for each in body.objects("ranges"):
        inner = Body(f"{body.kind} range", each)
        key, from_, to = inner.text("key"), inner.take("from"), inner.take("to")
        inner.close()
        for bound in (from_, to):
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, str | int | float)):
                raise inner.wrong("from", "a number or date", bound)
        found.append(RangeBucket(key, from_, to))
    if not found:
        raise EsError(ILLEGAL, f"No [ranges] specified for the [{body.kind}] aggregation", key=body.kind)
    return tuple(found)


def _ranges(value: Any) -> Ranges:
    body = Body("range", value)
    buckets = _range_buckets(body)
    numbers = []
    for each in buckets:
        inner = Body("range", {"from": each.from_, "to": each.to})
        numbers.append(RangeBucket(each.key, inner.number("from"), inner.number("to")))
    made = Ranges(need_field(body), tuple(numbers), body.boolean("keyed", False), stand_in(body), body.text("format"))
    body.close()
    return made


def _date_ranges(value: Any) -> DateRanges:
    body = Body("date_range", value)
    time_zone = body.text("time_zone", "UTC") or "UTC"
    zone(time_zone)
    ranges = _range_buckets(body)
    keyed = body.boolean("keyed", False)
    made = DateRanges(need_field(body), ranges, keyed, stand_in(body), _date_format(body), time_zone)
    body.close()
    return made


def _filter(value: Any) -> Filter:
    return Filter(parse_query(value))


def _filters(value: Any) -> Filters:
    body = Body("filters", value)
    queries = body.take("filters")
    other_key = body.text("other_bucket_key", "") or ""
    if body.boolean("other_bucket", False) and not other_key:
        other_key = "_other_"
    keyed = body.boolean("keyed", True)
    body.close()
    if isinstance(queries, dict):
        return Filters(tuple(parse_query(each) for each in queries.values()), tuple(queries), other_key, keyed)
    if not isinstance(queries, list):
        raise EsError(PARSING, f"[filters] requires [filters], found {json_kind(queries)}", key="filters")
    return Filters(tuple(parse_query(each) for each in queries), (), other_key, keyed)


def _missing(value: Any) -> Missing:
    body = Body("missing", value)
    made = Missing(need_field(body))
    body.close()
    return made


def _global(value: Any) -> Global:
    Body("global", value).close()
    return Global()


def _composite(value: Any) -> Composite:
    body = Body("composite", value)
    sources = tuple(_source(each) for each in body.objects("sources"))
    if not sources:
        raise EsError(ILLEGAL, "Composite [sources] cannot be null or empty", key="composite")
    known = [each.name for each in sources]
    if len(set(known)) < len(known):
        raise EsError(ILLEGAL, "Composite source names must be unique", key="sources")
    after = body.take("after")
    size = body.integer("size", 10, least=1, most=MAX_BUCKETS)
    body.close()
    if after is None:
        return Composite(sources, size)
    if not isinstance(after, dict) or set(after) != set(known):
        reason = f"[after] has {len(after)} value(s) but [sources] has {len(sources)}" if isinstance(after, dict) else (
            "[after] must be the [after_key] of the page before"
        )  # fmt: skip
        raise EsError(ILLEGAL, reason, key="after")
    return Composite(sources, size, tuple(after[name] for name in known))


def _source(value: Any) -> CompositeSource:
    named = Body("sources", value)
    if len(named.keys()) != 1:
        raise EsError(PARSING, "[sources] of [composite] are objects with one name each", key="sources")
    name = named.keys()[0]
    typed = Body(name, value[name])
    if len(typed.keys()) != 1:
        raise EsError(PARSING, f"[sources] [{name}] must have one type", key=name)
    kind = typed.keys()[0]
    body = Body(kind, typed.take(kind))
    descending = body.choice("order", ("asc", "desc"), "asc") == "desc"
    missing_bucket = body.boolean("missing_bucket", False)
    where = body.choice("missing_order", ("default", "first", "last"), "default")
    read: dict[str, Callable[[Body], Terms | Histogram | DateHistogram]] = {
        "terms": _terms_of,
        "histogram": _histogram_of,
        "date_histogram": _date_histogram_of,
    }
    if kind not in read:
        raise unsupported(f"[{kind}] as a source of [composite]", f"use {', '.join(read)}", kind)
    first = None if where == "default" else where == "first"
    return CompositeSource(name, read[kind](body), descending, missing_bucket, first)


def read_top_hits(value: Any) -> TopHits:
    body = Body("top_hits", value)
    hits = take_hits(body, 3)
    body.close()
    return TopHits(hits)


BUCKET_AGGREGATIONS: Final[dict[str, Callable[[Any], BucketSpec]]] = {
    "date_histogram": _date_histogram,
    "histogram": _histogram,
    "terms": _terms,
    "range": _ranges,
    "date_range": _date_ranges,
    "filter": _filter,
    "filters": _filters,
    "missing": _missing,
    "global": _global,
    "composite": _composite,
}
