"""Port 9200 in the test's process: a real spool, a loader, and a ClickHouse behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from dxops.base.clock import SystemClock
from dxops.engines.spool import BatchLimits, Consumer, Limits, Loader, Spool, SpoolConfig, this_machine
from dxops.rooms.logs.elastic.access import Callers, OwnCallers
from dxops.rooms.logs.elastic.app import ElasticApp
from dxops.rooms.logs.elastic.readers import readers
from dxops.rooms.logs.elastic.reading import Names
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.pipelines import Pipelines
from dxops.rooms.logs.piping import Piping
from dxops.rooms.logs.sink import CONSUMER, STREAM, LogSink
from dxops.rooms.logs.writing import Writing
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.handshake import Cluster
from tests.rooms.logs.local import LocalStore

KEY = b"0123456789abcdef"
IDS = AutoIds(KEY)


class Server:
    """`load` begins to load what is written; before, nothing is found by searches."""

    def __init__(self, client: httpx.AsyncClient, spool: Spool, store: LocalStore, writes: Writes) -> None:
        self.client = client
        self.spool = spool
        self.store = store
        self.writes = writes
        self._loading: asyncio.Task[None] | None = None
        self._consumer: Consumer | None = None

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """The answer's JSON. A list is sent as lines."""
        if isinstance(body, list):
            content = b"".join(orjson.dumps(line) + b"\n" for line in body)
            answer = await self.client.request(
                method, path, content=content, headers={"content-type": "application/x-ndjson"}
            )
        else:
            answer = await self.client.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        assert answer.headers["x-elastic-product"] == "Elasticsearch"
        return answer.json() if answer.headers["content-type"].startswith("application/") else answer.text

    async def load(self) -> None:
        machine = this_machine()
        self._consumer = await Consumer.open(machine, self.spool.root, STREAM, CONSUMER)
        loader = Loader(machine, self._consumer, LogSink(self.store), BatchLimits(age_s=0.0))
        self._loading = asyncio.create_task(loader.run())

    async def close(self) -> None:
        if self._loading is not None and self._consumer is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
            await self._consumer.close()


@asynccontextmanager
async def serving(
    root: Path, *, pipelines: Pipelines | None = None, loads: bool = True, callers: Callers | None = None
) -> AsyncIterator[Server]:
    store = LocalStore(root / "store")
    spool = await Spool.open(str(root / "spool"), Limits.of(SpoolConfig(min_free_mb=0)))
    identities = Identities(root / "ids")
    clock = SystemClock()
    writes = Writes(Writing(spool, identities, IDS, store), spool, clock)
    if pipelines is not None:
        writes.close()
        writes.piping = Piping(pipelines)

    def now_ms() -> int:
        return int(clock.now().timestamp() * 1000)

    parts = readers(store, Names(store, now_ms), writes, KEY, now_ms)
    known = callers or OwnCallers("elastic", "pw", "id:key")
    app = ElasticApp(known, writes, Cluster(uuid="u"), "127.0.0.1:9200", parts)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://es", auth=("elastic", "pw")
    ) as client:
        server = Server(client, spool, store, writes)
        try:
            if loads:
                await server.load()
            yield server
        finally:
            await server.close()
            writes.close()
            await spool.close()
            identities.close()
            store.close()
