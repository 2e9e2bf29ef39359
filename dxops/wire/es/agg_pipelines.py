"""Pipeline aggregations as requested: they are computed from finished buckets, see `agg_run`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

import msgspec

from dxops.wire.es.agg_options import MAX_PATH, OrderKey
from dxops.wire.es.body import Body
from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.expression import Expression, parse_expression
from dxops.wire.es.sorting import parse_sort

SKIP: Final = "skip"
INSERT_ZEROS: Final = "insert_zeros"
KEEP_VALUES: Final = "keep_values"
_POLICIES: Final = (SKIP, INSERT_ZEROS, KEEP_VALUES)
_WINDOWS: Final = ("unweightedAvg", "linearWeightedAvg", "min", "max", "sum", "stdDev")
_WINDOW: Final = re.compile(
    r"\s*(?:return\s+)?MovingFunctions\.([A-Za-z]+)\(\s*values\s*(?:,[^()]*(?:\([^()]*\))?[^()]*)?\)\s*;?\s*"
)
_UNITS_MS: Final = {
    "s": 1_000,
    "second": 1_000,
    "m": 60_000,
    "minute": 60_000,
    "h": 3_600_000,
    "hour": 3_600_000,
    "d": 86_400_000,
    "day": 86_400_000,
    "w": 604_800_000,
    "week": 604_800_000,
}


class Derivative(msgspec.Struct, frozen=True, tag=True):
    """`unit_ms`: also the change per unit (`normalized_value`); 0 is none."""

    kind: ClassVar[str] = "derivative"
    path: str
    gap_policy: str = SKIP
    format: str | None = None
    unit_ms: int = 0


class CumulativeSum(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "cumulative_sum"
    path: str
    format: str | None = None


class MovingFn(msgspec.Struct, frozen=True, tag=True):
    """`function`: unweightedAvg, linearWeightedAvg, min, max, sum or stdDev of the `window` buckets before."""

    kind: ClassVar[str] = "moving_fn"
    path: str
    function: str
    window: int
    shift: int = 0
    gap_policy: str = SKIP
    format: str | None = None


class SerialDiff(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "serial_diff"
    path: str
    lag: int = 1
    gap_policy: str = SKIP
    format: str | None = None


class BucketScript(msgspec.Struct, frozen=True, tag=True):
    """`paths` are (variable, path) pairs. As a selector it keeps the buckets for which the expression is not 0."""

    kind: ClassVar[str] = "bucket_script"
    paths: tuple[tuple[str, str], ...]
    expression: Expression
    gap_policy: str = SKIP
    format: str | None = None
    selects: bool = False


class BucketSort(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "bucket_sort"
    sort: tuple[OrderKey, ...] = ()
    from_: int = 0
    size: int | None = None
    gap_policy: str = SKIP


class SiblingMetric(msgspec.Struct, frozen=True, tag=True):
    """`kind`: avg_bucket, max_bucket, min_bucket, sum_bucket, stats_bucket."""

    kind: str
    path: str
    gap_policy: str = SKIP
    format: str | None = None


ParentPipeline: TypeAlias = Derivative | CumulativeSum | MovingFn | SerialDiff | BucketScript | BucketSort
PipelineSpec: TypeAlias = ParentPipeline | SiblingMetric


def _path(body: Body) -> str:
    value = body.take("buckets_path")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PATH:
        raise EsError(ILLEGAL, f"[buckets_path] must contain exactly one entry for [{body.kind}]", key="buckets_path")
    return value


def _policy(body: Body) -> str:
    return body.choice("gap_policy", _POLICIES, SKIP)


def _derivative(value: Any) -> Derivative:
    body = Body("derivative", value)
    unit = body.text("unit", "") or ""
    size = _UNITS_MS.get(unit.removeprefix("1"), 0)
    if unit and not size:
        raise EsError(ILLEGAL, f"[unit] of [derivative] is one of {', '.join(_UNITS_MS)}; found [{unit}]", key="unit")
    made = Derivative(_path(body), _policy(body), body.text("format"), size)
    body.close()
    return made


def _cumulative_sum(value: Any) -> CumulativeSum:
    body = Body("cumulative_sum", value)
    made = CumulativeSum(_path(body), body.text("format"))
    body.close()
    return made


def _moving_fn(value: Any) -> MovingFn:
    body = Body("moving_fn", value)
    script = _script(body)
    found = _WINDOW.fullmatch(script[:500])
    if found is None or found[1] not in _WINDOWS:
        reason = f"[script] of [moving_fn] is MovingFunctions.NAME(values), NAME one of {', '.join(_WINDOWS)}"
        raise EsError(ILLEGAL, f"{reason}; found [{script[:80]}]", key="script")
    window = body.integer("window", 0)
    if window < 1:
        raise EsError(ILLEGAL, "[window] must be a positive, non-zero integer.", key="window")
    shift = body.integer("shift", 0, least=-1_000_000)
    made = MovingFn(_path(body), found[1], window, shift, _policy(body), body.text("format"))
    body.close()
    return made


def _script(body: Body) -> str:
    """The source of a script; parameters are refused where scripts are not run."""
    value = body.take("script")
    if isinstance(value, str):
        return value
    if value is None:
        raise EsError(ILLEGAL, f"[{body.kind}] requires [script]", key=body.kind)
    inner = Body("script", value)
    source = inner.text("source") or inner.text("inline") or ""
    inner.accept("inline")
    inner.refuse("params", "write the numbers into the expression", ({},))
    inner.choice("lang", ("painless", "expression"), "painless")
    inner.close()
    return source


def _serial_diff(value: Any) -> SerialDiff:
    body = Body("serial_diff", value)
    made = SerialDiff(_path(body), body.integer("lag", 1, least=1), _policy(body), body.text("format"))
    body.close()
    return made


def _bucket_script(value: Any, kind: str = "bucket_script") -> BucketScript:
    body = Body(kind, value)
    paths = body.take("buckets_path")
    if isinstance(paths, str):
        paths = {"_value": paths}
    elif isinstance(paths, list):
        paths = {f"_value{number}": path for number, path in enumerate(paths)}
    if not isinstance(paths, dict) or not all(
        isinstance(each, str) and len(each) <= MAX_PATH for each in paths.values()
    ):
        raise EsError(ILLEGAL, f"Missing or malformed [buckets_path] for [{kind}]", key="buckets_path")
    expression = parse_expression(_script(body), frozenset(paths))
    made = BucketScript(tuple(paths.items()), expression, _policy(body), body.text("format"), kind == "bucket_selector")
    body.close()
    return made


def _bucket_selector(value: Any) -> BucketScript:
    return _bucket_script(value, "bucket_selector")


def _bucket_sort(value: Any) -> BucketSort:
    body = Body("bucket_sort", value)
    sort = body.take("sort")
    keys = () if sort is None else tuple(OrderKey(each.field, each.descending) for each in parse_sort(sort))
    size = body.integer("size", 0, least=1) if "size" in body else None
    made = BucketSort(keys, body.integer("from", 0), size, _policy(body))
    body.close()
    return made


def _sibling(kind: str) -> Callable[[Any], SiblingMetric]:
    def read(value: Any) -> SiblingMetric:
        body = Body(kind, value)
        made = SiblingMetric(kind, _path(body), _policy(body), body.text("format"))
        body.close()
        return made

    return read


PIPELINE_AGGREGATIONS: Final[dict[str, Callable[[Any], PipelineSpec]]] = {
    "derivative": _derivative,
    "cumulative_sum": _cumulative_sum,
    "moving_fn": _moving_fn,
    "serial_diff": _serial_diff,
    "bucket_script": _bucket_script,
    "bucket_selector": _bucket_selector,
    "bucket_sort": _bucket_sort,
    **{kind: _sibling(kind) for kind in ("avg_bucket", "max_bucket", "min_bucket", "sum_bucket", "stats_bucket")},
}
