"""Finished aggregations as Elasticsearch's JSON."""

from __future__ import annotations

import math
from typing import Any, Final

from dxops.wire.es.agg_buckets import (
    Composite,
    DateHistogram,
    DateRanges,
    Filters,
    Histogram,
    RangeBucket,
    Ranges,
    Terms,
)
from dxops.wire.es.agg_finish import finish
from dxops.wire.es.agg_keys import key_text, plain_key, shown_key
from dxops.wire.es.agg_metrics import ExtendedStats, Metric, PercentileRanks, Percentiles
from dxops.wire.es.agg_path import stats_of
from dxops.wire.es.agg_pipelines import PipelineSpec, SiblingMetric
from dxops.wire.es.agg_request import Aggregation, Spec
from dxops.wire.es.agg_results import (
    Bucket,
    Buckets,
    Change,
    Extreme,
    Hits,
    PercentileValues,
    Result,
    Single,
    Stats,
    Value,
)
from dxops.wire.es.date_format import format_ms
from dxops.wire.es.dates import parse_date
from dxops.wire.es.number_format import number_format
from dxops.wire.es.zones import zone

_WHOLE: Final = ("value_count", "cardinality")


def answer(
    aggregations: tuple[Aggregation, ...], results: dict[str, Result], now_ms: int, *, typed_keys: bool = False
) -> dict[str, Any]:
    """The `aggregations` of an answer: `finish`, then JSON. `typed_keys` prefixes names with their kind."""
    return _level(aggregations, finish(aggregations, results, now_ms), now_ms, typed_keys)


