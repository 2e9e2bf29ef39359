"""Native blocks of ClickHouse, written a column at a time: no object per row.

A block is `<columns><rows>` and for each column `<name><type><data>` (ClickHouse manual, "Native" format; sizes are
unsigned LEB128, numbers little-endian). Each function returns the data of one column as parts, so that `block` copies
every byte once. Measured with CPython 3.11 on a shared 2-core machine, the copy included: texts of 455 bytes 0.14 µs a
value, numbers 10-25 ns, LowCardinality 60 ns.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from typing import TypeVar

import msgspec

T = TypeVar("T")

_CODES = {
    "Int8": "b", "UInt8": "B", "Bool": "B", "Int16": "h", "UInt16": "H", "Date": "H", "Int32": "i", "UInt32": "I",
    "DateTime": "I", "Int64": "q", "UInt64": "Q", "DateTime64": "q", "Float32": "f", "Float64": "d",
}  # fmt: skip

Buffer = bytes | bytearray | memoryview
Parts = list[Buffer]


class Column(msgspec.Struct, frozen=True):
    """One column of a block. `type` as ClickHouse writes it; `data` is what the functions below made."""

    name: str
    type: str
    data: Parts


def varint(number: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_SIZES = [varint(number) for number in range(16384)]


def block(columns: Sequence[Column], rows: int) -> bytes:
    """One block. The caller vouches that every column holds `rows` values."""
    parts: Parts = [varint(len(columns)), varint(rows)]
    for column in columns:
        parts += strings([column.name.encode(), column.type.encode()])
        if rows:
            parts += column.data
    return b"".join(parts)


def numbers(type_name: str, values: Sequence[float] | array[int]) -> Parts:
    """Numbers and times of a fixed width. `DateTime64` counts ticks of its precision, `DateTime` seconds, `Date` days.
    An `array` of the type's own code is taken as it is. Raises `struct.error` for a value that does not fit."""
    code = _CODES[type_name.partition("(")[0]]
    if isinstance(values, array) and values.typecode == code and sys.byteorder == "little":
        return [values.tobytes()]
    return [struct.pack(f"<{len(values)}{code}", *values)]


def strings(values: Sequence[Buffer]) -> Parts:
    """String: each value behind its size in bytes."""
    parts: Parts = [b""] * (2 * len(values))
    try:
        parts[::2] = map(_SIZES.__getitem__, map(len, values))
    except IndexError:
        parts[::2] = map(varint, map(len, values))
    parts[1::2] = values
    return parts


def slices(buffer: bytes | memoryview, offsets: Sequence[int]) -> Parts:
    """String, value i being `buffer[offsets[i]:offsets[i + 1]]`; one more offset than values. Three to four times
    the cost of `strings`."""
    return strings([buffer[start:end] for start, end in pairwise(offsets)])


def fixed_strings(width: int, values: Sequence[bytes]) -> Parts:
    """FixedString(width): shorter values are filled with NUL. Raises ValueError for a longer one."""
    if values and max(map(len, values)) > width:
        raise ValueError(f"a value is longer than FixedString({width})")
    return [value.ljust(width, b"\0") for value in values]


def nullable(nulls: Sequence[bool], data: Parts) -> Parts:
    """Nullable(T): which rows are NULL, then `data` of T with any value in the place of a NULL."""
    return [bytes(nulls), *data]


def arrays(sizes: Iterable[int], data: Parts) -> Parts:
    """Array(T): how many elements each row has; `data` of T holds all elements in order. Map(K, V) is the same with
    the keys' and the values' data after each other."""
    return numbers("UInt64", array("Q", accumulate(sizes))) + data


_VERSION: Parts = [(1).to_bytes(8, "little")]
_KEYS_INLINE = 1 << 9
_NEW_DICTIONARY = 1 << 10


def low_cardinality(values: Sequence[bytes]) -> Parts:
    """LowCardinality(String): the distinct values, then an index for each row."""
    return _VERSION + _dictionary(values)


def maps_low_cardinality(sizes: Iterable[int], keys: Sequence[bytes], values: Sequence[bytes]) -> Parts:
    """Map(LowCardinality(String), String): the keys' version, the sizes, all keys, all values."""
    return _VERSION + arrays(sizes, _dictionary(keys) + strings(values))


def maps_of_few_keys(runs: Sequence[tuple[tuple[bytes, ...], int]], values: Parts) -> Parts:
    """Map(LowCardinality(String), String) where rows share their keys: each run is the keys of so many rows one after
    the other, `values` what `strings` made of all values in order. The work is per run: 15 keys a row cost what one
    does."""
    distinct = dict.fromkeys(keys for keys, _ in runs)
    places = {key: place for place, key in enumerate(dict.fromkeys(chain.from_iterable(distinct)))}
    ends = array("Q")
    end = 0
    for keys, rows in runs:
        size = len(keys)
        ends.extend(range(end + size, end + size * rows + 1, size) if size else array("Q", [end]) * rows)
        end += size * rows
    if not places:
        return _VERSION + numbers("UInt64", ends)
    width = _width(places)
    head = struct.pack("<QQ", _KEYS_INLINE | _NEW_DICTIONARY | width, len(places))
    indexes = [struct.pack(f"<{len(keys)}{'BHI'[width]}", *map(places.__getitem__, keys)) * rows for keys, rows in runs]
    keys_data = [head, *strings(list(places)), struct.pack("<Q", end), *indexes]
    return [*_VERSION, *numbers("UInt64", ends), *keys_data, *values]


class Dictionary:
    """LowCardinality(String) in several steps, for rows that come in pieces."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        self._indexes: list[int] = []

    def add(self, values: Sequence[bytes]) -> None:
        """The next rows."""
        for value in dict.fromkeys(values):
            self._places.setdefault(value, len(self._places))
        self._indexes += map(self._places.__getitem__, values)

    def add_same(self, value: bytes, count: int) -> None:
        """The next `count` rows, all alike."""
        self._indexes += [self._places.setdefault(value, len(self._places))] * count

    def add_meant(self, values: Sequence[T], meant: Callable[[T], bytes]) -> None:
        """The next rows, each what is meant by its value; that is asked once for each of the distinct ones."""
        places = self._places
        found = {value: places.setdefault(meant(value), len(places)) for value in dict.fromkeys(values)}
        self._indexes += map(found.__getitem__, values)

    def data(self) -> Parts:
        """The column of all rows so far."""
        return _VERSION + (_written(self._places, self._indexes) if self._indexes else [])


def _dictionary(values: Sequence[bytes]) -> Parts:
    if not values:
        return []
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return _written(places, list(map(places.__getitem__, values)))


def _written(places: dict[bytes, int], indexes: list[int]) -> Parts:
    width = _width(places)
    head = struct.pack("<QQ", _KEYS_INLINE | _NEW_DICTIONARY | width, len(places))
    rows = struct.pack("<Q", len(indexes))
    packed = bytes(indexes) if not width else array("BHI"[width], indexes).tobytes()
    if width and sys.byteorder != "little":
        packed = struct.pack(f"<{len(indexes)}{'BHI'[width]}", *indexes)
    return [head, *strings(list(places)), rows, packed]


def _width(places: Mapping[bytes, int]) -> int:
    """How wide indexes into a dictionary are: 0, 1 and 2 are 8, 16 and 32 bits."""
    return 0 if len(places) <= 0x100 else 1 if len(places) <= 0x10000 else 2
