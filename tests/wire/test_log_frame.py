"""Frames of log operations: round trips, and payloads that are none."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.logs.frame import LogFrame, decode_frame, encode_frame, part_of, settled


def payload(frame: LogFrame) -> bytes:
    return b"".join(encode_frame(frame))


def test_the_usual_columns_are_left_out() -> None:
    frame = LogFrame(indices=("logs",), times_ms=array("q", [1, 2]), documents=[b"{}", b'{"a":1}'])
    assert decode_frame(payload(frame)) == frame
    assert len(payload(frame)) < 60


@given(st.lists(st.tuples(st.binary(max_size=20), st.integers(-(2**63), 2**63 - 1), st.text(max_size=8)), max_size=8))
def test_every_column_comes_back(rows: list[tuple[bytes, int, str]]) -> None:
    frame = LogFrame(
        indices=("a", "b"),
        times_ms=array("q", [time for _, time, _ in rows]),
        documents=[document for document, _, _ in rows],
        index_of=array("H", [index % 2 for index in range(len(rows))]),
        ids=[name for _, _, name in rows],
        flags=bytes(len(rows)),
        versions=array("I", range(len(rows))),
        replaced=array("q", [-1] * len(rows)),
    )
    assert decode_frame(payload(frame)) == frame


@pytest.mark.parametrize(
    "change", [lambda p: p[:-1], lambda p: p + b"x", lambda p: p[:7], lambda p: b"\xff" * 40, lambda p: b""]
)
def test_damaged_payloads_are_refused(change: object) -> None:
    whole = payload(LogFrame(indices=("a",), times_ms=array("q", [5]), documents=[b'{"a":1}']))
    with pytest.raises(ValueError):
        decode_frame(change(whole))  # type: ignore[operator]


def test_columns_must_agree() -> None:
    frame = LogFrame(indices=("a",), times_ms=array("q", [5]), documents=[b"{}"], index_of=array("H", [1]))
    with pytest.raises(ValueError, match="not in the frame"):
        decode_frame(payload(frame))
    with pytest.raises(ValueError, match="lengths"):
        decode_frame(payload(LogFrame(indices=("a",), times_ms=array("q", [5, 6]), documents=[b"{}"])))


def test_what_a_frame_replaces_in_itself_gets_its_number_when_it_is_stored() -> None:
    frame = LogFrame(
        indices=("a",),
        times_ms=array("q", [1, 2, 3]),
        documents=[b"1", b"2", b""],
        ids=["x", "x", "y"],
        replaced=array("q", [-1, -2, 7]),
    )
    stored = settled(frame, 100)
    assert stored.replaced == array("q", [-1, 100, 7])
    assert part_of(stored, 1, 2).replaced == array("q", [100])
    assert part_of(stored, 1, 2).documents == [b"2"]
