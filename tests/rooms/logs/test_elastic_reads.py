"""The reading endpoints of port 9200, on real rows in a real ClickHouse."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import orjson
import pytest

from dxops.base.clock import SystemClock
from dxops.base.errors import TooLarge
from dxops.engines.clickhouse.client import Rows
from dxops.engines.spool import Limits, Spool, SpoolConfig
from dxops.rooms.logs.elastic.access import Caller, OwnCallers, Secret
from dxops.rooms.logs.elastic.app import ElasticApp
from dxops.rooms.logs.elastic.readers import readers
from dxops.rooms.logs.elastic.reading import Names
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.writing import Writing
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.handshake import Cluster
from tests.rooms.logs.local import LocalStore
from tests.rooms.logs.test_searching import NOON, document

KEY = b"0123456789abcdef"
IDS = AutoIds(KEY)


class Clock:
    now_ms = NOON + 60_000


class CappedStore(LocalStore):
    """Meets a cap when a statement asks for it by name, as ClickHouse does."""

    async def query(self, sql: str, *args: Any, **kwargs: Any) -> Rows:
        if "too-much" in sql and "log_events" in sql:
            raise TooLarge("the query ran for longer than it may", code="clickhouse_159", hint="narrow the time range")
        return await super().query(sql, *args, **kwargs)


class SlowStore(CappedStore):
    """Answers searches of documents only when it is let go; says whether it was given up."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.holds = False
        self.asked = asyncio.Event()
        self.given_up = asyncio.Event()

    async def query(self, sql: str, *args: Any, **kwargs: Any) -> Rows:
        if self.holds and "log_events" in sql:
            self.asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up.set()
        return await super().query(sql, *args, **kwargs)


class OnlyWriters:
    async def find(self, secret: Secret) -> Caller | None:
        return Caller(tenant="shipper", may_write=True, may_read=False)


@pytest.fixture(scope="module")
def store() -> Iterator[SlowStore]:
    with TemporaryDirectory() as directory:
        made = SlowStore(Path(directory))
        made.add([orjson.dumps(document(n)) for n in range(40)], [NOON + n * 1000 for n in range(40)], "app")
        made.add([b'{"message":  "spaces stay" ,"n":1e2,"level":7}'], [NOON + 3_600_000], "other")
        made.add([b'{"message":"hidden"}'], [NOON], ".hidden")
        yield made
        made.close()


@pytest.fixture
async def app(store: LocalStore, tmp_path: Path) -> AsyncIterator[ElasticApp]:
    spool = await Spool.open(str(tmp_path / "spool"), Limits.of(SpoolConfig(min_free_mb=0)))
    identities = Identities(tmp_path / "ids")
    writes = Writes(Writing(spool, identities, IDS, store), spool, SystemClock())
    Clock.now_ms = NOON + 60_000
    names = Names(store, lambda: Clock.now_ms)
    parts = readers(store, names, writes, KEY, lambda: Clock.now_ms)
    yield ElasticApp(OwnCallers("elastic", "pw", "id:key"), writes, Cluster(uuid="u"), "127.0.0.1:9200", parts)
    await spool.close()
    identities.close()


@pytest.fixture
async def client(app: ElasticApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://es",
        auth=("elastic", "pw"),  # type: ignore[arg-type]
    ) as made:
        yield made


