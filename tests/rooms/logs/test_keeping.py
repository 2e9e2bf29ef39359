"""The job that removes, on a real ClickHouse and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from dxops.base.actors import ROLE_SCOPES, SYSTEM, Actor, Role
from dxops.base.clock import ManualClock
from dxops.base.errors import Forbidden, Missing, Refused, Unavailable
from dxops.base.spooled import DiskSpace
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts.model import AuditFilter
from dxops.rooms.logs.config import LogsConfig
from dxops.rooms.logs.keeping import Done, Keeping
from dxops.rooms.logs.retention import POLICY, SETTING, Limits
from tests.app.web_house import make_accounts
from tests.rooms.logs.local import LocalStore

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
TODAY = NOW.date()
DAY_MS = 86_400_000


class KeptStore(LocalStore):
    """`usages.Store` too; `fails_after` makes the next statements fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.statements: list[str] = []
        self.fails_after: int | None = None

    async def query(self, sql, params=None, *, settings=None, query_id=None):  # type: ignore[no-untyped-def]
        return await super().query(_filled(sql, params or {}))

    async def execute(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        if self.fails_after is not None:
            if self.fails_after == 0:
                raise Unavailable("the store is away")
            self.fails_after -= 1
        self.statements.append(sql)
        kept = {key: value for key, value in (settings or {}).items() if key == "mutations_sync"}
        tail = " SETTINGS " + ", ".join(f"{key} = {value}" for key, value in kept.items()) if kept else ""
        self._session.query(sql + tail)

    async def days(self, stream: str) -> list[str]:
        rows = (
            await self.query(f"SELECT DISTINCT toDate(ts) AS d FROM log_events WHERE stream = '{stream}' ORDER BY d")
        ).rows
        return [day for (day,) in rows]

    async def count(self, table: str) -> int:
        return int((await self.query(f"SELECT count() FROM {table}")).rows[0][0])

    def fill(self, stream: str, days: int, each: int = 50) -> None:
        """Documents on each of the last days, today's too."""
        start = int(datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC).timestamp() * 1000)
        for back in range(days):
            body = [b'{"message":"line %d of %s"}' % (n, stream.encode()) for n in range(each)]
            self.add(body, [start - back * DAY_MS + n for n in range(each)], stream)


def _filled(sql: str, params: Mapping[str, object]) -> str:
    def value(match: re.Match[str]) -> str:
        found = params[match[1]]
        return str(found) if isinstance(found, int) else f"'{found}'"

    return re.sub(r"\{(\w+):\w+\}", value, sql)


class Ids:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int | None]] = []
        self.away = False

    async def forget(self, stream: str, before_seq: int | None) -> int:
        if self.away:
            raise Unavailable("ingest is away")
        self.told.append((stream, before_seq))
        return 3


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[KeptStore]:
    made = await asyncio.to_thread(KeptStore, tmp_path / "store")
    yield made
    made.close()


class Kept:
    """The service with everything around it."""

    def __init__(self, database: Database, store: KeptStore, config: LogsConfig | None = None) -> None:
        self.clock = ManualClock(NOW)
        self.ids = Ids()
        self.store = store
        self.database = database
        self.accounts = make_accounts(database, self.clock)
        self.service = Keeping(database, self.accounts.audit, store, self.ids, config or LogsConfig(), self.clock)

    async def set(self, pattern: str, **limits: int) -> None:
        """As if it were set yesterday."""
        await self.service.put(SYSTEM, pattern, Limits(**limits))
        async with self.database.begin() as tx:
            await tx.execute(text("UPDATE logs.retention SET set_at = set_at - interval '1 day'"))


def day(back: int) -> str:
    return (TODAY - timedelta(days=back)).isoformat()


