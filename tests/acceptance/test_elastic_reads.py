"""Documents written and read back by the real Elasticsearch client for Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch9 import ApiError, Elasticsearch, NotFoundError, helpers

from tests.harness import System

pytestmark = [pytest.mark.system, pytest.mark.client]

START = 1_767_268_800_000  # 2026-01-01T12:00Z
COUNT = 1_200


def document(n: int) -> dict[str, Any]:
    return {
        "@timestamp": START + n * 1000,
        "message": f"request {n} {'failed' if n % 10 == 0 else 'served'}",
        "log": {"level": "error" if n % 10 == 0 else "info"},
        "took": n / 2,
        "tags": ["web", f"t{n % 3}"],
    }


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[Elasticsearch]:
    found = system.endpoints()
    made = Elasticsearch(found["elastic_url"], api_key=found["elastic_api_key"], request_timeout=40)
    actions = [{"_index": "shop-logs", "_id": f"d{n}", **document(n)} for n in range(COUNT)]
    assert helpers.bulk(made, actions, chunk_size=600, refresh="wait_for") == (COUNT, [])
    yield made
    made.close()


def test_search_finds_what_was_written_as_it_was(client: Elasticsearch) -> None:
    query = {"bool": {"must": [{"match": {"message": "failed"}}], "filter": [{"range": {"took": {"lt": 100}}}]}}
    found = client.search(index="shop-*", query=query, sort=[{"took": "desc"}], size=3, track_total_hits=True)
    assert found["hits"]["total"] == {"value": 20, "relation": "eq"}
    assert [hit["_source"] for hit in found["hits"]["hits"]] == [document(n) for n in (190, 180, 170)]
    first = found["hits"]["hits"][0]
    assert (first["_id"], first["sort"]) == ("d190", [95])
    assert client.count(index="shop-logs", q="log.level:error")["count"] == 120


def test_date_math_and_time_ranges(client: Elasticsearch) -> None:
    query = {"range": {"@timestamp": {"gte": "2026-01-01T12:00:10Z", "lt": "2026-01-01T12:00:10Z||+5s"}}}
    found = client.search(index="shop-logs", query=query, sort="@timestamp:asc", fields=["@timestamp"], source=False)
    assert [hit["_id"] for hit in found["hits"]["hits"]] == [f"d{n}" for n in range(10, 15)]
    assert found["hits"]["hits"][0]["fields"] == {"@timestamp": ["2026-01-01T12:00:10.000Z"]}


def test_aggregations(client: Elasticsearch) -> None:
    aggs = {
        "when": {
            "date_histogram": {"field": "@timestamp", "fixed_interval": "5m"},
            "aggs": {"level": {"terms": {"field": "log.level.keyword"}}, "took": {"avg": {"field": "took"}}},
        },
        "tags": {"terms": {"field": "tags", "size": 2}},
        "p": {"percentiles": {"field": "took", "percents": [50]}},
    }
    found = client.search(index="shop-logs", size=0, aggs=aggs)["aggregations"]
    buckets = found["when"]["buckets"]
    assert [(each["key"], each["doc_count"]) for each in buckets] == [(START + n * 300_000, 300) for n in range(4)]
    levels = [(each["key"], each["doc_count"]) for each in buckets[0]["level"]["buckets"]]
    assert levels == [("info", 270), ("error", 30)]
    assert buckets[0]["took"]["value"] == sum(n / 2 for n in range(300)) / 300
    assert [(each["key"], each["doc_count"]) for each in found["tags"]["buckets"]] == [("web", 1200), ("t0", 400)]
    assert found["tags"]["sum_other_doc_count"] == 800
    assert found["p"]["values"]["50.0"] == pytest.approx(300, abs=5)


def test_scan_reads_every_document_once(client: Elasticsearch) -> None:
    found = [hit["_id"] for hit in helpers.scan(client, index="shop-logs", size=250)]
    assert len(found) == COUNT
    assert set(found) == {f"d{n}" for n in range(COUNT)}


def test_a_point_in_time_with_search_after(client: Elasticsearch) -> None:
    pit = client.open_point_in_time(index="shop-logs", keep_alive="1m")["id"]
    client.index(index="shop-logs", id="later", document={"message": "later"}, refresh="wait_for")
    seen: list[str] = []
    after: list[Any] | None = None
    while True:
        page = client.search(
            pit={"id": pit, "keep_alive": "1m"}, size=500, sort=[{"log.level": "asc"}], search_after=after
        )
        pit = page["pit_id"]
        if not page["hits"]["hits"]:
            break
        seen += [hit["_id"] for hit in page["hits"]["hits"]]
        after = page["hits"]["hits"][-1]["sort"]
    assert len(seen) == len(set(seen)) == COUNT
    assert "later" not in seen
    assert client.close_point_in_time(id=pit)["succeeded"]
    client.delete(index="shop-logs", id="later", refresh="wait_for")


def test_documents_by_id(client: Elasticsearch) -> None:
    assert client.get(index="shop-logs", id="d7")["_source"] == document(7)
    assert client.exists(index="shop-logs", id="d7")
    assert not client.exists(index="shop-logs", id="later")
    with pytest.raises(NotFoundError):
        client.get(index="shop-logs", id="none")
    several = client.mget(index="shop-logs", ids=["d1", "none"])["docs"]
    assert [each["found"] for each in several] == [True, False]


def test_an_overwritten_document_is_found_once(client: Elasticsearch) -> None:
    client.index(index="shop-carts", id="c", document={"n": 1}, refresh="wait_for")
    client.index(index="shop-carts", id="c", document={"n": 2}, refresh="wait_for")
    found = client.search(index="shop-carts", version=True, seq_no_primary_term=True)["hits"]
    assert [(hit["_source"], hit["_version"]) for hit in found["hits"]] == [({"n": 2}, 2)]
    client.delete(index="shop-carts", id="c", refresh="wait_for")
    assert client.count(index="shop-carts")["count"] == 0


def test_a_document_without_an_id_is_found_by_the_one_in_the_answer(client: Elasticsearch) -> None:
    made = client.index(index="shop-other", document={"message": "mine"}, refresh="wait_for")
    assert client.get(index="shop-other", id=made["_id"])["_source"] == {"message": "mine"}
    found = client.search(index="shop-other", query={"ids": {"values": [made["_id"]]}})["hits"]["hits"]
    assert [hit["_id"] for hit in found] == [made["_id"]]


def test_fields_msearch_async_and_indices(client: Elasticsearch) -> None:
    caps = client.field_caps(index="shop-logs", fields="*")["fields"]
    assert {name: next(iter(caps[name])) for name in ("@timestamp", "message", "took", "log.level")} == {
        "@timestamp": "date", "message": "text", "took": "double", "log.level": "keyword",
    }  # fmt: skip
    mapping = client.indices.get_mapping(index="shop-logs")
    assert mapping["shop-logs"]["mappings"]["properties"]["log"]["properties"]["level"]["type"] == "keyword"
    searches = [{"index": "shop-logs"}, {"size": 0, "query": {"term": {"tags": "t1"}}}, {"index": "nope"}, {}]
    first, second = client.msearch(searches=searches)["responses"]
    assert (first["hits"]["total"]["value"], second["status"]) == (400, 404)
    run = client.async_search.submit(index="shop-logs", query={"match_phrase": {"message": "request 7 served"}})
    assert [hit["_id"] for hit in run["response"]["hits"]["hits"]] == ["d7"]
    listed = client.cat.indices(index="shop-l*", format="json")
    assert [row["index"] for row in listed] == ["shop-logs"]
    assert client.terms_enum(index="shop-logs", field="tags", string="t")["terms"] == ["t0", "t1", "t2"]
    assert client.indices.resolve_index(name="shop-l*")["indices"][0]["name"] == "shop-logs"
    assert client.indices.refresh(index="shop-logs")["_shards"]["failed"] == 0


def test_what_cannot_be_asked_says_why(client: Elasticsearch) -> None:
    with pytest.raises(ApiError) as refused:
        client.search(index="shop-logs", query={"wat": {}})
    assert (refused.value.status_code, refused.value.error) == (400, "parsing_exception")
    with pytest.raises(NotFoundError, match="no such index"):
        client.search(index="nope")
