"""Aggregations on real rows in a real ClickHouse, as clients get them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from dxops.rooms.logs.searching import Searcher, Target
from dxops.wire.es.errors import EsError
from dxops.wire.es.search import parse_search
from tests.rooms.logs.test_searching import APP, IDS, NOON, searcher, store

__all__ = ["searcher", "store"]


async def aggregated(searcher: Searcher, aggs: dict[str, Any], target: Target = APP, **body: Any) -> dict[str, Any]:
    found = await searcher.search(parse_search({"size": 0, "aggs": aggs, **body}), target)
    answer: dict[str, Any] = orjson.loads(orjson.dumps(found.body["aggregations"]))
    return answer


def pairs(result: dict[str, Any]) -> list[tuple[Any, int]]:
    return [(bucket["key"], bucket["doc_count"]) for bucket in result["buckets"]]


async def test_metrics(searcher: Searcher) -> None:
    names = ("avg", "min", "max", "sum", "value_count", "cardinality", "stats", "extended_stats")
    found = await aggregated(searcher, {name: {name: {"field": "took"}} for name in names})
    took = [n * 1.5 for n in range(40)]
    assert {name: found[name]["value"] for name in names[:6]} == {
        "avg": sum(took) / 40, "min": 0.0, "max": 58.5, "sum": sum(took), "value_count": 40, "cardinality": 40,
    }  # fmt: skip
    assert (found["stats"]["count"], found["stats"]["avg"]) == (40, sum(took) / 40)
    assert found["extended_stats"]["sum_of_squares"] == sum(value * value for value in took)


async def test_metrics_of_nothing_and_of_other_kinds(searcher: Searcher) -> None:
    aggs = {
        "none": {"max": {"field": "nowhere"}},
        "count": {"value_count": {"field": "user"}},
        "stood_in": {"cardinality": {"field": "user", "missing": "nobody"}},
        "flags": {"avg": {"field": "ok"}},
        "tags": {"cardinality": {"field": "tags"}},
        "last": {"max": {"field": "@timestamp"}},
        "nothing": {"stats": {"field": "nowhere"}},
    }
    found = await aggregated(searcher, aggs)
    assert found["none"]["value"] is None
    assert [found[name]["value"] for name in ("count", "stood_in", "flags", "tags")] == [10, 11, 0.8, 2]
    assert found["last"] == {"value": NOON + 39_000.0, "value_as_string": "2026-01-01T12:00:39.000Z"}
    assert found["nothing"]["count"] == 0


async def test_percentiles(searcher: Searcher) -> None:
    aggs = {
        "p": {"percentiles": {"field": "took", "percents": [50, 95]}},
        "r": {"percentile_ranks": {"field": "took", "values": [15, 100]}},
        "t": {"percentiles": {"field": "@timestamp", "percents": [0, 100]}},
    }
    found = await aggregated(searcher, aggs)
    assert found["p"]["values"]["50.0"] == pytest.approx(29.25, abs=1.5)
    assert found["r"]["values"] == {"15.0": 27.5, "100.0": 100.0}
    assert found["t"]["values"]["100.0"] == NOON + 39_000


async def test_terms(searcher: Searcher) -> None:
    aggs = {
        "host": {"terms": {"field": "host.name.keyword", "size": 2}},
        "tags": {"terms": {"field": "tags"}},
        "status": {"terms": {"field": "status", "order": {"_key": "asc"}}},
        "ok": {"terms": {"field": "ok"}},
        "some": {"terms": {"field": "host.name", "include": "h[01]", "exclude": ["h1"]}},
        "user": {"terms": {"field": "user", "missing": "-", "size": 1}},
        "index": {"terms": {"field": "_index"}},
        "rare": {"terms": {"field": "host.name", "min_doc_count": 14}},
    }
    found = await aggregated(searcher, aggs)
    assert pairs(found["host"]) == [("h0", 14), ("h1", 13)]
    assert found["host"]["sum_other_doc_count"] == 13
    assert pairs(found["tags"]) == [("b", 40), ("a", 20)]
    assert pairs(found["status"]) == [(200, 32), (500, 8)]
    assert [(b["key"], b["key_as_string"]) for b in found["ok"]["buckets"]] == [(1, "true"), (0, "false")]
    assert pairs(found["some"]) == [("h0", 14)]
    assert (pairs(found["user"]), found["user"]["sum_other_doc_count"]) == ([("-", 30)], 10)
    assert pairs(found["index"]) == [("app", 40)]
    assert pairs(found["rare"]) == [("h0", 14)]


async def test_terms_in_terms_with_metrics_and_orders(searcher: Searcher) -> None:
    inner = {"tag": {"terms": {"field": "tags", "size": 1}, "aggs": {"most": {"max": {"field": "took"}}}}}
    aggs = {
        "host": {
            "terms": {"field": "host.name", "size": 2, "order": {"took": "desc"}},
            "aggs": {"took": {"max": {"field": "took"}}, **inner},
        },
        "by_errors": {
            "terms": {"field": "host.name", "order": {"errors>_count": "desc"}},
            "aggs": {"errors": {"filter": {"term": {"level": "error"}}}},
        },
    }
    found = await aggregated(searcher, aggs)
    host = found["host"]["buckets"]
    assert [(b["key"], b["took"]["value"]) for b in host] == [("h0", 58.5), ("h2", 57.0)]
    assert found["host"]["sum_other_doc_count"] == 13
    assert [(b["tag"]["buckets"][0]["key"], b["tag"]["sum_other_doc_count"]) for b in host] == [("b", 7), ("b", 6)]
    assert host[1]["tag"]["buckets"][0]["most"]["value"] == 57.0
    errors = [(b["key"], b["errors"]["doc_count"]) for b in found["by_errors"]["buckets"]]
    assert errors == [("h0", 3), ("h2", 3), ("h1", 2)]


@pytest.mark.parametrize(
    ("how", "keys"),
    [
        ({"fixed_interval": "10s"}, [(NOON + n * 10_000, 10) for n in range(4)]),
        ({"calendar_interval": "minute"}, [(NOON, 40)]),
        ({"calendar_interval": "day"}, [(NOON - 43_200_000, 40)]),
        ({"calendar_interval": "day", "time_zone": "Europe/Berlin"}, [(NOON - 46_800_000, 40)]),
        ({"calendar_interval": "month"}, [(NOON - 43_200_000, 40)]),
        ({"fixed_interval": "15s", "offset": "5s"}, [(NOON - 10_000, 5), (NOON + 5000, 15), (NOON + 20_000, 15),
                                                     (NOON + 35_000, 5)]),
        ({"fixed_interval": "30m", "time_zone": "Asia/Kathmandu"}, [(NOON - 900_000, 40)]),
    ],
    ids=str,
)  # fmt: skip
async def test_date_histograms(searcher: Searcher, how: dict[str, Any], keys: list[Any]) -> None:
    found = await aggregated(searcher, {"h": {"date_histogram": {"field": "@timestamp", **how}}})
    assert pairs(found["h"]) == keys


async def test_a_date_histogram_of_levels_with_empty_buckets_and_pipelines(searcher: Searcher) -> None:
    aggs = {
        "h": {
            "date_histogram": {"field": "@timestamp", "fixed_interval": "20s", "min_doc_count": 0,
                               "extended_bounds": {"min": NOON - 20_000, "max": NOON + 40_000}},
            "aggs": {
                "level": {"terms": {"field": "level"}},
                "took": {"sum": {"field": "took"}},
                "all": {"cumulative_sum": {"buckets_path": "took"}},
            },
        },
        "most": {"max_bucket": {"buckets_path": "h>took"}},
    }  # fmt: skip
    found = await aggregated(searcher, aggs)
    buckets = found["h"]["buckets"]
    assert [b["doc_count"] for b in buckets] == [0, 20, 20, 0]
    assert buckets[0]["key_as_string"] == "2026-01-01T11:59:40.000Z"
    assert pairs(buckets[1]["level"]) == [("info", 16), ("error", 4)]
    assert [b["all"]["value"] for b in buckets] == [0, 285.0, 1170.0, 1170.0]
    assert found["most"] == {"value": 885.0, "keys": ["2026-01-01T12:00:20.000Z"]}


async def test_histogram_range_and_date_range(searcher: Searcher) -> None:
    aggs = {
        "h": {"histogram": {"field": "took", "interval": 20}},
        "r": {"range": {"field": "took", "ranges": [{"to": 15}, {"from": 0, "to": 30}, {"from": 1000}]},
              "aggs": {"most": {"max": {"field": "took"}}}},
        "d": {"date_range": {"field": "@timestamp", "ranges": [
            {"from": "2026-01-01T12:00:30Z", "key": "late"}, {"to": "now-55s"}]}},
    }  # fmt: skip
    found = await aggregated(searcher, aggs)
    assert pairs(found["h"]) == [(0.0, 14), (20.0, 13), (40.0, 13)]
    counts = [(b["key"], b["doc_count"], b["most"]["value"]) for b in found["r"]["buckets"]]
    assert counts == [("*-15.0", 10, 13.5), ("0.0-30.0", 20, 28.5), ("1000.0-*", 0, None)]
    assert [b["doc_count"] for b in found["d"]["buckets"]] == [5, 10]


async def test_filters_missing_and_global(searcher: Searcher) -> None:
    aggs = {
        "f": {"filters": {"filters": {"bad": {"term": {"level": "error"}}, "h0": {"term": {"host.name": "h0"}}},
                          "other_bucket_key": "rest"}},
        "one": {"filter": {"range": {"took": {"gte": 30}}}, "aggs": {"host": {"terms": {"field": "host.name"}}}},
        "no": {"missing": {"field": "user"}, "aggs": {"took": {"max": {"field": "took"}}}},
        "all": {"global": {}, "aggs": {"host": {"terms": {"field": "host.name"}}}},
    }  # fmt: skip
    found = await aggregated(searcher, aggs, query={"term": {"ok": True}})
    assert {name: b["doc_count"] for name, b in found["f"]["buckets"].items()} == {"bad": 0, "h0": 11, "rest": 21}
    assert (found["one"]["doc_count"], sum(n for _, n in pairs(found["one"]["host"]))) == (16, 16)
    assert (found["no"]["doc_count"], found["no"]["took"]["value"]) == (24, 58.5)
    assert found["all"]["doc_count"] == 40
    assert pairs(found["all"]["host"]) == [("h0", 14), ("h1", 13), ("h2", 13)]


async def test_composite_pages(searcher: Searcher) -> None:
    sources = [
        {"when": {"date_histogram": {"field": "@timestamp", "fixed_interval": "20s"}}},
        {"user": {"terms": {"field": "user", "missing_bucket": True, "order": "desc"}}},
        {"host": {"terms": {"field": "host.name"}}},
    ]
    seen: list[tuple[Any, int]] = []
    composite: dict[str, Any] = {"size": 4, "sources": sources}
    aggs = {"c": {"composite": composite, "aggs": {"took": {"max": {"field": "took"}}}}}
    while (found := (await aggregated(searcher, aggs))["c"])["buckets"]:
        seen += pairs(found)
        composite["after"] = found["after_key"]
    keys = [(key["when"], key["user"], key["host"]) for key, _ in seen]
    assert len(keys) == len({orjson.dumps(key) for key in keys}) == 16
    assert sum(count for _, count in seen) == 40
    assert keys[:2] == [(NOON, "u16", "h1"), (NOON, "u12", "h0")]
    assert keys[5:8] == [(NOON, None, host) for host in ("h0", "h1", "h2")]


async def test_top_hits_in_buckets_and_alone(searcher: Searcher) -> None:
    newest = {"top_hits": {"size": 2, "sort": [{"took": "desc"}], "_source": "took"}}
    aggs = {"host": {"terms": {"field": "host.name"}, "aggs": {"newest": newest}}, "alone": {"top_hits": {"size": 1}}}
    found = await aggregated(searcher, aggs)
    first = found["host"]["buckets"][0]["newest"]["hits"]
    assert first["total"] == {"value": 14, "relation": "eq"}
    assert [(hit["_source"], hit["sort"]) for hit in first["hits"]] == [
        ({"took": 58.5}, [58.5]),
        ({"took": 54.0}, [54]),
    ]
    assert (found["alone"]["hits"]["total"]["value"], found["alone"]["hits"]["hits"][0]["_id"]) == (40, IDS.id_of(40))


async def test_nothing_found(searcher: Searcher) -> None:
    aggs = {
        "h": {"date_histogram": {"field": "@timestamp", "calendar_interval": "month"}},
        "t": {"terms": {"field": "host.name"}, "aggs": {"x": {"max": {"field": "took"}}}},
        "m": {"max": {"field": "took"}},
        "f": {"filter": {"match_all": {}}, "aggs": {"t": {"terms": {"field": "level"}}}},
    }
    found = await aggregated(searcher, aggs, query={"match_none": {}})
    assert [found["h"]["buckets"], found["t"]["buckets"], found["m"]["value"]] == [[], [], None]
    assert (found["f"]["doc_count"], found["f"]["t"]["buckets"]) == (0, [])
    assert (await aggregated(searcher, aggs, Target(())))["t"]["buckets"] == []


async def test_odd_values_stay_values(searcher: Searcher) -> None:
    odd = "it's \\ {x} §0§ %s"
    aggs = {
        "t": {"terms": {"field": odd, "missing": odd, "include": [odd]}, "aggs": {"u": {"terms": {"field": "level"}}}},
        "c": {"cardinality": {"field": odd, "missing": odd}},
    }
    found = await aggregated(searcher, aggs)
    assert pairs(found["t"]) == [(odd, 40)]
    assert sum(count for _, count in pairs(found["t"]["buckets"][0]["u"])) == 40
    assert found["c"]["value"] == 1


async def test_a_pattern_on_numbers_is_refused(searcher: Searcher) -> None:
    with pytest.raises(EsError, match="holds numbers"):
        await aggregated(searcher, {"t": {"terms": {"field": "status", "include": "5.*"}}})
