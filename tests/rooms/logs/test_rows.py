"""Rows of a batch as the store reads them: in any order, each with its own number, time, stream and text."""

from __future__ import annotations

import struct
from array import array
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dxops.rooms.logs.rows import RowMaker
from dxops.wire.logs.frame import LogFrame

NOON = 1_767_268_800_000
DAY_MS = 86_400_000


class Reader:
    """The columns of one Native block of the types that `log_events` has."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def block(self) -> dict[str, list[Any]]:
        columns, rows = self._varint(), self._varint()
        found = {}
        for _ in range(columns):
            name, kind = self._text().decode(), self._text().decode()
            found[name] = self._column(kind, rows)
        assert self._at == len(self._data)
        return found

    def _column(self, kind: str, rows: int) -> list[Any]:
        if kind == "String":
            return [self._text() for _ in range(rows)]
        if kind == "LowCardinality(String)":
            return self._words(rows) if self._numbers("Q", 1) and rows else []
        if kind.startswith("Map("):
            self._numbers("Q", 1)
            ends = self._numbers("Q", rows)
            keys = self._words(ends[-1]) if ends[-1] else []
            pairs = list(zip(keys, [self._text() for _ in keys], strict=True))
            return [dict(pairs[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
        code = {"UInt8": "B", "UInt32": "I", "UInt64": "Q"}.get(kind, "q")
        return self._numbers(code, rows)

    def _words(self, rows: int) -> list[bytes]:
        (how,) = self._numbers("Q", 1)
        words = [self._text() for _ in range(self._numbers("Q", 1)[0])]
        assert self._numbers("Q", 1) == [rows]
        return [words[index] for index in self._numbers("BHI"[how & 3], rows)]

    def _numbers(self, code: str, count: int) -> list[int]:
        size = struct.calcsize(f"<{count}{code}")
        self._at += size
        return list(struct.unpack(f"<{count}{code}", self._data[self._at - size : self._at]))

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def _text(self) -> bytes:
        size = self._varint()
        self._at += size
        return self._data[self._at - size : self._at]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["plain", "quoted", "other", "array", "delete"]), st.integers(0, 2), st.integers(0, 1),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)  # fmt: skip


def document(kind: str, number: int) -> bytes:
    return {
        "plain": b'{"message":"m%d","level":"WARN","host":{"name":"h%d"}}' % (number, number),
        "quoted": b'{"message":"a \\"%d\\"","n":%d}' % (number, number),
        "other": b'{"log":"l%d","severity":"[","lvl":"Err","host":{"name":"h"}}' % number,
        "array": b'{"message":"m%d","things":[{"id":%d}]}' % (number, number),
        "delete": b"",
    }[kind]


@given(st.lists(OPERATIONS, min_size=1, max_size=3), st.booleans())
def test_each_row_has_what_belongs_together(frames: list[list[tuple[str, int, int, bool]]], with_ids: bool) -> None:
    streams = ("one", "two", "three")
    batch: list[tuple[int, int, LogFrame]] = []
    expected: dict[int, tuple[Any, ...]] = {}
    totals: dict[str, tuple[int, int]] = {}
    base = 100
    for received, operations in enumerate(frames):
        documents = [document(kind, base + place) for place, (kind, *_) in enumerate(operations)]
        frame = LogFrame(
            indices=streams,
            times_ms=array("q", [NOON + day * DAY_MS + place for place, (_, _, day, _) in enumerate(operations)]),
            documents=documents,
            index_of=array("H", [which for _, which, _, _ in operations]),
            flags=bytes(flag for *_, flag in operations),
            ids=[f"id{base + place}" for place in range(len(operations))] if with_ids else None,
            versions=array("I", [base + place for place in range(len(operations))]),
        )
        batch.append((base, received, frame))
        for place, (kind, which, day, flag) in enumerate(operations):
            if kind == "delete":
                continue
            number, stream = base + place, streams[which]
            before = totals.get(stream, (0, 0))
            totals[stream] = before[0] + 1, before[1] + len(documents[place])
            message = {"plain": b"m%d", "quoted": b'a "%d"', "other": b"l%d", "array": b"m%d"}[kind] % number
            level = {"plain": b"warn", "other": b"error"}.get(kind, b"")
            host = {"plain": b"h%d" % number, "other": b"h"}.get(kind, b"")
            expected[number] = (
                NOON + day * DAY_MS + place, received, stream.encode(), f"id{number}".encode() if with_ids else b"",
                number, int(flag), message, level, host,
            )  # fmt: skip
        base += len(operations)
    maker = RowMaker()
    for _ in range(3):  # documents are walked at first, then taken apart by expressions
        rows = maker.rows(batch)
        found = Reader(rows.events).block() if rows.events else {"seq": []}
        names = ("ts", "received", "stream", "id", "version", "flags", "message", "level", "host")
        assert {seq: tuple(found[name][row] for name in names) for row, seq in enumerate(found["seq"])} == expected
        assert rows.documents == len(found["seq"]) == len(expected)
        assert rows.by_stream == totals
        for row, seq in enumerate(found["seq"]):
            if b'"n":' in found["template"][row]:
                assert found["attrs"][row] == {b"n": b"%d" % seq}
