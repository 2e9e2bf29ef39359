"""PostgreSQL by psycopg alone, for roles that stay small: transactions without a pool, and notifications.

`Database` is for everyone else; SQLAlchemy alone costs 20 MB that `ingest` does not have to spend.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from dxops.base.errors import Unavailable
from dxops.engines.postgres.refusals import REFUSES, refusal

log = logging.getLogger(__name__)

Transaction = psycopg.AsyncConnection[DictRow]

_FIRST_RETRY_S = 0.2
_LAST_RETRY_S = 5.0
_HINT = "check postgres.url and that the server runs; dxops keeps trying"
_AWAY = ("08", "53", "57P", "3F", "42P01")  # the last two: the schema is not there yet


class PlainDatabase:
    """A connection for each transaction: for what happens now and then. `url` is asked for each time, since the
    embedded server's is known only once it was prepared; it may raise `OSError`."""

    def __init__(self, url: Callable[[], str], *, statement_timeout_s: float = 30.0) -> None:
        self._url = url
        self._options = f"-c statement_timeout={int(statement_timeout_s * 1000)} -c timezone=UTC"

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        """A transaction: commits at the end, rolls back on any exception. Raises `Unavailable` while the server is
        away, full, or not set up yet."""
        try:
            async with await psycopg.AsyncConnection[DictRow].connect(
                self._url(),
                connect_timeout=5,
                options=self._options,
                application_name="dxops ingest",
                row_factory=dict_row,
            ) as connection:
                yield connection
        except OSError as error:
            raise Unavailable("there is no PostgreSQL yet", hint=_HINT) from error
        except psycopg.Error as error:
            if (unavailable := _unavailable(error)) is None:
                raise
            raise unavailable from error

    async def notifications(self, channels: Sequence[str]) -> AsyncIterator[tuple[str, str] | None]:
        """See `notifications`."""
        async for each in notifications(self._url, channels):
            yield each


async def notifications(url: Callable[[], str], channels: Sequence[str]) -> AsyncIterator[tuple[str, str] | None]:
    """(channel, payload) of each NOTIFY, and None after every (re)connection: read the state again then.

    Never ends by itself and never raises; a lost connection is retried with back-off and logged once.
    """
    delay = _FIRST_RETRY_S
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(
                url(), autocommit=True, connect_timeout=5, application_name="dxops listen"
            )
        except (psycopg.Error, OSError) as error:
            log.warning("cannot listen for notifications", extra={"reason": str(error).strip()})
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY_S)
            continue
        async with connection:
            try:
                for channel in channels:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                delay = _FIRST_RETRY_S
                yield None
                async for notify in connection.notifies():
                    yield notify.channel, notify.payload
            except psycopg.Error as error:
                log.warning("notifications interrupted", extra={"reason": str(error).strip()})
        await asyncio.sleep(delay)


async def tell(tx: psycopg.AsyncConnection[Any], channel: str, payload: str = "") -> None:
    """NOTIFY when `tx` commits. `payload` stays below 8000 bytes."""
    await tx.execute("SELECT pg_notify(%s, %s)", [channel, payload])


def _unavailable(error: psycopg.Error) -> Unavailable | None:
    state = error.sqlstate
    if state is not None and not state.startswith(_AWAY):
        return None
    text = str(error).strip()
    if state is None and (why := refusal(text)) is not None:
        return Unavailable(why.message, code=REFUSES, hint=why.hint, retry_after_s=_LAST_RETRY_S)
    first = text.splitlines()[0] if text else type(error).__name__
    return Unavailable(f"PostgreSQL does not answer: {first}", hint=_HINT)
