"""Paths through DAGs of any codec, and what one block says of itself. Blocking; callers use threads.

`reader` knows UnixFS trees alone; a path may also lead through dag-cbor and plain dag-pb. Absent blocks raise
`MissingBlock`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dxops.base.errors import Missing, Refused
from dxops.engines.blocks.port import BlockStore
from dxops.rooms.content.reader import name_bytes, name_of, shown
from dxops.wire import cid as cids
from dxops.wire import dagcbor, hamt
from dxops.wire.cid import Cid
from dxops.wire.dagpb import decode as decode_pb
from dxops.wire.unixfs import HAMT_SHARD, Node, decode_node

MAX_SHARD_DEPTH = 64


class NoLink(Missing):
    """The path is not in the DAG."""

    default_code = "no_link"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where a path leads. `roots` is the CID of each segment, the start first; `proof` are all blocks that were read
    on the way, in order, without the end. `remainder` is the path inside a dag-cbor block that is no link."""

    cid: Cid
    roots: tuple[Cid, ...]
    proof: tuple[Cid, ...]
    remainder: tuple[str, ...] = ()


class Stat(msgspec.Struct, frozen=True, kw_only=True):
    """What one block says of itself. `kind` is `file`, `directory`, `symlink` or `node` (not UnixFS).

    `size_bytes` is a file's content, None for the rest; `cumulative_bytes` the block and what its links claim.
    """

    kind: str
    size_bytes: int | None
    block_bytes: int
    cumulative_bytes: int
    links: int
    sharded: bool = False
    target: str | None = None


def resolve(blocks: BlockStore, root: Cid, segments: Sequence[str], *, stop_at_data: bool = False) -> Found:
    """Follow names from `root`. Raises `NoLink`; with `stop_at_data` a path inside a dag-cbor block is a remainder."""
    cid, roots, proof = root, [root], list[Cid]()
    rest = list(segments)
    while rest:
        proof.append(cid)
        if cid.codec == cids.DAG_CBOR:
            value, left = _into(dagcbor.decode(blocks.get(cid)), rest, cid)
            if not isinstance(value, Cid):
                if not stop_at_data:
                    raise Refused(f"'{'/'.join(rest)[:200]}' is a value inside {cid}, not a block", code="inside_node")
                return Found(cid=cid, roots=tuple(roots), proof=tuple(proof[:-1]), remainder=tuple(rest))
            cid, rest = value, left
        else:
            cid = _step(blocks, cid, rest[0], proof)
            rest = rest[1:]
        roots.append(cid)
    return Found(cid=cid, roots=tuple(roots), proof=tuple(proof))


def _into(value: object, path: list[str], cid: Cid) -> tuple[object, list[str]]:
    """Down into a dag-cbor value, to the first link or the end of the path."""
    for index, segment in enumerate(path):
        if isinstance(value, Cid):
            return value, path[index:]
        if isinstance(value, dict) and segment in value:
            value = value[segment]
        elif isinstance(value, list) and segment.isascii() and segment.isdigit() and int(segment) < len(value):
            value = value[int(segment)]
        else:
            raise no_link(segment, cid)
    return value, []


def _step(blocks: BlockStore, cid: Cid, segment: str, proof: list[Cid]) -> Cid:
    name = name_bytes(segment)
    if cid.codec != cids.DAG_PB:
        raise no_link(segment, cid)
    block = blocks.get(cid)
    links = decode_pb(block).links
    try:
        node = decode_node(cid, block)
    except Refused as error:
        if error.code != "not_unixfs":
            raise
        node = None  # plain dag-pb: named links, too
    if node is not None and not node.is_directory:
        raise no_link(segment, cid)
    if node is None or node.data.type != HAMT_SHARD:
        for link in links:
            if (link.name or b"") == name:
                return link.cid
        raise no_link(segment, cid)
    for level in range(MAX_SHARD_DEPTH):
        found = hamt.find(node, name, level)
        if found is None:
            break
        if found[1]:
            return found[0].cid
        proof.append(found[0].cid)
        node = _shard(blocks, found[0].cid)
    raise no_link(segment, cid)


def _shard(blocks: BlockStore, cid: Cid) -> Node:
    node = decode_node(cid, blocks.get(cid))
    if node.data.type != HAMT_SHARD:
        raise Refused(f"{cid} is not the shard that its parent says", code="bad_unixfs")
    return node


def no_link(name: str, cid: Cid) -> NoLink:
    """In Kubo's words."""
    return NoLink(f'no link named "{shown(name)[:200]}" under {cid}', hint="the path is not in this content")


def stat(blocks: BlockStore, cid: Cid) -> Stat:
    """What the block at `cid` is."""
    block = blocks.get(cid)
    if cid.codec not in (cids.DAG_PB, cids.RAW):
        count = len(dagcbor.links_of(cid, block)) if cid.codec == cids.DAG_CBOR else 0
        return Stat(kind="node", size_bytes=None, block_bytes=len(block), cumulative_bytes=len(block), links=count)
    node: Node | None = None
    try:
        node = decode_node(cid, block)
    except Refused as error:
        if error.code != "not_unixfs":
            raise
    links = decode_pb(block).links if node is None else node.links
    kind = "node" if node is None else ("directory" if node.is_directory else "symlink" if node.is_symlink else "file")
    return Stat(
        kind=kind,
        size_bytes=node.size_bytes if node is not None and node.is_file else None,
        block_bytes=len(block),
        cumulative_bytes=len(block) + sum(link.tsize or 0 for link in links),
        links=len(links),
        sharded=node is not None and node.data.type == HAMT_SHARD,
        target=name_of(node.data.data or b"") if node is not None and node.is_symlink else None,
    )
