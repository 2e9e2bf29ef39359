"""The real Elasticsearch client for Python describes streams, writes through names and makes keys."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from elasticsearch9 import ApiError, Elasticsearch, helpers

from tests.harness import System

pytestmark = [pytest.mark.system, pytest.mark.client]


@pytest.fixture(scope="module")
def client(system: System) -> Elasticsearch:
    found = system.endpoints()
    return Elasticsearch(found["elastic_url"], api_key=found["elastic_api_key"])


def messages(client: Elasticsearch, index: str) -> list[str]:
    found = client.search(index=index, size=100)
    return sorted(hit["_source"]["message"] for hit in found["hits"]["hits"])


def test_a_shipper_sets_up_rolls_over_and_is_read(client: Elasticsearch) -> None:
    """What Filebeat 7 does, by the client's own methods."""
    client.ilm.put_lifecycle(name="beat", policy={"phases": {"hot": {"actions": {"rollover": {"max_docs": 2}}}}})
    assert "beat" in client.ilm.get_lifecycle(name="beat")
    client.indices.put_index_template(
        name="beat",
        index_patterns=["beat-*"],
        template={"settings": {"index.lifecycle.name": "beat", "index.lifecycle.rollover_alias": "beat"}},
    )
    assert client.indices.exists_index_template(name="beat")
    assert not client.indices.exists_alias(name="beat")
    client.indices.create(index="<beat-{now/d}-000001>", aliases={"beat": {"is_write_index": True}})
    with pytest.raises(ApiError) as again:
        client.indices.create(index="<beat-{now/d}-000001>")
    assert again.value.error == "resource_already_exists_exception"
    actions = [{"_index": "beat", "_op_type": "create", "message": f"m{n}"} for n in range(3)]
    assert helpers.bulk(client, actions, refresh="wait_for") == (3, [])
    (first,) = client.indices.get_alias(name="beat")
    assert first.endswith("-000001")
    rolled = client.indices.rollover(alias="beat", conditions={"max_docs": 2})
    assert rolled["rolled_over"]
    assert rolled["new_index"].endswith("-000002")
    client.index(index="beat", document={"message": "m3"}, refresh="wait_for")
    assert messages(client, first) == ["m0", "m1", "m2"]
    assert messages(client, "beat") == ["m0", "m1", "m2", "m3"]
    explained = client.ilm.explain_lifecycle(index="beat-*")["indices"]
    assert {each["policy"] for each in explained.values()} == {"beat"}


def test_data_streams(client: Elasticsearch) -> None:
    """What Filebeat 8 and 9 do."""
    client.cluster.put_component_template(name="ours", template={"settings": {"index.codec": "best_compression"}})
    client.indices.put_index_template(
        name="ds", index_patterns=["ds-*"], data_stream={}, composed_of=["ours"], priority=200
    )
    simulated = client.indices.simulate_index_template(name="ds-1")
    assert simulated["template"]["settings"]["index"]["codec"] == "best_compression"
    client.indices.create_data_stream(name="ds-1")
    client.create(index="ds-1", id="a", document={"message": "one"}, refresh="wait_for")
    (stream,) = client.indices.get_data_stream(name="ds-1")["data_streams"]
    assert stream["template"] == "ds"
    assert client.search(index=stream["indices"][0]["index_name"])["hits"]["total"]["value"] == 1
    assert client.indices.resolve_index(name="ds-*")["data_streams"][0]["name"] == "ds-1"
    client.indices.put_data_lifecycle(name="ds-1", data_retention="7d")
    assert client.indices.get_data_lifecycle(name="ds-1")["data_streams"][0]["lifecycle"]["data_retention"] == "7d"
    client.indices.delete_data_stream(name="ds-1")
    assert not client.indices.exists(index="ds-1")
    assert client.count(index="ds-*")["count"] == 0


def test_deleting_an_index_deletes_its_documents(system: System, client: Elasticsearch) -> None:
    client.index(index="gone", id="1", document={"message": "x"}, refresh="wait_for")
    client.indices.delete(index="gone")
    assert not client.indices.exists(index="gone")
    sql = "SELECT count() FROM log_events WHERE stream = 'gone'"
    answer = httpx.post(
        system.endpoints()["api_url"] + "/sql",
        json={"store": "clickhouse", "sql": sql},
        headers={"Authorization": f"Bearer {system.api_token}"},
    )
    assert answer.json()["rows"] == [[0]]
    assert client.create(index="gone", id="1", document={"message": "y"})["result"] == "created"


