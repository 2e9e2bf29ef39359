"""Whole DAGs of any codec we can walk: walks, completeness, what a trustless CAR holds, checking every stored block.

Synchronous; callers use threads. Memory: one path of links, and a key per distinct block seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import msgspec

from dxops.base.errors import Refused
from dxops.base.ports import Completeness
from dxops.engines.blocks.port import BlockStore, CorruptBlock, MissingBlock
from dxops.rooms.content.reader import Reader
from dxops.wire.cid import DAG_PB, RAW, Cid
from dxops.wire.dagcbor import links_of
from dxops.wire.unixfs import Node, decode_node

_TOUCH_AT_ONCE = 1000
_NAMED_MISSING = 20


class Verified(msgspec.Struct, frozen=True):
    """What checking every stored block found. `damaged` were put aside."""

    blocks: int
    size_bytes: int
    damaged: tuple[str, ...]


def walk(blocks: BlockStore, root: Cid, *, duplicates: bool = False) -> Iterator[tuple[Cid, bytes]]:
    """The blocks of a DAG, depth first, a parent before its children in link order; each once unless `duplicates`.

    Identity blocks are followed but not given. Raises `MissingBlock`, `CorruptBlock`, `Refused`.
    """
    seen: set[bytes] = set()
    stack = [root]
    while stack:
        cid = stack.pop()
        if not duplicates:
            key = _key(cid)
            if key in seen:
                continue
            seen.add(key)
        block = blocks.get(cid)
        if not cid.is_identity:
            yield cid, block
        if cid.codec != RAW:
            stack.extend(reversed(links_of(cid, block)))


def completeness(blocks: BlockStore, root: Cid, *, freshen: bool = True) -> Completeness:
    """Whether the whole DAG is held; with `freshen`, every block of it is touched.

    Inner blocks are verified, raw leaves only looked for. A damaged block counts as missing.
    """
    seen: set[bytes] = set()
    missing: list[str] = []
    touched: list[Cid] = []
    count = total = 0
    stack = [root]
    while stack:
        cid = stack.pop()
        key = _key(cid)
        if key in seen:
            continue
        seen.add(key)
        try:
            if cid.codec == RAW:
                size = blocks.size(cid)
            else:
                block = blocks.get(cid)
                size = len(block)
                stack.extend(reversed(links_of(cid, block)))
        except (MissingBlock, CorruptBlock):
            missing.append(str(cid))
            continue
        if not cid.is_identity:
            count += 1
            total += size
            touched.append(cid)
        if freshen and len(touched) >= _TOUCH_AT_ONCE:
            missing += map(str, blocks.touch_many(touched))
            touched.clear()
    if freshen:
        missing += map(str, blocks.touch_many(touched))
    return Completeness(blocks=count, dag_bytes=total, missing=tuple(missing[:_NAMED_MISSING]))


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
        if cid.is_identity or (not duplicates and _key(cid) in seen):
            continue
        if not duplicates:
            seen.add(_key(cid))
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


def verify(blocks: BlockStore, progress: Callable[[int, int], None] | None = None) -> Verified:
    """Read and check every stored block. `progress` gets blocks and bytes so far."""
    count = size = 0
    damaged: list[str] = []
    for stored in blocks.all():
        try:
            size += len(blocks.get(stored.cid))
        except MissingBlock:
            continue  # collected meanwhile
        except CorruptBlock:
            damaged.append(str(stored.cid))
        count += 1
        if progress is not None:
            progress(count, size)
    return Verified(count, size, tuple(damaged))


def _unixfs(cid: Cid, block: bytes) -> Node | None:
    if cid.codec not in (RAW, DAG_PB):
        return None
    try:
        return decode_node(cid, block)
    except Refused:
        return None


def _key(cid: Cid) -> bytes:
    return bytes(cid.to_v1())
