"""Live tails, served as they run: what arrives is pushed, what leaves is let go."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import orjson
import pytest

from dxops.app.listeners import Listener, Listeners
from dxops.base.clock import SystemClock
from dxops.base.errors import Throttled, Unavailable
from dxops.engines.clickhouse.client import Rows
from dxops.rooms.logs.model import Selection
from dxops.rooms.logs.service import Logs
from dxops.rooms.logs.tailing import Lines, Skipped, State, Tails
from tests.harness import free_ports
from tests.rooms.logs.local import LocalStore
from tests.rooms.logs.served import make_app


@pytest.fixture(scope="module")
def store() -> Iterator[LocalStore]:
    with TemporaryDirectory() as directory:
        made = LocalStore(Path(directory))
        yield made
        made.close()


def add(store: LocalStore, count: int, stream: str = "app", **fields: object) -> int:
    """Documents as they come in now; the sequence number of the last."""
    now_ms = int(time.time() * 1000)
    documents = [orjson.dumps({"message": f"line {n}", "n": n, **fields}) for n in range(count)]
    return store.add(documents, [now_ms] * count, stream) + count - 1


async def everything() -> Selection:
    return Selection()


def tails_of(store: Any, **options: Any) -> Tails:
    return Tails(Logs(store, b"k" * 32, SystemClock()).explorer, every_s=0.02, **options)


async def next_of(events: AsyncIterator[Any], kind: type) -> Any:
    async with asyncio.timeout(10):
        async for event in events:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"ended without {kind}")


def now_ms() -> int:
    return int(time.time() * 1000)


async def test_a_tail_begins_now_and_shows_what_arrives_in_order(store: LocalStore) -> None:
    before = add(store, 3)
    tails = tails_of(store)
    tail = tails.begin(everything, owner="a", after_seq=None, whole=False)
    events = tail.events(now_ms)
    assert await anext(events) == State(0, before)
    last = add(store, 3)
    found = await next_of(events, Lines)
    assert [line.seq for line in found.lines] == [before + 1, before + 2, before + 3]
    assert found.last_seq == last
    await tail.aclose()
    await tail.aclose()
    assert tails.open == 0


async def test_too_much_is_skipped_and_counted_or_comes_in_pages(store: LocalStore) -> None:
    start = add(store, 1)
    last = add(store, 1_203)
    tails = tails_of(store)
    newest = tails.begin(everything, owner="a", after_seq=start, whole=False).events(now_ms)
    assert await next_of(newest, Skipped) == Skipped(703)
    shown = await next_of(newest, Lines)
    assert [line.seq for line in shown.lines] == list(range(last - 499, last + 1))
    whole = tails.begin(everything, owner="a", after_seq=start, whole=True).events(now_ms)
    seen: list[int] = []
    while len(seen) < 1_203:
        seen += [line.seq for line in (await next_of(whole, Lines)).lines]
    assert seen == list(range(start + 1, last + 1))


async def test_a_reader_that_takes_nothing_costs_nothing(store: LocalStore) -> None:
    tails = tails_of(store)
    events = tails.begin(everything, owner="a", after_seq=None, whole=False).events(now_ms)
    await anext(events)
    for _ in range(4):
        add(store, 300)
        await asyncio.sleep(0)  # nothing is asked of the store for it, so there is nothing to wait for
    assert await next_of(events, Skipped) == Skipped(700)
    assert len((await next_of(events, Lines)).lines) == 500


async def test_only_so_many_tails(store: LocalStore) -> None:
    tails = tails_of(store, most=2)
    one, _ = (tails.begin(everything, owner="a", after_seq=None, whole=False) for _ in range(2))
    with pytest.raises(Throttled):
        tails.begin(everything, owner="a", after_seq=None, whole=False)
    await one.aclose()
    await tails.begin(everything, owner="a", after_seq=None, whole=False).aclose()


async def test_nobody_takes_all_places(store: LocalStore) -> None:
    tails = tails_of(store, most=3, of_one=2)
    one, other = (tails.begin(everything, owner="a", after_seq=None, whole=False) for _ in range(2))
    with pytest.raises(Throttled, match="of yours"):
        tails.begin(everything, owner="a", after_seq=None, whole=False)
    third = tails.begin(everything, owner="b", after_seq=None, whole=False)
    with pytest.raises(Throttled, match="3 live tails are open"):
        tails.begin(everything, owner="b", after_seq=None, whole=False)
    for tail in (one, other, third):
        await tail.aclose()
    assert tails.open == 0


async def test_a_store_that_is_away_is_told_and_nothing_is_lost(store: LocalStore) -> None:
    class Flaky:
        away = False

        async def query(self, sql: str, params: object = None, **_: object) -> Any:
            if self.away:
                raise Unavailable("the store is away")
            return await store.query(sql)

    flaky = Flaky()
    start = add(store, 1)
    events = tails_of(flaky).begin(everything, owner="a", after_seq=start, whole=False).events(now_ms)
    await anext(events)
    flaky.away = True
    state = await next_of(events, State)
    assert state.away == "the store is away"
    last = add(store, 2)
    flaky.away = False
    assert (await next_of(events, Lines)).last_seq == last


class Blocking:
    """A store whose answers never come, and that knows who gave up waiting."""

    def __init__(self, *, at_once: bool) -> None:
        self.at_once = at_once
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def query(self, sql: str, params: object = None, **_: object) -> Any:
        if "log_dead LIMIT 1" in sql and not self.at_once:
            return Rows(["n"], ["UInt64"], [[0]])
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@asynccontextmanager
async def served(logs: Logs) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    listeners = Listeners([Listener("logs", f"127.0.0.1:{port}", make_app(logs), asgi=True)])
    await listeners.start()
    try:
        yield f"http://127.0.0.1:{port}/api/logs"
    finally:
        await listeners.stop(0.2)


@pytest.mark.parametrize(
    ("path", "at_once"),
    [("/search", True), ("/search", False), ("/fields", False), ("/fields/n/values", False), ("/export", False)],
)
async def test_a_caller_that_leaves_ends_its_query(path: str, at_once: bool) -> None:
    blocking = Blocking(at_once=at_once)
    async with served(Logs(blocking, b"k" * 32, SystemClock())) as url, httpx.AsyncClient() as client:
        asking = asyncio.create_task(client.get(url + path))
        await asyncio.wait_for(blocking.asked.wait(), 10)
        assert not blocking.cancelled.is_set()
        asking.cancel()
        await asyncio.wait_for(blocking.cancelled.wait(), 10)


async def frames(response: httpx.Response) -> AsyncIterator[tuple[str, str, Any]]:
    """(event, id, data) of a stream of events."""
    found: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line:
            found[name] = value
        else:
            if "event" in found:
                yield found["event"], found.get("id", ""), json.loads(found["data"])
            found = {}


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0.01)


async def test_events_over_http(store: LocalStore) -> None:
    logs = Logs(store, b"k" * 32, SystemClock())
    async with asyncio.timeout(60), served(logs) as url, httpx.AsyncClient(timeout=20) as client:
        parameters = {"query": "level:error", "stream": "web*"}
        async with client.stream("GET", url + "/tail", params=parameters) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            events = frames(response)
            name, _, state = await anext(events)
            assert (name, state["away"]) == ("state", None)
            add(store, 1, "other", level="ERROR")
            add(store, 1, "web-1", level="info")
            last = add(store, 2, "web-1", level="ERROR", text="a\nb\r\n")
            seen: list[Any] = []
            async for name, id_, data in events:
                if name == "lines":
                    seen += data["items"]
                    assert data["last_seq"] == id_
                if len(seen) == 2:
                    break
            assert [line["seq"] for line in seen] == [str(last - 1), str(last)]
            assert seen[0]["source"] == {"message": "line 0", "n": 0, "level": "ERROR", "text": "a\nb\r\n"}
        await until(lambda: logs.tails.open == 0)
        more = add(store, 1, "web-1", level="ERROR")
        async with client.stream(
            "GET", url + "/tail", params=parameters, headers={"last-event-id": str(last)}
        ) as response:
            async for name, _, data in frames(response):
                if name == "lines":
                    assert [line["seq"] for line in data["items"]] == [str(more)]
                    break
        await until(lambda: logs.tails.open == 0)


async def test_a_caller_that_stays_gets_its_answer(store: LocalStore) -> None:
    add(store, 3, "stays")
    async with served(Logs(store, b"k" * 32, SystemClock())) as url, httpx.AsyncClient(timeout=20) as client:
        for path in ("/search", "/histogram", "/fields", "/fields/n/values", "/patterns", "/complete", "/streams"):
            for _ in range(5):
                answer = await client.get(url + path)
                assert answer.status_code == 200, answer.text


async def test_more_than_the_bound_is_429(store: LocalStore) -> None:
    logs = Logs(store, b"k" * 32, SystemClock())
    logs.tails = Tails(logs.explorer, most=1)
    async with asyncio.timeout(60), served(logs) as url, httpx.AsyncClient(timeout=20) as client:
        async with client.stream("GET", url + "/tail") as response:
            assert response.status_code == 200
            refused = await client.get(url + "/tail")
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "throttled")
            assert refused.headers["retry-after"] == "5"
        await until(lambda: logs.tails.open == 0)
