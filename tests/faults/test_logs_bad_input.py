"""What a loader meets that it cannot load, and clocks that are wrong: the neighbours are there, nothing is silent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dxops.app.elastic import encoded_api_key
from dxops.engines.spool import Spool
from tests.faults.spine import Spine, running_spine

pytestmark = [pytest.mark.fault, pytest.mark.system]


@pytest.fixture(scope="module")
def spine() -> Iterator[Spine]:
    with running_spine() as running:
        yield running


def ask(spine: Spine, method: str, path: str, body: str | dict[str, Any]) -> dict[str, Any]:
    kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
    headers = {"authorization": f"ApiKey {encoded_api_key(spine.data)}", "content-type": kind}
    content = body if isinstance(body, str) else json.dumps(body)
    url = f"http://{spine.system.listen['elastic']}{path}"
    answer = httpx.request(method, url, content=content.encode(), headers=headers, timeout=40)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_record_that_is_none_goes_into_quarantine_and_its_neighbours_are_loaded(spine: Spine) -> None:
    lines = "".join(f'{{"create":{{"_index":"poison"}}}}\n{{"message":"before {n}"}}\n' for n in range(50))
    assert not ask(spine, "POST", "/_bulk?refresh=wait_for", lines)["errors"]
    spine.kill("loader")
    spine.kill("ingest")
    asyncio.run(append_noise(spine))
    spine.start("ingest")
    spine.start("loader")
    lines = lines.replace("before", "after")
    assert not ask(spine, "POST", "/_bulk?refresh=wait_for", lines)["errors"]
    found = spine.sql("SELECT message FROM log_events WHERE stream = 'poison' ORDER BY seq")
    assert [message for (message,) in found] == [f"{when} {n}" for when in ("before", "after") for n in range(50)]
    spine.wait_drained()
    stats = spine.stats()
    assert stats is not None
    (loader,) = [consumer for consumer in stats.consumers if consumer.name == "store"]
    assert loader.quarantined == loader.in_quarantine == 3
    assert loader.lost == 0


async def append_noise(spine: Spine) -> None:
    spool = await Spool.open(str(spine.data.spool))
    await spool.append("logs", [b"\xff\xff\xff\x00 no frame of logs"], records=3, tenant="mischief")
    await spool.close()


def test_clocks_that_are_wrong_keep_nobody_out(spine: Spine) -> None:
    """300 documents from the year 1 to 9999, one to a time, in one request among others of now."""
    years = [*range(1, 10_000, 40), *range(1970, 2020)]
    lines = "".join(
        f'{{"create":{{"_index":"skewed"}}}}\n{{"@timestamp":"{year:04d}-03-01T00:00:00.000Z","year":{year}}}\n'
        for year in years
    )
    assert not ask(spine, "POST", "/_bulk?refresh=wait_for", lines)["errors"]
    query = {"size": 1000, "query": {"match_all": {}}}
    hits = ask(spine, "POST", "/skewed/_search", query)["hits"]["hits"]
    assert sorted(hit["_source"]["year"] for hit in hits) == sorted(years)
    assert all(hit["_source"]["@timestamp"].startswith(f"{hit['_source']['year']:04d}-03-01") for hit in hits)
    assert ask(spine, "GET", "/skewed/_count", {"query": {"term": {"year": 9961}}})["count"] == 1
