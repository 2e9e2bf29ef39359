"""Aggregations: requests, answers, empty buckets, pipelines. Expected JSON is from Elasticsearch's documentation."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.es.agg_buckets import Composite, DateHistogram, Filters, RangeBucket, Ranges, Terms
from dxops.wire.es.agg_encode import answer
from dxops.wire.es.agg_options import Bounds, OrderKey
from dxops.wire.es.agg_pipelines import MovingFn
from dxops.wire.es.agg_request import parse_aggregations
from dxops.wire.es.agg_results import Bucket, Buckets, Hits, PercentileValues, Result, Single, Stats, Value
from dxops.wire.es.errors import EsError
from dxops.wire.es.expression import evaluate, parse_expression
from dxops.wire.es.number_format import number_format
from dxops.wire.query_tree import Term

DAY = 86_400_000
T0 = int(dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp()) * 1000
DAILY = {"date_histogram": {"field": "@timestamp", "calendar_interval": "day"}}


def shown(aggs: Any, results: dict[str, Result], **options: Any) -> dict[str, Any]:
    return answer(parse_aggregations(aggs), results, T0, **options)


def spec(body: Any) -> Any:
    return parse_aggregations({"a": body})[0].spec


# requests


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"calendar_interval": "1M"}, DateHistogram("t", "M")),
        ({"calendar_interval": "quarter"}, DateHistogram("t", "q")),
        ({"fixed_interval": "90m"}, DateHistogram("t", size_ms=5_400_000)),
        ({"fixed_interval": "1d", "offset": "+6h"}, DateHistogram("t", size_ms=DAY, offset_ms=21_600_000)),
        ({"interval": "1d", "offset": "-1h"}, DateHistogram("t", "d", offset_ms=-3_600_000)),
        ({"interval": "30s"}, DateHistogram("t", size_ms=30_000)),
        (
            {"fixed_interval": "1h", "time_zone": "Europe/Berlin", "format": "HH", "keyed": True, "min_doc_count": 1},
            DateHistogram("t", size_ms=3_600_000, time_zone="Europe/Berlin", format="HH", keyed=True, min_doc_count=1),
        ),
        (
            {"fixed_interval": "1h", "extended_bounds": {"min": 1, "max": "now"}, "order": {"_count": "desc"}},
            DateHistogram("t", size_ms=3_600_000, extended_bounds=Bounds(1, "now"), order=(OrderKey("_count", True),)),
        ),
    ],
)
def test_date_histograms(body: dict[str, Any], expected: DateHistogram) -> None:
    assert spec({"date_histogram": {"field": "t", **body}}) == expected


def test_terms_and_others() -> None:
    assert spec({"terms": {"field": "f"}}) == Terms("f")
    body = {"field": "f", "size": 5, "order": [{"x.max": "asc"}, {"_term": "desc"}], "include": ["a"], "exclude": "b.*"}
    order = (OrderKey("x.max"), OrderKey("_key", True))
    assert spec({"terms": body}) == Terms("f", 5, order, include=("a",), exclude_pattern="b.*")
    ranges = [{"to": 10}, {"key": "k", "from": "10", "to": 20.5}]
    buckets = (RangeBucket(None, None, 10), RangeBucket("k", 10, 20.5))
    assert spec({"range": {"field": "f", "ranges": ranges}}) == Ranges("f", buckets)
    named = spec({"filters": {"filters": {"x": {"term": {"f": 1}}}, "other_bucket": True}})
    assert named == Filters((Term(("f",), (1,)),), ("x",), "_other_")
    composite = spec(
        {"composite": {"sources": [{"s": {"terms": {"field": "f", "order": "desc"}}}], "size": 2, "after": {"s": "x"}}}
    )
    assert isinstance(composite, Composite)
    assert (composite.size, composite.after, composite.sources[0].descending) == (2, ("x",), True)
    moving = {
        "buckets_path": "s",
        "window": 3,
        "script": "MovingFunctions.stdDev(values, MovingFunctions.unweightedAvg(values))",
    }
    nested = parse_aggregations({"h": {**DAILY, "aggs": {"m": {"moving_fn": moving}}}})
    assert nested[0].subs[0].spec == MovingFn("s", "stdDev", 3)


@pytest.mark.parametrize(
    ("aggs", "type_", "reason"),
    [
        ({"a": {"foo": {}}}, "parsing_exception", "Unknown aggregation type [foo]"),
        ({"a": {"term": {}}}, "parsing_exception", "did you mean [terms]"),
        ({"a": {}}, "parsing_exception", "Missing definition for aggregation [a]"),
        ({"a": {"avg": {"field": "f"}, "sum": {"field": "f"}}}, "parsing_exception", "Found two aggregation type"),
        ({"a[": {"avg": {"field": "f"}}}, "parsing_exception", "Invalid aggregation name [a[]"),
        ({"a": {"avg": {}}}, "illegal_argument_exception", "Required one of fields [field, script]"),
        ({"a": {"avg": {"script": "1"}}}, "illegal_argument_exception", "runs no scripts"),
        ({"a": {"avg": {"field": "f", "foo": 1}}}, "parsing_exception", "[avg] does not support [foo]"),
        (
            {"a": {"avg": {"field": "f"}, "aggs": {"b": {"avg": {"field": "f"}}}}},
            "aggregation_initialization_exception",
            "cannot accept sub-aggregations",
        ),
        ({"a": {"date_histogram": {"field": "t"}}}, "illegal_argument_exception", "Invalid interval specified"),
        (
            {"a": {"date_histogram": {"field": "t", "calendar_interval": "2M"}}},
            "illegal_argument_exception",
            "could not be parsed as a calendar interval",
        ),
        (
            {"a": {"date_histogram": {"field": "t", "fixed_interval": "1M"}}},
            "illegal_argument_exception",
            "not like 90s",
        ),
        (
            {"a": {"date_histogram": {"field": "t", "fixed_interval": "0s"}}},
            "illegal_argument_exception",
            "1 millisecond or more",
        ),
        (
            {"a": {"date_histogram": {"field": "t", "fixed_interval": "1h", "time_zone": "X"}}},
            "illegal_argument_exception",
            "Unknown time-zone",
        ),
        ({"a": {"histogram": {"field": "t", "interval": 0}}}, "illegal_argument_exception", "[interval] must be >0"),
        ({"a": {"terms": {"field": "t", "size": 0}}}, "illegal_argument_exception", "at least 1"),
        ({"a": {"terms": {"field": "t", "order": {"_count": "up"}}}}, "parsing_exception", "Unknown order direction"),
        ({"a": {"terms": {"field": "t", "include": {"partition": 0}}}}, "illegal_argument_exception", "partition"),
        ({"a": {"percentiles": {"field": "f", "percents": [101]}}}, "illegal_argument_exception", "[0,100]"),
        ({"a": {"range": {"field": "f"}}}, "illegal_argument_exception", "No [ranges]"),
        ({"a": {"geo_bounds": {}}}, "illegal_argument_exception", "not supported: dxops has no geographic search"),
        ({"a": {"composite": {"sources": []}}}, "illegal_argument_exception", "cannot be null or empty"),
        (
            {"a": {"composite": {"sources": [{"s": {"terms": {"field": "f"}}}], "after": {}}}},
            "illegal_argument_exception",
            "[after] has 0",
        ),
        ({"a": {"derivative": {"buckets_path": "x"}}}, "illegal_argument_exception", "must have a histogram"),
        ({"a": {"bucket_sort": {}}}, "illegal_argument_exception", "must be declared inside"),
        (
            {"h": {**DAILY, "aggs": {"m": {"moving_fn": {"buckets_path": "s", "window": 3, "script": "return 1"}}}}},
            "illegal_argument_exception",
            "MovingFunctions.NAME",
        ),
        (
            {
                "h": {
                    **DAILY,
                    "aggs": {
                        "m": {"moving_fn": {"buckets_path": "s", "window": 0, "script": "MovingFunctions.max(values)"}}
                    },
                }
            },
            "illegal_argument_exception",
            "positive",
        ),
        (
            {"h": {**DAILY, "aggs": {"m": {"bucket_script": {"buckets_path": {"a": "x"}, "script": "for(;;)"}}}}},
            "script_exception",
            "compile error",
        ),
        ({"a": {"terms": {"field": "f"}, "aggs": {"g": {"global": {}}}}}, "illegal_argument_exception", "global"),
    ],
)
def test_refusals(aggs: Any, type_: str, reason: str) -> None:
    with pytest.raises(EsError) as caught:
        parse_aggregations(aggs)
    assert (caught.value.type, reason in caught.value.reason) == (type_, True), caught.value.reason


def test_deep_and_many_aggregations_are_refused() -> None:
    body: Any = {"avg": {"field": "f"}}
    for _ in range(2_000):
        body = {"terms": {"field": "f"}, "aggs": {"a": body}}
    with pytest.raises(EsError, match="nested more than"):
        parse_aggregations({"a": body})
    with pytest.raises(EsError, match="more than 256"):
        parse_aggregations({str(number): {"avg": {"field": "f"}} for number in range(300)})


# answers


def test_date_histogram_with_empty_buckets() -> None:
    aggs = {"2": {**DAILY, "aggs": {"1": {"avg": {"field": "x"}}}}}
    results = {"2": Buckets((Bucket(T0, 3, {"1": Value(2)}), Bucket(T0 + 2 * DAY, 1, {"1": Value(5.5)})))}
    assert shown(aggs, results) == {
        "2": {
            "buckets": [
                {"key_as_string": "2024-01-01T00:00:00.000Z", "key": T0, "doc_count": 3, "1": {"value": 2.0}},
                {"key_as_string": "2024-01-02T00:00:00.000Z", "key": T0 + DAY, "doc_count": 0, "1": {"value": None}},
                {"key_as_string": "2024-01-03T00:00:00.000Z", "key": T0 + 2 * DAY, "doc_count": 1, "1": {"value": 5.5}},
            ]
        }
    }


def test_extended_bounds_zone_format_and_keyed() -> None:
    body = {
        "field": "t",
        "calendar_interval": "1d",
        "time_zone": "Europe/Berlin",
        "format": "yyyy-MM-dd",
        "keyed": True,
        "extended_bounds": {"min": "2024-03-30", "max": "2024-04-01"},
    }
    midnight = int(dt.datetime(2024, 3, 30, 23, tzinfo=dt.UTC).timestamp()) * 1000  # the 31st in Berlin: 23 hours
    found = shown({"h": {"date_histogram": body}}, {"h": Buckets((Bucket(midnight, 7),))})["h"]["buckets"]
    assert {name: (each["key"] - midnight, each["doc_count"]) for name, each in found.items()} == {
        "2024-03-30": (-DAY, 0),
        "2024-03-31": (0, 7),
        "2024-04-01": (DAY - 3_600_000, 0),
    }


def test_extended_bounds_alone_make_buckets_and_hard_bounds_drop_them() -> None:
    extended = {
        "date_histogram": {"field": "t", "fixed_interval": "1d", "extended_bounds": {"min": T0, "max": T0 + DAY}}
    }
    assert [each["doc_count"] for each in shown({"h": extended}, {})["h"]["buckets"]] == [0, 0]
    hard = {"histogram": {"field": "n", "interval": 10, "hard_bounds": {"min": 10, "max": 30}}}
    buckets = Buckets(tuple(Bucket(key, 1) for key in (0.0, 10.0, 20.0, 30.0)))
    assert [each["key"] for each in shown({"h": hard}, {"h": buckets})["h"]["buckets"]] == [10.0, 20.0]
    counted = {"date_histogram": {"field": "t", "fixed_interval": "1d", "min_doc_count": 1}}
    gaps = Buckets((Bucket(T0 + 9 * DAY, 1), Bucket(T0, 2)))
    assert [each["key"] for each in shown({"h": counted}, {"h": gaps})["h"]["buckets"]] == [T0, T0 + 9 * DAY]


def test_too_many_empty_buckets_are_refused() -> None:
    aggs = {"h": {"date_histogram": {"field": "t", "fixed_interval": "1ms"}}}
    with pytest.raises(EsError) as caught:
        shown(aggs, {"h": Buckets((Bucket(0, 1), Bucket(T0, 1)))})
    assert caught.value.type == "too_many_buckets_exception"
    numbers = {"h": {"histogram": {"field": "n", "interval": 0.001}}}
    with pytest.raises(EsError):
        shown(numbers, {"h": Buckets((Bucket(0.0, 1), Bucket(1e9, 1)))})


def test_histograms_have_keys_with_a_point() -> None:
    aggs = {"h": {"histogram": {"field": "n", "interval": 50, "offset": 10}}}
    found = shown(aggs, {"h": Buckets((Bucket(10, 1), Bucket(110, 2)))})["h"]["buckets"]
    assert [(each["key"], each["doc_count"]) for each in found] == [(10.0, 1), (60.0, 0), (110.0, 2)]
    assert all(isinstance(each["key"], float) for each in found)


def test_terms() -> None:
    results = {"t": Buckets((Bucket("a", 5), Bucket("b", 3)), other=9, error=1)}
    assert shown({"t": {"terms": {"field": "f"}}}, results) == {
        "t": {
            "doc_count_error_upper_bound": 1,
            "sum_other_doc_count": 9,
            "buckets": [{"key": "a", "doc_count": 5}, {"key": "b", "doc_count": 3}],
        }
    }
    flags = {"t": Buckets((Bucket(True, 5), Bucket(False, 3)))}
    assert shown({"t": {"terms": {"field": "f"}}}, flags)["t"]["buckets"] == [
        {"key": 1, "key_as_string": "true", "doc_count": 5},
        {"key": 0, "key_as_string": "false", "doc_count": 3},
    ]
    dates = {"t": Buckets((Bucket(T0, 5),), is_date=True)}
    assert shown({"t": {"terms": {"field": "f", "show_term_doc_count_error": True}}}, dates)["t"]["buckets"] == [
        {"key": T0, "key_as_string": "2024-01-01T00:00:00.000Z", "doc_count": 5, "doc_count_error_upper_bound": 0}
    ]


def test_ranges() -> None:
    aggs = {"r": {"range": {"field": "n", "ranges": [{"from": 20}, {"to": 10}, {"from": 10, "to": 20, "key": "mid"}]}}}
    results = {"r": Buckets((Bucket(None, 3), Bucket(None, 1), Bucket(None, 2)))}
    assert shown(aggs, results)["r"]["buckets"] == [
        {"key": "*-10.0", "to": 10.0, "doc_count": 1},
        {"key": "mid", "from": 10.0, "to": 20.0, "doc_count": 2},
        {"key": "20.0-*", "from": 20.0, "doc_count": 3},
    ]
    dates = {
        "r": {
            "date_range": {
                "field": "t",
                "format": "MM-yyyy",
                "ranges": [{"to": "now-1M/M"}, {"from": "now-1M/M"}],
                "keyed": True,
            }
        }
    }
    start = float(int(dt.datetime(2023, 12, 1, tzinfo=dt.UTC).timestamp()) * 1000)
    assert shown(dates, {"r": Buckets((Bucket(None, 1), Bucket(None, 2)))})["r"]["buckets"] == {
        "*-12-2023": {"to": start, "to_as_string": "12-2023", "doc_count": 1},
        "12-2023-*": {"from": start, "from_as_string": "12-2023", "doc_count": 2},
    }


def test_filters_and_single_buckets() -> None:
    match: dict[str, Any] = {"match_all": {}}
    two = Buckets((Bucket(None, 1), Bucket(None, 2)))
    named = {"f": {"filters": {"filters": {"x": match, "y": match}}}}
    assert shown(named, {"f": two}) == {"f": {"buckets": {"x": {"doc_count": 1}, "y": {"doc_count": 2}}}}
    anonymous = {"f": {"filters": {"filters": [match, match]}}}
    assert shown(anonymous, {"f": two}) == {"f": {"buckets": [{"doc_count": 1}, {"doc_count": 2}]}}
    other = {"f": {"filters": {"filters": {"x": match}, "other_bucket_key": "rest", "keyed": False}}}
    assert shown(other, {"f": two})["f"]["buckets"] == [{"key": "x", "doc_count": 1}, {"key": "rest", "doc_count": 2}]
    single = {"m": {"missing": {"field": "f"}, "aggs": {"c": {"value_count": {"field": "x"}}}, "meta": {"k": 1}}}
    assert shown(single, {"m": Single(4, {"c": Value(2)})}) == {
        "m": {"meta": {"k": 1}, "doc_count": 4, "c": {"value": 2}}
    }


def test_composite() -> None:
    sources = [
        {"day": {"date_histogram": {"field": "t", "calendar_interval": "1d"}}},
        {"text": {"date_histogram": {"field": "t", "calendar_interval": "1d", "format": "yyyy-MM-dd"}}},
        {"host": {"terms": {"field": "h", "missing_bucket": True}}},
    ]
    aggs = {"c": {"composite": {"sources": sources, "size": 2}}}
    key = {"day": T0, "text": "2024-01-01", "host": None}
    result = Buckets((Bucket((T0, T0, None), 2),))
    assert shown(aggs, {"c": result}) == {"c": {"after_key": key, "buckets": [{"key": key, "doc_count": 2}]}}
    assert shown(aggs, {"c": Buckets(())}) == {"c": {"buckets": []}}


def test_metrics() -> None:
    aggs = {
        "max": {"max": {"field": "t"}},
        "sum": {"sum": {"field": "n", "format": "#,##0.00"}},
        "card": {"cardinality": {"field": "n"}},
        "p": {"percentiles": {"field": "n", "percents": [95, 50]}},
        "l": {"percentiles": {"field": "n", "percents": [50], "keyed": False}},
        "r": {"percentile_ranks": {"field": "n", "values": [500]}},
        "s": {"stats": {"field": "n"}},
        "h": {"top_hits": {"size": 1}},
    }
    results: dict[str, Result] = {
        "max": Value(T0, is_date=True),
        "sum": Value(12345.678),
        "card": Value(3),
        "p": PercentileValues((1.5, None)),
        "l": PercentileValues((2.0,)),
        "r": PercentileValues((90.5,)),
        "s": Stats(2, 1.0, 3.0, 4.0, 10.0),
        "h": Hits(7, ({"_id": "1"},)),
    }
    assert shown(aggs, results) == {
        "max": {"value": float(T0), "value_as_string": "2024-01-01T00:00:00.000Z"},
        "sum": {"value": 12345.678, "value_as_string": "12,345.68"},
        "card": {"value": 3},
        "p": {"values": {"50.0": 1.5, "95.0": None}},
        "l": {"values": [{"key": 50.0, "value": 2.0}]},
        "r": {"values": {"500.0": 90.5}},
        "s": {"count": 2, "min": 1.0, "max": 3.0, "avg": 2.0, "sum": 4.0},
        "h": {"hits": {"total": {"value": 7, "relation": "eq"}, "max_score": None, "hits": [{"_id": "1"}]}},
    }


def test_extended_stats() -> None:
    found = shown({"e": {"extended_stats": {"field": "n"}}}, {"e": Stats(2, 1.0, 3.0, 4.0, 10.0)})["e"]
    assert found["sum_of_squares"] == 10.0
    assert (found["variance"], found["variance_population"], found["variance_sampling"]) == (1.0, 1.0, 2.0)
    assert found["std_deviation_bounds"]["upper"] == 4.0
    assert found["std_deviation_bounds"]["lower_sampling"] == 2.0 - 2 * math.sqrt(2)
    one = shown({"e": {"extended_stats": {"field": "n"}}}, {"e": Stats(1, 1.0, 1.0, 1.0, 1.0)})["e"]
    assert one["variance_sampling"] == "NaN"
    none = shown({"e": {"extended_stats": {"field": "n"}}}, {})["e"]
    assert (none["count"], none["avg"], none["sum"], none["std_deviation_bounds"]["upper"]) == (0, None, 0.0, None)


def test_without_documents() -> None:
    aggs = {
        "avg": {"avg": {"field": "n"}},
        "sum": {"sum": {"field": "n"}},
        "count": {"value_count": {"field": "n"}},
        "t": {"terms": {"field": "n"}},
        "h": DAILY,
        "f": {"filters": {"filters": [{"match_all": {}}]}},
        "p": {"percentiles": {"field": "n", "percents": [50]}},
    }
    assert shown(aggs, {}) == {
        "avg": {"value": None},
        "sum": {"value": 0.0},
        "count": {"value": 0},
        "t": {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": []},
        "h": {"buckets": []},
        "f": {"buckets": [{"doc_count": 0}]},
        "p": {"values": {"50.0": None}},
    }


def test_typed_keys() -> None:
    aggs = {
        "t": {"terms": {"field": "f"}, "aggs": {"p": {"percentiles": {"field": "n", "percents": [50]}}}},
        "n": {"terms": {"field": "f"}},
        "h": {**DAILY, "aggs": {"d": {"derivative": {"buckets_path": "_count"}}}},
        "m": {"max_bucket": {"buckets_path": "h>_count"}},
        "a": {"avg_bucket": {"buckets_path": "h>_count"}},
    }
    results: dict[str, Result] = {
        "t": Buckets((Bucket("a", 1),)),
        "n": Buckets((Bucket(1, 1),)),
        "h": Buckets((Bucket(T0, 1), Bucket(T0 + DAY, 3))),
    }
    found = shown(aggs, results, typed_keys=True)
    assert list(found) == ["sterms#t", "lterms#n", "date_histogram#h", "bucket_metric_value#m", "simple_value#a"]
    assert "tdigest_percentiles#p" in found["sterms#t"]["buckets"][0]
    assert found["date_histogram#h"]["buckets"][1]["derivative#d"] == {"value": 2.0}


# pipelines

VALUES = [10.0, None, 20.0, 35.0]  # the second day has no documents


def piped(subs: dict[str, Any], siblings: dict[str, Any] | None = None, **histogram: Any) -> dict[str, Any]:
    body = {"date_histogram": {"field": "t", "calendar_interval": "day", **histogram}}
    aggs = {"h": {**body, "aggs": {"s": {"sum": {"field": "n"}}, **subs}}, **(siblings or {})}
    buckets = [
        Bucket(T0 + day * DAY, 2 + day, {"s": Value(value)}) for day, value in enumerate(VALUES) if value is not None
    ]
    return shown(aggs, {"h": Buckets(tuple(buckets))})


def column(found: dict[str, Any], name: str) -> list[Any]:
    return [each.get(name, {}).get("value", "-") for each in found["h"]["buckets"]]


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ({"derivative": {"buckets_path": "s"}}, ["-", "-", 10.0, 15.0]),
        ({"derivative": {"buckets_path": "s", "gap_policy": "insert_zeros"}}, ["-", -10.0, 20.0, 15.0]),
        ({"derivative": {"buckets_path": "_count"}}, ["-", -2.0, 4.0, 1.0]),
        ({"cumulative_sum": {"buckets_path": "s"}}, [10.0, 10.0, 30.0, 65.0]),
        ({"cumulative_sum": {"buckets_path": "_count"}}, [2.0, 2.0, 6.0, 11.0]),
        ({"serial_diff": {"buckets_path": "s"}}, ["-", "-", "-", 15.0]),
        ({"serial_diff": {"buckets_path": "s", "lag": 2}}, ["-", "-", 10.0, "-"]),
        (
            {"moving_fn": {"buckets_path": "s", "window": 2, "script": "MovingFunctions.unweightedAvg(values)"}},
            [None, "-", 10.0, 15.0],
        ),
        (
            {"moving_fn": {"buckets_path": "s", "window": 2, "shift": 1, "script": "MovingFunctions.max(values)"}},
            [10.0, "-", 20.0, 35.0],
        ),
        (
            {"moving_fn": {"buckets_path": "s", "window": 9, "shift": 1, "script": "MovingFunctions.sum(values)"}},
            [10.0, "-", 30.0, 65.0],
        ),
        (
            {
                "moving_fn": {
                    "buckets_path": "s",
                    "window": 2,
                    "shift": 1,
                    "script": "MovingFunctions.linearWeightedAvg(values)",
                }
            },
            [10.0, "-", 50 / 3, 30.0],
        ),
        (
            {"bucket_script": {"buckets_path": {"a": "s", "n": "_count"}, "script": "params.a / params.n"}},
            [5.0, "-", 5.0, 7.0],
        ),
        (
            {
                "bucket_script": {
                    "buckets_path": {"a": "s"},
                    "script": {"source": "params.a * 2", "lang": "painless"},
                    "gap_policy": "insert_zeros",
                }
            },
            [20.0, 0.0, 40.0, 70.0],
        ),
        ({"bucket_script": {"buckets_path": {"n": "_count"}, "script": "1 / params.n"}}, [0.5, None, 0.25, 0.2]),
    ],
)
def test_parent_pipelines(pipeline: dict[str, Any], expected: list[Any]) -> None:
    assert column(piped({"p": pipeline}), "p") == expected


def test_pipelines_on_pipelines_selectors_and_sorts() -> None:
    chain = {
        "twice": {"bucket_script": {"buckets_path": {"d": "d"}, "script": "params.d * 2"}},
        "d": {"derivative": {"buckets_path": "s", "unit": "hour"}},
    }
    found = piped(chain)
    assert column(found, "twice") == ["-", "-", 20.0, 30.0]
    assert found["h"]["buckets"][3]["d"] == {"value": 15.0, "normalized_value": 15.0 / 24}
    assert found["h"]["buckets"][2]["d"]["normalized_value"] == 10.0 / 48
    selected = piped({"x": {"bucket_selector": {"buckets_path": {"a": "s"}, "script": "params.a > 10"}}})
    assert column(selected, "s") == [20.0, 35.0]
    top = piped({"x": {"bucket_sort": {"sort": [{"s": {"order": "desc"}}], "size": 2}}})
    assert sorted(column(top, "s")) == [20.0, 35.0]
    with pytest.raises(EsError, match="Cyclical"):
        piped({"a": {"derivative": {"buckets_path": "b"}}, "b": {"derivative": {"buckets_path": "a"}}})


def test_sibling_pipelines() -> None:
    paths = {
        kind: {kind: {"buckets_path": "h>s"}}
        for kind in ("avg_bucket", "max_bucket", "min_bucket", "sum_bucket", "stats_bucket")
    }
    found = piped({}, paths, format="yyyy-MM-dd")
    assert found["avg_bucket"] == {"value": 65 / 3}
    assert found["max_bucket"] == {"value": 35.0, "keys": ["2024-01-04"]}
    assert found["min_bucket"] == {"value": 10.0, "keys": ["2024-01-01"]}
    assert found["sum_bucket"] == {"value": 65.0}
    assert found["stats_bucket"] == {"count": 3, "min": 10.0, "max": 35.0, "avg": 65 / 3, "sum": 65.0}
    assert shown({"h": DAILY, "m": {"max_bucket": {"buckets_path": "h>_count"}}}, {})["m"] == {
        "value": None,
        "keys": [],
    }
    with pytest.raises(EsError, match="No aggregation with buckets found"):
        piped({}, {"m": {"max_bucket": {"buckets_path": "nothing>s"}}})


def test_paths_reach_below() -> None:
    subs = {
        "st": {"stats": {"field": "n"}},
        "pc": {"percentiles": {"field": "n", "percents": [50, 99.9]}},
        "fi": {"filter": {"match_all": {}}, "aggs": {"av": {"avg": {"field": "n"}}}},
        "te": {"terms": {"field": "f"}},
        "fs": {"filters": {"filters": {"x": {"match_all": {}}}}},
    }
    paths = {
        "a": "st.max",
        "b": "pc.99.9",
        "c": "pc[50]",
        "d": "fi>av",
        "e": "fi._count",
        "f": "te['k']>_count",
        "g": "te._bucket_count",
        "h": "fs['x']>_count",
    }
    script = {"p": {"bucket_script": {"buckets_path": paths, "script": " + ".join(f"params.{name}" for name in paths)}}}
    below: dict[str, Result] = {
        "st": Stats(1, 1.0, 1.0, 1.0),
        "pc": PercentileValues((10.0, 100.0)),
        "fi": Single(10_000, {"av": Value(1000.0)}),
        "te": Buckets((Bucket("k", 100_000),)),
        "fs": Buckets((Bucket(None, 10_000_000),)),
    }
    found = shown({"h": {**DAILY, "aggs": {**subs, **script}}}, {"h": Buckets((Bucket(T0, 1, below),))})
    assert column(found, "p") == [1 + 100 + 10 + 1000 + 10_000 + 100_000 + 1 + 10_000_000]
    for wrong in ("nothing", "st", "st.foo", "te>x", "pc.7", "fi>nothing"):
        bad = {"p": {"derivative": {"buckets_path": wrong}}}
        with pytest.raises(EsError):
            shown({"h": {**DAILY, "aggs": {**subs, **bad}}}, {"h": Buckets((Bucket(T0, 1, below),))})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("params.a + params.b * 2", 7.0),
        ("(a + b) * 2", 8.0),
        ("-a - -b", 2.0),
        ("a - b - 1", -3.0),
        ("b / a / 2", 1.5),
        ("params['a'] + params[\"b\"]", 4.0),
        ("a > b ? 1 : b >= 3 ? 2 : 3", 2.0),
        ("a < 2 && !(b < 2) || a == 5", 1.0),
        ("Math.max(a, Math.pow(b, 2)) % 5", 4.0),
        ("return a;", 1.0),
        ("1.5e1 + .5", 15.5),
        ("Math.round(2.5)", 3.0),
        ("100.0d * a", 100.0),
    ],
)
def test_expressions(text: str, value: float) -> None:
    assert evaluate(parse_expression(text, frozenset({"a", "b"})), {"a": 1.0, "b": 3.0}) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a +",
        "a b",
        "c",
        "a; b",
        "def x = 1",
        "a.b()",
        "'a'",
        "Math.foo(a)",
        "Math.max(a)",
        "(a",
        "a = 1",
        "params.c",
        "(" * 500,
        "-" * 500 + "a",
        "+".join("a" * 900),
        "a" * 3000,
        "a ? b",
        "doc['x'].value",
    ],
)
def test_other_scripts_are_refused(text: str) -> None:
    with pytest.raises(EsError) as caught:
        parse_expression(text, frozenset({"a", "b"}))
    assert caught.value.type == "script_exception"


def test_arithmetic_without_a_value() -> None:
    def of(text: str) -> float:
        return evaluate(parse_expression(text, frozenset()), {})

    assert of("1 / 0") == math.inf
    assert of("-1 / 0") == -math.inf
    for text in ("0 / 0", "1 % 0", "Math.sqrt(-1)", "Math.log(0)", "Math.exp(1e9)"):
        assert math.isnan(of(text))


@pytest.mark.parametrize(
    ("pattern", "value", "text"),
    [
        ("0", 1.5, "2"),
        ("0.00", 1.005, "1.00"),
        ("#,##0.##", 1234567.5, "1,234,567.5"),
        ("0.0%", 0.1234, "12.3%"),
        ("$#,##0", -1234, "-$1,234"),
        ("000", 7, "007"),
        ("#.##", 0.5, ".5"),
        ("0 ms", 3, "3 ms"),
        ("0.0", 1e300, "1" + "0" * 300 + ".0"),
        ("0.0", 5e-324, "0.0"),
    ],
)
def test_number_formats(pattern: str, value: float, text: str) -> None:
    assert number_format(pattern).write(value) == text


@given(st.text(alphabet="ab+-*/%()<>=?:!&|.,1 Mathmxprs[]'", max_size=40))
def test_hostile_expressions(text: str) -> None:
    with contextlib.suppress(EsError):
        assert isinstance(evaluate(parse_expression(text, frozenset({"a", "b"})), {"a": 1.0, "b": 0.0}), float)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["field", "terms", "avg", "aggs", "filters", "ranges", "sources", "interval", "script", "order", "size"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=2))
def test_hostile_requests(body: Any) -> None:
    with contextlib.suppress(EsError):
        assert isinstance(parse_aggregations(body), tuple)
