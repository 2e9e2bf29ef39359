"""Senders turned away: held first, then refused before anything is stored, each in the way that makes it send again."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from dxops.base.clock import SystemClock
from dxops.engines.spool import Limits, Spool, SpoolConfig
from dxops.rooms.logs.elastic.access import OwnCallers
from dxops.rooms.logs.elastic.app import MAX_BODY_BYTES, ElasticApp
from dxops.rooms.logs.elastic.pressure import Doorkeeper
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.sink import STREAM
from dxops.rooms.logs.writing import Writing
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.handshake import Cluster

HOLD_S = 0.3
ROOM = 20_000
RSYSLOG = {"content-type": "application/json; charset=utf-8"}
SECRET = "Basic " + base64.b64encode(b"elastic:pw").decode()


class Small(msgspec.Struct):
    app: ElasticApp
    spool: Spool

    def room(self, factor: int) -> None:
        """As if the loader had passed what is on disk."""
        self.spool._gate.stored(STREAM, "elastic", -ROOM * factor)
        self.spool._gate.let_in()


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Small]:
    """A spool with room for a few kilobytes, and nobody who empties it."""
    limits = msgspec.structs.replace(
        Limits.of(SpoolConfig(min_free_mb=0)), spool_bytes=ROOM, stream_bytes=ROOM, tenant_share=1.0, hold_s=HOLD_S
    )
    spool = await Spool.open(str(tmp_path / "spool"), limits)
    identities = Identities(tmp_path / "ids")
    writes = Writes(Writing(spool, identities, AutoIds(b"k" * 16)), spool, SystemClock())
    yield Small(ElasticApp(OwnCallers("elastic", "pw", "id:key"), writes, Cluster(uuid="u"), "es:9200"), spool)
    await spool.close()
    identities.close()


def bulk(count: int, size: int = 1000) -> bytes:
    return b"".join(b'{"index":{"_index":"a"}}\n' + orjson.dumps({"message": "m" * size}) + b"\n" for _ in range(count))


async def send(
    app: Any, body: bytes, headers: dict[str, str] | None = None, *, secret: str = SECRET, path: str = "/_bulk"
) -> list[dict[str, Any]]:
    """The ASGI messages of the answer."""
    given = {"authorization": secret, "content-type": "application/x-ndjson", "user-agent": "x"} | (headers or {})
    given = {name: value for name, value in given.items() if value}
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, keep)
    return sent


def headers_of(messages: list[dict[str, Any]]) -> dict[bytes, bytes]:
    return dict(messages[0]["headers"])


async def fill(small: Small) -> None:
    """Until less than a bulk of ten fits."""
    while (await send(small.app, bulk(10)))[0]["status"] == 200:
        pass


async def test_held_then_refused_whole_with_nothing_stored(small: Small) -> None:
    await fill(small)
    before = small.spool._gate.disk_bytes(STREAM)
    started = asyncio.get_running_loop().time()
    messages = await send(small.app, bulk(10))
    assert asyncio.get_running_loop().time() - started >= HOLD_S
    assert messages[0]["status"] == 429
    assert headers_of(messages)[b"retry-after"] == b"1"
    error = orjson.loads(messages[1]["body"])
    assert (error["status"], error["error"]["type"]) == (429, "es_rejected_execution_exception")
    assert small.spool._gate.disk_bytes(STREAM) == before


async def test_who_is_held_is_let_in_as_soon_as_there_is_room(small: Small) -> None:
    await fill(small)
    waiting = asyncio.create_task(send(small.app, bulk(10)))
    await asyncio.sleep(0)
    small.room(1)
    messages = await waiting
    assert messages[0]["status"] == 200
    assert not orjson.loads(messages[1]["body"])["errors"]


async def test_held_before_the_body_is_read(small: Small) -> None:
    await fill(small)
    body = bulk(10)
    read: list[bool] = []

    async def receive() -> dict[str, Any]:
        read.append(True)
        return {"type": "http.request", "body": body, "more_body": False}

    async def ignore(message: dict[str, Any]) -> None:
        return

    headers = {"authorization": SECRET, "content-type": "application/json", "content-length": str(len(body))}
    scope = {
        "type": "http", "method": "POST", "path": "/_bulk", "raw_path": b"/_bulk", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    await small.app(scope, receive, ignore)
    assert read == []


@pytest.mark.parametrize("why", ["full", "credentials"])
async def test_rsyslogs_connection_is_closed(small: Small, why: str) -> None:
    if why == "full":
        await fill(small)
    secret = SECRET if why == "full" else "Basic " + base64.b64encode(b"elastic:old").decode()
    messages = await send(small.app, bulk(10), RSYSLOG | {"user-agent": ""}, secret=secret)
    assert headers_of(messages) == {b"content-length": b"1"}
    assert [(each.get("body"), each.get("more_body")) for each in messages[1:]] == [(b"", True)]


async def test_rsyslog_is_answered_when_all_is_well_and_when_sending_again_would_not_help(small: Small) -> None:
    rsyslog = RSYSLOG | {"user-agent": ""}
    assert (await send(small.app, bulk(1), rsyslog))[0]["status"] == 200
    assert (await send(small.app, b"nonsense\n", rsyslog))[0]["status"] == 400


async def test_too_large_says_the_limit_without_reading(small: Small) -> None:
    messages = await send(small.app, b"", {"content-length": str(MAX_BODY_BYTES + 1)})
    assert messages[0]["status"] == 413
    assert str(MAX_BODY_BYTES) in orjson.loads(messages[1]["body"])["error"]["reason"]


async def test_starting_is_503_and_never_404(small: Small) -> None:
    door = Doorkeeper()
    for path in ("/", "/_license", "/_bulk", "/_index_template/filebeat", "/a/_search"):
        messages = await send(door, b"", path=path)
        assert (messages[0]["status"], headers_of(messages)[b"retry-after"]) == (503, b"1")
        assert headers_of(messages)[b"x-elastic-product"] == b"Elasticsearch"
    messages = await send(door, bulk(1), RSYSLOG | {"user-agent": ""})
    assert messages[-1]["more_body"]
    door.app = small.app
    assert (await send(door, bulk(1)))[0]["status"] == 200


async def test_wrong_credentials_are_401_with_a_challenge(small: Small) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(small.app), base_url="http://es") as client:
        for auth in (None, ("elastic", "wrong"), ("nobody", "pw")):
            answer = await client.get("/", auth=auth)  # type: ignore[arg-type]
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "security_exception"
            assert "Basic" in answer.headers["www-authenticate"]
        for header in ("ApiKey !!", "ApiKey aWQ6d3Jvbmc=", "Bearer x", "Digest x", "Basic", "Basic !!!"):
            answer = await client.get("/", headers={"authorization": header})
            assert answer.status_code == 401, header