def _level(
    aggregations: tuple[Aggregation, ...], results: dict[str, Result], now_ms: int, typed_keys: bool
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for each in aggregations:
        result = results.get(each.name)
        if result is None:  # a pipeline that has no value here
            continue
        encoder = _Encoder(each, now_ms, typed_keys)
        body = encoder.result(result)
        name = f"{type_name(each.spec, result)}#{each.name}" if typed_keys else each.name
        shown[name] = body if each.meta is None else {"meta": each.meta, **body}
    return shown


def type_name(spec: Spec, result: Result) -> str:
    """The kind that `typed_keys` shows, which for terms depends on the keys."""
    if isinstance(spec, Terms):
        keys = [each.key for each in result.buckets] if isinstance(result, Buckets) else []
        if keys and all(isinstance(key, int) for key in keys):
            return "lterms"
        return "dterms" if keys and all(isinstance(key, int | float) for key in keys) else "sterms"
    if isinstance(spec, Percentiles | PercentileRanks):
        return ("hdr_" if spec.hdr else "tdigest_") + spec.kind
    if isinstance(spec, SiblingMetric):
        return {"stats_bucket": "stats_bucket"}.get(spec.kind) or (
            "bucket_metric_value" if isinstance(result, Extreme) else "simple_value"
        )
    if isinstance(spec, PipelineSpec):
        return "derivative" if isinstance(result, Change) else "simple_value"
    return spec.kind


class _Encoder:
    def __init__(self, of: Aggregation, now_ms: int, typed_keys: bool) -> None:
        self.of = of
        self.spec = of.spec
        self.now_ms = now_ms
        self.typed_keys = typed_keys
        self.format: str | None = getattr(of.spec, "format", None)

    def result(self, result: Result) -> dict[str, Any]:
        match result:
            case Buckets():
                return self._buckets(result)
            case Single(doc_count):
                return {"doc_count": doc_count, **self._subs(result)}
            case Value(value, is_date):
                whole = isinstance(self.spec, Metric) and self.spec.kind in _WHOLE
                return self._number("value", value, is_date, whole)
            case Stats():
                return self._stats(result)
            case PercentileValues():
                return self._percentiles(result)
            case Hits(total, hits, relation):
                shown = {"total": {"value": total, "relation": relation}, "max_score": None, "hits": list(hits)}
                return {"hits": shown}
            case Change(value, normalized):
                extra = {} if normalized is None else self._number("normalized_value", normalized)
                return self._number("value", value) | extra
            case Extreme(value, keys):
                return self._number("value", value) | {"keys": list(keys)}

    def _subs(self, bucket: Bucket | Single) -> dict[str, Any]:
        return _level(self.of.subs, bucket.subs, self.now_ms, self.typed_keys)

    def _number(self, name: str, value: float | None, is_date: bool = False, whole: bool = False) -> dict[str, Any]:
        """`name`, and `name_as_string` where the request has a format or the value is a date."""
        if value is None or not math.isfinite(value):
            return {name: None}
        shown: dict[str, Any] = {name: int(value) if whole else float(value)}
        text = self._text(value, is_date)
        return shown if text is None else {**shown, f"{name}_as_string": text}

    def _text(self, value: float, is_date: bool) -> str | None:
        if is_date:
            return format_ms(int(value), self.format)
        return number_format(self.format).write(value) if self.format else None

    def _buckets(self, result: Buckets) -> dict[str, Any]:
        match self.spec:
            case Terms():
                return self._terms(result)
            case Filters():
                return self._filters(self.spec, result)
            case Composite():
                return self._composite(self.spec, result)
            case Ranges() | DateRanges():
                return self._ranges(self.spec, result)
        assert isinstance(self.spec, DateHistogram | Histogram)
        shown = [self._keyed_bucket(result, each) for each in result.buckets]
        if self.spec.keyed:
            names = [shown_key(self.spec, result, each) for each in result.buckets]
            return {"buckets": dict(zip(names, shown, strict=True))}
        return {"buckets": shown}

    def _keyed_bucket(self, result: Buckets, bucket: Bucket) -> dict[str, Any]:
        text = key_text(self.spec, result.is_date, bucket.key)
        key = plain_key(self.spec, bucket.key)
        head: dict[str, Any] = {"key": key}
        if text is not None:
            date = isinstance(self.spec, DateHistogram | Histogram)
            head = {"key_as_string": text, "key": key} if date else {"key": key, "key_as_string": text}
        return {**head, "doc_count": bucket.doc_count, **self._subs(bucket)}

    def _terms(self, result: Buckets) -> dict[str, Any]:
        shown = []
        for each in result.buckets:
            body = self._keyed_bucket(result, each)
            if isinstance(self.spec, Terms) and self.spec.show_error:
                body["doc_count_error_upper_bound"] = each.error
            shown.append(body)
        return {
            "doc_count_error_upper_bound": result.error,
            "sum_other_doc_count": result.other,
            "buckets": shown,
        }

    def _filters(self, spec: Filters, result: Buckets) -> dict[str, Any]:
        bodies = [{"doc_count": each.doc_count, **self._subs(each)} for each in result.buckets]
        if not spec.names:
            return {"buckets": bodies}
        names = [*spec.names, spec.other_key] if spec.other_key else list(spec.names)
        pairs = list(zip(names, bodies, strict=True))
        if spec.keyed:
            return {"buckets": dict(pairs)}
        return {"buckets": [{"key": name, **body} for name, body in pairs]}

    def _composite(self, spec: Composite, result: Buckets) -> dict[str, Any]:
        shown = []
        for each in result.buckets:
            assert isinstance(each.key, tuple)
            key = {
                source.name: _composite_part(source.values, part)
                for source, part in zip(spec.sources, each.key, strict=True)
            }
            shown.append({"key": key, "doc_count": each.doc_count, **self._subs(each)})
        return {"after_key": shown[-1]["key"], "buckets": shown} if shown else {"buckets": []}

    def _ranges(self, spec: Ranges | DateRanges, result: Buckets) -> dict[str, Any]:
        """Ordered by where they begin, then by where they end; open is first, or last."""
        parts = [
            (self._bounds(spec, asked), asked, each) for asked, each in zip(spec.ranges, result.buckets, strict=True)
        ]
        parts.sort(key=lambda part: (_or(part[0][0], -math.inf), _or(part[0][1], math.inf)))
        shown: list[tuple[str, dict[str, Any]]] = []
        for (from_, to), asked, each in parts:
            texts = [self._bound_text(spec, bound) for bound in (from_, to)]
            body: dict[str, Any] = {}
            for name, bound, text in zip(("from", "to"), (from_, to), texts, strict=True):
                if bound is not None:
                    body[name] = float(bound)
                    if isinstance(spec, DateRanges) or spec.format:
                        body[f"{name}_as_string"] = text
            key = "-".join(texts) if asked.key is None else asked.key
            shown.append((key, {**body, "doc_count": each.doc_count, **self._subs(each)}))
        if spec.keyed:
            return {"buckets": dict(shown)}
        return {"buckets": [{"key": key, **body} for key, body in shown]}

    def _bounds(self, spec: Ranges | DateRanges, asked: RangeBucket) -> tuple[float | None, float | None]:
        if isinstance(spec, DateRanges):
            return range_bounds(spec, asked, self.now_ms)
        return (None if asked.from_ is None else float(asked.from_)), (None if asked.to is None else float(asked.to))

    def _bound_text(self, spec: Ranges | DateRanges, bound: float | None) -> str:
        if bound is None:
            return "*"
        if isinstance(spec, DateRanges):
            return format_ms(int(bound), spec.format, zone(spec.time_zone))
        return number_format(spec.format).write(bound) if spec.format else str(float(bound))

    def _stats(self, result: Stats) -> dict[str, Any]:
        values = stats_of(result, self.spec.sigma if isinstance(self.spec, ExtendedStats) else 2.0)
        names = ["min", "max", "avg", "sum"]
        shown: dict[str, Any] = {"count": result.count}
        if isinstance(self.spec, ExtendedStats):
            names += [name for name in values if name.startswith(("sum_of", "variance", "std_deviation"))]
        for name in names:
            shown[name] = _or_nan(values[name])
        if isinstance(self.spec, ExtendedStats):
            bounds = ("upper", "lower", "upper_population", "lower_population", "upper_sampling", "lower_sampling")
            shown["std_deviation_bounds"] = {name: _or_nan(values.get(f"std_{name}")) for name in bounds}
        texts = {f"{name}_as_string": self._stat_text(values[name], result.is_date) for name in names}
        return shown | {name: text for name, text in texts.items() if text is not None}

    def _stat_text(self, value: float | None, is_date: bool) -> str | None:
        return None if value is None or not math.isfinite(value) else self._text(value, is_date)

    def _percentiles(self, result: PercentileValues) -> dict[str, Any]:
        spec = self.spec
        assert isinstance(spec, Percentiles | PercentileRanks)
        asked = spec.percents if isinstance(spec, Percentiles) else spec.values
        pairs = [(float(key), value) for key, value in zip(asked, result.values, strict=True)]
        is_date = result.is_date
        if spec.keyed:
            keyed: dict[str, Any] = {}
            for key, value in pairs:
                keyed |= self._number(str(key), value, is_date)
            return {"values": keyed}
        return {"values": [{"key": key, **self._number("value", value, is_date)} for key, value in pairs]}


def range_bounds(spec: DateRanges, asked: RangeBucket, now_ms: int) -> tuple[int | None, int | None]:
    """Milliseconds from which (within) and up to which (not within) a date range goes; None is open."""
    where = zone(spec.time_zone)

    def at(bound: str | int | float | None) -> int | None:
        if bound is None:
            return None
        plain = int(bound) if isinstance(bound, float) else bound
        return parse_date(plain, now_ms, format=spec.format, time_zone=where)

    return at(asked.from_), at(asked.to)


def _composite_part(values: Terms | Histogram | DateHistogram, part: Any) -> Any:
    if part is None:
        return None
    if isinstance(values, DateHistogram) and values.format:
        return key_text(values, False, part)
    return part if isinstance(part, bool) else plain_key(values, part)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _or_nan(value: float | None) -> float | str | None:
    """Not a number is the text NaN, as Elasticsearch writes it."""
    if value is None:
        return None
    return float(value) if math.isfinite(value) else "NaN"
