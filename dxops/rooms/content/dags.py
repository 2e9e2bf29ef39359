"""Whole DAGs of any codec we can walk: walks, completeness, what a trustless CAR holds.

Synchronous; callers use threads. Memory: one path of links, and a key per distinct block seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import msgspec

from dxops.base.errors import DxopsError, Refused
from dxops.base.ports import Completeness
from dxops.engines.blocks.port import BlockStore, CorruptBlock, MissingBlock
from dxops.rooms.content.reader import Reader
from dxops.wire.cid import DAG_CBOR, DAG_PB, RAW, Cid
from dxops.wire.dagcbor import links_of
from dxops.wire.unixfs import Node, decode_node

_TOUCH_AT_ONCE = 1000
_NAMED_MISSING = 20
_PREFIXES = {codec: bytes((1, codec)) for codec in (RAW, DAG_PB, DAG_CBOR)}


def reach(
    blocks: BlockStore,
    roots: Iterable[Cid],
    *,
    seen: set[bytes] | None,
    gap: Callable[[MissingBlock | CorruptBlock], None] | None,
    opaque: bool = False,
) -> Iterator[tuple[Cid, bytes | None]]:
    """What is below `roots`, themselves included: depth first, a parent before its children in link order.

    A block that may have links is read and given with its bytes; a raw leaf is given with None, not looked for. What
    cannot be read is not given but told to `gap`, which may raise; without `gap` it is given with None. `seen` has
    `key_of` what is passed over and grows by what is met (None: repeat what is linked again). A block whose links
    cannot be told raises `Refused`, or with `opaque` has none.
    """
    for root in roots:
        stack = [root]
        while stack:
            cid = stack.pop()
            if seen is not None:
                key = key_of(cid)
                if key in seen:
                    continue
                seen.add(key)
            if cid.codec == RAW:
                yield cid, None
                continue
            try:
                block = blocks.get(cid)
            except (MissingBlock, CorruptBlock) as error:
                if gap is None:
                    yield cid, None
                else:
                    gap(error)
                continue
            yield cid, block
            try:
                stack.extend(reversed(links_of(cid, block)))
            except DxopsError:
                if not opaque:
                    raise


def key_of(cid: Cid) -> bytes:
    """What makes two CIDs the same node: v0 and v1 are, other codecs over the same bytes are not."""
    prefix = _PREFIXES.get(cid.codec)
    return bytes(cid.to_v1()) if prefix is None else prefix + cid.multihash


def walk(blocks: BlockStore, root: Cid, *, duplicates: bool = False) -> Iterator[tuple[Cid, bytes]]:
    """The blocks of a DAG in the order of `reach`, each once unless `duplicates`.

    Identity blocks are followed but not given. Raises `MissingBlock`, `CorruptBlock`, `Refused`.
    """
    for cid, block in reach(blocks, [root], seen=None if duplicates else set(), gap=_raise):
        if not cid.is_identity:
            yield cid, blocks.get(cid) if block is None else block


def completeness(blocks: BlockStore, *roots: Cid, freshen: bool = True) -> Completeness:
    """Whether the whole DAGs are held; with `freshen`, every block of them is touched.

    Inner blocks are verified, raw leaves only looked for. A damaged block counts as missing.
    """
    missing: list[str] = []
    touched: list[Cid] = []
    count = total = 0

    def gap(error: MissingBlock | CorruptBlock) -> None:
        missing.append(str(error.cid))

    for cid, block in reach(blocks, roots, seen=set(), gap=gap):
        if cid.is_identity:
            continue
        try:
            size = blocks.size(cid) if block is None else len(block)
        except MissingBlock as error:
            gap(error)
            continue
        count += 1
        total += size
        if freshen:
            touched.append(cid)
            if len(touched) >= _TOUCH_AT_ONCE:
                missing += map(str, blocks.touch_many(touched))
                touched.clear()
    missing += map(str, blocks.touch_many(touched))
    return Completeness(blocks=count, dag_bytes=total, missing=tuple(missing[:_NAMED_MISSING]))


def below(blocks: BlockStore, roots: Sequence[Cid]) -> list[str]:
    """Every CID below `roots`, the roots themselves left out, each block once. What is not here is named too."""
    found: dict[bytes, str] = {}
    tops = {root.multihash for root in roots}
    for cid, _ in reach(blocks, roots, seen=set(), gap=None, opaque=True):
        if cid.multihash not in tops:
            found.setdefault(cid.multihash, str(cid))
    return sorted(found.values())


def holder_of(blocks: BlockStore, roots: Sequence[Cid], wanted: Cid) -> Cid | None:
    """The first of `roots` whose DAG has `wanted`."""
    for root in roots:
        reached = reach(blocks, [root], seen=set(), gap=None, opaque=True)
        if any(cid.multihash == wanted.multihash for cid, _ in reached):
            return root
    return None


class EntityBytes(msgspec.Struct, frozen=True):
    """`entity-bytes=from:to`: inclusive, negatives count from the end, `to` None is the end."""

    first: int
    last: int | None

    @classmethod
    def parse(cls, text: str) -> EntityBytes:
        """`0:*`, `-1024:*`, `499:-1000`. Raises `Refused`."""
        first, colon, last = text.partition(":")
        try:
            if not colon:
                raise ValueError
            return cls(int(first), None if last == "*" else int(last))
        except ValueError:
            raise Refused(f"entity-bytes={text!r} is not from:to", hint="e.g. 0:1023 or -1024:*") from None

    def of(self, size: int) -> tuple[int, int] | None:
        """Offset and length inside a file of `size` bytes; None when nothing of it is meant."""
        first = self.first if self.first >= 0 else max(0, size + self.first)
        last = size - 1 if self.last is None else self.last if self.last >= 0 else size + self.last
        last = min(last, size - 1)
        return (first, last - first + 1) if first <= last else None


def car_blocks(
    blocks: BlockStore,
    terminus: Cid,
    *,
    proof: Sequence[Cid] = (),
    scope: str = "all",
    entity_bytes: EntityBytes | None = None,
    duplicates: bool = False,
) -> Iterator[tuple[Cid, bytes]]:
    """What a trustless CAR sends: the `proof` blocks of the path, then `terminus` by `scope` (`all`, `entity`,
    `block`; `entity_bytes` implies `entity`), depth first, without identity blocks.

    Raises while it goes on, when a block is missing: the receiver must then see an incomplete CAR.
    """
    if scope not in ("all", "entity", "block"):
        raise Refused(f"dag-scope={scope!r} does not exist", hint="all, entity or block")
    seen: set[bytes] = set()
    terminal = walk(blocks, terminus, duplicates=duplicates) if scope == "all" and not entity_bytes else None
    if terminal is None:
        terminal = _entity(blocks, terminus, scope == "block" and not entity_bytes, entity_bytes)
    for cid, block in chain(((cid, blocks.get(cid)) for cid in proof), terminal):
        if cid.is_identity or (not duplicates and key_of(cid) in seen):
            continue
        if not duplicates:
            seen.add(key_of(cid))
        yield cid, block


def _entity(
    blocks: BlockStore, terminus: Cid, only_block: bool, entity_bytes: EntityBytes | None
) -> Iterator[tuple[Cid, bytes]]:
    block = blocks.get(terminus)
    node = None if only_block else _unixfs(terminus, block)
    if node is None or node.is_symlink:
        yield terminus, block
        return
    reader = Reader(blocks)
    if node.is_directory:
        for cid in reader.directory_blocks(terminus):
            yield cid, blocks.get(cid)
        return
    wanted = entity_bytes.of(node.size_bytes) if entity_bytes else (0, node.size_bytes)
    if wanted is None:
        yield terminus, block
        return
    for cid, part, _ in reader.file_parts(terminus, *wanted):
        yield cid, part


def _unixfs(cid: Cid, block: bytes) -> Node | None:
    if cid.codec not in (RAW, DAG_PB):
        return None
    try:
        return decode_node(cid, block)
    except Refused:
        return None


def _raise(error: MissingBlock | CorruptBlock) -> None:
    raise error