async def test_days_go_whole_parts_where_they_can_and_rewritten_where_not(database: Database, store: KeptStore) -> None:
    store.fill("logs-app", 6)
    store.fill("logs-web", 4)
    there = Kept(database, store)
    store.statements.clear()
    await there.set("logs-app", days=2)
    seen = await there.service.preview("logs-app", Limits(days=2))
    assert (seen.after.goes_documents, seen.after.oldest_kept) == (150, TODAY - timedelta(days=2))

    done = await there.service.remove_expired()
    assert done == Done(documents=150, days=3)
    assert await store.days("logs-app") == [day(2), day(1), day(0)]
    assert await store.days("logs-web") == [day(3), day(2), day(1), day(0)]
    assert await store.count("log_events") == 350
    for table in ("log_sizes", "log_shapes"):
        rows = (await store.query(f"SELECT toString(stream), min(day) FROM {table} GROUP BY stream ORDER BY 1")).rows
        assert rows == [["logs-app", day(2)], ["logs-web", day(3)]], table
    assert sum("DROP PART" in sql for sql in store.statements) == 3
    assert there.ids.told == [("logs-app", 1)]  # today's came first in this test, so the lowest number stays

    # nothing is left to do, and doing it again changes nothing
    assert await there.service.remove_expired() == Done()
    assert await store.count("log_events") == 350
    told = await there.accounts.audit.entries(SYSTEM, AuditFilter(action="logs.expired"))
    assert [(entry.subject, entry.detail["documents"]) for entry in told.items] == [("logs-app", 50)] * 3
    overview = await there.service.overview()
    assert [(one.stream, one.documents, one.why) for one in overview.removals[:1]] == [
        ("logs-app", 50, "setting logs-app")
    ]


async def test_a_part_with_other_streams_is_rewritten(database: Database, store: KeptStore) -> None:
    store.fill("a", 3)
    store.fill("b", 3)
    await store.execute("OPTIMIZE TABLE log_events FINAL")  # one part for both
    there = Kept(database, store)
    await there.set("a", days=0)
    low = DiskSpace(free_bytes=1, total_bytes=100, least_bytes=2)
    assert await there.service.remove_expired(low) == Done(unfinished=True)  # rewriting needs room
    assert (await there.service.remove_expired()).documents == 100
    assert (await store.days("a"), await store.days("b")) == ([day(0)], [day(2), day(1), day(0)])
    rows = (
        await store.query("SELECT message FROM log_events WHERE stream = 'b' AND ts < today() ORDER BY ts LIMIT 1")
    ).rows
    assert rows == [["line 0 of b"]]


async def test_size_bounds_take_the_oldest_days(database: Database, store: KeptStore) -> None:
    store.fill("logs", 5)
    there = Kept(database, store)
    kept = (await there.service.overview()).streams[0]
    each = kept.usage.days[0].bytes
    assert kept.usage.bytes >= 5 * each * 0.9
    await there.set("lo*", bytes=round(each * 2.5))
    assert (await there.service.remove_expired()).days == 3
    assert await store.days("logs") == [day(1), day(0)]


async def test_a_run_that_is_cut_off_is_gone_on_with(database: Database, store: KeptStore) -> None:
    store.fill("a", 5)
    there = Kept(database, store)
    await there.set("a", days=1)
    store.fails_after = 1
    with pytest.raises(Unavailable):
        await there.service.remove_expired()
    assert len(await store.days("a")) == 4
    store.fails_after = None
    there.ids.away = True
    assert (await there.service.remove_expired()).days == 2
    assert await store.days("a") == [day(1), day(0)]
    rows = (await store.query("SELECT min(day) FROM log_sizes")).rows
    assert rows == [[day(1)]]
    assert there.ids.told == []
    there.ids.away = False
    await there.service.remove_expired()
    assert [stream for stream, _ in there.ids.told] == ["a"]


async def test_a_new_setting_waits_and_can_be_taken_back(database: Database, store: KeptStore) -> None:
    store.fill("a", 5)
    there = Kept(database, store)
    await there.service.put(SYSTEM, "a", Limits(days=1))
    assert await there.service.remove_expired() == Done()
    await there.service.unset(SYSTEM, "a")
    with pytest.raises(Missing):
        await there.service.unset(SYSTEM, "a")
    there.clock.advance(3600)
    assert await there.service.remove_expired() == Done()
    await there.service.put(SYSTEM, "a", Limits(days=1))
    there.clock.advance(601)
    assert (await there.service.remove_expired()).days == 3


