"""The `aggs` of a search request."""

from __future__ import annotations

import difflib
import re
from typing import Any, Final, TypeAlias

import msgspec

from dxops.wire.es.agg_bucket_request import BUCKET_AGGREGATIONS
from dxops.wire.es.agg_buckets import BucketSpec, Composite, DateHistogram, Global, Histogram
from dxops.wire.es.agg_metrics import METRIC_AGGREGATIONS, MetricSpec
from dxops.wire.es.agg_pipelines import (
    PIPELINE_AGGREGATIONS,
    BucketScript,
    BucketSort,
    PipelineSpec,
    SiblingMetric,
)
from dxops.wire.es.body import Body, json_kind
from dxops.wire.es.errors import ILLEGAL, PARSING, EsError, unsupported

MAX_DEPTH: Final = 16
MAX_AGGREGATIONS: Final = 256

_NAME: Final = re.compile(r"[^\[\]>]+")
_INITIALIZATION: Final = "aggregation_initialization_exception"
_REFUSED: Final = {
    "scripted_metric": "dxops runs no scripts",
    "geo_bounds": "dxops has no geographic search",
    "geo_centroid": "dxops has no geographic search",
    "geo_distance": "dxops has no geographic search",
    "geohash_grid": "dxops has no geographic search",
    "geotile_grid": "dxops has no geographic search",
    "auto_date_histogram": "use date_histogram",
    "variable_width_histogram": "use histogram",
    "significant_terms": "use terms",
    "significant_text": "use terms",
    "rare_terms": "use terms with order _count asc",
    "multi_terms": "use composite",
    "categorize_text": "see the patterns of the log explorer",
    "sampler": "leave it out: every document is read",
    "diversified_sampler": "leave it out: every document is read",
    "random_sampler": "leave it out: every document is read",
    "nested": "leave it out: fields of array elements are searched as they are",
    "reverse_nested": "leave it out: fields of array elements are searched as they are",
    "children": "documents have no parents",
    "parent": "documents have no parents",
    "ip_range": "use range",
    "ip_prefix": "use range",
    "adjacency_matrix": "use filters",
    "weighted_avg": "use avg",
    "median_absolute_deviation": "use percentiles",
    "boxplot": "use percentiles",
    "top_metrics": "use top_hits",
    "string_stats": "use cardinality",
    "matrix_stats": "use extended_stats",
    "rate": "use date_histogram with derivative",
    "t_test": "use extended_stats",
    "moving_avg": "use moving_fn",
    "moving_percentiles": "use moving_fn",
    "percentiles_bucket": "use stats_bucket",
    "extended_stats_bucket": "use stats_bucket",
    "normalize": "use bucket_script",
    "inference": "dxops has no models",
    "cumulative_cardinality": "use cumulative_sum",
    "bucket_count_ks_test": "use stats_bucket",
    "bucket_correlation": "use stats_bucket",
    "change_point": "see the monitors of the console",
    "time_series": "see the metrics of the console",
}

Spec: TypeAlias = BucketSpec | MetricSpec | PipelineSpec


class Aggregation(msgspec.Struct, frozen=True):
    """One named aggregation. `meta` comes back with the answer."""

    name: str
    spec: Spec
    subs: tuple[Aggregation, ...] = ()
    meta: dict[str, Any] | None = None

    @property
    def is_pipeline(self) -> bool:
        return isinstance(self.spec, PipelineSpec)

    @property
    def is_bucket(self) -> bool:
        return isinstance(self.spec, BucketSpec)


def parse_aggregations(value: Any) -> tuple[Aggregation, ...]:
    """`{"name": {"terms": {…}, "aggs": {…}}}`. Raises `EsError` for what is malformed, unknown or not supported."""
    return _Reader().read(value, None, 0)


class _Reader:
    def __init__(self) -> None:
        self.count = 0

    def read(self, value: Any, parent: Spec | None, depth: int) -> tuple[Aggregation, ...]:
        if not isinstance(value, dict):
            raise EsError(PARSING, f"[aggs] must be an object, found {json_kind(value)}", key="aggs")
        if depth > MAX_DEPTH:
            raise EsError(ILLEGAL, f"Aggregations are nested more than {MAX_DEPTH} deep", key="aggs")
        found: list[Aggregation] = []
        for name, body in value.items():
            if not _NAME.fullmatch(name):
                reason = (
                    f"Invalid aggregation name [{name[:80]}]. It can contain any character except '[', ']', and '>'"
                )
                raise EsError(PARSING, reason, key=name)
            self.count += 1
            if self.count > MAX_AGGREGATIONS:
                raise EsError(ILLEGAL, f"The search has more than {MAX_AGGREGATIONS} aggregations", key=name)
            found.append(self._one(name, body, parent, depth))
        return tuple(found)

    def _one(self, name: str, value: Any, parent: Spec | None, depth: int) -> Aggregation:
        body = Body(name, value)
        subs, meta = body.take("aggs", "aggregations"), body.take("meta")
        kinds = body.keys()
        if not kinds:
            raise EsError(PARSING, f"Missing definition for aggregation [{name}]", key=name)
        if len(kinds) > 1:
            reason = f"Found two aggregation type definitions in [{name}]: [{kinds[0]}] and [{kinds[1]}]"
            raise EsError(PARSING, reason, key=kinds[1])
        if meta is not None and not isinstance(meta, dict):
            raise body.wrong("meta", "an object", meta)
        spec = _spec(kinds[0], value[kinds[0]])
        _check_place(name, spec, parent)
        if subs and not isinstance(spec, BucketSpec):
            reason = f"Aggregator [{name}] of type [{spec.kind}] cannot accept sub-aggregations"
            raise EsError(_INITIALIZATION, reason, status=500, key=name)
        return Aggregation(name, spec, () if not subs else self.read(subs, spec, depth + 1), meta)


def _spec(kind: str, body: Any) -> Spec:
    for known in (BUCKET_AGGREGATIONS, METRIC_AGGREGATIONS, PIPELINE_AGGREGATIONS):
        read = known.get(kind)
        if read is not None:
            return read(body)
    if kind in _REFUSED:
        raise unsupported(f"aggregation [{kind}]", _REFUSED[kind], kind)
    every = [*BUCKET_AGGREGATIONS, *METRIC_AGGREGATIONS, *PIPELINE_AGGREGATIONS]
    close = difflib.get_close_matches(kind[:64], every, n=3)
    guess = f" did you mean {' or '.join(f'[{each}]' for each in close)}?" if close else ""
    raise EsError(PARSING, f"Unknown aggregation type [{kind[:200]}]{guess}", key=kind)


def _check_place(name: str, spec: Spec, parent: Spec | None) -> None:
    """Pipelines need buckets to walk: those that compare neighbours, ordered ones."""
    if isinstance(spec, Global) and parent is not None:
        reason = f"Aggregation [{name}] cannot have a global sub-aggregation [global]"
        raise EsError(ILLEGAL, f"{reason}: global aggregations are at the top level", key=name)
    if not isinstance(spec, PipelineSpec) or isinstance(spec, SiblingMetric):
        return
    if isinstance(spec, BucketScript | BucketSort):
        if parent is None:
            raise EsError(ILLEGAL, f"{spec.kind} aggregation [{name}] must be declared inside of another aggregation")
    elif not isinstance(parent, DateHistogram | Histogram | Composite):
        reason = f"{spec.kind} aggregation [{name}] must have a histogram or date_histogram as parent"
        raise EsError(ILLEGAL, reason, key=name)
