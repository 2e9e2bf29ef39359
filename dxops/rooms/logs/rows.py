"""Frames of the spool as rows of `log_events` and `log_shapes`, in ClickHouse's Native format.

Works on columns: a frame of thousands of documents makes no object per document beyond its parts.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Final

import msgspec

from dxops.rooms.logs.hot import COLUMNS, Hot, short
from dxops.wire.clickhouse_native import Column, block, low_cardinality, maps_of_few_keys, numbers, strings
from dxops.wire.logs.document import FLAG, LIST, NUMBER, WHOLE, slots
from dxops.wire.logs.frame import LogFrame
from dxops.wire.logs.shapes import Shapes, Split

MIN_TIME_MS: Final = -2_208_988_800_000  # 1900-01-01, where DateTime64 begins
MAX_TIME_MS: Final = 10_413_791_999_999  # 2299-12-31, where it ends


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

    def rows(self, frames: Sequence[tuple[int, int, LogFrame]]) -> Rows:
        """Frames as (sequence number of the first operation, received at in ms, frame)."""
        documents: list[bytes] = []
        times: list[int] = []
        sequence: list[int] = []
        received: list[int] = []
        indices: list[bytes] = []
        ids: list[bytes] = []
        versions: list[int] = []
        flags = bytearray()
        dead: list[int] = []
        for base, received_ms, frame in frames:
            live = [index for index, document in enumerate(frame.documents) if document]
            if frame.replaced is not None:
                dead += [number for number in frame.replaced if number >= 0]
            every = len(live) == len(frame.documents)
            documents += frame.documents if every else [frame.documents[index] for index in live]
            times += frame.times_ms if every else [frame.times_ms[index] for index in live]
            sequence += range(base, base + len(live)) if every else [base + index for index in live]
            received += repeat(received_ms, len(live))
            names = [name.encode() for name in frame.indices]
            indices += (
                repeat(names[0], len(live)) if frame.index_of is None else [names[frame.index_of[i]] for i in live]
            )
            ids += repeat(b"", len(live)) if frame.ids is None else [frame.ids[index].encode() for index in live]
            versions += repeat(1, len(live)) if frame.versions is None else [frame.versions[index] for index in live]
            flags += bytes(len(live)) if frame.flags is None else bytes(frame.flags[index] for index in live)
        split = self._shapes.split(documents, times)
        return Rows(
            self._events(split, times, sequence, received, indices, ids, versions, flags),
            _shape_rows(split, times, indices),
            _size_rows(times, indices, documents),
            block([Column("seq", "UInt64", numbers("UInt64", array("Q", dead)))], len(dead)) if dead else b"",
            len(documents),
            _by_stream(indices, documents),
        )

    def _events(
        self,
        split: Split,
        times: list[int],
        sequence: list[int],
        received: list[int],
        indices: list[bytes],
        ids: list[bytes],
        versions: list[int],
        flags: bytearray,
    ) -> bytes:
        rows = len(times)
        if not rows:
            return b""
        clipped = [min(max(time, MIN_TIME_MS), MAX_TIME_MS) for time in times]
        columns = [
            Column("ts", "DateTime64(3, 'UTC')", numbers("DateTime64", array("q", clipped))),
            Column("seq", "UInt64", numbers("UInt64", array("Q", sequence))),
            Column("received", "DateTime64(3, 'UTC')", numbers("DateTime64", array("q", received))),
            Column("stream", "LowCardinality(String)", low_cardinality(indices)),
            Column("id", "String", strings(ids)),
            Column("version", "UInt32", numbers("UInt32", array("I", versions))),
            Column("flags", "UInt8", [bytes(flags)]),
            Column("message", "String", strings(split.messages)),
            Column("template", "LowCardinality(String)", low_cardinality(split.templates)),
            Column("attrs", "Map(LowCardinality(String), String)", maps_of_few_keys(split.names, split.values)),
        ]
        columns += [
            Column(name, "LowCardinality(String)", low_cardinality(values))
            for name, values in zip(COLUMNS, self._hot_columns(split), strict=True)
        ]
        return block(columns, rows)

    def _hot_columns(self, split: Split) -> list[list[bytes]]:
        columns: list[list[bytes]] = [[] for _ in COLUMNS]
        start = 0
        values = split.values
        for names in split.names:
            for which, places in enumerate(self._hot.places(names)):
                found = b""
                for place in places:
                    found = short(values[start + place])
                    if found:
                        break
                columns[which].append(self._hot.level(found) if which == 0 and found else found)
            start += len(names)
        return columns


def _by_stream(indices: list[bytes], documents: list[bytes]) -> dict[str, tuple[int, int]]:
    counts = Counter(indices)
    if len(counts) == 1:
        return {indices[0].decode(): (len(documents), sum(map(len, documents)))}
    sizes: Counter[bytes] = Counter()
    for index, document in zip(indices, documents, strict=True):
        sizes[index] += len(document)
    return {index.decode(): (count, sizes[index]) for index, count in counts.items()}


def _shape_rows(split: Split, times: list[int], indices: list[bytes]) -> bytes:
    """How often each template came, by index and day: what fields there are, and of which kinds."""
    counted = Counter(zip(indices, _days(times), split.templates, strict=True))
    extra = {template: names for template, names in zip(split.templates, split.names, strict=True)}
    fields: list[list[bytes]] = []
    for _, _, template in counted:
        fields.append(_fields(template, extra[template]))
    rows = len(counted)
    if not rows:
        return b""
    sizes = list(map(len, fields))
    flat = list(chain.from_iterable(fields))
    names = [field.partition(b"\0")[0] for field in flat]
    kinds = [field.partition(b"\0")[2] for field in flat]
    counts = numbers("UInt64", array("Q", _running(sizes)))
    return block(
        [
            Column("stream", "LowCardinality(String)", low_cardinality([index for index, _, _ in counted])),
            Column("day", "Date", numbers("Date", array("H", [day for _, day, _ in counted]))),
            Column("template", "String", strings([template for _, _, template in counted])),
            Column("fields", "Array(String)", counts + strings(names)),
            Column("kinds", "Array(String)", counts + strings(kinds)),
            Column("documents", "UInt64", numbers("UInt64", array("Q", counted.values()))),
        ],
        rows,
    )


def _size_rows(times: list[int], indices: list[bytes], documents: list[bytes]) -> bytes:
    """Documents and their bytes by index and day."""
    if not documents:
        return b""
    keys = list(zip(indices, _days(times), strict=True))
    counts = Counter(keys)
    if len(counts) == 1:
        sizes = {keys[0]: sum(map(len, documents))}
    else:
        sizes = dict.fromkeys(counts, 0)
        for key, document in zip(keys, documents, strict=True):
            sizes[key] += len(document)
    return block(
        [
            Column("stream", "LowCardinality(String)", low_cardinality([index for index, _ in counts])),
            Column("day", "Date", numbers("Date", array("H", [day for _, day in counts]))),
            Column("documents", "UInt64", numbers("UInt64", array("Q", counts.values()))),
            Column("bytes", "UInt64", numbers("UInt64", array("Q", [sizes[key] for key in counts]))),
        ],
        len(counts),
    )


def _days(times: list[int]) -> list[int]:
    """Days since 1970 as a `Date` can hold them."""
    return [min(max(0, time // 86_400_000), 65535) for time in times]


def _running(sizes: list[int]) -> list[int]:
    total, out = 0, []
    for size in sizes:
        total += size
        out.append(total)
    return out


_KIND_OF: Final = {NUMBER: b"number", FLAG: b"boolean", LIST: b"list", WHOLE: b""}


def _fields(template: bytes, names: tuple[bytes, ...]) -> list[bytes]:
    """`name NUL kind` of each field; kinds are `text`, `number`, `boolean`, `list`, and `inner` for what is inside
    arrays of objects."""
    found = {name.encode(): _KIND_OF.get(mark, b"text") for mark, name in slots(template.decode()) if name}
    for name in names:
        if name:
            found.setdefault(name, b"inner")
    return [name + b"\0" + kind for name, kind in found.items()]