async def test_dead_documents_leave_when_their_day_is_over_then_their_numbers(
    database: Database, store: KeptStore
) -> None:
    store.fill("a", 2, each=10)  # numbers 1 to 10 today, 11 to 20 yesterday
    await store.execute("INSERT INTO log_dead VALUES (3), (12), (15), (9000)")
    there = Kept(database, store)
    first = await there.service.remove_expired()
    assert (first.dead, first.forgotten) == (2, 1)
    assert await store.count("log_events") == 18
    second = await there.service.remove_expired()
    assert (second.dead, second.forgotten) == (0, 2)
    assert (await store.query("SELECT seq FROM log_dead")).rows == [[3]]


async def test_policies_count_until_a_setting_says_otherwise(database: Database, store: KeptStore) -> None:
    store.fill("logs-app", 6)
    there = Kept(database, store, LogsConfig(keep_days=100))
    async with database.begin() as tx:
        await tx.execute(text("CREATE SCHEMA IF NOT EXISTS logs"))
        have = (await tx.execute(text("SELECT to_regclass('logs.streams') IS NOT NULL AS x"))).scalar_one()
        if not have:
            await tx.execute(text("CREATE TABLE logs.streams (name text, settings json, lifecycle json)"))
            await tx.execute(text("CREATE TABLE logs.definitions (kind text, name text, body json)"))
        await _describe(tx, complete=have)
    kept = (await there.service.overview()).streams[0]
    assert (kept.rule.source, kept.rule.name, kept.rule.limits.days) == (POLICY, "short", 3)
    assert (await there.service.remove_expired()).days == 2
    await there.set("logs-*", days=50)
    kept = (await there.service.overview()).streams[0]
    assert (kept.rule.source, kept.rule.limits.days) == (SETTING, 50)
    assert await there.service.remove_expired() == Done()


async def _describe(tx, *, complete: bool) -> None:  # type: ignore[no-untyped-def]
    body = '{"policy": {"phases": {"delete": {"min_age": "3d", "actions": {"delete": {}}}}}}'
    settings = '{"index.lifecycle.name": "short"}'
    if complete:
        await tx.execute(
            text(
                """
                INSERT INTO logs.streams
                    (name, kind, uuid, created_at, by_write, settings, mappings, backing, rollovers)
                VALUES ('logs-app', 'index', 'u', now(), false, :settings, '{}', '[]', '{}')"""
            ),
            {"settings": settings},
        )
        columns = "(kind, name, body, version, modified_at)"
        sql = f"INSERT INTO logs.definitions {columns} VALUES ('policy', 'short', :body, 1, now())"
        await tx.execute(text(sql), {"body": body})
    else:
        await tx.execute(text("INSERT INTO logs.streams VALUES ('logs-app', :settings, NULL)"), {"settings": settings})
        await tx.execute(text("INSERT INTO logs.definitions VALUES ('policy', 'short', :body)"), {"body": body})


async def test_a_full_disk_drops_the_oldest_days_only_where_that_is_wanted(
    database: Database, store: KeptStore
) -> None:
    store.fill("a", 5)
    full = DiskSpace(free_bytes=10, total_bytes=10**9, least_bytes=1000)
    assert await Kept(database, store).service.make_room(full) == 0
    there = Kept(database, store, LogsConfig(when_full="drop_oldest"))
    assert await there.service.make_room(DiskSpace(free_bytes=2000, total_bytes=10**9, least_bytes=1000)) == 0
    assert await there.service.make_room(full) == 1
    assert (await store.days("a"))[0] == day(3)
    overview = await there.service.overview()
    assert [(one.first_day, one.documents, one.why) for one in overview.removals] == [
        (TODAY - timedelta(days=4), 50, "the disk was full")
    ]


async def test_who_may_set_and_what(database: Database, store: KeptStore) -> None:
    there = Kept(database, store)
    viewer = Actor(kind="person", id="v", name="v", scopes=ROLE_SCOPES[Role.VIEWER])
    with pytest.raises(Forbidden):
        await there.service.put(viewer, "a", Limits(days=1))
    for pattern, limits in (
        ("", Limits()),
        ("a,b", Limits()),
        ("a b", Limits()),
        ("a", Limits(days=-1)),
        ("a", Limits(bytes=0)),
    ):
        with pytest.raises(Refused):
            await there.service.preview(pattern, limits)
    assert (await there.service.overview()).settings == []
