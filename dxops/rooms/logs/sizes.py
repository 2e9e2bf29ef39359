"""How much each stream has: as told when its documents came in, and its share of each day's disk. Reads no document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec

from dxops.rooms.logs.catalog import Stream
from dxops.rooms.logs.fields import literal, literals
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.naming import Span

_DAY_MS = timedelta(days=1) // timedelta(milliseconds=1)


class Size(msgspec.Struct, frozen=True):
    """`documents` came in, overwritten ones count too. `first_ms` is when its first day began, `last_ms` its last."""

    documents: int = 0
    size_bytes: int = 0
    first_ms: int = 0
    last_ms: int = 0

    @property
    def end_ms(self) -> int:
        """The last millisecond of the last day."""
        return self.last_ms + _DAY_MS - 1


class Sizes(msgspec.Struct, frozen=True):
    """By stream, by name."""

    streams: dict[str, Size]

    def of(self, stream: str) -> Size:
        """Nothing where it has no documents."""
        return self.streams.get(stream, Size())


async def sizes(store: Rows, streams: Sequence[str] | None) -> Sizes:
    """Of these streams; None: of all."""
    if streams is not None and not streams:
        return Sizes({})
    within = "" if streams is None else f"WHERE stream IN ({literals(tuple(streams))}) "
    sql = (
        "SELECT toString(stream) AS name, sum(documents), sum(size * sent / whole), min(day), max(day) FROM "  # noqa: S608
        "(SELECT *, greatest(sum(sent) OVER (PARTITION BY day), 1) AS whole FROM "
        "(SELECT stream, day, sum(documents) AS documents, sum(bytes) AS sent FROM log_sizes GROUP BY stream, day)"
        f") AS told INNER JOIN ({days_on_disk(store)}) AS disk USING (day) {within}GROUP BY name ORDER BY name"
    )
    return Sizes({
        name: Size(int(documents), round(size), _ms(first), _ms(last))
        for name, documents, size, first, last in (await store.query(sql)).rows
    })  # fmt: skip


def days_on_disk(store: Rows) -> str:
    """SQL of (day, documents, size) in bytes, of one replica."""
    table = f"cluster(`{store.cluster}`, system.parts)" if store.cluster else "system.parts"
    name = "log_events_local" if store.cluster else "log_events"
    return (
        f"SELECT toDate(partition) AS day, sum(rows) AS n, sum(bytes_on_disk) AS size FROM {table} "  # noqa: S608
        f"WHERE active AND rows > 0 AND database = {literal(store.database)} AND table = '{name}' GROUP BY day"
    )


async def documents_since(store: Rows, stream: str, since_ms: int) -> int:
    """Documents of a stream that were received then or later."""
    sql = (
        f"SELECT count() FROM log_events WHERE stream IN ({literals((stream,))}) "  # noqa: S608 - quoted literals
        f"AND received >= fromUnixTimestamp64Milli({int(since_ms)}, 'UTC')"
    )
    return int((await store.query(sql)).rows[0][0])


async def documents_by_backing(store: Rows, stream: Stream) -> dict[str, int]:
    """Of a data stream that was rolled over: documents by backing index, row by row."""
    begins = ", ".join(str(int(each.created_ms)) for each in stream.backing[1:])
    sql = (
        f"SELECT arrayCount(begin -> begin <= toUnixTimestamp64Milli(received), "  # noqa: S608
        f"CAST([{begins}], 'Array(Int64)')) AS part, count() "
        f"FROM log_events WHERE stream IN ({literals((stream.name,))}) GROUP BY part"
    )
    counted = {int(part): int(count) for part, count in (await store.query(sql)).rows}
    return {each.name: counted.get(place, 0) for place, each in enumerate(stream.backing)}


async def numbers_within(store: Rows, stream: str, span: Span) -> tuple[int, int] | None:
    """The lowest number of a document that a backing index holds, and the one behind the highest; None for none."""
    bounds = [("received >=", span.from_ms), ("received <", span.to_ms)]
    those = [f" AND {test} fromUnixTimestamp64Milli({int(at)}, 'UTC')" for test, at in bounds if at is not None]
    sql = (
        f"SELECT count(), min(seq), max(seq) + 1 FROM log_events WHERE stream IN ({literals((stream,))})"  # noqa: S608
        f"{''.join(those)}"
    )
    ((count, first, end),) = (await store.query(sql)).rows
    return (int(first), int(end)) if int(count) else None


def _ms(day: str) -> int:
    begins = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    return round(begins.timestamp() * 1000)
