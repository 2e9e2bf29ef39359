"""Port 9200 as a whole in one process, on a real ClickHouse and a real PostgreSQL, for tests."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from dxops.base.clock import SystemClock
from dxops.engines.postgres.plain import PlainDatabase
from dxops.engines.spool import Consumer, Limits, Loader, Spool, SpoolConfig, this_machine
from dxops.rooms.logs.elastic.access import Callers, OwnCallers
from dxops.rooms.logs.elastic.administrators import LAST, administrators
from dxops.rooms.logs.elastic.app import ElasticApp
from dxops.rooms.logs.elastic.cats import About
from dxops.rooms.logs.elastic.readers import readers
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.erasing import Eraser
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.sink import CONSUMER, STREAM, LogSink
from dxops.rooms.logs.writing import Writing
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.handshake import Cluster
from tests.rooms.logs.local import LocalStore

KEY = b"0123456789abcdef"
IDS = AutoIds(KEY)


class ElasticHouse:
    """`client` is the installation's own user. `clock_ms` is what the catalogue takes for now."""

    def __init__(self, app: ElasticApp, client: httpx.AsyncClient, registry: Registry, store: LocalStore) -> None:
        self.app = app
        self.client = client
        self.registry = registry
        self.store = store

    async def asked(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The answer as JSON; fails with its text on another status."""
        answer = await self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        assert answer.headers["x-elastic-product"] == "Elasticsearch"
        return answer.json() if answer.content else None

    async def bulk(self, *lines: str, path: str = "/_bulk") -> Any:
        """NDJSON lines; searchable on return."""
        answer = await self.client.post(
            path + ("&" if "?" in path else "?") + "refresh=wait_for",
            content="\n".join(lines) + "\n",
            headers={"content-type": "application/x-ndjson"},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def write(self, index: str, *documents: str) -> None:
        """Documents, all of which must be taken."""
        lines = [line for document in documents for line in ('{"index":{}}', document)]
        answer = await self.bulk(*lines, path=f"/{index}/_bulk")
        assert not answer["errors"], answer


class Times:
    """A clock for the catalogue, moved by tests."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return int(SystemClock().now().timestamp() * 1000) + self.ahead_ms


@asynccontextmanager
async def elastic_house(
    directory: Path, database_url: str, store: LocalStore, *, callers: Callers | None = None, times: Times | None = None
) -> AsyncIterator[ElasticHouse]:
    """Started, with a loader that runs."""
    times = times or Times()
    numbers = iter(range(1, 1_000_000))
    registry = Registry(
        PlainDatabase(lambda: database_url), times.now_ms, lambda: f"uuid{next(numbers):018d}", directory / "catalogue"
    )
    spool = await Spool.open(str(directory / "spool"), Limits.of(SpoolConfig(min_free_mb=0)))
    identities = Identities(directory / "ids")
    writes = Writes(Writing(spool, identities, IDS), spool, SystemClock(), registry)
    cluster = Cluster(uuid="u")
    about = About(cluster, "127.0.0.1:9200", directory, times.now_ms())
    parts = (
        *administrators(store, writes, KEY, registry, Eraser(store, identities), about),
        *readers(store, writes, KEY, times.now_ms, registry),
        *LAST,
    )
    app = ElasticApp(callers or OwnCallers("elastic", "pw", "id:key"), writes, cluster, "127.0.0.1:9200", parts)
    watch = asyncio.create_task(registry.watch())
    loading = asyncio.create_task(_load(str(directory / "spool"), store))
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://es", auth=httpx.BasicAuth("elastic", "pw")
        ) as client:
            yield ElasticHouse(app, client, registry, store)
    finally:
        for task in (watch, loading):
            task.cancel()
        await asyncio.gather(watch, loading, return_exceptions=True)
        await spool.close()
        identities.close()


async def _load(root: str, store: LocalStore) -> None:
    machine = this_machine()
    consumer = await Consumer.open(machine, root, STREAM, CONSUMER)
    try:
        await Loader(machine, consumer, LogSink(store)).run()
    finally:
        await consumer.close()


def times_of(count: int, first_ms: int) -> Sequence[int]:
    """A second apart."""
    return array("q", [first_ms + number * 1000 for number in range(count)])
