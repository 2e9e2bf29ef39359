"""`/api/spool` and the quarantine, on a real spool, loader, listener and audit log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.app.data import DataDirectory
from dxops.app.inside import Inside, door, make_secret, read_secret
from dxops.app.listeners import Listener, Listeners
from dxops.app.settings import Settings
from dxops.app.spool_view import SpoolWatch, by_minute
from dxops.app.troubles import troubles_of, with_troubles
from dxops.app.web_spool import router
from dxops.base.actors import ROLE_SCOPES, SYSTEM, Actor, Role
from dxops.base.clock import ManualClock
from dxops.base.errors import Forbidden, Missing, Unavailable
from dxops.base.ports import RoleState
from dxops.base.spooled import DiskSpace, SpoolState, StreamAmounts, Totals
from dxops.base.web import encode_cursor
from dxops.engines.postgres.database import Database
from dxops.engines.spool import Spool
from dxops.rooms.accounts.model import AuditFilter
from dxops.rooms.logs.identities import Identities
from tests.app.web_house import TestHouse, browser, make_accounts
from tests.engines.spool.driving import KeepingSink, loading
from tests.harness import free_ports

NOW = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)


class Standing:
    """A spool that is written and loaded, its door, and whoever looks at it."""

    def __init__(self, view: SpoolWatch, spool: Spool, sink: KeepingSink, house: TestHouse) -> None:
        self.view = view
        self.spool = spool
        self.sink = sink
        self.house = house


@asynccontextmanager
async def standing(directory: Path, database: Database) -> AsyncIterator[Standing]:
    data = DataDirectory(directory)
    data.prepare()
    spool = await Spool.open(str(data.spool))
    identities = Identities(directory / "identities" / "logs.sqlite")
    (port,) = free_ports(1)
    answering = door(_nothing, make_secret(data), spool, identities)
    listeners = Listeners([Listener("elastic", f"127.0.0.1:{port}", answering, asgi=True)])
    await listeners.start()
    clock = ManualClock()
    accounts = make_accounts(database, clock)
    house = TestHouse(accounts, clock)
    view = SpoolWatch(
        data,
        Settings(),
        house.roles,
        clock,
        database=database,
        audit=accounts.audit,
        inside=Inside(f"127.0.0.1:{port}", lambda: read_secret(data)),
    )
    house.api_routers = [router(view)]
    sink = KeepingSink()
    try:
        async with loading(str(data.spool), sink):
            yield Standing(view, spool, sink, house)
    finally:
        await listeners.stop(1.0)
        await spool.close()
        identities.close()


async def _nothing(scope: object, receive: object, send: object) -> None:
    body = {"type": "http.response.body", "body": b""}
    await send({"type": "http.response.start", "status": 404, "headers": []})  # type: ignore[operator]
    await send(body)  # type: ignore[operator]


async def refused(there: Standing, payloads: list[bytes]) -> list[int]:
    """Append records with `bad` in them, which the store refuses, and wait until it has; their numbers."""
    there.sink.bad = b"bad"
    numbers = [await there.spool.append("logs", [one], records=1, tenant="house", kind=3) for one in payloads]
    async with asyncio.timeout(10):
        while (await there.view.look()).totals.quarantined < len(payloads):  # counted once the place is kept
            await asyncio.sleep(0.02)
    return numbers


async def test_what_was_refused_is_shown_given_back_and_discarded(tmp_path: Path, database: Database) -> None:
    async with standing(tmp_path, database) as there:
        await there.spool.append("logs", [b"good"], records=1, tenant="house")
        first, second, third = await refused(there, [b'{"bad": 1}', b"bad\xff\0", b"third bad"])
        state = await there.view.look()
        logs = state.streams["logs"]
        assert (logs.received, logs.loaded, logs.pending, logs.quarantined, logs.lost) == (4, 1, 0, 3, 0)
        assert logs.lag_s == 0.0
        assert {"spool", "store"} == set(state.disks)
        assert [trouble.code for trouble in troubles_of(state)] == ["quarantine"]

        page = await there.view.quarantined(limit=2)
        assert [(one.seq, one.text, one.reason != "") for one in page.items] == [
            (first, '{"bad": 1}', True),
            (second, "bad\N{REPLACEMENT CHARACTER}\N{SYMBOL FOR NULL}", True),
        ]
        rest = await there.view.quarantined(cursor=page.next)
        huge = encode_cursor("logs", "9" * 5000)
        assert (await there.view.quarantined(cursor=huge)).items
        assert ([one.seq for one in rest.items], rest.next) == ([third], None)
        assert (await there.view.record("logs", second)).bytes == 5
        with pytest.raises(Missing):
            await there.view.record("logs", first - 1)

        there.sink.bad = None
        assert await there.view.redrive(SYSTEM, "logs", [first]) == 1
        async with asyncio.timeout(10):
            while (await there.view.look()).totals.loaded < 2:
                await asyncio.sleep(0.02)
        assert there.sink.rows[-1][1] == b'{"bad": 1}'
        assert await there.view.discard(SYSTEM, "logs", None) == 2
        after = (await there.view.look()).streams["logs"]
        assert (after.received, after.loaded, after.quarantined, after.in_quarantine) == (5, 2, 3, 0)
        async with asyncio.timeout(10):  # the writer says once a second who sent what
            while (
                house := (await there.view.look()).streams["logs"].tenants.get("house")
            ) is None or house.received < 5:
                await asyncio.sleep(0.02)
        told = await there.house.accounts.audit.entries(SYSTEM, AuditFilter())
        assert [(entry.action, entry.subject, entry.detail["records"]) for entry in told.items] == [
            ("spool.discarded", "logs", 2),
            ("spool.redriven", "logs", 1),
        ]


async def test_who_may_decide_and_who_is_inside(tmp_path: Path, database: Database) -> None:
    async with standing(tmp_path, database) as there:
        (number,) = await refused(there, [b"bad"])
        viewer = Actor(kind="person", id="v", name="v", scopes=ROLE_SCOPES[Role.VIEWER])
        with pytest.raises(Forbidden):
            await there.view.redrive(viewer, "logs", [number])
        with pytest.raises(Forbidden):
            await there.view.discard(viewer, "logs", None)
        with pytest.raises(Missing, match="no stream"):
            await there.view.redrive(SYSTEM, "nothing", None)
        address = there.view._inside._address
        async with httpx.AsyncClient() as stranger:
            answer = await stranger.post(
                f"http://{address}/_dxops/redrive",
                json={"stream": "logs", "consumer": "store"},
                headers={"x-dxops-inside": "guess"},
            )
        assert answer.status_code == 404
        assert (await there.view.look()).totals.in_quarantine == 1


async def test_the_spool_by_its_api(tmp_path: Path, database: Database) -> None:
    async with standing(tmp_path, database) as there, browser(there.house) as client:
        (number,) = await refused(there, [b"bad"])
        assert (await client.get("/api/spool")).status_code == 401
        secret = "dxo_" + "t" * 40
        await there.house.accounts.bootstrap("correct-horse-battery")
        await there.house.accounts.ensure_token("api_token", secret, frozenset(SYSTEM.scopes))
        client.headers["authorization"] = f"Bearer {secret}"
        logs = (await client.get("/api/spool")).json()["streams"]["logs"]
        assert {key: logs[key] for key in ("received", "loaded", "pending", "quarantined")} == {
            "received": 1, "loaded": 0, "pending": 0, "quarantined": 1,
        }  # fmt: skip
        (item,) = (await client.get("/api/spool/quarantine")).json()["items"]
        assert (item["seq"], item["text"], item["stream"]) == (number, "bad", "logs")
        unclear = await client.post("/api/spool/quarantine/discard", json={"stream": "logs"})
        assert (unclear.status_code, unclear.json()["error"]["field"]) == (400, "seqs")
        done = await client.post("/api/spool/quarantine/discard", json={"stream": "logs", "seqs": [number]})
        assert (done.status_code, done.json()) == (200, {"count": 1})
        assert (await client.get(f"/api/spool/quarantine/logs/records/{number}")).status_code == 404


async def test_without_the_role_ingest_nothing_goes_back(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.prepare()
    with pytest.raises(Unavailable, match="never ran"):
        await Inside("127.0.0.1:9", lambda: read_secret(data)).forget("logs", None)
    make_secret(data)
    with pytest.raises(Unavailable, match="does not answer"):
        await Inside(f"127.0.0.1:{free_ports(1)[0]}", lambda: read_secret(data)).forget("logs", None)


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 50), st.integers(0, 50)), max_size=200))
def test_minutes_never_count_more_than_came(steps: list[tuple[int, int, int]]) -> None:
    start, received, loaded, counts = NOW - timedelta(seconds=4000), 0, 0, []
    for offset, more_in, more_loaded in sorted(steps):
        received, loaded = received + more_in, loaded + more_loaded
        counts.append((start + timedelta(seconds=offset), received, loaded))
    minutes = by_minute(counts, NOW)
    assert len(minutes) == 60
    assert minutes[-1].at == datetime(2026, 11, 24, 11, 59, tzinfo=UTC)
    assert sum(minute.received or 0 for minute in minutes) <= received
    assert sum(minute.loaded or 0 for minute in minutes) <= loaded


def test_a_minute_that_was_counted_whole_has_its_sum() -> None:
    counts = [(NOW - timedelta(seconds=5 * back), 1000 - 10 * back, 900 - 5 * back) for back in range(42, -1, -1)]
    minutes = by_minute(counts, NOW)
    assert [(minute.received, minute.loaded) for minute in minutes[-3:]] == [(120, 60), (120, 60), (120, 60)]
    assert minutes[0].received is None


def _state(*, free: int = 100 << 30, store: str = "healthy", lag_s: float = 0.0, full: float = 0.0) -> SpoolState:
    totals = Totals(pending=7 if lag_s or full else 0, lag_s=lag_s, disk_bytes=int(full * 1000))
    none: dict[str, StreamAmounts] = {}
    disks = {"store": DiskSpace(free_bytes=free, total_bytes=1 << 40, least_bytes=3 << 30)}
    return SpoolState(
        at=NOW, streams=none, totals=totals, ingest="healthy", loader="healthy", store=store, disks=disks,
        max_bytes=1000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (_state(), []),
        (_state(free=5 << 30), [("store_disk_near", "warn")]),
        (_state(free=1 << 30), [("store_disk_low", "bad")]),
        (_state(lag_s=31), [("loader_behind", "warn")]),
        (_state(lag_s=301, full=0.96), [("spool_filling", "bad"), ("loader_behind", "bad")]),
        (_state(full=0.71), [("spool_filling", "warn")]),
    ],
)
def test_what_counts_as_trouble(state: SpoolState, found: list[tuple[str, str]]) -> None:
    assert [(trouble.code, trouble.severity) for trouble in troubles_of(state)] == found


def test_bad_trouble_degrades_its_role_and_says_why() -> None:
    roles = {name: RoleState(status="healthy", since=NOW) for name in ("store", "ingest", "loader")}
    roles["loader"] = RoleState(status="backoff", since=NOW, detail="it crashed")
    seen = with_troubles(roles, troubles_of(_state(free=1, lag_s=400, store="backoff")))
    assert (seen["store"].status, seen["ingest"].status) == ("degraded", "healthy")
    assert "nothing is taken in" in (seen["store"].detail or "")
    assert (seen["loader"].status, seen["loader"].detail) == ("backoff", "it crashed")