async def asked(client: httpx.AsyncClient, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = await client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    return answer.json()


def ids(answer: Any) -> list[int | None]:
    return [IDS.seq_of(hit["_id"]) for hit in answer["hits"]["hits"]]


async def test_search_by_get_and_post_with_and_without_names(client: httpx.AsyncClient) -> None:
    assert ids(await asked(client, "GET", "/_search?size=2")) == [41, 40]
    assert ids(await asked(client, "POST", "/app/_search", {"size": 1})) == [40]
    assert ids(await asked(client, "POST", "/_all/_search", {"size": 1})) == [41]
    assert ids(await asked(client, "GET", "/app,other/_search?q=message:spaces")) == [41]
    assert ids(await asked(client, "GET", "/*,-other/_search?size=1")) == [40]
    assert ids(await asked(client, "GET", "/.hidden/_search")) == [42]
    gone = await asked(client, "GET", "/nope/_search", status=404)
    assert gone["error"]["type"] == "index_not_found_exception"
    none = await asked(client, "GET", "/nope/_search?ignore_unavailable=true&rest_total_hits_as_int=true")
    assert none["hits"]["total"] == 0


async def test_source_keeps_its_bytes_and_filter_path_looks_into_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/other/_search")
    assert b'{"message":  "spaces stay" ,"n":1e2,"level":7}' in answer.content
    answer = await client.get("/other/_search?filter_path=hits.hits._source.n")
    assert answer.json() == {"hits": {"hits": [{"_source": {"n": 100.0}}]}}


async def test_count_and_msearch(client: httpx.AsyncClient) -> None:
    assert (await asked(client, "POST", "/app/_count", {"query": {"term": {"level": "error"}}}))["count"] == 8
    assert (await asked(client, "GET", "/_count?q=level:error"))["count"] == 8
    lines = [{"index": "app"}, {"size": 0}, {"index": "nope"}, {}, {}, {"query": {"wat": {}}}, {}, {"size": 1}]
    body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    headers = {"content-type": "application/x-ndjson"}
    found = (await client.post("/app/_msearch", content=body, headers=headers)).json()["responses"]
    assert [each["status"] for each in found] == [200, 404, 400, 200]
    assert found[0]["hits"]["total"]["value"] == 40
    assert found[2]["error"]["type"] == "parsing_exception"
    assert ids(found[3]) == [40]


async def test_documents_by_id(client: httpx.AsyncClient) -> None:
    name = IDS.id_of(3)
    found = await asked(client, "GET", f"/app/_doc/{name}?_source_includes=took")
    assert found == {
        "_index": "app", "_id": name, "_version": 1, "_seq_no": 3, "_primary_term": 1, "found": True,
        "_source": {"took": 3.0},
    }  # fmt: skip
    assert await asked(client, "GET", f"/app/_source/{name}") == document(2)
    assert (await asked(client, "GET", "/app/_doc/none", status=404))["found"] is False
    assert (await asked(client, "GET", "/app/_source/none", status=404))["error"]["type"] == (
        "resource_not_found_exception"
    )
    assert (await client.head(f"/app/_doc/{name}")).status_code == 200
    assert (await client.head("/app/_doc/none")).status_code == 404
    several = await asked(
        client,
        "POST",
        "/_mget",
        {"docs": [{"_index": "app", "_id": name, "_source": False}, {"_index": "x", "_id": "1"}]},
    )
    assert several["docs"][0] == {
        "_index": "app", "_id": name, "_version": 1, "_seq_no": 3, "_primary_term": 1, "found": True
    }  # fmt: skip
    assert several["docs"][1]["error"]["type"] == "index_not_found_exception"
    assert [each["found"] for each in (await asked(client, "POST", "/app/_mget", {"ids": [name, "z"]}))["docs"]] == [
        True,
        False,
    ]


async def test_fields_and_mappings(client: httpx.AsyncClient) -> None:
    caps = await asked(client, "POST", "/app,other/_field_caps?fields=*")
    assert caps["indices"] == ["app", "other"]
    assert caps["fields"]["@timestamp"]["date"]["aggregatable"] is True
    assert caps["fields"]["message"] == {
        "text": {"type": "text", "metadata_field": False, "searchable": True, "aggregatable": False}
    }
    assert {kind: each["indices"] for kind, each in caps["fields"]["level"].items()} == {
        "double": ["other"],
        "keyword": ["app"],
    }
    some = await asked(client, "GET", "/app/_field_caps?fields=host.*,ok")
    assert set(some["fields"]) == {"host.name", "ok"}
    mapping = await asked(client, "GET", "/app/_mapping")
    properties = mapping["app"]["mappings"]["properties"]
    assert properties["host"] == {"properties": {"name": {"type": "keyword"}}}
    assert (properties["took"]["type"], properties["ok"]["type"], properties["tags"]["type"]) == (
        "double",
        "boolean",
        "keyword",
    )
    assert "user" not in (await asked(client, "GET", "/other/_mapping"))["other"]["mappings"]["properties"]


async def test_refresh(client: httpx.AsyncClient) -> None:
    assert (await asked(client, "POST", "/app/_refresh"))["_shards"]["failed"] == 0


async def test_terms_enum(client: httpx.AsyncClient) -> None:
    async def terms(**body: Any) -> Any:
        return (await asked(client, "POST", "/app/_terms_enum", body))["terms"]

    assert await terms(field="host.name", string="h") == ["h0", "h1", "h2"]
    assert await terms(field="host.name.keyword", string="H", case_insensitive=True, size=2) == ["h0", "h1"]
    assert await terms(field="host.name", string="h", search_after="h1") == ["h2"]
    assert await terms(field="tags") == ["a", "b"]
    assert await terms(field="host.name", string="h", index_filter={"term": {"took": 0}}) == ["h0"]


async def test_a_scroll_reads_everything_once_and_nothing_that_came_later(
    client: httpx.AsyncClient, store: LocalStore
) -> None:
    body = {"size": 9, "query": {"exists": {"field": "took"}}, "sort": ["_doc"], "_source": False}
    answer = await asked(client, "POST", "/_search?scroll=1m", body)
    store.add([orjson.dumps(document(50))], [NOON], "late")
    assert answer["hits"]["total"]["value"] == 40
    seen: list[int | None] = []
    while answer["hits"]["hits"]:
        seen += ids(answer)
        answer = await asked(client, "POST", "/_search/scroll", {"scroll": "1m", "scroll_id": answer["_scroll_id"]})
    assert seen == list(range(1, 41))
    freed = await asked(client, "DELETE", "/_search/scroll", {"scroll_id": answer["_scroll_id"]})
    assert freed == {"succeeded": True, "num_freed": 1}


async def test_a_scroll_without_a_sort(client: httpx.AsyncClient) -> None:
    answer = await asked(client, "POST", "/app/_search?scroll=1m&size=30")
    assert ids(answer) == list(range(40, 10, -1))
    answer = await asked(client, "GET", f"/_search/scroll?scroll_id={answer['_scroll_id']}")
    assert ids(answer) == list(range(10, 0, -1))


async def test_contexts_end_and_cannot_be_made_up(client: httpx.AsyncClient) -> None:
    pit = (await asked(client, "POST", "/app/_pit?keep_alive=1m"))["id"]
    bad = await asked(client, "POST", "/_search", {"pit": {"id": pit[:-3] + "AAA"}}, status=400)
    assert bad["error"]["type"] == "illegal_argument_exception"
    await asked(client, "POST", "/_search/scroll", {"scroll_id": pit}, status=400)
    await asked(client, "POST", "/app/_search", {"pit": {"id": pit}}, status=400)
    await asked(client, "POST", "/app/_pit?keep_alive=48h", status=400)
    Clock.now_ms += 61_000
    gone = await asked(client, "POST", "/_search", {"pit": {"id": pit}}, status=404)
    assert gone["error"]["root_cause"][0]["type"] == "search_context_missing_exception"


async def test_a_point_in_time_pages_by_shard_doc(client: httpx.AsyncClient, store: LocalStore) -> None:
    pit = (await asked(client, "POST", "/app*/_pit?keep_alive=1m"))["id"]
    store.add([orjson.dumps(document(51))], [NOON], "app-late")
    body: dict[str, Any] = {"pit": {"id": pit, "keep_alive": "1m"}, "size": 15, "sort": [{"level": "asc"}]}
    seen: list[int | None] = []
    while (answer := await asked(client, "POST", "/_search", body))["hits"]["hits"]:
        seen += ids(answer)
        last = answer["hits"]["hits"][-1]["sort"]
        assert len(last) == 2
        body |= {"search_after": last, "pit": {"id": answer["pit_id"], "keep_alive": "1m"}}
    assert len(seen) == len(set(seen)) == 40
    assert seen[:8] == list(range(1, 41, 5))
    assert (await asked(client, "DELETE", "/_pit", {"id": pit}))["succeeded"] is True


async def test_async_search_is_complete_at_once(client: httpx.AsyncClient) -> None:
    body = {"size": 0, "aggs": {"level": {"terms": {"field": "level"}}}, "track_total_hits": True}
    answer = await asked(client, "POST", "/app/_async_search?typed_keys=true&wait_for_completion_timeout=1s", body)
    assert (answer["is_running"], answer["is_partial"]) == (False, False)
    buckets = answer["response"]["aggregations"]["sterms#level"]["buckets"]
    assert [(each["key"], each["doc_count"]) for each in buckets] == [("info", 32), ("error", 8)]


async def test_what_grafana_asks(client: httpx.AsyncClient) -> None:
    header = {"search_type": "query_then_fetch", "ignore_unavailable": True, "index": "app"}
    bounds = {"min": NOON, "max": NOON + 39_999}
    search = {
        "size": 0,
        "query": {"bool": {"filter": [
            {"range": {"@timestamp": {"gte": NOON, "lte": NOON + 39_999, "format": "epoch_millis"}}},
            {"query_string": {"analyze_wildcard": True, "query": "level:error OR host.name:h1"}},
        ]}},
        "aggs": {"3": {
            "terms": {"field": "level", "size": 10, "order": {"_key": "desc"}, "min_doc_count": 1},
            "aggs": {"2": {
                "date_histogram": {"interval": "20s", "field": "@timestamp", "min_doc_count": 0,
                                   "extended_bounds": bounds, "format": "epoch_millis"},
                "aggs": {"1": {"avg": {"field": "took"}}, "4": {"derivative": {"buckets_path": "1"}}},
            }},
        }},
    }  # fmt: skip
    body = orjson.dumps(header) + b"\n" + orjson.dumps(search) + b"\n"
    headers = {"content-type": "application/x-ndjson"}
    answer = await client.post("/_msearch?max_concurrent_shard_requests=5", content=body, headers=headers)
    found = answer.json()["responses"][0]["aggregations"]["3"]["buckets"]
    assert [(each["key"], each["doc_count"]) for each in found] == [("info", 11), ("error", 8)]
    series = [(each["key"], each["key_as_string"], each["doc_count"]) for each in found[1]["2"]["buckets"]]
    assert series == [(NOON, str(NOON), 4), (NOON + 20_000, str(NOON + 20_000), 4)]
    assert [each["1"]["value"] for each in found[1]["2"]["buckets"]] == [11.25, 41.25]
    assert found[1]["2"]["buckets"][1]["4"]["value"] == 30.0


async def test_what_a_log_explorer_asks(client: httpx.AsyncClient) -> None:
    body = {
        "track_total_hits": True, "size": 2, "version": True, "_source": False, "stored_fields": ["*"],
        "script_fields": {}, "runtime_mappings": {},
        "fields": [{"field": "*", "include_unmapped": "true"}, {"field": "@timestamp", "format": "date_time"}],
        "sort": [{"@timestamp": {"order": "desc", "format": "strict_date_optional_time", "unmapped_type": "boolean"}},
                 {"_doc": {"order": "desc", "unmapped_type": "boolean"}}],
        "query": {"bool": {"must": [], "filter": [{"match_phrase": {"level": "error"}}], "should": [], "must_not": []}},
        "highlight": {"pre_tags": ["@a@"], "post_tags": ["@b@"], "fields": {"*": {}}, "fragment_size": 2147483647},
    }  # fmt: skip
    hits = (await asked(client, "POST", "/app/_async_search", body))["response"]["hits"]
    assert hits["total"] == {"value": 8, "relation": "eq"}
    first = hits["hits"][0]
    assert first["sort"] == ["2026-01-01T12:00:35.000Z", 36]
    assert first["fields"]["message"] == ["request 35 failed badly"]
    assert first["fields"]["host.name"] == ["h2"]
    assert first["highlight"] == {"level": ["@a@error@b@"]}
    assert "_source" not in first


async def test_hits_after_a_date_as_text(client: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {
        "size": 3,
        "sort": [{"@timestamp": {"order": "asc", "format": "strict_date_optional_time"}}],
    }
    body["search_after"] = ["2026-01-01T12:00:20.000Z"]
    assert ids(await asked(client, "POST", "/app/_search", body)) == [22, 23, 24]


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/_search/scroll", [1], "illegal_argument_exception"),
        ("/app/_search", {"sort": ["took"], "search_after": ["many"]}, "illegal_argument_exception"),
        ("/app/_search", {"sort": ["@timestamp"], "search_after": ["soon"]}, "illegal_argument_exception"),
        ("/app/_mget", {"ids": "x"}, "illegal_argument_exception"),
        ("/app/_field_caps", ["x"], "parsing_exception"),
        ("/app/_search", {"query": {"wat": {}}}, "parsing_exception"),
        ("/app/_search", {"from": -1}, "illegal_argument_exception"),
        ("/app/_search", {"aggs": {"a": {"wat": {}}}}, "parsing_exception"),
        ("/app/_search", {"size": 10_001}, "illegal_argument_exception"),
        ("/app/_search?wat=1", {}, "illegal_argument_exception"),
        ("/app/_search", {"query": {"range": {"@timestamp": {"gt": "soon"}}}}, "illegal_argument_exception"),
        ("/app/_count", {"size": 1}, "parsing_exception"),
        ("/app/_terms_enum", {"field": "x", "wat": 1}, "parsing_exception"),
        ("/app/_search", {"query": {"term": {"level": "too-much"}}}, "search_phase_execution_exception"),
    ],
)
async def test_refusals_have_elasticsearchs_shape(client: httpx.AsyncClient, path: str, body: Any, kind: str) -> None:
    answer = await asked(client, "POST", path, body, status=400)
    assert answer["error"]["type"] == kind
    assert answer["error"]["root_cause"][0]["reason"]
    assert answer["status"] == 400


