"""Reaching PostgreSQL: transactions, notifications, and what to say while it is away.

Repositories take the `AsyncConnection` of an open transaction and use SQLAlchemy Core; services open transactions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from dxops.base.errors import Unavailable
from dxops.engines.postgres.plain import notifications
from dxops.engines.postgres.refusals import REFUSES, refusal

log = logging.getLogger(__name__)

COLLECTION_LOCK = 7_246_002
"""Advisory lock held by whoever collects garbage, and by a backup so that nobody does."""

CLICKHOUSE_MIGRATION_LOCK = 7_246_003
"""Advisory lock held by whoever moves the ClickHouse schema."""

_LAST_RETRY_S = 5.0
_FIRST_WAIT_S = 0.02
_TELL_EVERY_S = 10.0
_HINT = "check postgres.url and that the server runs; dxops keeps trying"
_FULL_HINT = "free space on the disk that holds the database (the embedded one: postgres/ in the data directory)"


class Database:
    """A pool on one database, of at most `pool_size` connections. Opens nothing before the first use.

    `kept_open` connections stay open when idle; each costs the server about 10 MB.
    """

    def __init__(self, url: str, *, pool_size: int = 8, kept_open: int = 2, statement_timeout_s: float = 30.0) -> None:
        self.url = url
        self._engine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=min(pool_size, kept_open),
            max_overflow=max(0, pool_size - kept_open),
            pool_timeout=10,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": 5,
                "options": f"-c statement_timeout={int(statement_timeout_s * 1000)} -c timezone=UTC",
                "application_name": "dxops",
            },
        )

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: commits at the end, rolls back on any exception. Raises `Unavailable` while the server is
        away."""
        with _translated():
            async with self._engine.begin() as connection:
                yield connection

    async def ping(self) -> None:
        """Raises `Unavailable` unless the server answers."""
        async with self.begin() as tx:
            await tx.execute(text("SELECT 1"))

    async def wait(self, timeout_s: float | None = None, *, quiet_s: float = 0.0) -> None:
        """Try until the server answers, telling the log why not: after `quiet_s`, then every ten seconds. Raises the
        last `Unavailable` after `timeout_s`, if given, and at once where the server answers that it will not have us
        (code `REFUSES`)."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout_s is None else loop.time() + timeout_s
        delay, tell_at = _FIRST_WAIT_S, loop.time() + quiet_s
        while True:
            try:
                await self.ping()
            except Unavailable as error:
                if error.code == REFUSES or (deadline is not None and loop.time() + delay > deadline):
                    raise
                if loop.time() >= tell_at:
                    log.warning(error.message, extra={"hint": error.hint})
                    tell_at = loop.time() + _TELL_EVERY_S
                await asyncio.sleep(delay)
                delay = min(delay * 1.5, 1.0)
            else:
                return

    async def notifications(self, channels: Sequence[str]) -> AsyncIterator[tuple[str, str] | None]:
        """(channel, payload) of each NOTIFY, and None after every (re)connection: read the state again then.

        Never ends by itself and never raises; a lost connection is retried with back-off and logged once.
        """
        async for each in notifications(lambda: self.url, channels):
            yield each

    async def close(self) -> None:
        """Close the pool; waits for nothing."""
        await self._engine.dispose()


async def notify(tx: AsyncConnection, channel: str, payload: str = "") -> None:
    """NOTIFY when `tx` commits. `payload` stays below 8000 bytes."""
    await tx.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})


def sqlalchemy_url(url: str) -> str:
    """The same URL with the driver named."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


class _translated:
    """Turns the drivers' "server is away" into `Unavailable`; every other error passes."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PoolTimeout):
            raise Unavailable("all PostgreSQL connections are busy", hint="try again; raise postgres.pool_size")
        away = isinstance(error, psycopg.OperationalError | ConnectionError)
        if isinstance(error, DBAPIError):
            away = isinstance(error, OperationalError | InterfaceError) and _is_away(error)
            if error.statement is None and (why := refusal(str(error.orig))) is not None:  # there was no connection yet
                raise Unavailable(why.message, code=REFUSES, hint=why.hint, retry_after_s=_LAST_RETRY_S) from error
            if away and _is_full(error):
                raise Unavailable(
                    f"PostgreSQL's disk is full: {_first_line(error)}",
                    code="database_full",
                    hint=_FULL_HINT,
                    retry_after_s=_LAST_RETRY_S,
                ) from error
        if away:
            raise Unavailable(f"PostgreSQL does not answer: {_first_line(error)}", hint=_HINT) from error


def _is_away(error: DBAPIError) -> bool:
    """Connection trouble (class 08, 57P, no code at all) or a server at its limits (53: disk, memory, connections), not
    a timeout of ours or a deadlock."""
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state.startswith(("08", "53", "57P"))


def _is_full(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == "53100" or "No space left on device" in str(error.orig)


def _first_line(error: BaseException | None) -> str:
    lines = str(getattr(error, "orig", error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__
