"""The database port on a real server."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from dxops.base.errors import Unavailable
from dxops.engines.postgres.database import Database, notify
from dxops.engines.postgres.migrate import current, head
from dxops.engines.postgres.refusals import REFUSES


async def test_migrated_to_head(database: Database) -> None:
    assert await current(database) == head()


async def test_an_unreachable_server_is_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable, match="does not answer"):
        await database.ping()
    await database.close()


async def test_what_waiting_does_not_mend_is_not_waited_for(database_url: str) -> None:
    head, _, place = database_url.partition("@")
    user = head.partition("://")[2].partition(":")[0]
    wrong = {
        f"postgresql://{user}:wrong@{place}": f'authentication failed for user "{user}"',
        database_url.replace("/test_", "/no_such_"): "does not exist",
        f"{database_url}{'&' if '?' in database_url else '?'}sslmod=require": "sslmod",
    }
    for url, reason in wrong.items():
        database = Database(url)
        with pytest.raises(Unavailable, match=reason) as raised:
            await asyncio.wait_for(database.wait(), 10)
        assert raised.value.code == REFUSES
        assert raised.value.hint
        await database.close()


async def test_a_server_that_is_starting_is_waited_for() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(database.wait(), 0.5)
    await database.close()


async def test_a_failing_statement_is_not_unavailability(database: Database) -> None:
    with pytest.raises(Exception, match="no_such_table"):
        async with database.begin() as tx:
            await tx.execute(text("SELECT * FROM no_such_table"))


async def test_notifications_arrive_after_commit_and_survive_a_lost_connection(database: Database) -> None:
    stream = database.notifications(["moved"])
    assert await anext(stream) is None
    async with database.begin() as tx:
        await notify(tx, "moved", "a")
    assert await asyncio.wait_for(anext(stream), 5) == ("moved", "a")
    async with database.begin() as tx:
        await tx.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dxops listen'")
        )
    assert await asyncio.wait_for(anext(stream), 10) is None
    await stream.aclose()
