"""The page of the Elasticsearch protocol, held against a started system: every endpoint answers as the page says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.shipping import ROOT
from tests.harness import System

pytestmark = pytest.mark.system

PAGE = (ROOT / "docs" / "protocols" / "elasticsearch.md").read_text()
ROW = re.compile(r"^\| `([A-Z,]+) (/[^`]*)` \| (yes|part|no) \|", re.M)
ROWS = [(method, path, said) for methods, path, said in ROW.findall(PAGE) for method in methods.split(",")]
SECTION_4 = """
/ /_license /_xpack /_cluster/health /_cluster/health/{index} /_nodes /_nodes/http /_cat/health
/_ilm/policy/{name} /_index_template/{name} /_template/{name} /_component_template/{name} /_data_stream/{name}
/_alias/{name} /_aliases /{index} /_ingest/pipeline/{name} /_ingest/pipeline/{name}/_simulate /_bulk
/{index}/_bulk /{index}/_doc /{index}/_doc/{id} /{index}/_create/{id} /{index}/_update/{id}
/{index}/_source/{id} /_mget /{index}/_update_by_query /{index}/_delete_by_query /{index}/_search /_msearch
/{index}/_count /{index}/_field_caps /{index}/_mapping /{index}/_mapping/field/{field} /{index}/_settings
/_resolve/index/{index} /{index}/_terms_enum /{index}/_async_search /_async_search/{task}
/_async_search/status/{task} /{index}/_pit /_search/scroll /_query /_sql /_cat/indices /_cat/count
/_cat/aliases /_cat/templates /_cat/shards /_cat/nodes /_cat/allocation /_cat/master /_cluster/state
/_cluster/stats /_cluster/settings /_stats /_tasks /_refresh /_flush /_forcemerge /_cache/clear
""".split()  # noqa: SIM905 - one a line would be three screens
UNKNOWN = ("is not supported by dxops", "dxops has no")
NAMES = {"index": "page-logs", "id": "1", "name": "page-nothing", "field": "message", "task": "n1:1"}


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[httpx.Client]:
    found = system.endpoints()
    auth = (found["elastic_user"], found["elastic_password"])
    with httpx.Client(base_url=found["elastic_url"], auth=auth, timeout=60) as made:
        document = {"message": "a line", "n": 1}
        made.put("/page-logs/_doc/1", params={"refresh": "wait_for"}, json=document).raise_for_status()
        yield made


def test_the_page_names_everything_that_shippers_and_clients_need() -> None:
    assert [path for path in SECTION_4 if path not in {path for _, path, _ in ROWS}] == []
    assert len(ROWS) > 150


@pytest.mark.parametrize(("method", "path", "said"), ROWS, ids=[f"{method} {path}" for method, path, _ in ROWS])
def test_an_endpoint_answers_as_the_page_says(client: httpx.Client, method: str, path: str, said: str) -> None:
    if method == "DELETE" and path == "/{index}":
        path = "/page-gone"  # the others need theirs
    body: Any = {} if method in ("POST", "PUT") else None
    answer = client.request(method, path.format(**NAMES), json=body)
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert answer.status_code not in (404 if said == "no" else 501, 500, 503), answer.text
    if method == "HEAD":
        assert answer.status_code in (200, 404)
        return
    reason = ""
    if answer.status_code >= 400 and answer.headers["content-type"].startswith("application/json"):
        value = answer.json()
        error = value.get("error", "")
        reason = error if isinstance(error, str) else error["reason"]  # a missing alias is told as plain text
    if said == "no":
        assert 400 <= answer.status_code < 500
        assert reason, answer.text
    else:
        assert not any(text in reason for text in UNKNOWN), reason
