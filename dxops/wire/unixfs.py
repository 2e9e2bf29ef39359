"""UnixFS: the Data message inside dag-pb nodes, and the parameters that an import's CIDs depend on.

Builders are in `unixfs_build.py` (files, directories, symlinks) and `unixfs_tree.py` (whole trees).
"""

from __future__ import annotations

import msgspec

from dxops.base.errors import Refused
from dxops.wire import dagpb, varint
from dxops.wire.cid import DAG_PB, RAW, Cid

RAW_DATA, DIRECTORY, FILE, METADATA, SYMLINK, HAMT_SHARD = range(6)

MAX_BLOCK_BYTES = 2 * 1024 * 1024
"""Larger blocks are not read, from anyone."""

MAX_WRITE_BYTES = 1024 * 1024
"""Larger chunks are not made."""

MAX_FANOUT = 1024
MURMUR3_X64_64 = 0x22

Block = tuple[Cid, bytes]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but the bytes that decides a CID (`docs/protocols/ipfs`).

    A directory becomes a HAMT when its estimate is over `shard_bytes`; at exactly that size too with `shard_at_limit`
    (Kubo up to 0.39). The estimate is the sum of name and CID bytes, or the node's length with `estimate_block`.
    """

    name: str
    cid_version: int
    raw_leaves: bool
    chunk_bytes: int = 262144
    max_links: int = 174
    estimate_block: bool = False
    shard_bytes: int = 262144
    shard_at_limit: bool = False

    def __post_init__(self) -> None:
        if self.cid_version not in (0, 1):
            raise Refused(f"CID version {self.cid_version} does not exist", hint="use 0 or 1")
        if not 1 <= self.chunk_bytes <= MAX_WRITE_BYTES:
            raise Refused(f"chunks of {self.chunk_bytes} bytes are not made", hint=f"1 to {MAX_WRITE_BYTES} bytes")


V0_2015 = Profile(name="v0-2015", cid_version=0, raw_leaves=False)
V1_256K = Profile(name="v1-256k", cid_version=1, raw_leaves=True)
V1_2025 = Profile(
    name="v1-2025", cid_version=1, raw_leaves=True, chunk_bytes=1048576, max_links=1024, estimate_block=True
)
PROFILES = {profile.name: profile for profile in (V0_2015, V1_256K, V1_2025)}


def profile_named(name: str) -> Profile:
    """One of the three public profiles. Raises `Refused` with their names."""
    try:
        return PROFILES[name]
    except KeyError:
        raise Refused(f"unknown import profile {name!r}", hint=f"one of {', '.join(PROFILES)}") from None


def kubo_profile(
    *, cid_version: int = 0, raw_leaves: bool | None = None, chunk_bytes: int = 262144, shard_at_limit: bool = False
) -> Profile:
    """What Kubo's `add` means by these flags: `raw_leaves` defaults to true for CID version 1."""
    raw = cid_version == 1 if raw_leaves is None else raw_leaves
    for known in (V0_2015, V1_256K):
        if (cid_version, raw, chunk_bytes, shard_at_limit) == (known.cid_version, known.raw_leaves, 262144, False):
            return known
    name = f"v{cid_version}-{'raw' if raw else 'pb'}-{chunk_bytes}" + ("-ge" if shard_at_limit else "")
    return Profile(
        name=name, cid_version=cid_version, raw_leaves=raw, chunk_bytes=chunk_bytes, shard_at_limit=shard_at_limit
    )


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The UnixFS message. `mtime` is (seconds, nanoseconds); None where the field is absent."""

    type: int
    data: bytes | None = None
    filesize: int | None = None
    blocksizes: tuple[int, ...] = ()
    hash_type: int | None = None
    fanout: int | None = None
    mode: int | None = None
    mtime: tuple[int, int] | None = None


DIRECTORY_DATA = b"\x08\x01"


def encode_data(value: Data) -> bytes:
    """Fields in order; blocksizes unpacked; absent fields left out. Mode and mtime are read, never written."""
    out = [b"\x08", varint.encode(value.type)]
    if value.data is not None:
        out += (b"\x12", varint.encode(len(value.data)), value.data)
    if value.filesize is not None:
        out += (b"\x18", varint.encode(value.filesize))
    for size in value.blocksizes:
        out += (b"\x20", varint.encode(size))
    if value.hash_type is not None:
        out += (b"\x28", varint.encode(value.hash_type))
    if value.fanout is not None:
        out += (b"\x30", varint.encode(value.fanout))
    return b"".join(out)


def leaf_envelope(size: int) -> tuple[bytes, bytes]:
    """What comes before and behind a chunk of `size` bytes in a dag-pb leaf (Data left out when the chunk is empty)."""
    head = b"\x08\x02" + (b"\x12" + varint.encode(size) if size else b"")
    tail = b"\x18" + varint.encode(size)
    return b"\x0a" + varint.encode(len(head) + size + len(tail)) + head, tail


def leaf_bytes(size: int, profile: Profile) -> int:
    """Length of the leaf block of a chunk of `size` bytes."""
    if profile.raw_leaves:
        return size
    head, tail = leaf_envelope(size)
    return len(head) + size + len(tail)


def decode_data(message: bytes) -> Data:
    """Read a UnixFS message, packed or unpacked blocksizes, unknown fields skipped. Raises `Refused` (`bad_unixfs`).

    Bounded: a fanout is at most 1024, a power of two and a multiple of 8.
    """
    kind: int | None = None
    data: bytes | None = None
    numbers: dict[int, int] = {}
    blocksizes: list[int] = []
    mtime: tuple[int, int] | None = None
    offset = 0
    try:
        while offset < len(message):
            field, value, offset = _field(message, offset)
            if isinstance(value, int):
                if field == 1:
                    kind = value
                elif field == 4:
                    blocksizes.append(value)
                else:
                    numbers[field] = value
            elif field == 2:
                data = value
            elif field == 4:
                blocksizes.extend(_packed(value))
            elif field == 8:
                mtime = _decode_mtime(value)
    except Refused as error:
        raise _bad(error.message) from None
    if kind is None or kind > HAMT_SHARD:
        raise _bad(f"type {kind} does not exist")
    fanout = numbers.get(6)
    if fanout is not None and (fanout > MAX_FANOUT or fanout < 8 or fanout & (fanout - 1)):
        raise _bad(f"a fanout of {fanout} is not a power of two from 8 to {MAX_FANOUT}")
    return Data(
        type=kind,
        data=data,
        filesize=numbers.get(3),
        blocksizes=tuple(blocksizes),
        hash_type=numbers.get(5),
        fanout=fanout,
        mode=numbers.get(7),
        mtime=mtime,
    )


class Node(msgspec.Struct, frozen=True):
    """A block read as UnixFS. A raw block is a file whose bytes are the block, without links."""

    data: Data
    links: tuple[dagpb.PBLink, ...] = ()

    @property
    def is_file(self) -> bool:
        return self.data.type in (FILE, RAW_DATA)

    @property
    def is_directory(self) -> bool:
        return self.data.type in (DIRECTORY, HAMT_SHARD)

    @property
    def is_symlink(self) -> bool:
        return self.data.type == SYMLINK

    @property
    def size_bytes(self) -> int:
        """A file's content, from its own bytes and block sizes (not from `filesize`, which may lie); else 0."""
        return len(self.data.data or b"") + sum(self.data.blocksizes) if self.is_file else 0


