"""Documents changed, and asked for in ES|QL and SQL, by the real Elasticsearch client for Python."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch9 import ApiError, Elasticsearch, NotFoundError, helpers

from tests.harness import System

pytestmark = [pytest.mark.system, pytest.mark.client]

START = 1_767_268_800_000  # 2026-01-01T12:00Z
COUNT = 3_000


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[Elasticsearch]:
    found = system.endpoints()
    made = Elasticsearch(found["elastic_url"], api_key=found["elastic_api_key"], request_timeout=60)
    documents = [
        {"@timestamp": START + n * 1000, "n": n, "level": "error" if n % 10 == 0 else "info", "took": n / 2}
        for n in range(COUNT)
    ]
    actions = [{"_index": "many", **({"_id": f"d{n}"} if n % 2 else {}), **each} for n, each in enumerate(documents)]
    assert helpers.bulk(made, actions, chunk_size=1000, refresh="wait_for") == (COUNT, [])
    yield made
    made.close()


def test_pipelines_run_on_what_is_written(client: Elasticsearch) -> None:
    client.ingest.put_pipeline(
        id="access",
        processors=[
            {"grok": {"field": "message", "patterns": ["%{IP:source.ip} %{WORD:method} %{NUMBER:status:int}"]}},
            {"drop": {"if": "ctx.status == 204"}},
            {"set": {"field": "_index", "value": "piped-errors", "if": "ctx.status >= 500"}},
        ],
        on_failure=[{"set": {"field": "error", "value": "{{_ingest.on_failure_message}}"}}],
    )
    client.indices.put_index_template(
        name="piped", index_patterns=["piped-logs"], template={"settings": {"index.default_pipeline": "access"}}
    )
    lines = ["10.0.0.1 GET 200", "10.0.0.1 GET 204", "10.0.0.1 GET 503", "what"]
    actions = [{"_index": "piped-logs", "_op_type": "create", "message": line} for line in lines]
    results = list(helpers.streaming_bulk(client, actions, refresh="wait_for"))
    assert all(ok for ok, _ in results)
    assert [item["create"]["result"] for _, item in results] == ["created", "noop", "created", "created"]
    found = client.search(index="piped-logs", sort="_doc")["hits"]["hits"]
    assert [hit["_source"].get("status") for hit in found] == [200, None]
    assert "do not match" in found[1]["_source"]["error"]
    assert client.search(index="piped-errors", q="status:503")["hits"]["total"]["value"] == 1
    with pytest.raises(ApiError, match="does not exist"):
        client.index(index="piped-logs", document={}, pipeline="none-such")
    client.index(index="piped-logs", id="raw", document={"message": "x"}, pipeline="_none")
    assert client.get(index="piped-logs", id="raw")["_source"] == {"message": "x"}


def test_updates_and_reading_right_after_writing(client: Elasticsearch) -> None:
    for n in range(20):
        name = client.index(index="carts", document={"n": n})["_id"]
        assert client.get(index="carts", id=name)["_source"] == {"n": n}
        changed = client.update(index="carts", id=name, doc={"n": n + 1, "k": {"a": 1}}, source=True)
        assert changed["get"]["_source"] == {"n": n + 1, "k": {"a": 1}}
        assert client.update(index="carts", id=name, doc={"k": {"a": 1}})["result"] == "noop"
        assert client.get_source(index="carts", id=name) == {"n": n + 1, "k": {"a": 1}}
        client.delete(index="carts", id=name)
        assert not client.exists(index="carts", id=name)
    made = client.update(index="carts", id="u", doc={"n": 1}, upsert={"first": True})
    assert (made["result"], client.get(index="carts", id="u")["_source"]) == ("created", {"first": True})
    with pytest.raises(NotFoundError):
        client.update(index="carts", id="none", doc={"n": 1})
    with pytest.raises(ApiError, match="script"):
        client.update(index="carts", id="u", script={"source": "ctx._source.n += 1"})
    with pytest.raises(ApiError) as conflict:
        client.update(index="carts", id="u", doc={"n": 2}, if_seq_no=made["_seq_no"] + 100, if_primary_term=1)
    assert conflict.value.status_code == 409
    several = client.mget(index="carts", ids=["u", "none"])["docs"]
    assert [each["found"] for each in several] == [True, False]
    actions = [
        {"_op_type": "update", "_index": "carts", "_id": f"b{n}", "doc": {"n": n}, "doc_as_upsert": True}
        for n in range(50)
    ]
    assert helpers.bulk(client, actions + actions, refresh="wait_for") == (100, [])
    assert client.count(index="carts")["count"] == 51


def test_changing_by_query(client: Elasticsearch) -> None:
    copied = client.reindex(
        source={"index": "many", "query": {"range": {"n": {"lt": 2000}}}}, dest={"index": "copy"}, refresh=True
    )
    assert (copied["created"], client.count(index="copy")["count"]) == (2000, 2000)
    again = client.reindex(
        source={"index": "many"}, dest={"index": "copy", "op_type": "create"}, conflicts="proceed", refresh=True
    )
    assert (again["created"], again["version_conflicts"]) == (1000, 2000)
    gone = client.delete_by_query(index="copy", query={"term": {"level": "error"}}, refresh=True)
    assert gone["deleted"] == 300
    assert client.count(index="copy", q="level:error")["count"] == 0
    touched = client.update_by_query(index="copy", query={"range": {"n": {"lt": 100}}}, refresh=True)
    assert touched["updated"] == 90
    task = client.delete_by_query(index="copy", query={"match_all": {}}, wait_for_completion=False)["task"]
    deadline = time.monotonic() + 30
    while not (state := client.tasks.get(task_id=task))["completed"]:
        assert time.monotonic() < deadline
    assert state["response"]["deleted"] == 2700
    client.indices.refresh(index="copy")
    assert client.count(index="copy")["count"] == 0
    assert client.count(index="many")["count"] == COUNT


def test_asynchronous_searches(client: Elasticsearch) -> None:
    run = client.async_search.submit(
        index="many", aggs={"l": {"terms": {"field": "level"}}}, size=0, keep_on_completion=True, keep_alive="1m"
    )
    assert client.async_search.status(id=run["id"])["completion_status"] == 200
    buckets = client.async_search.get(id=run["id"])["response"]["aggregations"]["l"]["buckets"]
    assert [(each["key"], each["doc_count"]) for each in buckets] == [("info", 2700), ("error", 300)]
    assert client.async_search.delete(id=run["id"])["acknowledged"]
    with pytest.raises(NotFoundError):
        client.async_search.get(id=run["id"])


def test_esql_and_sql(client: Elasticsearch) -> None:
    query = "FROM many | WHERE took >= ? | STATS n = COUNT(*), t = AVG(took) BY level | SORT level"
    found = client.esql.query(query=query, params=[1000])
    assert [column["name"] for column in found["columns"]] == ["n", "t", "level"]
    assert [row[0] for row in found["values"]] == [100, 900]
    text = client.esql.query(query="FROM many | SORT n | LIMIT 2 | KEEP n, level", format="csv")
    assert str(text) == "n,level\r\n0,error\r\n1,info\r\n"
    with pytest.raises(ApiError) as refused:
        client.esql.query(query="FROM many | WHERE lvel == 1")
    assert "line 1:19: Unknown column [lvel]" in str(refused.value.body)
    page: Any = client.sql.query(query="SELECT n FROM many ORDER BY n", fetch_size=1000)
    seen = [row[0] for row in page["rows"]]
    while page.get("cursor"):
        page = client.sql.query(cursor=page["cursor"])
        seen += [row[0] for row in page["rows"]]
    assert seen == list(range(COUNT))


def test_one_field_of_a_mapping(client: Elasticsearch) -> None:
    found = client.indices.get_field_mapping(index="many", fields="le*")
    assert found["many"]["mappings"]["level"]["mapping"] == {"level": {"type": "keyword"}}
    assert client.indices.validate_query(index="many", query={"term": {"level": "x"}})["valid"]
    assert not client.indices.validate_query(index="many", query={"wat": {}})["valid"]
    explained = client.explain(index="many", id="d1", query={"term": {"level": "info"}})
    assert explained["matched"] is True
