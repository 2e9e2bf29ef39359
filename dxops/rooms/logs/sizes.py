"""How much a stream holds: documents counted, bytes estimated by its share of the table's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from dxops.rooms.logs.fields import literals
from dxops.rooms.logs.model import Rows

_PARTS: Final = (
    "SELECT sum(rows), sum(bytes_on_disk), count() FROM system.parts "
    "WHERE active AND database = currentDatabase() AND table IN ('log_events', 'log_events_local')"
)


class Size(msgspec.Struct, frozen=True):
    """`documents` came in, overwritten ones count too."""

    documents: int = 0
    size_bytes: int = 0
    newest_ms: int = 0


class Sizes(msgspec.Struct, frozen=True):
    """By stream; `parts` of the whole table."""

    streams: dict[str, Size]
    parts: int = 0

    def of(self, stream: str) -> Size:
        """Nothing where it has no documents."""
        return self.streams.get(stream, Size())


async def sizes(store: Rows, streams: Sequence[str]) -> Sizes:
    """Of these streams. Cheap: by the parts' and shapes' counts, no document is read."""
    ((rows, size_bytes, parts),) = (await store.query(_PARTS)).rows
    if not streams:
        return Sizes({}, int(parts))
    counted = await store.query(
        "SELECT toString(stream), sum(documents), toUnixTimestamp(max(day)) FROM log_shapes "  # noqa: S608 - literals
        f"WHERE stream IN ({literals(tuple(streams))}) GROUP BY stream"
    )
    each = int(size_bytes) / int(rows) if int(rows) else 0.0
    return Sizes(
        {name: Size(int(count), round(int(count) * each), int(newest) * 1000) for name, count, newest in counted.rows},
        int(parts),
    )


async def documents_since(store: Rows, stream: str, since_ms: int) -> int:
    """Documents of a stream that were received then or later."""
    sql = (
        f"SELECT count() FROM log_events WHERE stream IN ({literals((stream,))}) "  # noqa: S608 - quoted literals
        f"AND received >= fromUnixTimestamp64Milli({int(since_ms)}, 'UTC')"
    )
    return int((await store.query(sql)).rows[0][0])
