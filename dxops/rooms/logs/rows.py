"""Frames of the spool as rows of `log_events` and `log_shapes`, in ClickHouse's Native format.

Works on columns: a frame of thousands of documents makes no object per document beyond its parts.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Final, TypeVar

import msgspec

from dxops.rooms.logs.hot import COLUMNS, Hot
from dxops.wire.clickhouse_native import Column, Dictionary, block, low_cardinality, maps_of_few_keys, numbers, strings
from dxops.wire.logs.document import FLAG, LIST, NUMBER, WHOLE, slots
from dxops.wire.logs.frame import LogFrame
from dxops.wire.logs.shapes import Alike, Shapes

MIN_TIME_MS: Final = -2_208_988_800_000  # 1900-01-01, where DateTime64 begins
MAX_TIME_MS: Final = 10_413_791_999_999  # 2299-12-31, where it ends
_AT_ONCE: Final = 2_500


class Rows(msgspec.Struct, frozen=True):
    """What one batch puts into the store. Each is a Native block, or empty for nothing to insert.

    `dead` are the sequence numbers that the batch's operations end.
    """

    events: bytes
    shapes: bytes
    sizes: bytes
    dead: bytes
    documents: int
    by_stream: dict[str, tuple[int, int]]
    """Documents and bytes by stream."""


class RowMaker:
    """Makes rows, learning the documents' templates as it goes. Not for several threads at once."""

    def __init__(self) -> None:
        self._shapes = Shapes()
        self._hot = Hot()

    def rows(self, frames: Iterable[tuple[int, int, LogFrame]]) -> Rows:
        """Frames as (sequence number of the first operation, received at in ms, frame)."""
        made = _Batch(self._shapes, self._hot)
        for base, received_ms, frame in frames:
            made.add(base, received_ms, frame)
        return made.rows()


