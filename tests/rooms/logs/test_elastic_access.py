"""Who may do what on port 9200, by tokens of the room `accounts`; and what goes on while PostgreSQL is away."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
import pytest

from dxops.app.elastic_access import caller_of
from dxops.base.actors import ROLE_SCOPES, SYSTEM, Actor, Role, Scope
from dxops.engines.postgres.plain import PlainDatabase
from dxops.rooms.logs.registry import Registry
from tests.rooms.logs.elastic_house import ElasticHouse, elastic_house
from tests.rooms.logs.local import LocalStore

LIMITED_READS = [
    ("GET", "/_search?size=50", None),
    ("GET", "/*/_search?size=50", None),
    ("GET", "/_all/_search?size=50&expand_wildcards=all", None),
    ("GET", "/every/_search?size=50", None),
    ("POST", "/_search?scroll=1m&size=50", {}),
    ("POST", "/_async_search?size=50", {}),
    ("POST", "/_search", {"size": 0, "aggs": {"i": {"terms": {"field": "_index"}}, "g": {"global": {}, "aggs": {
        "s": {"terms": {"field": "where"}}}}}}),
    ("GET", "/_field_caps?fields=*", None),
    ("GET", "/_mapping", None),
    ("GET", "/_settings", None),
    ("GET", "/_all", None),
    ("GET", "/_alias", None),
    ("GET", "/_cat/aliases", None),
    ("GET", "/_cat/indices", None),
    ("GET", "/_cat/indices?expand_wildcards=all&v", None),
    ("GET", "/_cat/shards", None),
    ("GET", "/_cat/segments", None),
    ("GET", "/_cat/templates", None),
    ("GET", "/_index_template", None),
    ("GET", "/_template", None),
    ("GET", "/_data_stream", None),
    ("GET", "/_data_stream/_stats", None),
    ("GET", "/_resolve/index/*", None),
    ("GET", "/_cluster/state", None),
    ("GET", "/_cluster/health?level=indices", None),
    ("GET", "/_stats", None),
    ("GET", "/*/_ilm/explain", None),
    ("GET", "/_ilm/policy", None),
    ("POST", "/_all/_terms_enum", {"field": "where"}),
    ("GET", "/_security/api_key", None),
]  # fmt: skip


async def token(house: ElasticHouse, *scopes: Scope, streams: list[str] | None = None) -> tuple[str, str]:
    return await house.tokens.create(SYSTEM, "test", frozenset(scopes), streams=streams, expires_at=None)


async def eventually(check: Callable[[], Any]) -> Any:
    for _ in range(200):
        try:
            found = await check()
        except AssertionError:
            found = None
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("not within ten seconds")


async def test_a_token_works_in_every_form(house: ElasticHouse) -> None:
    id_, secret = await token(house, Scope.LOGS_READ)
    encoded = base64.b64encode(f"{id_}:{secret}".encode()).decode()
    wrong_id = base64.b64encode(f"tok_other:{secret}".encode()).decode()
    basic = base64.b64encode(f"anyone:{secret}".encode()).decode()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="http://es") as client:
        for header, status in (
            (f"Bearer {secret}", 200), (f"ApiKey {encoded}", 200), (f"Basic {basic}", 200),
            (f"ApiKey {wrong_id}", 401), (f"Bearer {secret}x", 401), ("Bearer dxo_", 401),
        ):  # fmt: skip
            answer = await client.get("/_search", headers={"authorization": header})
            assert answer.status_code == status, header
        who = (await client.get("/_security/_authenticate", headers={"authorization": f"Bearer {secret}"})).json()
        assert (who["authentication_type"], who["roles"], who["api_key"]["id"]) == ("api_key", ["read"], id_)


async def test_scopes(house: ElasticHouse) -> None:
    _, writes = await token(house, Scope.LOGS_WRITE)
    _, reads = await token(house, Scope.READ)
    _, manages = await token(house, Scope.LOGS_MANAGE)
    document = {"message": "m"}
    template = {"index_patterns": ["t*"]}
    expected = {
        # (method, path, body): statuses for who writes, reads, manages
        ("POST", "/app/_doc", None): (201, 403, 403),
        ("GET", "/_search", None): (403, 200, 403),
        ("GET", "/_cat/indices", None): (403, 200, 403),
        ("PUT", "/_data_stream/logs-x-y", None): (200, 403, 400),
        ("PUT", "/_index_template/t", 1): (200, 403, 200),
        ("PUT", "/_index_template/t", 2): (403, 403, 200),
        ("DELETE", "/_index_template/t", None): (403, 403, 200),
        ("POST", "/_aliases", None): (403, 403, 400),
        ("DELETE", "/app", None): (403, 403, 200),
        ("GET", "/_license", None): (200, 200, 200),
        ("GET", "/_ilm/policy", None): (200, 200, 200),
    }
    for (method, path, number), statuses in expected.items():
        for secret, status in zip((writes, reads, manages), statuses, strict=True):
            body = document if path == "/app/_doc" else {**template, "version": number} if number else None
            async with house.as_token(secret) as client:
                answer = await client.request(method, path, json=body)
                assert answer.status_code == status, (method, path, number, answer.text)
                if status == 403:
                    assert answer.json()["error"]["type"] == "security_exception"


def test_who_is_limited_to_apps_sends_logs_and_sees_none() -> None:
    actor = Actor(kind="token", id="t", name="t", scopes=frozenset(Scope), apps=frozenset({"hello"}))
    caller = caller_of(actor)
    assert (caller.may_write, caller.may_read, caller.may_manage) == (True, False, False)
    whole = caller_of(Actor(kind="token", id="t", name="t", scopes=ROLE_SCOPES[Role.VIEWER]))
    assert (whole.may_write, whole.may_read, whole.may_manage, whole.streams) == (False, True, False, None)


async def test_a_limited_token_sees_nothing_else(house: ElasticHouse) -> None:
    await house.asked("PUT", "/_index_template/hidden-secret", {"index_patterns": ["secret*"], "data_stream": {}})
    await house.asked("PUT", "/_template/old-secret", {"index_patterns": ["secret*"]})
    await house.asked("PUT", "/_data_stream/secret-stream")
    await house.asked("PUT", "/_ilm/policy/p", {"policy": {"phases": {}}})
    await house.asked("PUT", "/topsecret", {"settings": {"index.lifecycle.name": "p"}})
    await house.write("app-1", '{"message":"mine","where":"here"}')
    await house.bulk(
        '{"index":{"_index":"topsecret","_id":"known"}}', '{"message":"hers","where":"secret place","secret_field":1}'
    )
    await house.write("secret-stream", '{"message":"theirs","where":"secret"}')
    for index in ("app-1", "topsecret"):
        await house.asked("PUT", f"/{index}/_alias/every")
    await house.asked("PUT", "/topsecret/_alias/alias-of-secret")
    pit = (await house.asked("POST", "/*/_pit?keep_alive=1m"))["id"]
    _, secret = await token(house, Scope.LOGS_READ, Scope.LOGS_WRITE, Scope.LOGS_MANAGE, streams=["app-*"])
    async with house.as_token(secret) as client:
        for method, path, body in LIMITED_READS:
            answer = await client.request(method, path, json=body)
            assert answer.status_code == 200, (path, answer.text)
            assert "secret" not in answer.text, (path, answer.text)
        assert "mine" in (await client.get("/_search")).text
        found = (await client.post("/_search", json={"pit": {"id": pit}, "size": 50})).json()
        assert [hit["_source"]["message"] for hit in found["hits"]["hits"]] == ["mine"]
        lines = '{"index":"topsecret"}\n{}\n{"index":"*"}\n{}\n'
        several = await client.post("/_msearch", content=lines, headers={"content-type": "application/x-ndjson"})
        first, second = several.json()["responses"]
        assert (first["status"], second["hits"]["total"]["value"]) == (403, 1)
        assert (await client.get("/_cat/count?h=count")).text.strip() == "1"
        assert (await client.get("/_cluster/stats")).json()["indices"]["count"] == 1
        sql = (await client.post("/_sql?format=json", json={"query": 'SELECT * FROM "*"'})).text
        assert "mine" in sql
        assert "secret" not in sql
        esql = (await client.post("/_query", json={"query": "FROM * | LIMIT 10"})).text
        assert "mine" in esql
        assert "secret" not in esql
        for path, body in (
            ("/_sql?format=json", {"query": "SELECT * FROM topsecret"}),
            ("/_query", {"query": "FROM topsecret"}),
            ("/topsecret/_update/1", {"doc": {"a": 1}}),
            ("/topsecret/_delete_by_query", {"query": {"match_all": {}}}),
            ("/_reindex", {"source": {"index": "topsecret"}, "dest": {"index": "app-9"}}),
            ("/_reindex", {"source": {"index": "app-1"}, "dest": {"index": "topsecret"}}),
        ):
            refused = await client.post(path, json=body)
            assert refused.status_code == 403 or "security_exception" in refused.text, (path, refused.text)
        docs = {"docs": [{"_index": "topsecret", "_id": "known"}, {"_index": "alias-of-secret", "_id": "known"}]}
        assert "secret place" not in (await client.post("/_mget", json=docs)).text
        for path in ("/topsecret/_search", "/topsecret", "/topsecret/_doc/known", "/secret-stream/_count",
                     "/alias-of-secret/_search", "/topsecret/_mapping", "/nowhere/_search", "/_cat/indices/topsecret",
                     "/_resolve/index/topsecret"):  # fmt: skip
            answer = await client.get(path)
            assert answer.status_code == 403, (path, answer.text)
        for method, path, body in (
            ("DELETE", "/topsecret", None), ("PUT", "/other", None), ("POST", "/topsecret/_rollover", None),
            ("PUT", "/topsecret/_settings", {"a": 1}), ("PUT", "/app-1/_alias/topsecret-2", None),
            ("PUT", "/_index_template/wide", {"index_patterns": ["*"]}), ("DELETE", "/_ilm/policy/p", None),
            ("PUT", "/_cluster/settings", {"persistent": {}}), ("DELETE", "/_index_template/hidden-secret", None),
        ):  # fmt: skip
            answer = await client.request(method, path, json=body)
            assert answer.status_code in (403, 404), (path, answer.text)
        assert (await client.put("/app-2")).status_code == 200
        assert (await client.put("/_index_template/own", json={"index_patterns": ["app-own-*"]})).status_code == 200
        lines = '{"index":{"_index":"app-1"}}\n{"message":"a"}\n{"index":{"_index":"topsecret"}}\n{"message":"b"}\n'
        written = await client.post("/_bulk", content=lines, headers={"content-type": "application/x-ndjson"})
        assert [item["index"]["status"] for item in written.json()["items"]] == [201, 403]
        written = await client.post("/alias-of-secret/_doc", json={"message": "c"})
        assert written.status_code == 403
    assert (await house.asked("GET", "/topsecret/_count"))["count"] == 1


async def test_api_keys_are_tokens(house: ElasticHouse, database_url: str) -> None:
    roles = {"shipper": {"cluster": ["monitor"], "index": [{"names": ["app-*"], "privileges": ["create_doc"]}]}}
    made = await house.asked(
        "POST", "/_security/api_key", {"name": "ship", "expiration": "1d", "role_descriptors": roles}
    )
    headers = {"authorization": f"ApiKey {made['encoded']}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(house.app), base_url="http://es", headers=headers
    ) as key:
        assert (await key.post("/app-1/_doc", json={"message": "m"})).status_code == 201
        assert (await key.post("/web/_doc", json={"message": "m"})).status_code == 403
        assert (await key.get("/_search")).status_code == 403
        assert (await key.post("/_security/api_key", json={"name": "more"})).status_code == 403
        listed = (await house.asked("GET", f"/_security/api_key?id={made['id']}"))["api_keys"]
        assert [(each["name"], each["invalidated"]) for each in listed] == [("ship", False)]
        gone = await house.asked("DELETE", "/_security/api_key", {"ids": [made["id"]]})
        assert gone["invalidated_api_keys"] == [made["id"]]
        assert (await key.post("/app-1/_doc", json={"message": "m"})).status_code == 401
    wide = {"r": {"index": [{"names": ["a"], "privileges": ["read"], "query": {"match_all": {}}}]}}
    await house.asked("POST", "/_security/api_key", {"name": "x", "role_descriptors": wide}, 400)
    with psycopg.connect(database_url) as connection:
        deeds = connection.execute("SELECT action, subject FROM accounts.audit ORDER BY seq").fetchall()
    assert ("token.created", "ship") in deeds
    assert ("token.revoked", "ship") in deeds


async def test_changes_are_in_the_audit_log(house: ElasticHouse, database_url: str) -> None:
    await house.asked("PUT", "/app")
    await house.asked("PUT", "/app/_alias/a")
    await house.asked("DELETE", "/app")
    with psycopg.connect(database_url) as connection:
        deeds = connection.execute("SELECT actor_name, action, subject FROM accounts.audit ORDER BY seq").fetchall()
    assert deeds == [
        ("dxops", "logs.index.created", "app"),
        ("dxops", "logs.aliases.changed", "a"),
        ("dxops", "logs.index.deleted", "app"),
    ]


async def test_while_postgres_is_away(house: ElasticHouse, database_url: str) -> None:
    _, secret = await token(house, Scope.LOGS_WRITE, Scope.LOGS_READ)
    async with house.as_token(secret) as client:
        assert (await client.get("/_search")).status_code == 200
        house.server.leave()
        house.tokens.look_again()
        written = await client.post("/fresh/_doc?refresh=wait_for", json={"message": "away"})
        assert written.status_code == 201
        assert (await client.get("/fresh/_count")).json()["count"] == 1
        assert (await client.get("/_cat/indices?h=index")).text == "fresh\n"
    refused = await house.client.put("/_ilm/policy/p", json={"policy": {"phases": {}}})
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["type"] == "cluster_block_exception"
    async with house.as_token("dxo_never_seen_before") as client:
        assert (await client.get("/_search")).status_code == 503
    house.server.come_back()

    async def registered() -> bool:
        with psycopg.connect(database_url) as connection:
            return connection.execute("SELECT by_write FROM logs.streams WHERE name = 'fresh'").fetchall() == [(True,)]

    await eventually(registered)
    uuid = (await house.asked("GET", "/fresh"))["fresh"]["settings"]["index"]["uuid"]
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT uuid FROM logs.streams").fetchall() == [(uuid,)]


async def test_a_failure_of_one_moment_does_not_end_registering(house: ElasticHouse, database_url: str) -> None:
    class Failing:
        fails = 2

        def begin(self) -> Any:
            if self.fails:
                self.fails -= 1
                raise psycopg.errors.QueryCanceled("statement timeout")
            return PlainDatabase(lambda: database_url).begin()

    house.registry._database = Failing()  # type: ignore[assignment]
    await house.write("fresh", '{"message":"m"}')
    await house.registry.told()

    async def registered() -> bool:
        with psycopg.connect(database_url) as connection:
            return connection.execute("SELECT name FROM logs.streams").fetchall() == [("fresh",)]

    await eventually(registered)


async def test_too_many_streams_can_still_be_deleted(house: ElasticHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in ("a", "b"):
        await house.asked("PUT", f"/{index}")
    monkeypatch.setattr("dxops.rooms.logs.describing.MAX_STREAMS", 3)
    house.registry.see(["c"])
    monkeypatch.setattr("dxops.rooms.logs.describing.MAX_STREAMS", 2)
    await house.asked("PUT", "/_alias/x", status=400)
    await house.asked("DELETE", "/a")
    assert set(house.registry.catalog.streams) == {"b"}


async def test_starting_while_postgres_is_away(house_store: LocalStore, tmp_path: Path, database_url: str) -> None:
    async with elastic_house(tmp_path, database_url, house_store) as first:
        await first.asked("PUT", "/_index_template/t", {"index_patterns": ["w-*"], "template": {
            "settings": {"default_pipeline": "p"}}})  # fmt: skip
        await first.asked("PUT", "/_ingest/pipeline/p", {"processors": [{"set": {"field": "a", "value": 1}}]})
        await first.asked("PUT", "/w-1", {"aliases": {"w": {"is_write_index": True}}})
        _, secret = await token(first, Scope.LOGS_WRITE)
        async with first.as_token(secret) as client:
            assert (await client.post("/w/_doc", json={"message": "before"})).status_code == 201
    async with elastic_house(tmp_path, database_url, house_store, away=True) as second:
        async with second.as_token(secret) as client:
            written = await client.post("/w/_doc", json={"message": "after"})
        assert (written.status_code, written.json()["_index"]) == (201, "w-1")
        assert second.registry.of_index("w").default == "p"
        assert second.registry.pipeline("p") is not None
        assert (await second.client.delete("/w-1")).status_code == 503
        assert (await second.client.get("/_index_template/t")).status_code == 200
    kept = (tmp_path / "tokens").read_text()
    assert secret not in kept
    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o600


async def test_changes_of_another_process_are_felt(
    house: ElasticHouse, database_url: str, house_store: LocalStore
) -> None:
    with TemporaryDirectory() as directory:
        async with elastic_house(Path(directory), database_url, house_store) as other:
            await other.asked("PUT", "/from-there")

            async def there() -> bool:
                return (await house.client.head("/from-there")).status_code == 200

            await eventually(there)
            unwatched = Registry(PlainDatabase(lambda: database_url), lambda: 0, lambda: "uuid")
            await other.asked("PUT", "/_data_stream/logs-there-x")
            known = await unwatched.known()
            assert "from-there" in known.indices
            assert known.data_streams == {"logs-there-x": ("logs-there-x",)}
            id_, secret = await token(house, Scope.LOGS_READ)
            async with other.as_token(secret) as client:
                assert (await client.get("/_search")).status_code == 200
                await house.tokens.revoke(SYSTEM, [id_])

                async def revoked() -> bool:
                    return (await client.get("/_search")).status_code == 401

                await eventually(revoked)
