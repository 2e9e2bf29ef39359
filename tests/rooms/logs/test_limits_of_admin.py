"""A limited credential at the endpoints that describe streams: definitions are no way around its limits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from dxops.base.actors import SYSTEM, Actor, Scope
from tests.rooms.logs.elastic_house import ElasticHouse

pytestmark = pytest.mark.engine

EVERYTHING = (Scope.LOGS_READ, Scope.LOGS_WRITE, Scope.LOGS_MANAGE)


@pytest.fixture
async def limited(house: ElasticHouse) -> AsyncIterator[httpx.AsyncClient]:
    """May everything with `mine-*`."""
    _, secret = await house.tokens.create(SYSTEM, "limited", frozenset(EVERYTHING), streams=["mine-*"], expires_at=None)
    async with house.as_token(secret) as client:
        yield client


TAKEN: dict[str, Any] = {"aliases": {"theirs": {"is_write_index": True}}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_index_template/t", {"index_patterns": ["mine-*"], "template": TAKEN}),
        ("/_index_template/t", {"index_patterns": ["mine-*"], "composed_of": ["admins"]}),
        ("/_template/t", {"index_patterns": ["mine-*"], **TAKEN}),
        ("/_component_template/t", {"template": TAKEN}),
    ],
)
async def test_a_template_takes_no_name_that_documents_of_others_go_to(
    house: ElasticHouse, limited: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    await house.asked("PUT", "/_component_template/admins", {"template": TAKEN})
    await house.asked("PUT", "/theirs-1", {"aliases": {"theirs": {}}})
    refused = await limited.put(path, json=body)
    assert refused.status_code == 403, refused.text
    assert (await limited.put("/mine-1")).status_code == 200
    assert (await house.client.post("/theirs/_doc", json={"m": 1})).json()["_index"] == "theirs-1"


async def test_a_template_may_name_aliases_of_its_own(house: ElasticHouse, limited: httpx.AsyncClient) -> None:
    own = {"index_patterns": ["mine-*"], "template": {"aliases": {"mine-all": {}, "mine-{index}": {}}}}
    assert (await limited.put("/_index_template/t", json=own)).status_code == 200
    assert (await limited.post("/mine-1/_doc", json={"m": 1})).status_code == 201
    assert set((await house.asked("GET", "/mine-1/_alias"))["mine-1"]["aliases"]) == {"mine-all", "mine-mine-1"}


async def test_rolling_over_takes_no_name_of_others(house: ElasticHouse, limited: httpx.AsyncClient) -> None:
    await house.asked("PUT", "/theirs-1", {"aliases": {"both": {"is_write_index": True}}})
    await house.asked("PUT", "/mine-1", {"aliases": {"both": {}, "mine-w": {"is_write_index": True}}})
    for path, body in (
        ("/both/_rollover/mine-2", None),
        ("/both/_rollover/mine-2?dry_run=true", None),
        ("/mine-w/_rollover", {"aliases": {"theirs": {"is_write_index": True}}}),
    ):
        refused = await limited.post(path, json=body)
        assert refused.status_code == 403, (path, refused.text)
    assert (await house.client.post("/both/_doc", json={"m": 1})).json()["_index"] == "theirs-1"
    moved = await limited.post("/mine-w/_rollover", json={"aliases": {"mine-more": {}}})
    assert (moved.status_code, moved.json()["new_index"]) == (200, "mine-000002")


@pytest.mark.parametrize(
    ("path", "body", "naming"),
    [
        ("/_ilm/policy/x", {"policy": {"phases": {"delete": {"actions": {"delete": {}}}}}}, "index.lifecycle.name"),
        ("/_ingest/pipeline/x", {"processors": [{"drop": {}}]}, "index.final_pipeline"),
        ("/_component_template/x", {"template": {"settings": {"final_pipeline": "drops"}}}, ""),
    ],
)
async def test_a_name_that_others_wait_for_is_not_taken(
    house: ElasticHouse, limited: httpx.AsyncClient, path: str, body: dict[str, Any], naming: str
) -> None:
    how: dict[str, Any] = {"composed_of": ["x"], "ignore_missing_component_templates": ["x"]}
    if naming:
        how = {"template": {"settings": {naming: "x"}}}
    await house.asked("PUT", "/_index_template/t", {"index_patterns": ["theirs-*"], **how})
    refused = await limited.put(path, json=body)
    assert refused.status_code == 403, refused.text
    await house.asked("DELETE", "/_index_template/t")
    if naming:
        await house.asked("PUT", "/theirs-9", {"settings": {naming: "x"}})
        assert (await limited.put(path, json=body)).status_code == 403
    await house.asked("DELETE", "/theirs-*", status=400)
    if naming:
        await house.asked("DELETE", "/theirs-9")
    assert (await limited.put(path, json=body)).status_code == 200


async def test_templates_of_others_are_not_simulated(house: ElasticHouse, limited: httpx.AsyncClient) -> None:
    secret = {"index_patterns": ["theirs-*"], "template": {"mappings": {"_meta": {"who": "secret"}}}}
    await house.asked("PUT", "/_index_template/of-theirs", secret)
    await house.asked("PUT", "/_index_template/of-mine", {**secret, "index_patterns": ["mine-*"]})
    for path in ("/_index_template/_simulate/of-theirs", "/_index_template/_simulate_index/theirs-1"):
        refused = await limited.post(path)
        assert refused.status_code in (400, 403), path
        assert "secret" not in refused.text, path
    for path in ("/_index_template/_simulate/of-mine", "/_index_template/_simulate_index/mine-1"):
        assert "secret" in (await limited.post(path)).text, path


async def test_a_shippers_key_ends_no_other(house: ElasticHouse, database_url: str) -> None:
    person = await _person(house)
    _, boss = await house.tokens.create(person, "boss", frozenset(EVERYTHING), streams=None, expires_at=None)
    for scopes, streams in (([Scope.LOGS_WRITE], None), (EVERYTHING, ["mine-*"])):
        id_, secret = await house.tokens.create(person, "ship", frozenset(scopes), streams=streams, expires_at=None)
        async with house.as_token(secret) as shipper:
            listed = (await shipper.get("/_security/api_key")).json()["api_keys"]
            assert [key["id"] for key in listed] == [id_]
            assert (await shipper.request("DELETE", "/_security/api_key", json={"ids": [person.id]})).status_code == 404
            ended = await shipper.request("DELETE", "/_security/api_key", json={"name": "boss"})
            assert ended.json()["invalidated_api_keys"] == []
            ended = await shipper.request("DELETE", "/_security/api_key", json={"ids": [id_]})
            assert ended.json()["invalidated_api_keys"] == [id_]
    async with house.as_token(boss) as client:
        assert (await client.get("/_search")).status_code == 200
        assert len((await client.get("/_security/api_key")).json()["api_keys"]) == 4


async def test_who_only_writes_is_not_told_what_documents_have(house: ElasticHouse) -> None:
    await house.asked("PUT", "/app", {"mappings": {"properties": {"declared": {"type": "keyword"}}}})
    await house.write("app", '{"message":"m","seen_field":1}')
    _, secret = await house.tokens.create(SYSTEM, "ship", frozenset({Scope.LOGS_WRITE}), streams=None, expires_at=None)
    async with house.as_token(secret) as shipper:
        shown = (await shipper.get("/app")).json()["app"]["mappings"]["properties"]
    assert set(shown) == {"declared"}
    assert "seen_field" in (await house.asked("GET", "/app"))["app"]["mappings"]["properties"]


async def _person(house: ElasticHouse) -> Actor:
    """One token of a person, that others are made by."""
    id_, _ = await house.tokens.create(SYSTEM, "first", frozenset(Scope), streams=None, expires_at=None)
    async with house.tokens._database.begin() as tx:
        await tx.execute(
            "INSERT INTO accounts.people (id, name, role, created_at) VALUES ('per_1', 'ada', 'owner', now()) "
            "ON CONFLICT DO NOTHING"
        )
        await tx.execute("UPDATE accounts.tokens SET person_id = 'per_1' WHERE id = %s", [id_])
    return Actor(kind="token", id=id_, name="first", scopes=frozenset(Scope))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/_security/user/_has_privileges", {"index": ["x"]}),
        ("POST", "/_security/user/_has_privileges", {"index": [{"names": [1], "privileges": ["read"]}]}),
        ("POST", "/_security/user/_has_privileges", {"index": [{"names": ["a"], "privileges": 1}]}),
        ("POST", "/_security/user/_has_privileges", {"cluster": 5}),
        ("POST", "/_security/api_key", {"name": "k", "role_descriptors": {"r": {"index": ["x"]}}}),
        ("POST", "/_security/api_key", {"name": "k", "role_descriptors": {"r": {"index": 5}}}),
        ("PUT", "/_template/t?order=%C2%B2", {"index_patterns": ["a*"]}),
        ("PUT", "/_template/t?order=--5", {"index_patterns": ["a*"]}),
        ("PUT", "/a/_doc/1?if_seq_no=%C2%B2&if_primary_term=1", {"a": 1}),
        ("PUT", f"/a/_doc/1?if_seq_no={'9' * 5000}&if_primary_term=1", {"a": 1}),
        ("POST", "/a/_rollover", {"conditions": {"max_docs": "²"}}),
        ("POST", f"/a/_delete_by_query?q=x&max_docs={'9' * 5000}", None),
        ("POST", "/a/_delete_by_query?q=x&max_docs=inf", None),
        ("POST", "/a/_delete_by_query?q=x&requests_per_second=nan", None),
        ("POST", "/a/_delete_by_query?q=x&scroll_size=%C2%B2", None),
        ("DELETE", "/_security/api_key", {"ids": [{}]}),
        ("POST", "/_aliases", {"actions": [{"add": {"index": ["a"], "alias": [1]}}]}),
        ("PUT", "/_index_template/t", {"index_patterns": ["a*"], "composed_of": 5}),
        ("PUT", "/_index_template/t", {"index_patterns": ["a*"], "template": {"aliases": {"b": 5}}}),
        ("PUT", "/_ingest/pipeline/p", {"processors": 5}),
        ("PUT", "/_data_stream/logs-x-y/_lifecycle", {"data_retention": 5}),
        ("POST", "/a/_search", {"query": {"range": {"n": {"gte": 10**400}}}}),
        ("POST", "/a/_search", {"search_after": [[1]], "sort": ["@timestamp"]}),
        ("POST", "/a/_search", {"search_after": [{}], "sort": [{"n": {"unmapped_type": "long"}}]}),
        ("GET", f"/a/_search?q=n:>{'9' * 400}", None),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_the_requests_fault(house: ElasticHouse, method: str, path: str, body: Any) -> None:
    await house.asked("PUT", "/a")
    await house.asked("PUT", "/_data_stream/logs-x-y")
    answer = await house.client.request(method, path, content=None if body is None else json.dumps(body),
                                        headers={"content-type": "application/json"})  # fmt: skip
    assert answer.status_code < 500, answer.text


async def test_reindexing_into_the_same_index_by_another_name_is_refused(house: ElasticHouse) -> None:
    await house.asked("PUT", "/a-1", {"aliases": {"a": {"is_write_index": True}}})
    await house.write("a-1", '{"n":1}')
    for dest in ("a-1", "a"):
        refused = await house.asked("POST", "/_reindex", {"source": {"index": "a-1"}, "dest": {"index": dest}}, 400)
        assert "reading from" in refused["error"]["reason"]


async def test_a_deleted_index_is_gone_for_searches_at_once(house: ElasticHouse) -> None:
    await house.write("a", '{"n":1}')
    await house.asked("GET", "/a/_search")
    await house.asked("DELETE", "/a")
    assert (await house.asked("GET", "/a/_search", status=404))["error"]["type"] == "index_not_found_exception"


OF_OTHERS: list[tuple[str, str, Any]] = [
    *(("GET", path, None) for path in (
        "/theirs-1/_validate/query?explain=true", "/theirs-1/_field_caps?fields=*", "/theirs-1/_settings",
        "/theirs-1/_alias", "/theirs-1/_stats", "/theirs-1/_ilm/explain", "/theirs-1/_mapping/field/*",
        "/theirs-1/_refresh", "/theirs-1/_flush", "/_cat/shards/theirs-1", "/_cat/segments/theirs-1",
        "/_cat/count/theirs-1", "/_cluster/state/metadata/theirs-1", "/_cluster/health/theirs-1",
        "/theirs-stream/_search", "/_data_stream/theirs-stream", "/_data_stream/theirs-stream/_lifecycle",
        "/_data_stream/theirs-stream/_stats", "/{backing}/_search", "/{backing}/_doc/1",
        "/%3Ctheirs-%7Bnow%2Fd%7D%3E/_count",
        "/theirs-alias/_search", "/theirs-alias/_alias", "/mine-1,theirs-1/_search", "/_tasks/{task}",
    )),
    ("POST", "/theirs-1/_terms_enum", {"field": "secret"}),
    ("POST", "/theirs-1/_pit?keep_alive=1m", None),
    ("POST", "/theirs-1/_async_search", {}),
    ("POST", "/{backing}/_doc", {"m": 1}),
    ("POST", "/theirs-alias/_doc", {"m": 1}),
    ("POST", "/theirs-stream/_rollover", None),
    ("POST", "/_tasks/{task}/_cancel", None),
    ("PUT", "/theirs-1/_mapping", {"properties": {}}),
    ("PUT", "/_data_stream/theirs-stream/_lifecycle", {"data_retention": "1d"}),
    ("DELETE", "/_data_stream/theirs-stream", None),
    ("DELETE", "/{backing}", None),
    ("DELETE", "/theirs-1/_alias/theirs-alias", None),
    ("POST", "/_reindex", {"source": {"index": "mine-1"}, "dest": {"index": "theirs-alias"}}),
    ("POST", "/_reindex", {"source": {"index": "mine-1"}, "dest": {"index": "mine-2", "pipeline": "moves"}}),
    ("POST", "/mine-1/_doc?pipeline=moves", {"m": 1}),
    ("POST", "/_query", {"query": "FROM mine-1, theirs-1"}),
    ("POST", "/_query", {"query": "FROM mine-1 METADATA _index | WHERE _index == \"theirs-1\""}),
    ("POST", "/_search", {"query": {"terms": {"secret": {"index": "theirs-1", "id": "1", "path": "secret"}}}}),
    ("POST", "/mine-1/_search", {"query": {"term": {"_index": "theirs-1"}}}),
]  # fmt: skip


async def test_no_endpoint_reaches_streams_of_others(house: ElasticHouse, limited: httpx.AsyncClient) -> None:
    await house.asked("PUT", "/_index_template/ds", {"index_patterns": ["theirs-stream"], "data_stream": {}})
    await house.asked("PUT", "/_data_stream/theirs-stream")
    await house.asked(
        "PUT", "/_ingest/pipeline/moves", {"processors": [{"set": {"field": "_index", "value": "theirs-1"}}]}
    )
    for index in ("mine-1", "theirs-1", "theirs-stream"):
        await house.write(index, '{"secret":"of ' + index + '","n":1}', '{"secret":"more of ' + index + '","n":2}')
    await house.asked("PUT", "/theirs-1/_alias/theirs-alias")
    stream = (await house.asked("GET", "/_data_stream/theirs-stream"))["data_streams"][0]
    body = {"source": {"index": "theirs-1"}, "dest": {"index": "copy"}}
    task = (await house.asked("POST", "/_reindex?wait_for_completion=false", body))["task"]
    made = {"backing": stream["indices"][0]["index_name"], "task": task}
    for method, path, body in OF_OTHERS:
        answer = await limited.request(method, path.format(**made), json=body)
        assert b"of theirs" not in answer.content, (path, answer.text)
        found = answer.status_code == 200
        assert not found or b"security_exception" in answer.content or not _found(answer.json()), (path, answer.text)
    scroll = (await house.asked("POST", "/_all/_search?scroll=1m&size=1", {"sort": ["n"]}))["_scroll_id"]
    page = (await limited.post("/_search/scroll", json={"scroll_id": scroll})).json()
    assert [hit["_index"] for hit in page["hits"]["hits"]] == ["mine-1"]
    cursor = (await house.asked("POST", "/_sql", {"query": 'SELECT secret FROM "*"', "fetch_size": 1}))["cursor"]
    rows = (await limited.post("/_sql", json={"cursor": cursor})).json()["rows"]
    assert all("theirs" not in str(row) for row in rows)
    cursor = (await house.asked("POST", "/_sql", {"query": 'SELECT n FROM "theirs-1"', "fetch_size": 1}))["cursor"]
    assert (await limited.post("/_sql", json={"cursor": cursor})).status_code == 403
    assert (await house.asked("GET", "/theirs-1/_count"))["count"] == 2


def _found(answer: dict[str, Any]) -> bool:
    """Whether an answer of 200 has anything in it."""
    hits = answer.get("hits", {}).get("hits", [])
    return bool(hits or answer.get("values") or not ({"hits", "values"} & answer.keys()))
