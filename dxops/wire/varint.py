"""Unsigned varints: 7 bits a byte, least significant first (protobuf, multiformats)."""

from __future__ import annotations

from dxops.base.errors import Refused

_ONE = tuple(bytes((value,)) for value in range(128))


def encode(value: int) -> bytes:
    """`value` (0 to 2**64-1) in as few bytes as possible."""
    if value < 128:
        return _ONE[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(data: bytes | memoryview, offset: int = 0, *, minimal: bool = False) -> tuple[int, int]:
    """The value at `offset` and the offset behind it.

    Raises `Refused` when `data` ends inside it, when it is over 64 bits, and with `minimal` (the rule of
    multiformats, not of protobuf) when a shorter form exists.
    """
    if offset < len(data) and (byte := data[offset]) < 128:
        return byte, offset + 1
    value = shift = 0
    for position in range(offset, min(len(data), offset + 10)):
        byte = data[position]
        value |= (byte & 127) << shift
        if byte < 128:
            if value >> 64 or (minimal and byte == 0 and shift):
                raise Refused("a varint is over 64 bits or longer than it needs to be", code="bad_varint")
            return value, position + 1
        shift += 7
    if len(data) - offset >= 10:
        raise Refused("a varint is over 64 bits", code="bad_varint")
    raise Refused("the data ends inside a varint", code="truncated")
