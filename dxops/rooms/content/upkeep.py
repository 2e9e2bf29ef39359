"""Keeping the store small and sound: collection (mark from holds, sweep by age) and verification. Blocking; threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from dxops.base.errors import DxopsError
from dxops.engines.blocks.port import BlockStore, CorruptBlock, MissingBlock, StoredBlock
from dxops.rooms.content.model import HoldKind
from dxops.wire.cid import Cid
from dxops.wire.dagcbor import links_of

Root = tuple[str, HoldKind]
_SWEEP = 500
_NAMED = 20


class Marked:
    """The blocks that roots need, by multihash, each walked once."""

    def __init__(self, blocks: BlockStore) -> None:
        self._blocks = blocks
        self._seen: set[bytes] = set()
        self.missing: list[Cid] = []

    def __contains__(self, cid: Cid) -> bool:
        return cid.multihash in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, roots: Iterable[Root]) -> None:
        """Mark what `roots` need. Damaged and absent blocks stay marked; absent ones are in `missing`."""
        for text, kind in roots:
            root = Cid.parse(text)
            if kind is HoldKind.DIRECT:
                self._seen.add(root.multihash)
            else:
                self._walk(root)

    def _walk(self, root: Cid) -> None:
        stack = [root]
        while stack:
            cid = stack.pop()
            if cid.multihash in self._seen:
                continue
            self._seen.add(cid.multihash)
            if cid.codec == 0x55 and not cid.is_identity:
                if not self._blocks.has(cid):
                    self.missing.append(cid)
                continue
            try:
                stack.extend(links_of(cid, self._blocks.get(cid)))
            except (MissingBlock, CorruptBlock):
                self.missing.append(cid)
            except DxopsError:  # a codec without links that we know: the block alone is what the hold keeps
                continue


class Swept(msgspec.Struct):
    """Counts of a sweep."""

    removed_blocks: int = 0
    removed_bytes: int = 0
    young_blocks: int = 0
    young_bytes: int = 0


def sweep(
    blocks: BlockStore,
    marked: Marked,
    before: float,
    *,
    dry_run: bool,
    refresh: Callable[[], Iterable[Root]],
    removed: Callable[[str], None],
) -> Swept:
    """Delete what is neither marked nor written or touched since `before` (epoch seconds).

    Holds made while this runs are seen: `refresh` is asked before each batch is deleted, and a block that is put or
    touched meanwhile is young. So nothing goes that a hold needs, whatever the order.
    """
    done = Swept()
    for batch in _batches(stored for stored in blocks.all() if stored.cid not in marked):
        old = [stored for stored in batch if stored.modified_at < before]
        done.young_blocks += len(batch) - len(old)
        done.young_bytes += sum(stored.size_bytes for stored in batch) - sum(stored.size_bytes for stored in old)
        if not dry_run and old:
            marked.add(refresh())
            old = [stored for stored in old if stored.cid not in marked]
        for stored in old:
            if dry_run or blocks.delete_if_older([stored.cid], before):
                done.removed_blocks += 1
                done.removed_bytes += stored.size_bytes
                removed(str(stored.cid))
    return done


def _batches(items: Iterable[StoredBlock]) -> Iterator[list[StoredBlock]]:
    batch: list[StoredBlock] = []
    for item in items:
        batch.append(item)
        if len(batch) == _SWEEP:
            yield batch
            batch = []
    if batch:
        yield batch


def check_roots(blocks: BlockStore, roots: Iterable[Root]) -> dict[str, str]:
    """Held roots that are not whole, each with its first missing block."""
    whole = Marked(blocks)
    incomplete: dict[str, str] = {}
    for root, kind in roots:
        before = len(whole.missing)
        whole.add([(root, kind)])
        if len(whole.missing) > before:
            incomplete[root] = str(whole.missing[before])
    return incomplete


def below(blocks: BlockStore, roots: Sequence[Root]) -> list[str]:
    """Every CID below the recursive roots, the roots themselves left out, each once."""
    found: dict[bytes, str] = {}
    tops = {Cid.parse(root).multihash for root, _ in roots}
    for root, kind in roots:
        for cid in _reachable(blocks, Cid.parse(root)) if kind is HoldKind.RECURSIVE else ():
            if cid.multihash not in tops:
                found.setdefault(cid.multihash, str(cid))
    return sorted(found.values())


def holder_of(blocks: BlockStore, roots: Iterable[Root], wanted: Cid) -> str | None:
    """The first recursive root whose DAG has `wanted`."""
    for root, kind in roots:
        if kind is HoldKind.RECURSIVE and any(
            cid.multihash == wanted.multihash for cid in _reachable(blocks, Cid.parse(root))
        ):
            return root
    return None


def _reachable(blocks: BlockStore, root: Cid) -> Iterator[Cid]:
    seen: set[bytes] = set()
    stack = [root]
    while stack:
        cid = stack.pop()
        if cid.multihash in seen:
            continue
        seen.add(cid.multihash)
        yield cid
        try:
            stack.extend(links_of(cid, blocks.get(cid)) if cid.codec != 0x55 else ())
        except DxopsError:  # absent, damaged or of a codec without links: nothing below it can be listed
            continue
