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
from dxops.wire.logs.shapes import Shapes, Split

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
        self._keys: list[tuple[bytes, ...]] = []
        self._values: list[bytes] = []
        self._value_count = 0
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
        for start in range(0, len(frame.documents), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(frame.documents))
            documents = frame.documents[start:stop]
            live: Sequence[int] = range(start, stop)
            if b"" in documents:
                live = [index for index in live if frame.documents[index]]
            if live:
                self._add(base, received_ms, frame, live)

    def _add(self, base: int, received_ms: int, frame: LogFrame, live: Sequence[int]) -> None:
        rows = len(live)
        documents, times = _picked(frame.documents, live), _picked(frame.times_ms, live)
        split = self._shapes.split(documents, times)
        if sum(map(len, split.names)) != len(split.values):  # one column would be read as another
            raise ValueError("names and values of documents do not agree")
        self._times.extend(_clipped(times))
        self._sequence.extend(range(base + live[0], base + live[0] + rows) if isinstance(live, range) else
                              [base + index for index in live])  # fmt: skip
        self._received.extend([received_ms] * rows)
        self._versions.extend([1] * rows if frame.versions is None else _picked(frame.versions, live))
        self._flags += bytes(rows) if frame.flags is None else bytes(_picked(frame.flags, live))
        self._ids.append(bytes(rows) if frame.ids is None else b"".join(strings([frame.ids[i].encode() for i in live])))
        names = [name.encode() for name in frame.indices]
        streams = names[:1] * rows if frame.index_of is None else [names[frame.index_of[index]] for index in live]
        self._streams.add(streams)
        self._templates.add(split.templates)
        self._messages.append(b"".join(strings(split.messages)))
        self._keys += split.names
        self._values.append(b"".join(strings(split.values)))
        self._value_count += len(split.values)
        for column, values in zip(self._hot_columns, self._hot.values(split.names, split.values), strict=True):
            column.add(values)
        self._count(split, times, streams, documents)

    def _count(self, split: Split, times: Sequence[int], streams: Sequence[bytes], documents: Sequence[bytes]) -> None:
        first, last = _day(min(times)), _day(max(times))
        days = [first] * len(times) if first == last else list(map(_day, times))
        self._seen.update(zip(streams, days, split.templates, strict=True))
        self._names_of.update(zip(split.templates, split.names, strict=True))
        keys = list(zip(streams, days, strict=True))
        counts = Counter(keys)
        self._documents.update(counts)
        if len(counts) == 1:
            self._bytes[keys[0]] += sum(map(len, documents))
        else:
            for key, document in zip(keys, documents, strict=True):
                self._bytes[key] += len(document)

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
                maps_of_few_keys(self._keys, self._value_count, [*self._values]),
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


def _picked(values: Sequence[T], live: Sequence[int]) -> Sequence[T]:
    if isinstance(live, range):
        return values[live.start : live.stop]
    return [values[index] for index in live]


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
