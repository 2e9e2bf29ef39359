"""Pinning released content at another Kubo node: rows written with the hold, worked off with back-off.

The other node has no way to fetch from us (we run no Bitswap), so it gets the blocks: `dag/import` of a CAR that
streams from the store, then `pin/add`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import httpx

from dxops.base.clock import Clock
from dxops.base.errors import DxopsError, Refused, Unavailable
from dxops.engines.postgres.database import Database
from dxops.rooms.content import repo
from dxops.rooms.content.model import Replication

log = logging.getLogger(__name__)

_FIRST_S, _LAST_S = 10.0, 3600.0
_BOUNDARY = "dxops-car-7f1c5b2e"
_TIMEOUT = httpx.Timeout(10.0, read=300.0, write=300.0)


class Replicas:
    """`car` gives a whole DAG as a CAR. Run `work` in one process at a time; twice is harmless."""

    def __init__(
        self,
        database: Database,
        kubo_url: str,
        clock: Clock,
        car: Callable[[str], AsyncIterator[bytes]],
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._database = database
        self._base = _api_base(kubo_url)
        self._clock = clock
        self._car = car
        self._client = client

    async def work(self, limit: int = 20) -> int:
        """Try what is due; how many succeeded. A failure is logged, kept in its row, and tried again later."""
        if not self._base:
            return 0
        async with self._database.begin() as tx:
            due = await repo.due_replications(tx, self._clock.now(), limit)
        if not due:
            return 0
        client = self._client or httpx.AsyncClient(timeout=_TIMEOUT)
        try:
            return sum([await self._one(client, item) for item in due])
        finally:
            if self._client is None:
                await client.aclose()

    async def list(self, limit: int = 100) -> list[Replication]:
        """Pending ones first."""
        async with self._database.begin() as tx:
            return await repo.list_replications(tx, limit)

    async def _one(self, client: httpx.AsyncClient, item: Replication) -> bool:
        try:
            if item.wanted == "pin":
                await self._push(client, item.root)
                await self._call(client, "pin/add", params={"arg": item.root, "recursive": "true"})
            else:
                await self._unpin(client, item.root)
        except (DxopsError, httpx.HTTPError) as error:
            reason = str(error) or type(error).__name__
            next_at = self._clock.now() + backoff(item.attempts)
            log.warning(
                "replication failed", extra={"root": item.root, "reason": reason, "again_at": next_at.isoformat()}
            )
            async with self._database.begin() as tx:
                await repo.postpone_replication(tx, item.root, reason, next_at)
            return False
        async with self._database.begin() as tx:
            await repo.settle_replication(tx, item, self._clock.now())
        return True

    async def _push(self, client: httpx.AsyncClient, root: str) -> None:
        async def form() -> AsyncIterator[bytes]:
            yield (
                f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="path"; filename="dag.car"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
            async for chunk in self._car(root):
                yield chunk
            yield f"\r\n--{_BOUNDARY}--\r\n".encode()

        answer = await self._call(
            client,
            "dag/import",
            params={"pin-roots": "false", "allow-big-block": "true"},
            content=form(),
            headers={"content-type": f"multipart/form-data; boundary={_BOUNDARY}"},
        )
        if "PinErrorMsg" in answer and '"PinErrorMsg":""' not in answer:
            raise Refused(f"the other node did not take the blocks: {answer[:300]}")

    async def _unpin(self, client: httpx.AsyncClient, root: str) -> None:
        try:
            await self._call(client, "pin/rm", params={"arg": root, "recursive": "true"})
        except Refused as error:
            if "not pinned" not in error.message:
                raise

    async def _call(self, client: httpx.AsyncClient, name: str, **options: object) -> str:
        answer = await client.post(self._base + name, **options)  # type: ignore[arg-type]  # passed through to httpx
        if answer.status_code >= 400:
            kind = Unavailable if answer.status_code in (429, 502, 503, 504) else Refused
            raise kind(f"{name} answered {answer.status_code}: {answer.text[:300]}")
        return answer.text


def backoff(attempts: int) -> timedelta:
    """10 s, doubled with each failure, at most an hour."""
    return timedelta(seconds=min(_LAST_S, _FIRST_S * 2 ** min(attempts, 12)))


def _api_base(url: str) -> str:
    """A bare address means Kubo's `/api/v0/`; any path is taken as it is, as Kubo's clients do."""
    if not url:
        return ""
    stripped = url.rstrip("/")
    return stripped + "/" if stripped.count("/") > 2 else stripped + "/api/v0/"
