"""What Grafana's Elasticsearch data source asks, written down from its documentation: not the program itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.harness import System

pytestmark = pytest.mark.system

START = 1_767_268_800_000
INDEX = "grafana-2026.01.01"
RANGE = {"range": {"@timestamp": {"gte": START, "lte": START + 599_999, "format": "epoch_millis"}}}


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[httpx.Client]:
    found = system.endpoints()
    auth = (found["elastic_user"], found["elastic_password"])
    with httpx.Client(
        base_url=found["elastic_url"], auth=auth, timeout=60, headers={"user-agent": "Grafana/11.2.0"}
    ) as made:
        lines = b"".join(
            b'{"create":{"_index":"%s"}}\n' % INDEX.encode()
            + json.dumps({
                "@timestamp": START + n * 1000, "message": f"request {n} {'failed' if n % 5 == 0 else 'served'}",
                "level": "error" if n % 5 == 0 else "info", "host": {"name": f"h{n % 3}"}, "took": n,
            }).encode() + b"\n"
            for n in range(600)
        )  # fmt: skip
        answer = made.post("/_bulk?refresh=wait_for", content=lines, headers={"content-type": "application/x-ndjson"})
        assert not answer.json()["errors"]
        yield made


def asked(client: httpx.Client, *searches: dict[str, Any]) -> list[Any]:
    """One `_msearch` for the panel, as it is sent; the responses."""
    header = {"ignore_unavailable": True, "index": "grafana-*", "search_type": "query_then_fetch"}
    body = b"".join(json.dumps(header).encode() + b"\n" + json.dumps(search).encode() + b"\n" for search in searches)
    answer = client.post(
        "/_msearch?max_concurrent_shard_requests=5", content=body, headers={"content-type": "application/x-ndjson"}
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["responses"])


def query(text: str) -> dict[str, Any]:
    return {"bool": {"filter": [RANGE, {"query_string": {"analyze_wildcard": True, "query": text}}]}}


def test_save_and_test(client: httpx.Client) -> None:
    assert client.get("/").json()["version"]["number"] >= "7.16.0"
    assert client.get("/_cluster/health?wait_for_status=yellow").json()["status"] == "green"
    (mapping,) = client.get("/grafana-*/_mapping").json().values()
    assert mapping["mappings"]["properties"]["@timestamp"] == {"type": "date"}
    assert client.get("/_xpack").status_code == 200


def test_a_graph_by_numbered_aggregations(client: httpx.Client) -> None:
    metrics = {"1": {"avg": {"field": "took"}}, "5": {"percentiles": {"field": "took", "percents": [50, 95]}}}
    pipeline = {"6": {"derivative": {"buckets_path": "1"}}, "7": {"moving_fn": {
        "buckets_path": "1", "window": 2, "script": "MovingFunctions.unweightedAvg(values)"}}}  # fmt: skip
    by_time = {"date_histogram": {
        "field": "@timestamp", "fixed_interval": "60s", "min_doc_count": 0, "time_zone": "UTC",
        "extended_bounds": {"min": START, "max": START + 599_999}, "format": "epoch_millis"}}  # fmt: skip
    by_level = {"terms": {"field": "level", "size": 10, "order": {"1": "desc"}, "min_doc_count": 1}}
    search = {
        "size": 0, "query": query("*"),
        "aggs": {"3": {**by_level, "aggs": {"1": metrics["1"], "2": {**by_time, "aggs": metrics | pipeline}}}},
    }  # fmt: skip
    (answer,) = asked(client, search)
    buckets = answer["aggregations"]["3"]["buckets"]
    assert [(each["key"], each["doc_count"]) for each in buckets] == [("info", 480), ("error", 120)]
    series = buckets[1]["2"]["buckets"]
    assert [each["key"] for each in series] == [START + n * 60_000 for n in range(10)]
    assert [each["doc_count"] for each in series] == [12] * 10
    assert series[0]["1"]["value"] == 27.5
    assert set(series[0]["5"]["values"]) == {"50.0", "95.0"}
    assert series[1]["6"]["value"] == 60.0
    assert series[2]["7"]["value"] == pytest.approx((27.5 + 87.5) / 2)


def test_logs_with_their_histogram(client: httpx.Client) -> None:
    logs = {
        "size": 500, "query": query("level:error AND host.name:h1"), "aggs": {},
        "sort": [{"@timestamp": {"order": "desc", "unmapped_type": "boolean"}}, {"_doc": {"order": "desc"}}],
        "docvalue_fields": ["@timestamp"], "script_fields": {},
        "highlight": {"fields": {"*": {}}, "pre_tags": ["@HIGHLIGHT@"], "post_tags": ["@/HIGHLIGHT@"],
                      "fragment_size": 2147483647},
    }  # fmt: skip
    (answer,) = asked(client, logs)
    hits = answer["hits"]["hits"]
    assert len(hits) == 40
    assert hits[0]["_source"]["took"] == 595
    assert hits[0]["sort"][0] == START + 595_000
    assert len(hits[0]["sort"]) == 2
    older = {**logs, "search_after": hits[9]["sort"], "size": 10}
    (page,) = asked(client, older)
    assert [hit["_id"] for hit in page["hits"]["hits"]] == [hit["_id"] for hit in hits[10:20]]


def test_annotations_variables_and_several_queries_at_once(client: httpx.Client) -> None:
    near = {"bool": {"should": [RANGE], "minimum_should_match": 1}}
    marked = {"bool": {"filter": [near, {"query_string": {"query": "took:100"}}]}}
    annotations = {"size": 10_000, "query": marked}
    variable = {
        "size": 0,
        "query": query("*"),
        "aggs": {"1": {"terms": {"field": "host.name", "size": 500, "order": {"_key": "asc"}}}},
    }
    wrong = {"size": 0, "query": {"bool": {"filter": [{"query_string": {"query": "level:("}}]}}}
    marks, hosts, refused = asked(client, annotations, variable, wrong)
    assert [hit["_source"]["message"] for hit in marks["hits"]["hits"]] == ["request 100 failed"]
    assert [each["key"] for each in hosts["aggregations"]["1"]["buckets"]] == ["h0", "h1", "h2"]
    assert refused["status"] == 400
    assert refused["error"]["root_cause"][0]["reason"]
    fields = client.get("/grafana-*/_field_caps?fields=*").json()["fields"]
    assert fields["host.name"]["keyword"]["aggregatable"]
