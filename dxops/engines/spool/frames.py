"""The bytes of a segment: a header of 80 bytes, then frames. Pure: bytes in, values out. All integers little-endian.

A frame is one append. What protects what: the header CRC covers header and tenant, so a length is believed only when
it is whole; the payload CRC covers the stored payload. Header CRCs are seeded with, and frames begin with, a key of the
spool, stream and segment, so that no client can put into a payload what a search after damage would take for a frame.

    segment   0 "DXSPOOL1"  8 base seq  16 previous base  24 previous end  32 records before  40 bytes before
              48 created ms  56 spool id (16 bytes)  72 reserved  76 CRC
    frame     0 "DXF1"  4 key  8 base seq  16 received ms  24 records  28 payload length  32 kind  33 flags
              34 tenant length  36 payload CRC  40 header CRC  44 tenant, payload
"""

from __future__ import annotations

import hashlib
import struct
import zlib

import msgspec

SEGMENT_BYTES = 80
FRAME_BYTES = 44
NO_SEGMENT = 2**64 - 1
UNKNOWN_END = 2**64 - 1
ZSTD = 1
TENANT_MOST_BYTES = 255
PAYLOAD_MOST_BYTES = 2**31

_SEGMENT_MAGIC = b"DXSPOOL1"
_FRAME_MAGIC = b"DXF1"
_SEGMENT = struct.Struct("<8sQQQQQQ16sI")
_FRAME = struct.Struct("<8sQQIIBBHI")
_CRC = struct.Struct("<I")


class SegmentHead(msgspec.Struct, frozen=True):
    """The header of a segment. It also ends its predecessor: what `previous` holds beyond `previous_end` never counts.

    `records_before` and `bytes_before` count what the stream took in before this segment. `spool_id` is a copy, for
    the case that the spool's own is lost: without it no frame can be read.
    """

    base: int
    previous: int = NO_SEGMENT
    previous_end: int = 0
    records_before: int = 0
    bytes_before: int = 0
    created_at_ms: int = 0
    spool_id: str = "0" * 32


class FrameHead(msgspec.Struct, frozen=True):
    """The header of a frame. Its records are `seq` to `seq + records - 1`; `length` is the payload as stored."""

    seq: int
    records: int
    length: int
    crc: int
    tenant: str
    kind: int
    flags: int
    received_at_ms: int
    size: int

    @property
    def next_seq(self) -> int:
        return self.seq + self.records


class Key(msgspec.Struct, frozen=True):
    """What frames of one segment begin with, and what seeds their header CRC."""

    mark: bytes
    seed: int


def segment_key(spool_id: str, stream: str, base: int) -> Key:
    """The key of a segment; whoever does not know the spool's id cannot guess it."""
    digest = hashlib.blake2b(f"{spool_id}/{stream}/{base}".encode(), digest_size=8).digest()
    return Key(_FRAME_MAGIC + digest[:4], int.from_bytes(digest[4:], "little"))


def segment_name(base: int) -> str:
    """`00000000000000000042.seg`"""
    return f"{base:020d}.seg"


def segment_base(name: str) -> int | None:
    """The base of a segment's file name; None for other files."""
    stem, dot, extension = name.partition(".")
    return int(stem) if extension == "seg" and dot and len(stem) == 20 and stem.isascii() and stem.isdigit() else None


def encode_segment_head(head: SegmentHead) -> bytes:
    body = _SEGMENT.pack(
        _SEGMENT_MAGIC,
        head.base,
        head.previous,
        head.previous_end,
        head.records_before,
        head.bytes_before,
        head.created_at_ms,
        bytes.fromhex(head.spool_id),
        0,
    )
    return body + _CRC.pack(zlib.crc32(body))


def decode_segment_head(data: bytes) -> SegmentHead | None:
    """None when it is not a whole header."""
    if len(data) < SEGMENT_BYTES or data[:8] != _SEGMENT_MAGIC:
        return None
    body = data[: _SEGMENT.size]
    if zlib.crc32(body) != _CRC.unpack_from(data, _SEGMENT.size)[0]:
        return None
    _, base, previous, previous_end, records, size, created, spool_id, _ = _SEGMENT.unpack(body)
    return SegmentHead(base, previous, previous_end, records, size, created, spool_id.hex())


def encode_frame_head(
    key: Key,
    *,
    seq: int,
    records: int,
    length: int,
    crc: int,
    tenant: bytes,
    kind: int,
    flags: int,
    received_at_ms: int,
) -> bytes:
    """Header and tenant; the payload follows it in the file."""
    body = _FRAME.pack(key.mark, seq, received_at_ms, records, length, kind, flags, len(tenant), crc)
    return body + _CRC.pack(zlib.crc32(tenant, zlib.crc32(body, key.seed))) + tenant


def decode_frame_head(key: Key, data: bytes, offset: int = 0) -> FrameHead | None:
    """The frame header at `offset`; None when there is none or it is not whole."""
    if len(data) - offset < FRAME_BYTES or data[offset : offset + 8] != key.mark:
        return None
    _, seq, received, records, length, kind, flags, tenant_length, crc = _FRAME.unpack_from(data, offset)
    tenant = data[offset + FRAME_BYTES : offset + FRAME_BYTES + tenant_length]
    head = data[offset : offset + _FRAME.size]
    if len(tenant) != tenant_length or not records:
        return None
    if zlib.crc32(tenant, zlib.crc32(head, key.seed)) != _CRC.unpack_from(data, offset + _FRAME.size)[0]:
        return None
    try:
        name = tenant.decode()
    except UnicodeDecodeError:
        return None
    return FrameHead(seq, records, length, crc, name, kind, flags, received, FRAME_BYTES + tenant_length + length)
