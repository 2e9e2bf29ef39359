"""Pipeline aggregations over finished buckets.

A gap is a bucket without documents (unless documents are what is counted) or without a value. `skip` goes on as if
the bucket were not there, `insert_zeros` takes 0, `keep_values` takes a value where an empty bucket has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import msgspec

from dxops.wire.es.agg_keys import shown_key
from dxops.wire.es.agg_order import ordered
from dxops.wire.es.agg_path import COUNT, first_name, value_at
from dxops.wire.es.agg_pipelines import (
    INSERT_ZEROS,
    KEEP_VALUES,
    SKIP,
    BucketScript,
    BucketSort,
    CumulativeSum,
    Derivative,
    MovingFn,
    PipelineSpec,
    SerialDiff,
    SiblingMetric,
)
from dxops.wire.es.agg_request import Aggregation
from dxops.wire.es.agg_results import Bucket, Buckets, Change, Extreme, Result, Stats, Value
from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.expression import evaluate

Subs = tuple[Aggregation, ...]


def run_parents(of: Aggregation, buckets: list[Bucket]) -> list[Bucket]:
    """`of`'s buckets with the results of the pipelines among its subs; selectors and sorts come last."""
    pipelines = [
        each for each in of.subs if isinstance(each.spec, PipelineSpec) and not isinstance(each.spec, SiblingMetric)
    ]
    for each in _in_order([one for one in pipelines if not _reshapes(one)]):
        results = _values(each, buckets, of.subs)
        buckets = [_with(bucket, each.name, result) for bucket, result in zip(buckets, results, strict=True)]
    for each in sorted((one for one in pipelines if _reshapes(one)), key=lambda one: isinstance(one.spec, BucketSort)):
        spec = each.spec
        if isinstance(spec, BucketScript):
            buckets = [one for one in buckets if _selected(spec, one, of.subs)]
        elif isinstance(spec, BucketSort):
            buckets = _sorted(spec, buckets, of.subs)
    return buckets


def _reshapes(each: Aggregation) -> bool:
    return isinstance(each.spec, BucketSort) or (isinstance(each.spec, BucketScript) and each.spec.selects)


def _in_order(pipelines: list[Aggregation]) -> list[Aggregation]:
    """Each after those that its paths begin with."""
    left = {each.name: each for each in pipelines}
    order: list[Aggregation] = []
    while left:
        ready = [each for each in left.values() if not any(first_name(path) in left for path in _paths(each))]
        if not ready:
            raise EsError(ILLEGAL, f"Cyclical dependency among pipelines [{', '.join(left)}]", key="buckets_path")
        order += [left.pop(each.name) for each in ready]
    return order


def _paths(each: Aggregation) -> tuple[str, ...]:
    spec = each.spec
    if isinstance(spec, BucketScript):
        return tuple(path for _, path in spec.paths)
    path: str | None = getattr(spec, "path", None)
    return () if path is None else (path,)


def _with(bucket: Bucket, name: str, result: Result | None) -> Bucket:
    return bucket if result is None else msgspec.structs.replace(bucket, subs={**bucket.subs, name: result})


def _read(bucket: Bucket, path: str, policy: str, subs: Subs) -> float | None:
    value = value_at(bucket, path, subs)
    empty = bucket.doc_count == 0 and policy != KEEP_VALUES and not path.endswith(COUNT)
    if value is None or not math.isfinite(value) or empty:
        return 0.0 if policy == INSERT_ZEROS else None
    return value


def _values(each: Aggregation, buckets: list[Bucket], subs: Subs) -> list[Result | None]:
    match each.spec:
        case Derivative() as spec:
            return _derivative(spec, buckets, [_read(one, spec.path, spec.gap_policy, subs) for one in buckets])
        case CumulativeSum(path):
            total, sums = 0.0, list[Result | None]()
            for one in buckets:
                total += _read(one, path, SKIP, subs) or 0.0
                sums.append(Value(total))
            return sums
        case MovingFn() as spec:
            return _moving(spec, [_read(one, spec.path, spec.gap_policy, subs) for one in buckets])
        case SerialDiff(path, lag, policy):
            read = [_read(one, path, policy, subs) for one in buckets]
            before: list[float | None] = [*([None] * lag), *read][: len(read)]
            return [
                None if now is None or then is None else Value(now - then)
                for now, then in zip(read, before, strict=True)
            ]
        case BucketScript() as spec:
            return [_scripted(spec, one, subs) for one in buckets]
    raise AssertionError(each)


