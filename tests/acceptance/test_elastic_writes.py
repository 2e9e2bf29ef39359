"""Documents written by the real Elasticsearch client for Python, found in ClickHouse as they were sent."""

from __future__ import annotations

import json
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


def rows(system: System, stream: str) -> list[list[Any]]:
    """Message, attributes and version of a stream's living documents, in order."""
    sql = (
        "SELECT message, attrs, version FROM log_events "
        f"WHERE stream = '{stream}' AND seq NOT IN (SELECT seq FROM log_dead) ORDER BY seq"
    )
    answer = httpx.post(
        system.endpoints()["api_url"] + "/sql",
        json={"store": "clickhouse", "sql": sql},
        headers={"Authorization": f"Bearer {system.api_token}"},
    )
    answer.raise_for_status()
    return list(answer.json()["rows"])


def test_the_client_knows_the_server(client: Elasticsearch) -> None:
    assert client.info()["tagline"] == "You Know, for Search"
    assert client.cluster.health()["status"] == "green"


def test_helpers_bulk_is_searchable_when_it_says_so(system: System, client: Elasticsearch) -> None:
    actions = [{"_index": "app-bulk", "message": f"line {n}", "n": n, "tags": ["a", "b"]} for n in range(2500)]
    assert helpers.bulk(client, actions, chunk_size=500, refresh="wait_for") == (2500, [])
    found = rows(system, "app-bulk")
    assert len(found) == 2500
    assert found[7][0] == "line 7"
    assert found[7][1]["n"] == "7"
    assert json.loads(found[7][1]["tags"]) == ["a", "b"]


def test_documents_with_ids(system: System, client: Elasticsearch) -> None:
    first = client.index(index="app-ids", id="1", document={"message": "one"})
    assert (first["result"], first["_version"]) == ("created", 1)
    with pytest.raises(ApiError) as conflict:
        client.create(index="app-ids", id="1", document={"message": "again"})
    assert conflict.value.status_code == 409
    second = client.index(index="app-ids", id="1", document={"message": "uno"}, refresh="wait_for")
    assert (second["result"], second["_version"]) == ("updated", 2)
    assert [(row[0], row[2]) for row in rows(system, "app-ids")] == [("uno", 2)]
    assert client.delete(index="app-ids", id="1", refresh="wait_for")["result"] == "deleted"
    assert rows(system, "app-ids") == []


def test_wrong_credentials(system: System) -> None:
    wrong = Elasticsearch(system.endpoints()["elastic_url"], basic_auth=("elastic", "nope"))
    with pytest.raises(ApiError) as refused:
        wrong.bulk(operations=[{"index": {"_index": "x"}}, {"a": 1}])
    assert refused.value.status_code == 401
    wrong.close()
