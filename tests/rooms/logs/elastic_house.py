"""Port 9200 as a whole in one process, on a real ClickHouse and a real PostgreSQL, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from dxops.app.elastic_access import TokenCallers, TokenKeys, acting
from dxops.base.clock import SystemClock
from dxops.base.ids import new_id
from dxops.engines.postgres.plain import PlainDatabase, Transaction
from dxops.engines.spool import BatchLimits, Consumer, Limits, Loader, Spool, SpoolConfig, this_machine
from dxops.rooms.accounts.light import LightTokens
from dxops.rooms.logs.elastic.access import OwnCallers
from dxops.rooms.logs.elastic.administrators import LAST, administrators, policy_runs
from dxops.rooms.logs.elastic.app import ElasticApp
from dxops.rooms.logs.elastic.cats import About
from dxops.rooms.logs.elastic.policy_runs import PolicyRuns
from dxops.rooms.logs.elastic.readers import readers
from dxops.rooms.logs.elastic.reading import Names
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
    """`client` is the installation's own user. `server` takes PostgreSQL away."""

    server: Server

    def __init__(
        self,
        app: ElasticApp,
        client: httpx.AsyncClient,
        registry: Registry,
        store: LocalStore,
        tokens: LightTokens,
        policies: PolicyRuns,
    ) -> None:
        self.tokens = tokens
        self.app = app
        self.client = client
        self.registry = registry
        self.store = store
        self.policies = policies

    async def asked(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The answer as JSON; fails with its text on another status."""
        answer = await self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        assert answer.headers["x-elastic-product"] == "Elasticsearch"
        return answer.json() if answer.content else None

    def as_token(self, secret: str) -> httpx.AsyncClient:
        """A client with a token. Close it."""
        headers = {"authorization": f"Bearer {secret}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://es", headers=headers)

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


class Server:
    """Where PostgreSQL is, or is said to be."""

    def __init__(self, url: str) -> None:
        self.there = url
        self.url = url

    def leave(self) -> None:
        self.url = "postgresql://nobody@127.0.0.1:1/nothing"

    def come_back(self) -> None:
        self.url = self.there


@asynccontextmanager
async def elastic_house(
    directory: Path, database_url: str, store: LocalStore, *, times: Times | None = None, away: bool = False
) -> AsyncIterator[ElasticHouse]:
    """Started, with a loader that runs."""
    times = times or Times()
    server = Server(database_url)
    if away:
        server.leave()
    database = PlainDatabase(lambda: server.url)
    tokens = LightTokens(database, SystemClock(), directory / "tokens", new_id)

    async def record(tx: Transaction, action: str, subject: str) -> None:
        await tokens.record(tx, acting(), action, subject)

    numbers = iter(range(1, 1_000_000))
    registry = Registry(database, times.now_ms, lambda: f"uuid{next(numbers):018d}", directory / "catalogue", record)
    spool = await Spool.open(str(directory / "spool"), Limits.of(SpoolConfig(min_free_mb=0)))
    identities = Identities(directory / "ids")
    writes = Writes(Writing(spool, identities, IDS, store), spool, SystemClock(), registry)
    cluster = Cluster(uuid="u")
    about = About(cluster, "127.0.0.1:9200", directory, times.now_ms())
    names = Names(store, times.now_ms, registry)
    parts = (
        *administrators(store, names, writes, KEY, registry, Eraser(store, identities), about, TokenKeys(tokens)),
        *readers(store, names, writes, KEY, times.now_ms),
        *LAST,
    )
    app = ElasticApp(
        TokenCallers(OwnCallers("elastic", "pw", "id:key"), tokens), writes, cluster, "127.0.0.1:9200", parts
    )
    watch = asyncio.create_task(registry.watch())
    revocations = asyncio.create_task(tokens.watch())
    loading = asyncio.create_task(_load(str(directory / "spool"), store))
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://es", auth=httpx.BasicAuth("elastic", "pw")
        ) as client:
            policies = policy_runs(store, writes, registry, Eraser(store, identities))
            made = ElasticHouse(app, client, registry, store, tokens, policies)
            made.server = server
            yield made
    finally:
        for task in (watch, revocations, loading):
            task.cancel()
        await asyncio.gather(watch, revocations, loading, return_exceptions=True)
        await registry.close()
        writes.close()
        await spool.close()
        identities.close()


async def _load(root: str, store: LocalStore) -> None:
    machine = this_machine()
    consumer = await Consumer.open(machine, root, STREAM, CONSUMER)
    try:
        await Loader(machine, consumer, LogSink(store), BatchLimits(age_s=0.01)).run()
    finally:
        await consumer.close()
