"""Metric aggregations as requested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

import msgspec

from dxops.wire.es.agg_bucket_request import read_top_hits
from dxops.wire.es.agg_buckets import TopHits
from dxops.wire.es.agg_options import need_field, stand_in
from dxops.wire.es.body import Body, as_number
from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.query_tree import Scalar

DEFAULT_PERCENTS: Final = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)


class Metric(msgspec.Struct, frozen=True, tag=True):
    """`kind`: avg, min, max, sum, value_count, cardinality, stats. `missing` stands in for absent values."""

    kind: str
    field: str
    missing: Scalar | None = None
    format: str | None = None


class ExtendedStats(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "extended_stats"
    field: str
    sigma: float = 2.0
    missing: Scalar | None = None
    format: str | None = None


class Percentiles(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "percentiles"
    field: str
    percents: tuple[float, ...] = DEFAULT_PERCENTS
    keyed: bool = True
    missing: Scalar | None = None
    format: str | None = None
    hdr: bool = False


class PercentileRanks(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "percentile_ranks"
    field: str
    values: tuple[float, ...]
    keyed: bool = True
    missing: Scalar | None = None
    format: str | None = None
    hdr: bool = False


MetricSpec: TypeAlias = Metric | ExtendedStats | Percentiles | PercentileRanks | TopHits


def _metric(kind: str) -> Callable[[Any], Metric]:
    def read(value: Any) -> Metric:
        body = Body(kind, value)
        made = Metric(kind, need_field(body), stand_in(body), body.text("format"))
        body.accept("value_type")
        if kind == "cardinality":
            body.accept("precision_threshold", "rehash", "execution_hint")
        body.close()
        return made

    return read


def _extended_stats(value: Any) -> ExtendedStats:
    body = Body("extended_stats", value)
    sigma = body.number("sigma")
    if sigma is not None and sigma < 0:
        raise EsError(ILLEGAL, f"[sigma] must be greater than or equal to 0. Found [{sigma}]", key="sigma")
    made = ExtendedStats(need_field(body), 2.0 if sigma is None else sigma, stand_in(body), body.text("format"))
    body.close()
    return made


def _numbers(body: Body, key: str) -> tuple[float, ...] | None:
    if key not in body:
        return None
    found = [float(as_number(each, key, body.kind)) for each in body.objects(key)]
    if not found:
        raise EsError(ILLEGAL, f"[{key}] must not be an empty array", key=key)
    return tuple(sorted(set(found)))


def _method(body: Body) -> bool:
    """Whether values are estimated as `hdr` does; `tdigest` is the other way, and the default."""
    body.accept("tdigest")
    return body.take("hdr") is not None


def _percentiles(value: Any) -> Percentiles:
    body = Body("percentiles", value)
    percents = _numbers(body, "percents") or DEFAULT_PERCENTS
    if not all(0 <= each <= 100 for each in percents):
        raise EsError(ILLEGAL, f"percent must be in [0,100], got [{percents[0]}..{percents[-1]}]", key="percents")
    hdr, keyed = _method(body), body.boolean("keyed", True)
    made = Percentiles(need_field(body), percents, keyed, stand_in(body), body.text("format"), hdr)
    body.close()
    return made


def _percentile_ranks(value: Any) -> PercentileRanks:
    body = Body("percentile_ranks", value)
    values = _numbers(body, "values")
    if values is None:
        raise EsError(ILLEGAL, "[percentile_ranks] requires [values]", key="percentile_ranks")
    hdr, keyed = _method(body), body.boolean("keyed", True)
    made = PercentileRanks(need_field(body), values, keyed, stand_in(body), body.text("format"), hdr)
    body.close()
    return made


METRIC_AGGREGATIONS: Final[dict[str, Callable[[Any], MetricSpec]]] = {
    **{kind: _metric(kind) for kind in ("avg", "min", "max", "sum", "value_count", "cardinality", "stats")},
    "extended_stats": _extended_stats,
    "percentiles": _percentiles,
    "percentile_ranks": _percentile_ranks,
    "top_hits": read_top_hits,
}