def _derivative(spec: Derivative, buckets: list[Bucket], read: list[float | None]) -> list[Result | None]:
    found: list[Result | None] = []
    last: tuple[float, float] | None = None
    for bucket, value in zip(buckets, read, strict=True):
        if value is None:
            found.append(None)
            continue
        key = float(bucket.key) if isinstance(bucket.key, int | float) else 0.0
        if last is None:
            found.append(None)
        else:
            change, span = value - last[1], key - last[0]
            found.append(Change(change, change * spec.unit_ms / span if spec.unit_ms and span else None))
        last = key, value
    return found


def _moving(spec: MovingFn, read: list[float | None]) -> list[Result | None]:
    known = [value for value in read if value is not None]
    found: list[Result | None] = []
    index = 0
    for value in read:
        if value is None:
            found.append(None)
            continue
        window = known[max(index - spec.window + spec.shift, 0) : max(index + spec.shift, 0)]
        result = _WINDOWS[spec.function](window)
        found.append(Value(None if math.isnan(result) else result))
        index += 1
    return found


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _linear(values: list[float]) -> float:
    """The newest weighs most: its place in the window, the oldest 1."""
    if not values:
        return math.nan
    return sum(weight * value for weight, value in enumerate(values, 1)) / (len(values) * (len(values) + 1) / 2)


def _deviation(values: list[float]) -> float:
    return math.sqrt(_mean([(value - _mean(values)) ** 2 for value in values])) if values else math.nan


_WINDOWS: Final[dict[str, Callable[[list[float]], float]]] = {
    "unweightedAvg": _mean,
    "linearWeightedAvg": _linear,
    "stdDev": _deviation,
    "min": lambda values: min(values, default=math.nan),
    "max": lambda values: max(values, default=math.nan),
    "sum": lambda values: sum(values, 0.0),
}


def _scripted(spec: BucketScript, bucket: Bucket, subs: Subs) -> Value | None:
    values = {name: _read(bucket, path, spec.gap_policy, subs) for name, path in spec.paths}
    known = {name: value for name, value in values.items() if value is not None}
    if len(known) < len(values):
        return None
    result = evaluate(spec.expression, known)
    return Value(result if math.isfinite(result) else None)


def _selected(spec: BucketScript, bucket: Bucket, subs: Subs) -> bool:
    values = {name: _read(bucket, path, spec.gap_policy, subs) for name, path in spec.paths}
    result = evaluate(spec.expression, {name: math.nan if value is None else value for name, value in values.items()})
    return bool(result) and not math.isnan(result)


def _sorted(spec: BucketSort, buckets: list[Bucket], subs: Subs) -> list[Bucket]:
    paths = [key.path for key in spec.sort if key.path != "_key"]
    if spec.gap_policy == SKIP and paths:
        buckets = [one for one in buckets if any(_read(one, path, SKIP, subs) is not None for path in paths)]
    if spec.sort:
        buckets = ordered(buckets, spec.sort, subs)
    return buckets[spec.from_ : None if spec.size is None else spec.from_ + spec.size]


def run_siblings(aggregations: Subs, done: dict[str, Result]) -> dict[str, Result]:
    """`done` with the results of the sibling pipelines among `aggregations`, in the request's order."""
    siblings = [each for each in aggregations if isinstance(each.spec, SiblingMetric)]
    for each in siblings:
        assert isinstance(each.spec, SiblingMetric)
        done[each.name] = _sibling(each.spec, aggregations, done)
    if not siblings:
        return done
    return {each.name: done[each.name] for each in aggregations if each.name in done}


def _sibling(spec: SiblingMetric, aggregations: Subs, done: dict[str, Result]) -> Result:
    name, _, rest = spec.path.partition(">")
    of = next((each for each in aggregations if each.name == name.strip()), None)
    result = done.get(name.strip())
    if of is None or not isinstance(result, Buckets):
        reason = f"No aggregation with buckets found for path [{spec.path}] of [{spec.kind}]"
        raise EsError(ILLEGAL, reason, key="buckets_path")
    pairs = [
        (bucket, value)
        for bucket in result.buckets
        if (value := _read(bucket, rest.strip() or COUNT, spec.gap_policy, of.subs)) is not None
    ]
    values = [value for _, value in pairs]
    if spec.kind in ("max_bucket", "min_bucket"):
        best = (max if spec.kind == "max_bucket" else min)(values, default=None)
        return Extreme(best, tuple(shown_key(of.spec, result, bucket) for bucket, value in pairs if value == best))
    if spec.kind == "stats_bucket":
        return Stats(len(values), min(values, default=None), max(values, default=None), float(sum(values)))
    if spec.kind == "sum_bucket":
        return Value(float(sum(values)))
    return Value(_mean(values) if values else None)
