"""Makes computed aggregations whole: empty buckets of histograms, their order, and pipelines."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from dxops.wire.es.agg_buckets import MAX_BUCKETS, DateHistogram, Filters, Global, Histogram, Missing, TopHits
from dxops.wire.es.agg_buckets import Filter as FilterSpec
from dxops.wire.es.agg_metrics import ExtendedStats, Metric, PercentileRanks, Percentiles
from dxops.wire.es.agg_order import ordered
from dxops.wire.es.agg_pipelines import PipelineSpec
from dxops.wire.es.agg_request import Aggregation
from dxops.wire.es.agg_results import Bucket, Buckets, Hits, PercentileValues, Result, Single, Stats, Value
from dxops.wire.es.agg_run import run_parents, run_siblings
from dxops.wire.es.dates import parse_date
from dxops.wire.es.errors import EsError
from dxops.wire.es.zones import zone


def finish(aggregations: tuple[Aggregation, ...], results: dict[str, Result], now_ms: int) -> dict[str, Result]:
    """`results` of all but pipelines, by name, as what the answer shows. Raises `EsError` beyond 65,536 buckets."""
    done: dict[str, Result] = {}
    for each in aggregations:
        if not isinstance(each.spec, PipelineSpec):
            found = results.get(each.name)
            done[each.name] = _finished(each, _empty(each) if found is None else found, now_ms)
    return run_siblings(aggregations, done)


def _finished(of: Aggregation, result: Result, now_ms: int) -> Result:
    if isinstance(result, Single):
        return Single(result.doc_count, finish(of.subs, result.subs, now_ms))
    if not isinstance(result, Buckets):
        return result
    spec = of.spec
    buckets = result.buckets
    if isinstance(spec, DateHistogram | Histogram):
        buckets = _filled(spec, buckets, now_ms)
    done = [msgspec.structs.replace(each, subs=finish(of.subs, each.subs, now_ms)) for each in buckets]
    done = run_parents(of, done)
    if isinstance(spec, DateHistogram | Histogram):
        done = ordered(done, spec.order, of.subs)
    return msgspec.structs.replace(result, buckets=tuple(done))


def _empty(of: Aggregation) -> Result:
    """The result over no documents."""
    match of.spec:
        case Metric(kind="stats") | ExtendedStats():
            return Stats(0)
        case Metric(kind=kind):
            return Value({"sum": 0.0, "value_count": 0, "cardinality": 0}.get(kind))
        case Percentiles(percents=asked) | PercentileRanks(values=asked):
            return PercentileValues((None,) * len(asked))
        case TopHits():
            return Hits(0, ())
        case FilterSpec() | Missing() | Global():
            return Single(0)
        case Filters(queries=queries, other_key=other):
            return Buckets((Bucket(None, 0),) * (len(queries) + bool(other)))
    ranges: tuple[Any, ...] = getattr(of.spec, "ranges", ())
    return Buckets((Bucket(None, 0),) * len(ranges))


def _filled(spec: DateHistogram | Histogram, buckets: tuple[Bucket, ...], now_ms: int) -> tuple[Bucket, ...]:
    """Buckets in the order of keys, those without documents too where the request wants them."""
    known = {each.key: each for each in buckets}
    keys = sorted(_number(key) for key in known)
    if spec.hard_bounds is not None:
        least, most = _bounds(spec, spec.hard_bounds.least, spec.hard_bounds.most, now_ms)
        start = None if least is None else _floor(spec, least)
        keys = [key for key in keys if (start is None or key >= start) and (most is None or key < most)]
    if spec.min_doc_count > 0:
        return tuple(known[key] for key in keys if known[key].doc_count >= spec.min_doc_count)
    bounds = spec.extended_bounds
    least, most = (None, None) if bounds is None else _bounds(spec, bounds.least, bounds.most, now_ms)
    if least is not None and most is not None and least > most:
        raise EsError("illegal_argument_exception", f"[extended_bounds.min][{least}] cannot be greater than the max")
    if not keys and (least is None or most is None):
        return ()
    first = min(keys, default=math.inf) if least is None else min([*keys[:1], _floor(spec, least)])
    last = max(keys, default=-math.inf) if most is None else max([*keys[-1:], _floor(spec, most)])
    shown = _keys(spec, first, last)
    if len(shown) > MAX_BUCKETS:
        reason = f"Trying to create too many buckets. Must be less than or equal to: [{MAX_BUCKETS}]"
        raise EsError("too_many_buckets_exception", reason)
    return tuple(known.get(key) or Bucket(key, 0) for key in shown)


def _number(key: Any) -> float | int:
    if isinstance(key, bool) or not isinstance(key, int | float):
        raise TypeError(f"a histogram's key is a number, not {key!r}")
    return key


def _floor(spec: DateHistogram | Histogram, value: float) -> float:
    if isinstance(spec, DateHistogram):
        return spec.rounding.floor(int(value))
    return math.floor((value - spec.offset) / spec.interval) * spec.interval + spec.offset


def _keys(spec: DateHistogram | Histogram, first: float, last: float) -> list[float]:
    """All keys from `first` to `last`, one too many at most beyond the allowed number."""
    if isinstance(spec, DateHistogram):
        rounding, key = spec.rounding, int(first)
        found: list[float] = []
        while key <= last and len(found) <= MAX_BUCKETS:
            found.append(key)
            key = rounding.next(key)
        return found
    count = min(round((last - first) / spec.interval), MAX_BUCKETS)
    base = round((first - spec.offset) / spec.interval)
    return [(base + step) * spec.interval + spec.offset for step in range(count + 1)]


def _bounds(spec: DateHistogram | Histogram, least: Any, most: Any, now_ms: int) -> tuple[float | None, float | None]:
    if isinstance(spec, Histogram):
        return (None if least is None else float(least)), (None if most is None else float(most))
    where = zone(spec.time_zone)

    def at(bound: Any) -> float | None:
        if bound is None or (isinstance(bound, int | float) and not spec.format):
            return bound
        return parse_date(bound, now_ms, format=spec.format, time_zone=where)

    return at(least), at(most)