def decode_node(cid: Cid, block: bytes) -> Node:
    """A dag-pb or raw block as UnixFS. Raises `Refused` (`bad_unixfs`, `bad_dag_pb`) for anything else, for a file
    whose block sizes and links differ in number, and for a shard without a readable fanout."""
    if cid.codec == RAW:
        return Node(Data(type=FILE, data=block, filesize=len(block)))
    if cid.codec != DAG_PB:
        raise Refused(f"{cid} is not UnixFS: its codec is 0x{cid.codec:x}", code="not_unixfs")
    node = dagpb.decode(block)
    if node.data is None:
        raise Refused(f"{cid} is not UnixFS: the node has no data", code="not_unixfs")
    data = decode_data(node.data)
    if data.type in (FILE, RAW_DATA) and len(data.blocksizes) != len(node.links):
        raise _bad(f"{cid} has {len(node.links)} links but {len(data.blocksizes)} block sizes")
    if data.type == HAMT_SHARD and (data.fanout is None or data.hash_type not in (None, MURMUR3_X64_64)):
        raise _bad(f"{cid} is a shard without fanout, or of hash function {data.hash_type}")
    return Node(data, node.links)


def _field(data: bytes, offset: int) -> tuple[int, bytes | int, int]:
    tag, offset = varint.decode(data, offset)
    wire_type = tag & 7
    if wire_type == 0:
        value, offset = varint.decode(data, offset)
        return tag >> 3, value, offset
    if wire_type == 2:
        size, offset = varint.decode(data, offset)
    elif wire_type in (1, 5):
        size = 8 if wire_type == 1 else 4
    else:
        raise _bad(f"field {tag >> 3} has wire type {wire_type}")
    if offset + size > len(data):
        raise _bad("a field is longer than the message")
    return tag >> 3, data[offset : offset + size], offset + size


def _packed(data: bytes) -> list[int]:
    values, offset = [], 0
    while offset < len(data):
        value, offset = varint.decode(data, offset)
        values.append(value)
    return values


def _decode_mtime(message: bytes) -> tuple[int, int]:
    seconds = nanoseconds = offset = 0
    while offset < len(message):
        field, value, offset = _field(message, offset)
        if field == 1 and isinstance(value, int):
            seconds = value - (1 << 64) if value >> 63 else value
        elif field == 2 and isinstance(value, bytes) and len(value) == 4:
            nanoseconds = int.from_bytes(value, "little")
    return seconds, nanoseconds


def _bad(what: str) -> Refused:
    return Refused(f"not a UnixFS node: {what}", code="bad_unixfs")
