"""Blocks by column. That ClickHouse reads them is tested in tests/engines; here, their bytes."""

from __future__ import annotations

import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.clickhouse_native import (
    Column,
    Dictionary,
    arrays,
    block,
    fixed_strings,
    low_cardinality,
    maps_low_cardinality,
    maps_of_few_keys,
    nullable,
    numbers,
    slices,
    strings,
    varint,
)


def test_a_block() -> None:
    made = block([Column("id", "UInt8", numbers("UInt8", [1, 2])), Column("s", "String", strings([b"a", b""]))], 2)
    assert made == b"\x02\x02" + b"\x02id\x05UInt8\x01\x02" + b"\x01s\x06String\x01a\x00"
    assert block([Column("id", "UInt8", [])], 0) == b"\x01\x00\x02id\x05UInt8"


@given(st.lists(st.binary(max_size=300)))
def test_strings_can_be_read_back(values: list[bytes]) -> None:
    data = b"".join(strings(values))
    found = []
    at = 0
    while at < len(data):
        size = shift = 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found.append(data[at : at + size])
        at += size
    assert found == values


@given(st.lists(st.binary(max_size=20)))
def test_slices_of_a_buffer_are_the_same(values: list[bytes]) -> None:
    offsets = [0]
    for value in values:
        offsets.append(offsets[-1] + len(value))
    assert b"".join(slices(b"".join(values), offsets)) == b"".join(strings(values))


def test_a_large_value_has_a_large_size() -> None:
    assert b"".join(strings([b"x" * 20000])) == varint(20000) + b"x" * 20000


def test_numbers() -> None:
    assert numbers("DateTime64(3, 'UTC')", [1]) == [struct.pack("<q", 1)]
    assert numbers("UInt64", array("Q", [2**64 - 1])) == [b"\xff" * 8]
    assert numbers("Float64", [0.5]) == [struct.pack("<d", 0.5)]
    with pytest.raises(struct.error):
        numbers("UInt8", [256])


def test_composites() -> None:
    assert b"".join(nullable([True, False], strings([b"", b"a"]))) == b"\x01\x00\x00\x01a"
    assert b"".join(arrays([2, 0, 1], numbers("UInt8", [1, 2, 3]))) == struct.pack("<3Q", 2, 2, 3) + b"\x01\x02\x03"
    assert b"".join(fixed_strings(3, [b"a"])) == b"a\0\0"
    with pytest.raises(ValueError, match="longer"):
        fixed_strings(1, [b"ab"])


def test_low_cardinality_names_each_value_once() -> None:
    assert b"".join(low_cardinality([b"a", b"b", b"a"])) == (
        struct.pack("<QQQ", 1, 0x600, 2) + b"\x01a\x01b" + struct.pack("<Q", 3) + b"\x00\x01\x00"
    )
    many = [str(number).encode() for number in range(300)]
    assert struct.unpack("<Q", b"".join(low_cardinality(many))[8:16]) == (0x601,)
    assert b"".join(maps_low_cardinality([0], [], [])) == struct.pack("<QQ", 1, 0)


RUNS = st.lists(
    st.tuples(
        st.lists(st.sampled_from([b"a", b"b", b"c.d", b""]), max_size=4, unique=True).map(tuple), st.integers(1, 5)
    ),
    min_size=1,
    max_size=8,
)


@given(RUNS)
def test_rows_that_share_their_keys_are_written_as_if_each_had_its_own(
    runs: list[tuple[tuple[bytes, ...], int]],
) -> None:
    each = [keys for keys, rows in runs for _ in range(rows)]
    flat = [key for keys in each for key in keys]
    values = [b"v%d" % number for number in range(len(flat))]
    expected = maps_low_cardinality([len(keys) for keys in each], flat, values)
    if not flat:
        expected = expected[:2]  # without any key there is no dictionary
    assert b"".join(maps_of_few_keys(runs, strings(values))) == b"".join(expected)


@given(st.lists(st.lists(st.sampled_from([b"x", b"y", b"Z", b"z"]), max_size=9)))
def test_a_dictionary_in_steps_is_that_of_all_rows(steps: list[list[bytes]]) -> None:
    made = Dictionary()
    rows: list[bytes] = []
    for number, step in enumerate(steps):
        if number % 3 == 0:
            made.add(step)
        elif number % 3 == 1:
            made.add_meant(step, bytes.lower)
        elif step:
            made.add_same(step[0], len(step))
        rows += (
            ([value.lower() for value in step] if number % 3 == 1 else step) if number % 3 < 2 else step[:1] * len(step)
        )
    assert b"".join(made.data()) == b"".join(low_cardinality(rows))
