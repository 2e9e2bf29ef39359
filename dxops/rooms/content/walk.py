"""Walking DAGs in the block store: paths, files, directories, CAR scopes. Blocking, lazy, one block at a time.

Every block read is verified by the store. Absent blocks raise `MissingBlock`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from dxops.base.errors import Missing, Refused
from dxops.engines.blocks.port import BlockStore
from dxops.wire import cid as cids
from dxops.wire import dagcbor, hamt
from dxops.wire.cid import Cid
from dxops.wire.dagpb import decode as decode_pb
from dxops.wire.unixfs import HAMT_SHARD, Node, decode_node

Block = tuple[Cid, bytes]
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


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A directory's entry. `tsize` is the writer's claim."""

    name: str
    cid: Cid
    tsize: int | None


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


def text(name: bytes | None) -> str:
    """A name for people and URLs; bytes that are not UTF-8 survive the round trip."""
    return (name or b"").decode("utf-8", "surrogateescape")


def unixfs(blocks: BlockStore, cid: Cid) -> Node:
    """The node. Raises `Refused` for what is not UnixFS."""
    return decode_node(cid, blocks.get(cid))


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
    name = segment.encode("utf-8", "surrogateescape")
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
    node = unixfs(blocks, cid)
    if node.data.type != HAMT_SHARD:
        raise Refused(f"{cid} is not the shard that its parent says", code="bad_unixfs")
    return node


def no_link(name: str, cid: Cid) -> NoLink:
    """In Kubo's words."""
    shown = name.encode("utf-8", "replace").decode()[:200]
    return NoLink(f'no link named "{shown}" under {cid}', hint="the path is not in this content")


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
        target=text(node.data.data) if node is not None and node.is_symlink else None,
    )


def entries(blocks: BlockStore, cid: Cid) -> Iterator[Child]:
    """A directory's entries in stored order, shards joined, the first of duplicate names. Raises `Refused` for
    anything else."""
    seen: set[bytes] = set()
    for name, child, tsize in _entries(blocks, cid, unixfs(blocks, cid), 0):
        if name not in seen:
            seen.add(name)
            yield Child(name=text(name), cid=child, tsize=tsize)


def _entries(blocks: BlockStore, cid: Cid, node: Node, depth: int) -> Iterator[tuple[bytes, Cid, int | None]]:
    if not node.is_directory:
        raise Refused(f"{cid} is not a directory", code="not_a_directory")
    if node.data.type != HAMT_SHARD:
        for link in node.links:
            yield link.name or b"", link.cid, link.tsize
        return
    if depth > MAX_SHARD_DEPTH:
        raise Refused(f"{cid} is sharded deeper than any real directory", code="bad_unixfs")
    width = hamt.prefix_width(node)
    for link in node.links:
        name = link.name or b""
        if len(name) > width:
            yield name[width:], link.cid, link.tsize
        else:
            yield from _entries(blocks, link.cid, _shard(blocks, link.cid), depth + 1)


def file_bytes(blocks: BlockStore, cid: Cid, start: int, end: int) -> Iterator[bytes]:
    """Content [start, end) of a file. Raises `Refused` for what is not a file, or whose parts lie about their size."""
    for _, data in _file(blocks, cid, start, end):
        if data:
            yield data


def _file(blocks: BlockStore, cid: Cid, start: int, end: int) -> Iterator[tuple[Block, bytes]]:
    """Each block that [start, end) needs, with its own content in that range; the root always comes."""
    stack: list[tuple[Cid, int, int | None]] = [(cid, 0, None)]  # where it starts, and the size its parent says
    while stack:
        at, offset, claimed = stack.pop()
        block = blocks.get(at)
        node = decode_node(at, block)
        if not node.is_file:
            raise Refused(f"{at} is not a file", code="not_a_file")
        if claimed is not None and node.size_bytes != claimed:
            raise Refused(f"{at} has {node.size_bytes} bytes, not the {claimed} its parent says", code="bad_unixfs")
        own = node.data.data or b""
        yield (at, block), own[max(0, start - offset) : max(0, end - offset)]
        offset += len(own)
        children = []
        for link, size in zip(node.links, node.data.blocksizes, strict=True):
            if offset < end and offset + size > start:
                children.append((link.cid, offset, size))
            offset += size
        stack.extend(reversed(children))


def dag_blocks(blocks: BlockStore, root: Cid, *, dups: bool = False) -> Iterator[Block]:
    """Every block below `root`, depth first; each once unless `dups`."""
    seen: set[bytes] = set()
    stack = [root]
    while stack:
        cid = stack.pop()
        if not dups:
            if cid.multihash in seen:
                continue
            seen.add(cid.multihash)
        block = blocks.get(cid)
        yield cid, block
        stack.extend(reversed(dagcbor.links_of(cid, block)))


def entity_blocks(blocks: BlockStore, cid: Cid, span: tuple[int, int] | None) -> Iterator[Block]:
    """What `dag-scope=entity` means: a whole file (or the blocks of `span`), a directory with all its shards and
    nothing below, any other node alone."""
    block = blocks.get(cid)
    try:
        node = decode_node(cid, block)
    except Refused:
        yield cid, block
        return
    if node.is_file:
        start, end = span or (0, node.size_bytes)
        for found, _ in _file(blocks, cid, start, end):
            yield found
        return
    yield cid, block
    if node.data.type == HAMT_SHARD:
        yield from _shards(blocks, node)


def _shards(blocks: BlockStore, node: Node) -> Iterator[Block]:
    width = hamt.prefix_width(node)
    for link in node.links:
        if len(link.name or b"") <= width:
            block = blocks.get(link.cid)
            yield link.cid, block
            yield from _shards(blocks, decode_node(link.cid, block))
