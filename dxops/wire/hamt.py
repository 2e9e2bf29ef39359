"""HAMT-sharded UnixFS directories: where a name lives, how shards are made and read.

A name's place is the first 64 bits of murmur3-x64-128 of it, read from the most significant bit, log2(fanout) bits a
level. A link's name starts with its bucket in upper-case hex, as wide as the fanout needs (two digits for 256).
"""

from __future__ import annotations

from collections.abc import Sequence

import mmh3
import msgspec

from dxops.base.errors import Refused
from dxops.wire import dagpb, varint
from dxops.wire.cid import DAG_PB, Cid
from dxops.wire.unixfs import HAMT_SHARD, MURMUR3_X64_64, Block, Data, Node, encode_data

FANOUT = 256
_LEVELS = 8


class Entry(msgspec.Struct, frozen=True):
    """A directory entry to shard."""

    name: bytes
    cid: Cid
    tsize: int


def name_hash(name: bytes) -> bytes:
    """The 8 bytes that place `name`."""
    return int(mmh3.hash64(name, signed=False)[0]).to_bytes(8, "big")


def build(entries: Sequence[Entry], cid_version: int) -> tuple[Cid, int, list[Block]]:
    """Shards of a directory: root CID, its Tsize, and all blocks, children first. Names must be distinct.

    Raises `Refused` when two names agree in all 64 bits of their hash.
    """
    blocks: list[Block] = []
    hashed = [(name_hash(entry.name), entry) for entry in entries]
    cid, tsize = _shard(hashed, 0, cid_version, blocks)
    return cid, tsize, blocks


def _shard(entries: list[tuple[bytes, Entry]], level: int, cid_version: int, blocks: list[Block]) -> tuple[Cid, int]:
    if level == _LEVELS:
        names = ", ".join(repr(entry.name) for _, entry in entries[:2])
        raise Refused(f"these names cannot be in one large directory, their hashes are equal: {names}")
    buckets: dict[int, list[tuple[bytes, Entry]]] = {}
    for item in entries:
        buckets.setdefault(item[0][level], []).append(item)
    links = []
    bitfield = total = 0
    for bucket in sorted(buckets):
        inside = buckets[bucket]
        bitfield |= 1 << bucket
        prefix = b"%02X" % bucket
        if len(inside) == 1:
            entry = inside[0][1]
            name, cid, tsize = prefix + entry.name, entry.cid, entry.tsize
        else:
            name = prefix
            cid, tsize = _shard(inside, level + 1, cid_version, blocks)
        total += tsize
        links.append(dagpb.encode_link(cid, name, tsize))
    bits = bitfield.to_bytes((bitfield.bit_length() + 7) // 8, "big")
    data = encode_data(Data(type=HAMT_SHARD, data=bits, hash_type=MURMUR3_X64_64, fanout=FANOUT))
    block = b"".join((*links, b"\x0a", varint.encode(len(data)), data))
    cid = Cid.for_block(block, DAG_PB, cid_version)
    blocks.append((cid, block))
    return cid, total + len(block)


def prefix_width(shard: Node) -> int:
    """How many hex digits start each link's name."""
    assert shard.data.fanout is not None
    return len(f"{shard.data.fanout - 1:x}")


def bucket_of(hashed: bytes, level: int, fanout: int) -> int | None:
    """The bucket at `level` (0 is the root) of a name's hash; None when the hash has no bits left."""
    width = fanout.bit_length() - 1
    shift = 64 - width * (level + 1)
    if shift < 0:
        return None
    return int.from_bytes(hashed, "big") >> shift & fanout - 1


def find(shard: Node, name: bytes, level: int) -> tuple[dagpb.PBLink, bool] | None:
    """The link to follow for `name` in a shard at `level`, and whether it is the entry itself (else a sub-shard).

    None: no such entry. The first of duplicate names counts.
    """
    width = prefix_width(shard)
    bucket = bucket_of(name_hash(name), level, shard.data.fanout or FANOUT)
    if bucket is None:
        return None
    prefix = b"%0*X" % (width, bucket)
    wanted = prefix + name
    for link in shard.links:
        if link.name == prefix:
            return link, False
        if link.name == wanted:
            return link, True
    return None
