"""What each stream has by day: documents, bytes as sent, and its share of the disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, Protocol

from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.retention import Day, Usage
from dxops.rooms.logs.sizes import days_on_disk

_SIZES: Final = "SELECT toString(stream), day, sum(documents), sum(bytes) FROM log_sizes GROUP BY stream, day"
_EVENTS: Final = "SELECT toString(stream) AS s, toDate(ts) AS d, count() FROM log_events GROUP BY s, d"
_HEAVY: Final[Mapping[str, object]] = {"max_execution_time": 240}


class Store(Rows, Protocol):
    """The column store as its keeper uses it."""

    async def execute(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """A statement without an answer. Raises as `query`."""
        ...


async def partitions(store: Store) -> dict[date, tuple[int, int]]:
    """Rows and bytes on disk by day, of one replica."""
    rows = (await store.query(days_on_disk(store))).rows
    return {_day(day): (int(count), int(size)) for day, count, size in rows}


async def usages(store: Store) -> list[Usage]:
    """By stream, as told when documents came in: overwritten ones and those just removed may still count. Quick."""
    return shared(await _sizes(store), await partitions(store))


async def counted(store: Store) -> tuple[list[Usage], dict[date, list[str]]]:
    """By stream, counted row by row; and what `log_sizes` tells of days on which the stream has nothing any more. A
    second for hundreds of millions of rows."""
    told = await _sizes(store)  # before the rows: what it tells of is there by then
    rows = (await store.query(_EVENTS, settings=_HEAVY)).rows
    there = {(stream, _day(day)): int(count) for stream, day, count in rows}
    known_documents = sum(documents for documents, _ in told.values())
    mean = sum(size for _, size in told.values()) / known_documents if known_documents else 500.0
    exact: dict[tuple[str, date], tuple[int, int]] = {}
    for key, count in there.items():
        documents, size = told.get(key, (0, 0))
        exact[key] = (count, round(size / documents * count) if documents else round(mean * count))
    stale: defaultdict[date, list[str]] = defaultdict(list)
    for stream, day in sorted(told.keys() - there.keys()):
        stale[day].append(stream)
    return shared(exact, await partitions(store)), dict(stale)


def shared(sizes: Mapping[tuple[str, date], tuple[int, int]], on_disk: Mapping[date, tuple[int, int]]) -> list[Usage]:
    """`sizes` are documents and bytes as sent by stream and day; a day's bytes on disk are shared out by the latter."""
    sent: defaultdict[date, int] = defaultdict(int)
    for (_, day), (_, size) in sizes.items():
        sent[day] += size
    days: defaultdict[str, list[Day]] = defaultdict(list)
    for (stream, day), (documents, size) in sorted(sizes.items(), key=lambda one: one[0]):
        if day in on_disk and documents:
            share = on_disk[day][1] * size // sent[day] if sent[day] else 0
            days[stream].append(Day(day=day, documents=documents, bytes=share, sent_bytes=size))
    return [Usage(stream=stream, days=tuple(found)) for stream, found in sorted(days.items())]


async def _sizes(store: Store) -> dict[tuple[str, date], tuple[int, int]]:
    rows: Sequence[Sequence[Any]] = (await store.query(_SIZES)).rows
    return {(stream, _day(day)): (int(documents), int(size)) for stream, day, documents, size in rows}


def _day(text: str) -> date:
    return date.fromisoformat(text)
