"""dag-cbor: deterministic CBOR with CID links (ipld.io, codec 0x71), and `links_of` any block we can walk.

Own code, because the library at hand returns links as plain bytes, which cannot be told from bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping

from dxops.base.errors import Refused
from dxops.wire import dagpb
from dxops.wire.cid import CBOR, DAG_CBOR, DAG_PB, JSON, RAW, Cid

MAX_DEPTH = 256
_NO_KEY = (-1, b"")
_USUAL_LINK = bytes.fromhex("d82a582500")  # tag 42, 37 bytes, of which the first is the multibase prefix
_HEADS = {24: 1, 25: 2, 26: 4, 27: 8}


def encode(value: object) -> bytes:
    """None, bool, int (64 bit), finite float, str, bytes, `Cid` (a link), lists and maps with text keys.

    Maps are sorted by key length, then bytes; numbers are as short as CBOR allows, floats always 64 bit.
    Raises `Refused` (`bad_dag_cbor`) for anything else.
    """
    out: list[bytes] = []
    _encode(value, out, 0)
    return b"".join(out)


def _encode(value: object, out: list[bytes], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _bad(f"nested deeper than {MAX_DEPTH}")
    if value is None:
        out.append(b"\xf6")
    elif isinstance(value, bool):
        out.append(b"\xf5" if value else b"\xf4")
    elif isinstance(value, int):
        if not -(1 << 64) <= value < 1 << 64:
            raise _bad(f"{value} is over 64 bits")
        out.append(_head(0, value) if value >= 0 else _head(1, -1 - value))
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _bad(f"{value} is not a finite number")
        out.append(b"\xfb" + struct.pack(">d", value + 0.0))  # strict readers refuse -0.0
    elif isinstance(value, str):
        text = _text(value)
        out += (_head(3, len(text)), text)
    elif isinstance(value, bytes | bytearray | memoryview):
        out += (_head(2, len(value)), bytes(value))
    elif isinstance(value, Cid):
        binary = b"\x00" + bytes(value)
        out += (b"\xd8\x2a", _head(2, len(binary)), binary)
    elif isinstance(value, list | tuple):
        out.append(_head(4, len(value)))
        for item in value:
            _encode(item, out, depth + 1)
    elif isinstance(value, Mapping):
        out.append(_head(5, len(value)))
        for key, item in sorted(((_text(key), item) for key, item in value.items()), key=_map_order):
            out += (_head(3, len(key)), key)
            _encode(item, out, depth + 1)
    else:
        raise _bad(f"a {type(value).__name__} has no form")


def decode(block: bytes) -> object:
    """What `encode` takes. Strict: shortest heads, sorted unique keys, no other tags, nothing behind the value.

    Raises `Refused` (`bad_dag_cbor`).
    """
    reader = _Reader(block)
    value = reader.value(0)
    reader.end()
    return value


def links(block: bytes) -> list[Cid]:
    """The links of a dag-cbor block, in order. As strict as `decode`, but for texts, which are not read.

    Makes no values: a manifest page with thousands of links is walked at every flip. What is usual (a short key, a
    short number, a text, a link of 36 bytes) is passed over here, all else and every fault by the reader.
    """
    reader = _Reader(block)
    size, at = len(block), 0
    found: list[Cid] = []
    open_: list[tuple[int, bool, tuple[int, bytes]]] = []  # what is around: items left, whether a map, its last key
    left, is_map, last = 1, False, _NO_KEY
    while True:
        while not left:
            if not open_:
                reader.offset = at
                reader.end()
                return found
            left, is_map, last = open_.pop()
        left -= 1
        if is_map:
            length = block[at] - 0x60 if at < size else -1
            end = at + 1 + length
            key = length, block[at + 1 : end]
            if 0 <= length < 24 and end <= size and key > last and key[1].isascii():
                last, at = key, end
            else:
                reader.offset = at
                last = reader.key(last)
                at = reader.offset
        initial = block[at] if at < size else 0xFF
        if initial == 0xD8 and block.startswith(_USUAL_LINK, at) and at + 41 <= size:
            found.append(_link_of(block[at + 5 : at + 41]))
            at += 41
            continue
        if initial < 0x18 or 0xF4 <= initial <= 0xF6:
            at += 1
            continue
        end = size + 1
        if 0x40 <= initial < 0x58 or 0x60 <= initial < 0x78:
            end = at + 1 + (initial & 31)
        elif (initial == 0x58 or initial == 0x78) and at + 1 < size and block[at + 1] >= 24:
            end = at + 2 + block[at + 1]
        elif initial == 0x19 and at + 1 < size and block[at + 1]:
            end = at + 3
        elif initial == 0x1A and at + 2 < size and (block[at + 1] or block[at + 2]):
            end = at + 5
        if end <= size:
            at = end
            continue
        reader.offset = at
        major, number = reader.head()
        if major == 2 or major == 3:
            reader.take(number)
        elif major == 4 or major == 5:
            reader.bound(number * (major - 3))
            open_.append((left, is_map, last))
            if number and len(open_) > MAX_DEPTH:
                raise _bad(f"nested deeper than {MAX_DEPTH}")
            left, is_map, last = number, major == 5, _NO_KEY
        elif major == 6:
            found.append(reader.link(number))
        elif major == 7:
            reader.simple(number)
        at = reader.offset


def links_of(cid: Cid, block: bytes) -> list[Cid]:
    """The links of a block, in order, repeated ones too. Raises `Refused` for a codec that we cannot walk."""
    known = _LINKS.get(cid.codec)
    if known is None:
        raise Refused(f"{cid}: links of codec 0x{cid.codec:x} cannot be followed", code="unknown_codec")
    return known(block)


_LINKS: dict[int, Callable[[bytes], list[Cid]]] = {
    DAG_PB: lambda block: [link.cid for link in dagpb.decode(block).links],
    DAG_CBOR: links,
    RAW: lambda _: [],
    JSON: lambda _: [],
    CBOR: lambda _: [],
}


class _Reader:
    def __init__(self, block: bytes) -> None:
        self._block = block
        self.offset = 0

    def end(self) -> None:
        """Raises unless everything is read."""
        if self.offset != len(self._block):
            raise _bad("bytes follow the value")

    def value(self, depth: int) -> object:
        if depth > MAX_DEPTH:
            raise _bad(f"nested deeper than {MAX_DEPTH}")
        major, number = self.head()
        if major == 0:
            return number
        if major == 1:
            return -1 - number
        if major == 2:
            return self.take(number)
        if major == 3:
            return _utf8(self.take(number))
        if major == 4:
            self.bound(number)
            return [self.value(depth + 1) for _ in range(number)]
        if major == 5:
            return self._map(number, depth)
        return self.link(number) if major == 6 else self.simple(number)

    def _map(self, count: int, depth: int) -> dict[str, object]:
        self.bound(count * 2)
        found: dict[str, object] = {}
        last = _NO_KEY
        for _ in range(count):
            last = self.key(last)
            found[_utf8(last[1])] = self.value(depth + 1)
        return found

    def head(self) -> tuple[int, int]:
        """The major type and its number; of major type 7 the number is which simple value."""
        offset = self.offset
        if offset >= len(self._block):
            raise _bad("the block ends inside a value")
        initial = self._block[offset]
        self.offset = offset + 1
        major, info = initial >> 5, initial & 31
        if info < 24 or major == 7:
            return major, info
        size = _HEADS.get(info)
        if size is None:
            raise _bad("indefinite length")
        number = int.from_bytes(self.take(size), "big")
        if number < (24 if size == 1 else 1 << size * 4):
            raise _bad("a number is longer than it needs to be")
        return major, number

    def key(self, last: tuple[int, bytes]) -> tuple[int, bytes]:
        """A map's next key, as (length, text)."""
        major, size = self.head()
        if major != 3:
            raise _bad("a map key is not text")
        key = size, self.take(size)
        if key <= last:
            raise _bad("map keys are repeated or out of order")
        _utf8(key[1])
        return key

    def link(self, tag: int) -> Cid:
        if tag != 42:
            raise _bad(f"tag {tag} is not a link")
        major, size = self.head()
        if major != 2:
            raise _bad("a link is not bytes")
        binary = self.take(size)
        if not binary.startswith(b"\x00"):
            raise _bad("a link lacks the identity multibase prefix")
        return _link_of(binary[1:])

    def simple(self, info: int) -> object:
        if info == 20:
            return False
        if info == 21:
            return True
        if info == 22:
            return None
        if info != 27:
            raise _bad(f"simple value or short float {info}")
        number = struct.unpack(">d", self.take(8))[0]
        if not math.isfinite(number):
            raise _bad(f"{number} is not a finite number")
        return number

    def bound(self, items: int) -> None:
        """Raises where so many items cannot be left."""
        if items > len(self._block) - self.offset:
            raise _bad("a list or map is longer than the block")

    def take(self, size: int) -> bytes:
        end = self.offset + size
        if end > len(self._block):
            raise _bad("the block ends inside a value")
        taken = self._block[self.offset : end]
        self.offset = end
        return taken


def _link_of(binary: bytes) -> Cid:
    try:
        return Cid.from_bytes(binary)
    except Refused as error:
        raise _bad(f"a link: {error.message}") from None


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major << 5 | number,))
    for info, size in _HEADS.items():
        if number < 1 << size * 8:
            return bytes((major << 5 | info,)) + number.to_bytes(size, "big")
    raise _bad(f"{number} is over 64 bits")


def _map_order(item: tuple[bytes, object]) -> tuple[int, bytes]:
    return len(item[0]), item[0]


def _text(value: object) -> bytes:
    if not isinstance(value, str):
        raise _bad(f"the map key {value!r} is not text")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise _bad("a text is not valid Unicode") from None


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _bad("a text is not UTF-8") from None


def _bad(what: str) -> Refused:
    return Refused(f"not dag-cbor: {what}", code="bad_dag_cbor")
