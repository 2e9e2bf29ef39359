"""What describes streams on port 9200, on a real ClickHouse and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.rooms.logs.elastic_house import ElasticHouse, Times


async def messages(house: ElasticHouse, index: str, **parameters: str) -> list[str]:
    query = "&".join(f"{key}={value}" for key, value in parameters.items())
    found = await house.asked("GET", f"/{index}/_search?size=100&{query}")
    return sorted(hit["_source"]["message"] for hit in found["hits"]["hits"])


async def test_an_index_is_made_shown_and_deleted_with_its_documents(house: ElasticHouse) -> None:
    made = await house.asked("PUT", "/app-1", {"settings": {"number_of_shards": 3}, "aliases": {"app": {}}})
    assert made == {"acknowledged": True, "shards_acknowledged": True, "index": "app-1"}
    again = await house.asked("PUT", "/app-1", None, 400)
    assert again["error"]["type"] == "resource_already_exists_exception"
    await house.write("app-1", '{"message":"one"}')
    await house.bulk('{"index":{"_index":"app-1","_id":"x"}}', '{"message":"two"}')
    shown = (await house.asked("GET", "/app-1"))["app-1"]
    assert shown["aliases"] == {"app": {}}
    assert shown["settings"]["index"]["number_of_shards"] == "3"
    assert (await house.client.head("/app-1")).status_code == 200
    assert await messages(house, "app") == ["one", "two"]
    await house.write("other", '{"message":"stays"}')
    await house.asked("DELETE", "/app-1")
    assert (await house.client.head("/app-1")).status_code == 404
    assert (await house.asked("GET", "/app/_search", None, 404))["error"]["type"] == "index_not_found_exception"
    assert await messages(house, "*") == ["stays"]
    # its ids are forgotten too: no conflict with what was deleted
    answer = await house.bulk('{"create":{"_index":"app-1","_id":"x"}}', '{"message":"anew"}')
    assert answer["items"][0]["create"]["status"] == 201
    assert await messages(house, "app-1") == ["anew"]


async def test_what_was_deleted_is_not_read_from_memory(house: ElasticHouse) -> None:
    made = await house.asked("POST", "/app/_doc", {"message": "one"}, 201)
    path = f"/app/_doc/{made['_id']}"
    assert (await house.asked("GET", path))["found"] is True
    await house.asked("DELETE", "/app")
    await house.write("app", '{"message":"two"}')
    await house.asked("GET", path, None, 404)


async def test_what_is_deleted_stays_deleted_whatever_is_written_down_beside(house: ElasticHouse) -> None:
    for number in range(8):
        house.registry.see([f"seen-{number}"])
        nothing = asyncio.create_task(house.registry.change(lambda catalog: catalog))
        await house.asked("DELETE", f"/seen-{number}")
        await nothing
        assert (await house.client.head(f"/seen-{number}")).status_code == 404
    await house.registry.refresh()
    assert not [name for name in house.registry.catalog.streams if name.startswith("seen-")]


async def test_pipelines_run_for_aliases_and_may_choose_them(house: ElasticHouse) -> None:
    await house.asked("PUT", "/_ingest/pipeline/p", {"processors": [{"set": {"field": "by", "value": "p"}}]})
    route = {"processors": [{"set": {"field": "_index", "value": "alias"}}]}
    await house.asked("PUT", "/_ingest/pipeline/route", route)
    await house.asked(
        "PUT", "/app-1", {"settings": {"default_pipeline": "p"}, "aliases": {"alias": {"is_write_index": True}}}
    )
    await house.write("alias", '{"message":"m"}')
    found = await house.asked("GET", "/app-1/_search")
    assert found["hits"]["hits"][0]["_source"] == {"message": "m", "by": "p"}
    answer = await house.bulk('{"index":{"_index":"x"}}', '{"message":"rerouted"}', path="/_bulk?pipeline=route")
    assert answer["items"][0]["index"]["_index"] == "app-1"


async def test_deleting_by_wildcard_only_when_that_is_allowed(house: ElasticHouse) -> None:
    await house.write("app-1", '{"message":"one"}')
    refused = await house.asked("DELETE", "/app-*", None, 400)
    assert "Wildcard expressions" in refused["error"]["reason"]
    assert await messages(house, "app-*") == ["one"]
    await house.asked("PUT", "/_cluster/settings", {"persistent": {"action": {"destructive_requires_name": False}}})
    assert (await house.asked("GET", "/_cluster/settings?flat_settings"))["persistent"] == {
        "action.destructive_requires_name": "false"
    }
    await house.asked("DELETE", "/app-*")
    assert await messages(house, "app-*") == []
    unknown = await house.asked("PUT", "/_cluster/settings", {"transient": {"search.max_buckets": 5}}, 400)
    assert "search.max_buckets" in unknown["error"]["reason"]


async def test_writing_to_an_alias_goes_to_its_write_index(house: ElasticHouse) -> None:
    await house.asked("PUT", "/logs-000001", {"aliases": {"logs": {"is_write_index": True}}})
    await house.write("logs", '{"message":"first"}')
    rolled = await house.asked("POST", "/logs/_rollover", {"conditions": {"max_docs": 1}})
    assert rolled["rolled_over"] is True
    assert (rolled["old_index"], rolled["new_index"]) == ("logs-000001", "logs-000002")
    answer = await house.bulk('{"index":{"_index":"logs"}}', '{"message":"second"}')
    assert answer["items"][0]["index"]["_index"] == "logs-000002"
    assert await messages(house, "logs-000001") == ["first"]
    assert await messages(house, "logs") == ["first", "second"]
    assert (await house.asked("GET", "/_alias/logs")) == {
        "logs-000001": {"aliases": {"logs": {"is_write_index": False}}},
        "logs-000002": {"aliases": {"logs": {"is_write_index": True}}},
    }
    kept = await house.asked("POST", "/logs/_rollover", {"conditions": {"max_docs": 100, "max_age": "1d"}})
    assert (kept["rolled_over"], kept["conditions"]) == (False, {"[max_docs: 100]": False, "[max_age: 1d]": False})


async def test_an_alias_without_a_write_index_takes_no_documents(house: ElasticHouse) -> None:
    await house.write("a-1", '{"message":"a"}')
    await house.write("b-1", '{"message":"b"}')
    await house.asked("POST", "/_aliases", {"actions": [{"add": {"indices": ["a-1", "b-1"], "alias": "both"}}]})
    answer = await house.bulk('{"index":{"_index":"both"}}', '{"message":"c"}')
    assert answer["items"][0]["index"]["status"] == 400
    assert "no write index" in answer["items"][0]["index"]["error"]["reason"]
    assert await messages(house, "both") == ["a", "b"]
    two = {"actions": [{"add": {"index": name, "alias": "both", "is_write_index": True}} for name in ("a-1", "b-1")]}
    assert "more than one write index" in (await house.asked("POST", "/_aliases", two, 400))["error"]["reason"]
    missing = await house.asked("DELETE", "/a-1/_alias/nope", None, 404)
    assert missing["error"]["type"] == "aliases_not_found_exception"
    await house.asked("DELETE", "/a-1/_alias/both")
    assert await messages(house, "both") == ["b"]
    assert (await house.client.head("/_alias/both")).status_code == 200
    assert (await house.client.head("/_alias/none")).status_code == 404


async def test_an_alias_with_a_filter_shows_only_what_fits(house: ElasticHouse) -> None:
    await house.write("app", '{"message":"good","level":"info"}', '{"message":"bad","level":"error"}')
    await house.write("other", '{"message":"else","level":"info"}')
    body = {"filter": {"term": {"level": "error"}}}
    await house.asked("PUT", "/app/_alias/errors", body)
    assert await messages(house, "errors") == ["bad"]
    assert await messages(house, "errors,other") == ["bad", "else"]
    assert (await house.asked("GET", "/errors/_count"))["count"] == 1
    assert await messages(house, "errors,app") == ["bad", "good"]
    await house.asked("PUT", "/app/_alias/wrong", {"filter": {"no_such_query": {}}}, 400)


async def test_data_streams_and_their_backing_indices(house: ElasticHouse) -> None:
    refused = await house.asked("PUT", "/_data_stream/shop", None, 400)
    assert "no matching index template" in refused["error"]["reason"]
    template = {"index_patterns": ["shop*"], "data_stream": {}, "priority": 5}
    await house.asked("PUT", "/_index_template/shop", template)
    await house.asked("PUT", "/_data_stream/shop")
    stream = (await house.asked("GET", "/_data_stream/shop"))["data_streams"][0]
    assert (stream["name"], stream["generation"], stream["template"]) == ("shop", 1, "shop")
    backing = stream["indices"][0]["index_name"]
    assert backing.startswith(".ds-shop-")
    assert backing.endswith("-000001")
    await house.bulk('{"create":{"_index":"shop"}}', '{"@timestamp":"2026-01-01T00:00:00Z","message":"sold"}')
    await house.write("shop", '{"message":"index is fine too"}')
    assert len(await messages(house, "shop")) == len(await messages(house, backing)) == 2
    assert len(await messages(house, "*")) == 2
    rolled = await house.asked("POST", "/shop/_rollover", {"conditions": {"max_docs": 2}})
    assert rolled["new_index"].endswith("-000002")
    newest = rolled["new_index"]
    assert (await house.asked("POST", "/shop/_rollover", {"conditions": {"max_docs": 2}}))["rolled_over"] is False
    await house.bulk('{"create":{"_index":"shop","_id":"3"}}', '{"message":"after"}')
    assert await messages(house, newest) == ["after"]
    assert await messages(house, backing) == ["index is fine too", "sold"]
    assert len(await messages(house, "shop")) == len(await messages(house, ".ds-shop-*")) == 3
    assert (await house.asked("GET", f"/{backing}/_count"))["count"] == 2
    rows = await house.asked("GET", "/_cat/indices/shop?format=json&s=index")
    assert [(row["index"], row["docs.count"]) for row in rows] == [(backing, "2"), (newest, "1")]
    assert list(await house.asked("GET", f"/{backing}")) == [backing]
    assert list(await house.asked("GET", "/shop/_settings")) == [backing, newest]
    made = await house.asked("PUT", "/shop-2", None, 400)
    assert "creates data streams only" in made["error"]["reason"]
    resolved = await house.asked("GET", "/_resolve/index/shop")
    assert resolved["data_streams"][0]["backing_indices"] == [backing, rolled["new_index"]]
    deleted = await house.asked("DELETE", "/shop", None, 400)
    assert "data stream" in deleted["error"]["reason"]
    kept = await house.asked("DELETE", f"/{newest}", None, 400)
    assert "is the write index for data stream [shop] and cannot be deleted" in kept["error"]["reason"]
    await house.asked("DELETE", f"/{backing}")
    assert await messages(house, "shop") == await messages(house, newest) == ["after"]
    stream = (await house.asked("GET", "/_data_stream/shop"))["data_streams"][0]
    assert (stream["generation"], [each["index_name"] for each in stream["indices"]]) == (2, [newest])
    await house.asked("GET", f"/{backing}/_search", None, 404)
    await house.asked("DELETE", "/_data_stream/shop")
    assert (await house.asked("GET", "/_data_stream/shop", None, 404))["error"]["type"] == "index_not_found_exception"
    assert await messages(house, "*") == []


async def backing_of(house: ElasticHouse, name: str) -> list[str]:
    stream = (await house.asked("GET", f"/_data_stream/{name}"))["data_streams"][0]
    return [each["index_name"] for each in stream["indices"]]


async def test_policies_roll_over_and_delete(house: ElasticHouse, times: Times) -> None:
    policy = {"policy": {"phases": {"hot": {"actions": {"rollover": {"max_docs": 2, "max_age": "30d"}}},
                                    "delete": {"min_age": "10d", "actions": {"delete": {}}}}}}  # fmt: skip
    await house.asked("PUT", "/_ilm/policy/keep", policy)
    managed = {"index.lifecycle.name": "keep"}
    shop = {"index_patterns": ["shop"], "data_stream": {}, "template": {"settings": managed}}
    await house.asked("PUT", "/_index_template/shop", shop)
    app = {"index_patterns": ["app-*"], "template": {"settings": {**managed, "index.lifecycle.rollover_alias": "app"}}}
    await house.asked("PUT", "/_index_template/app", app)
    await house.asked("PUT", "/app-000001", {"aliases": {"app": {"is_write_index": True}}})
    await house.write("shop", '{"message":"one"}')
    await house.policies.once()
    assert len(await backing_of(house, "shop")) == 1
    await house.write("shop", '{"message":"two"}')
    await house.write("app", '{"message":"a"}', '{"message":"b"}')
    await house.asked("POST", "/_ilm/stop")
    await house.policies.once()
    assert len(await backing_of(house, "shop")) == 1
    await house.asked("POST", "/_ilm/start")
    for _ in range(2):  # what is empty is not rolled over
        await house.policies.once()
        first, second = await backing_of(house, "shop")
    await house.write("shop", '{"message":"three"}')
    await house.write("app", '{"message":"c"}')
    assert (await messages(house, first), await messages(house, second)) == (["one", "two"], ["three"])
    assert await messages(house, "app-000002") == ["c"]
    explained = (await house.asked("GET", "/shop/_ilm/explain"))["indices"]
    assert [explained[name]["action"] for name in (first, second)] == ["complete", "rollover"]
    times.ahead_ms = 9 * 86_400_000
    await house.policies.once()
    assert len(await backing_of(house, "shop")) == 2
    times.ahead_ms = 11 * 86_400_000
    await house.policies.once()
    assert await backing_of(house, "shop") == [second]
    assert (await messages(house, "shop"), await messages(house, "app")) == (["three"], ["c"])
    await house.asked("GET", "/app-000001", None, 404)
    assert list(await house.asked("GET", "/_alias/app")) == ["app-000002"]
    times.ahead_ms = 31 * 86_400_000
    await house.policies.once()
    assert len(await backing_of(house, "shop")) == 2
    assert list(await house.asked("GET", "/_alias/app")) == ["app-000002", "app-000003"]


async def test_ids_of_a_deleted_backing_index_are_free(house: ElasticHouse) -> None:
    await house.asked("PUT", "/_index_template/shop", {"index_patterns": ["shop"], "data_stream": {}})
    for name in "abc":
        await house.bulk(json.dumps({"create": {"_index": "shop", "_id": name}}), json.dumps({"message": name}))
        await house.asked("POST", "/shop/_rollover")
    _, middle, *_ = await backing_of(house, "shop")
    assert await messages(house, middle) == ["b"]
    await house.asked("DELETE", f"/{middle}")
    await house.asked("GET", "/shop/_doc/b", None, 404)
    assert (await house.asked("GET", "/shop/_doc/a"))["found"]
    again = await house.bulk(
        '{"create":{"_index":"shop","_id":"b"}}', '{"message":"b2"}',
        '{"create":{"_index":"shop","_id":"c"}}', '{"message":"c2"}',
    )  # fmt: skip
    assert [item["create"]["status"] for item in again["items"]] == [201, 409]
    assert await messages(house, "shop") == ["a", "b2", "c"]


async def test_what_a_document_made_becomes_a_data_stream(house: ElasticHouse) -> None:
    await house.write("shop", '{"message":"early"}')
    await house.write("logs-app-default", '{"message":"of the usual name"}')
    names = {each["name"] for each in (await house.asked("GET", "/_data_stream"))["data_streams"]}
    assert names == {"logs-app-default"}
    await house.asked("PUT", "/_index_template/shop", {"index_patterns": ["shop"], "data_stream": {}})
    await house.asked("PUT", "/_data_stream/shop")
    assert await messages(house, "shop") == ["early"]
    again = await house.asked("PUT", "/_data_stream/shop", None, 400)
    assert again["error"]["type"] == "resource_already_exists_exception"


async def test_templates_give_settings_aliases_and_pipelines(house: ElasticHouse) -> None:
    component = {"template": {"settings": {"index": {"default_pipeline": "p1"}}, "mappings": {"properties": {"a": {}}}}}
    await house.asked("PUT", "/_component_template/base", component)
    for name in ("p1", "p2"):
        await house.asked("PUT", f"/_ingest/pipeline/{name}", {"processors": [{"set": {"field": "by", "value": name}}]})
    missing = {"index_patterns": ["x*"], "composed_of": ["nope"]}
    assert "nope" in (await house.asked("PUT", "/_index_template/x", missing, 400))["error"]["reason"]
    body = {
        "index_patterns": ["x-*"], "composed_of": ["base"], "priority": 7, "version": 3,
        "template": {"settings": {"lifecycle.name": "keep"}, "aliases": {"xs": {}}},
    }  # fmt: skip
    await house.asked("PUT", "/_index_template/x", body)
    shown = (await house.asked("GET", "/_index_template/x"))["index_templates"][0]
    assert shown["index_template"]["template"]["settings"] == {"index": {"lifecycle": {"name": "keep"}}}
    simulated = (await house.asked("POST", "/_index_template/_simulate_index/x-1"))["template"]
    assert simulated["settings"]["index"] == {"default_pipeline": "p1", "lifecycle": {"name": "keep"}}
    assert simulated["mappings"] == {"properties": {"a": {}}}
    assert house.registry.of_index("x-1").default == "p1"
    await house.asked("PUT", "/_template/old", {"index_patterns": ["y-*"], "settings": {"index.final_pipeline": "p2"}})
    assert house.registry.of_index("y-1").final == "p2"
    await house.asked("PUT", "/_ingest/pipeline/p1", {"processors": [{"set": {"field": "by", "value": "p1"}}]})
    await house.write("x-1", '{"message":"by write"}')
    assert await messages(house, "xs") == ["by write"]
    used = await house.asked("DELETE", "/_component_template/base", None, 400)
    assert "still in use" in used["error"]["reason"]
    gone = await house.asked("GET", "/_index_template/nope", None, 404)
    assert gone["error"]["type"] == "resource_not_found_exception"
    assert (await house.client.head("/_template/nope")).status_code == 404
    assert (await house.client.head("/_template/old")).status_code == 200
    await house.asked("DELETE", "/_index_template/x")
    await house.asked("DELETE", "/_component_template/base")
    assert (await house.asked("GET", "/_component_template"))["component_templates"] == []


async def test_policies(house: ElasticHouse, times: Times) -> None:
    policy = {"policy": {"phases": {"hot": {"actions": {"rollover": {"max_age": "30d", "max_size": "50gb"}}},
                                    "delete": {"min_age": "90d", "actions": {"delete": {}}}}}}  # fmt: skip
    await house.asked("PUT", "/_ilm/policy/keep", policy)
    shown = (await house.asked("GET", "/_ilm/policy/keep"))["keep"]
    assert (shown["version"], shown["policy"]) == (1, policy["policy"])
    wrong: list[dict[str, Any]] = [
        {"policy": {"phases": {"tepid": {}}}},
        {"policy": {"phases": {"hot": {"min_age": "soon"}}}},
        {"policy": {"phases": {"hot": {"actions": {"rollover": {"max_luck": 1}}}}}},
        {"policy": {"phases": {"cold": {"actions": {"searchable_snapshot": {}}}}}},
        {},
    ]
    for body in wrong:
        await house.asked("PUT", "/_ilm/policy/bad", body, 400)
    await house.asked("PUT", "/app", {"settings": {"index.lifecycle.name": "keep"}})
    young = (await house.asked("GET", "/app/_ilm/explain"))["indices"]["app"]
    assert (young["managed"], young["phase"], young["action"], young["step"]) == (True, "hot", "rollover", "ERROR")
    assert "rollover_alias" in young["step_info"]["reason"]
    await house.asked("PUT", "/app/_settings", {"index.lifecycle.rollover_alias": "apps"})
    await house.asked("PUT", "/app/_alias/apps")
    waits = (await house.asked("GET", "/app/_ilm/explain"))["indices"]["app"]
    assert (waits["action"], waits["step"]) == ("rollover", "check-rollover-ready")
    times.ahead_ms = 91 * 86_400_000
    assert (await house.asked("GET", "/app/_ilm/explain"))["indices"]["app"]["phase"] == "delete"
    assert "in use" in (await house.asked("DELETE", "/_ilm/policy/keep", None, 400))["error"]["reason"]
    assert (await house.asked("GET", "/_ilm/status")) == {"operation_mode": "RUNNING"}
    await house.asked("GET", "/_ilm/policy/none", None, 404)
    await house.asked("DELETE", "/app")
    await house.asked("DELETE", "/_ilm/policy/keep")


async def test_pipelines_are_checked_kept_and_simulated(house: ElasticHouse) -> None:
    body = {"description": "d", "version": 2, "processors": [{"set": {"field": "a", "value": 1}}]}
    await house.asked("PUT", "/_ingest/pipeline/p", body)
    assert await house.asked("GET", "/_ingest/pipeline/p") == {"p": body}
    compiled = house.registry.pipeline("p")
    assert compiled is not None
    assert compiled.name == "p"
    docs = {"docs": [{"_source": {"message": "x"}}]}
    ran = await house.asked("POST", "/_ingest/pipeline/p/_simulate", docs)
    assert ran["docs"][0]["doc"]["_source"] == {"message": "x", "a": 1}
    script = {"processors": [{"script": {"source": "ctx.a = 1"}}]}
    refused = await house.asked("PUT", "/_ingest/pipeline/s", script, 400)
    assert "script" in refused["error"]["reason"]
    calls = {"processors": [{"pipeline": {"name": "p"}}]}
    await house.asked("PUT", "/_ingest/pipeline/outer", calls)
    loop = {"processors": [{"pipeline": {"name": "outer"}}]}
    assert "back to themselves" in (await house.asked("PUT", "/_ingest/pipeline/p", loop, 400))["error"]["reason"]
    assert await house.asked("GET", "/_ingest/pipeline/nope", None, 404) == {}
    await house.asked("PUT", "/app", {"settings": {"default_pipeline": "p"}})
    assert "default pipeline" in (await house.asked("DELETE", "/_ingest/pipeline/p", None, 400))["error"]["reason"]
    await house.asked("PUT", "/app/_settings", {"index": {"default_pipeline": None}})
    await house.asked("DELETE", "/_ingest/pipeline/p")
    assert house.registry.pipeline("p") is None


async def test_settings_and_mappings_are_kept(house: ElasticHouse) -> None:
    await house.asked("PUT", "/app")
    await house.asked("PUT", "/app/_settings", {"refresh_interval": "30s"})
    flat = await house.asked("GET", "/app/_settings/index.refresh_interval?flat_settings=true")
    assert flat == {"app": {"settings": {"index.refresh_interval": "30s"}}}
    mapping = {"properties": {"n": {"type": "integer"}}, "dynamic": "strict"}
    await house.asked("PUT", "/app/_mapping", mapping)
    assert (await house.asked("GET", "/app"))["app"]["mappings"] == mapping
    await house.write("app", '{"n":"not a number","message":"kept all the same"}')
    assert await messages(house, "app") == ["kept all the same"]
    shown = (await house.asked("GET", "/app"))["app"]["mappings"]
    assert shown == (await house.asked("GET", "/app/_mapping"))["app"]["mappings"]
    assert shown["dynamic"] == "strict"
    properties = (await house.asked("GET", "/app/_mapping"))["app"]["mappings"]["properties"]
    assert properties["n"] == {"type": "keyword"}


async def test_tables(house: ElasticHouse) -> None:
    await house.write("app", '{"message":"one"}')
    await house.asked("PUT", "/app/_alias/a")
    rows = await house.asked("GET", "/_cat/indices?format=json&bytes=b")
    assert [(row["index"], row["docs.count"], row["health"]) for row in rows] == [("app", "1", "green")]
    assert int(rows[0]["store.size"]) > 0
    text = (await house.client.get("/_cat/aliases?v&h=alias,index")).text
    assert [line.split() for line in text.splitlines()] == [["alias", "index"], ["a", "app"]]
    for table in ("health", "count", "templates", "shards", "nodes", "allocation", "master", "segments", "pipelines",
                  "component_templates", "plugins", "tasks"):  # fmt: skip
        answer = await house.client.get(f"/_cat/{table}?v")
        assert answer.status_code == 200, (table, answer.text)
        assert answer.headers["content-type"].startswith("text/plain")
        assert (await house.client.get(f"/_cat/{table}?help")).text.count("|") > 2
    assert (await house.client.get("/_cat/nodes?h=nope,name&s=name:desc")).text == "dxops-1\n"
    assert (await house.client.get("/_cat/indices?s=luck")).status_code == 400


async def test_the_cluster(house: ElasticHouse) -> None:
    await house.write("app", '{"message":"one"}')
    assert (await house.asked("GET", "/_cluster/health"))["status"] == "green"
    assert (await house.asked("GET", "/_cluster/health/app?level=indices"))["indices"].keys() == {"app"}
    assert (await house.asked("GET", "/_cluster/health/none", None, 404))["error"]["index"] == "none"
    assert (await house.asked("GET", "/_cluster/stats"))["indices"]["docs"]["count"] == 1
    assert "app" in (await house.asked("GET", "/_cluster/state/metadata"))["metadata"]["indices"]
    assert (await house.asked("GET", "/app/_stats"))["indices"]["app"]["primaries"]["docs"]["count"] == 1
    assert "n1" in (await house.asked("GET", "/_nodes/stats"))["nodes"]
    for path in ("/_flush", "/app/_flush", "/app/_forcemerge?max_num_segments=1", "/_cache/clear"):
        assert (await house.asked("POST", path))["_shards"]["failed"] == 0
    for path in ("/_snapshot/x", "/_watcher/watch/1", "/_ml/info", "/_transform", "/_security/role"):
        refused = await house.asked("GET", path, None, 400)
        assert refused["error"]["type"] == "illegal_argument_exception"
        assert "dxops has no" in refused["error"]["reason"]
