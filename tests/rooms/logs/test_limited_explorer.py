"""The explorer for a token that is limited to streams, and names that only the catalogue knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from dxops.base.actors import Actor, Scope
from dxops.base.clock import SystemClock
from dxops.rooms.logs.aliases import with_alias
from dxops.rooms.logs.catalog import EMPTY
from dxops.rooms.logs.describing import Moment, created_by_write
from dxops.rooms.logs.naming import naming_of
from dxops.rooms.logs.service import Logs
from dxops.wire.elastic.names import Known
from tests.rooms.logs.local import LocalStore
from tests.rooms.logs.served import explorer_client

LIMITED = Actor(kind="token", id="tok_1", name="t", scopes=frozenset({Scope.LOGS_READ}), streams=frozenset({"app-*"}))
SEEN = "from=now-1h&to=now%2B1h"


class Catalogue:
    """An alias of both streams, as the registry would tell of it."""

    async def known(self) -> Known:
        catalog = created_by_write(EMPTY, ["app-1", "topsecret"], Moment(0, lambda: "uuid"))
        for stream in ("app-1", "topsecret"):
            catalog = with_alias(catalog, "every", stream, {})
        return naming_of(catalog).known


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    made = LocalStore(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def limited(store: LocalStore) -> AsyncIterator[httpx.AsyncClient]:
    clock = SystemClock()
    now_ms = int(clock.now().timestamp() * 1000)
    store.add([orjson.dumps({"message": "mine 1", "where": "here"})], [now_ms], "app-1")
    store.add([orjson.dumps({"message": "secret 1", "where": "secret", "secret_field": 1})], [now_ms], "topsecret")
    logs = Logs(store, b"k" * 32, clock, Catalogue())
    async with explorer_client(store, clock, LIMITED, logs) as made:
        yield made


async def test_every_answer_is_about_its_own_streams(limited: httpx.AsyncClient) -> None:
    for path in (
        "/search", "/search?stream=*", "/search?stream=every", "/search?stream=topsecret", "/histogram", "/fields",
        "/fields/where/values", "/patterns", "/export?format=ndjson", "/streams", "/complete?query=where%3A&cursor=6",
    ):  # fmt: skip
        answer = await limited.get(path + ("&" if "?" in path else "?") + SEEN)
        assert answer.status_code in (200, 400), (path, answer.text)
        assert "secret" not in answer.text.replace("stream=topsecret", ""), (path, answer.text)
    for query in ("_index%3Atopsecret", "secret"):
        assert (await limited.get(f"/search?query={query}&{SEEN}")).json()["total"] == 0
    found = (await limited.get(f"/search?stream=every&{SEEN}")).json()
    assert [line["message"] for line in found["items"]] == ["mine 1"]
    assert (await limited.get("/lines/topsecret/2")).status_code == 404