async def test_a_body_that_is_not_json(client: httpx.AsyncClient) -> None:
    answer = await client.post("/app/_search", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


async def test_who_may_only_write_reads_nothing(store: LocalStore, app: ElasticApp, tmp_path: Path) -> None:
    app._callers = OnlyWriters()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://es",
        auth=("a", "b"),  # type: ignore[arg-type]
    ) as client:
        for path in ("/_search", "/app/_count", "/app/_doc/1", "/app/_mapping", "/_search/scroll"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["error"]["type"]) == (403, "security_exception")


async def test_a_caller_that_goes_away_ends_its_query(store: SlowStore, app: ElasticApp) -> None:
    secret = b"Basic " + base64.b64encode(b"elastic:pw")
    scope = {
        "type": "http", "method": "GET", "path": "/app/_search", "raw_path": b"/app/_search", "query_string": b"",
        "headers": [(b"authorization", secret)],
    }  # fmt: skip
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    store.holds = True
    try:
        serving = asyncio.create_task(app(scope, messages.get, send))
        await asyncio.wait_for(store.asked.wait(), 10)
        assert not store.given_up.is_set()
        messages.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(serving, 10)
    finally:
        store.holds = False
    assert store.given_up.is_set()
    assert sent == []


async def test_an_async_search_goes_on_without_its_caller(client: httpx.AsyncClient, store: SlowStore) -> None:
    body = {"size": 1, "query": {"term": {"level": "error"}}}
    kept = await asked(client, "POST", "/app/_async_search?keep_on_completion=true&keep_alive=1m", body)
    assert (kept["is_running"], kept["is_partial"]) == (False, False)
    path = f"/_async_search/{kept['id']}"
    again = await asked(client, "GET", path)
    assert again["response"]["hits"] == kept["response"]["hits"] == (
        await asked(client, "POST", "/app/_search", body)
    )["hits"]  # fmt: skip
    assert again["expiration_time_in_millis"] == Clock.now_ms + 60_000
    await asked(client, "GET", path + "?keep_alive=1h")
    Clock.now_ms += 120_000
    status = await asked(client, "GET", f"/_async_search/status/{kept['id']}")
    assert (status["completion_status"], status["is_running"]) == (200, False)
    Clock.now_ms += 3_600_000
    await asked(client, "GET", path, status=404)

    store.holds = True
    try:
        running = await asked(client, "POST", "/app/_async_search?wait_for_completion_timeout=0s", body)
        assert (running["is_running"], running["response"]["hits"]["hits"]) == (True, [])
        await asyncio.wait_for(store.asked.wait(), 5)
        path = f"/_async_search/{running['id']}"
        waited = await asked(client, "GET", path + "?wait_for_completion_timeout=20ms")
        assert waited["is_running"]
        assert (await asked(client, "DELETE", path))["acknowledged"]
        await asyncio.wait_for(store.given_up.wait(), 5)
    finally:
        store.holds = False
        store.asked.clear()
        store.given_up.clear()
    await asked(client, "GET", path, status=404)
    await asked(client, "POST", "/app/_async_search", {"query": {"wat": {}}}, 400)
    await asked(client, "POST", "/app/_async_search?keep_alive=30d", body, 400)
    failed = await asked(client, "POST", "/app/_async_search", {"query": {"term": {"message": "too-much"}}}, 400)
    assert failed["error"]["root_cause"][0]["type"] == "circuit_breaking_exception"