def test_pipelines_cats_and_the_cluster(client: Elasticsearch) -> None:
    client.ingest.put_pipeline(id="p", processors=[{"lowercase": {"field": "level"}}], version=1)
    assert client.ingest.get_pipeline(id="p")["p"]["version"] == 1
    docs = [{"_source": {"level": "WARN"}}]
    assert client.ingest.simulate(id="p", docs=docs)["docs"][0]["doc"]["_source"] == {"level": "warn"}
    with pytest.raises(ApiError, match="script"):
        client.ingest.put_pipeline(id="s", processors=[{"script": {"source": "ctx.a = 1"}}])
    client.ingest.delete_pipeline(id="p")
    client.index(index="cats", document={"message": "x"}, refresh="wait_for")
    client.indices.put_alias(index="cats", name="pets")
    rows: Any = client.cat.indices(index="cats", format="json")
    assert rows[0]["docs.count"] == "1"
    assert "pets" in str(client.cat.aliases(v=True))
    for table in (client.cat.health, client.cat.nodes, client.cat.shards, client.cat.allocation, client.cat.master,
                  client.cat.templates, client.cat.count, client.cat.segments, client.cat.plugins):  # fmt: skip
        assert table(format="json") is not None
    assert client.cluster.stats()["indices"]["count"] >= 1
    assert client.cluster.state(metric="metadata")["metadata"]["indices"]["cats"]["aliases"] == ["pets"]
    assert client.cluster.get_settings(flat_settings=True)["persistent"] == {}
    assert client.nodes.info(metric="http")["nodes"]
    assert client.nodes.stats()["nodes"]
    assert client.indices.stats(index="cats")["indices"]["cats"]["primaries"]["docs"]["count"] == 1
    assert client.indices.get_settings(index="cats")["cats"]["settings"]["index"]["uuid"]
    for idle in (client.indices.flush, client.indices.forcemerge, client.indices.clear_cache):
        assert idle(index="cats")["_shards"]["failed"] == 0
    assert "nodes" in client.tasks.list()
    with pytest.raises(ApiError, match="dxops backup"):
        client.snapshot.get_repository()


def test_tokens_of_the_console_and_api_keys(system: System, client: Elasticsearch) -> None:
    found = system.endpoints()
    client.index(index="mine-1", document={"message": "mine"})
    client.index(index="hers-1", document={"message": "hers"}, refresh="wait_for")
    made = httpx.post(
        found["api_url"] + "/tokens",
        json={"name": "reader", "scopes": ["logs:read"], "streams": ["mine-*"]},
        headers={"Authorization": f"Bearer {system.api_token}"},
    )
    assert made.status_code == 201, made.text
    assert made.json()["token"]["streams"] == ["mine-*"]
    reader = Elasticsearch(found["elastic_url"], bearer_auth=made.json()["secret"])
    assert messages(reader, "_all") == ["mine"]
    assert reader.security.authenticate()["username"].startswith("reader")
    with pytest.raises(ApiError) as refused:
        reader.search(index="hers-1")
    assert refused.value.status_code == 403
    with pytest.raises(ApiError) as refused:
        reader.index(index="mine-1", document={})
    assert refused.value.status_code == 403
    roles = {"r": {"indices": [{"names": ["mine-*"], "privileges": ["create_doc", "read"]}]}}
    key = client.security.create_api_key(name="shipper", role_descriptors=roles)
    shipper = Elasticsearch(found["elastic_url"], api_key=key["encoded"])
    shipper.index(index="mine-1", document={"message": "ours"}, refresh="wait_for")
    assert messages(shipper, "*") == ["mine", "ours"]
    client.security.invalidate_api_key(ids=[key["id"]])
    with pytest.raises(ApiError) as revoked:
        shipper.search(index="mine-1")
    assert revoked.value.status_code == 401
    for each in (reader, shipper):
        each.close()