class _Batch:
    """The columns of one batch. Documents go through it a few thousand at a time, so that their parts are written out
    while they are still in the processor's caches."""

    def __init__(self, shapes: Shapes, hot: Hot) -> None:
        self._shapes = shapes
        self._hot = hot
        self._times = array("q")
        self._sequence = array("Q")
        self._received = array("q")
        self._versions = array("I")
        self._flags = bytearray()
        self._ids: list[bytes] = []
        self._messages: list[bytes] = []
        self._keys: list[tuple[tuple[bytes, ...], int]] = []
        self._values: list[bytes] = []
        self._streams = Dictionary()
        self._templates = Dictionary()
        self._hot_columns = tuple(Dictionary() for _ in COLUMNS)
        self._dead = array("Q")
        self._seen: Counter[tuple[bytes, int, bytes]] = Counter()
        self._names_of: dict[bytes, tuple[bytes, ...]] = {}
        self._documents: Counter[tuple[bytes, int]] = Counter()  # by stream and day, as are their bytes
        self._bytes: Counter[tuple[bytes, int]] = Counter()

    def add(self, base: int, received_ms: int, frame: LogFrame) -> None:
        if frame.replaced is not None:
            self._dead.extend(number for number in frame.replaced if number >= 0)
        streams = [name.encode() for name in frame.indices]
        for start in range(0, len(frame.documents), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(frame.documents))
            documents = frame.documents[start:stop]
            live: Sequence[int] = range(start, stop)
            if b"" in documents:
                live = [index for index in live if frame.documents[index]]
                documents = _picked(frame.documents, live)
            if live:
                self._add(base, received_ms, frame, live, documents, streams)

    def _add(
        self,
        base: int,
        received_ms: int,
        frame: LogFrame,
        live: Sequence[int],
        documents: Sequence[bytes],
        streams: Sequence[bytes],
    ) -> None:
        """Documents by template, so that nearly everything is done a column at a time. The store orders them."""
        groups = self._shapes.split(documents, _picked(frame.times_ms, live))
        places = _joined([group.places for group in groups])
        sizes = _picked(list(map(len, documents)), places)
        places = _picked(live, places)
        rows = len(places)
        times = _picked(frame.times_ms, places)
        self._times.extend(_clipped(times))
        self._sequence.extend([base + place for place in places])
        self._received.extend(array("q", [received_ms]) * rows)
        self._versions.extend(array("I", [1]) * rows if frame.versions is None else _picked(frame.versions, places))
        self._flags += bytes(rows) if frame.flags is None else bytes(_picked(frame.flags, places))
        self._ids.append(_ids(frame, places))
        which = None if frame.index_of is None else _picked(frame.index_of, places)
        if which is None:
            self._streams.add_same(streams[0], rows)
        else:
            self._streams.add_meant(which, streams.__getitem__)
        first, last = _day(min(times)), _day(max(times))
        days = [first] if first == last else list(map(_day, times))
        start = 0
        for group in groups:
            stop = start + len(group.places)
            self._add_group(group)
            of_group = [0] if which is None else which[start:stop]
            if of_group.count(of_group[0]) == len(of_group) and len(days) == 1:
                self._count((streams[of_group[0]], first), group.template, stop - start, sum(sizes[start:stop]))
            else:
                for row in range(start, stop):
                    key = streams[0 if which is None else which[row]], days[row if len(days) > 1 else 0]
                    self._count(key, group.template, 1, sizes[row])
            start = stop

    def _add_group(self, group: Alike) -> None:
        rows = len(group.places)
        if len(group.names) * rows != len(group.values):  # one column would be read as another
            raise ValueError("names and values of documents do not agree")
        self._templates.add_same(group.template, rows)
        self._messages.append(b"".join(strings(group.messages)))
        self._keys.append((group.names, rows))
        self._values.append(b"".join(strings(group.values)))
        self._hot.add(self._hot_columns, group.names, group.values, rows)
        self._names_of[group.template] = group.names

    def _count(self, key: tuple[bytes, int], template: bytes, documents: int, size_bytes: int) -> None:
        self._seen[*key, template] += documents
        self._documents[key] += documents
        self._bytes[key] += size_bytes

    def _by_stream(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for (stream, day), count in self._documents.items():
            before = found.get(stream.decode(), (0, 0))
            found[stream.decode()] = before[0] + count, before[1] + self._bytes[stream, day]
        return found

    def _size_rows(self) -> bytes:
        """Documents and their bytes by stream and day."""
        counts = self._documents
        if not counts:
            return b""
        return block(
            [
                Column("stream", "LowCardinality(String)", low_cardinality([stream for stream, _ in counts])),
                Column("day", "Date", numbers("Date", array("H", [day for _, day in counts]))),
                Column("documents", "UInt64", numbers("UInt64", array("Q", counts.values()))),
                Column("bytes", "UInt64", numbers("UInt64", array("Q", [self._bytes[key] for key in counts]))),
            ],
            len(counts),
        )

    def rows(self) -> Rows:
        return Rows(
            self._events(),
            _shape_rows(self._seen, self._names_of),
            self._size_rows(),
            block([Column("seq", "UInt64", numbers("UInt64", self._dead))], len(self._dead)) if self._dead else b"",
            len(self._times),
            self._by_stream(),
        )

    def _events(self) -> bytes:
        if not self._times:
            return b""
        columns = [
            Column("ts", "DateTime64(3, 'UTC')", numbers("DateTime64", self._times)),
            Column("seq", "UInt64", numbers("UInt64", self._sequence)),
            Column("received", "DateTime64(3, 'UTC')", numbers("DateTime64", self._received)),
            Column("stream", "LowCardinality(String)", self._streams.data()),
            Column("id", "String", [*self._ids]),
            Column("version", "UInt32", numbers("UInt32", self._versions)),
            Column("flags", "UInt8", [self._flags]),
            Column("message", "String", [*self._messages]),
            Column("template", "LowCardinality(String)", self._templates.data()),
            Column(
                "attrs",
                "Map(LowCardinality(String), String)",
                maps_of_few_keys(self._keys, [*self._values]),
            ),
        ]
        columns += [
            Column(name, "LowCardinality(String)", column.data())
            for name, column in zip(COLUMNS, self._hot_columns, strict=True)
        ]
        return block(columns, len(self._times))


def _day(time_ms: int) -> int:
    """Days since 1970 as a `Date` can hold them."""
    return min(max(0, time_ms // 86_400_000), 65535)


T = TypeVar("T")


def _picked(values: Sequence[T], places: Sequence[int]) -> Sequence[T]:
    if isinstance(places, range):
        return values[places.start : places.stop]
    return list(map(values.__getitem__, places))


def _joined(parts: Sequence[Sequence[int]]) -> Sequence[int]:
    """All places; as a range where none is out of order."""
    return range(len(parts[0])) if len(parts) == 1 else list(chain.from_iterable(parts))


def _ids(frame: LogFrame, places: Sequence[int]) -> bytes:
    if frame.ids is None:
        return bytes(len(places))
    return b"".join(strings([frame.ids[place].encode() for place in places]))


def _clipped(times: Sequence[int]) -> Sequence[int]:
    if min(times) >= MIN_TIME_MS and max(times) <= MAX_TIME_MS:
        return times
    return [min(max(time, MIN_TIME_MS), MAX_TIME_MS) for time in times]


def _shape_rows(seen: Mapping[tuple[bytes, int, bytes], int], names_of: Mapping[bytes, tuple[bytes, ...]]) -> bytes:
    """How often each template came, by index and day: what fields there are, and of which kinds."""
    rows = len(seen)
    if not rows:
        return b""
    fields = [_fields(template, names_of[template]) for _, _, template in seen]
    flat = list(chain.from_iterable(fields))
    names = [field.partition(b"\0")[0] for field in flat]
    kinds = [field.partition(b"\0")[2] for field in flat]
    counts = numbers("UInt64", array("Q", accumulate(map(len, fields))))
    return block(
        [
            Column("stream", "LowCardinality(String)", low_cardinality([stream for stream, _, _ in seen])),
            Column("day", "Date", numbers("Date", array("H", [day for _, day, _ in seen]))),
            Column("template", "String", strings([template for _, _, template in seen])),
            Column("fields", "Array(String)", counts + strings(names)),
            Column("kinds", "Array(String)", counts + strings(kinds)),
            Column("documents", "UInt64", numbers("UInt64", array("Q", seen.values()))),
        ],
        rows,
    )


_KIND_OF: Final = {NUMBER: b"number", FLAG: b"boolean", LIST: b"list", WHOLE: b""}


def _fields(template: bytes, names: tuple[bytes, ...]) -> list[bytes]:
    """`name NUL kind` of each field; kinds are `text`, `number`, `boolean`, `list`, and `inner` for what is inside
    arrays of objects."""
    found = {name.encode(): _KIND_OF.get(mark, b"text") for mark, name in slots(template.decode()) if name}
    for name in names:
        if name:
            found.setdefault(name, b"inner")
    return [name + b"\0" + kind for name, kind in found.items()]
