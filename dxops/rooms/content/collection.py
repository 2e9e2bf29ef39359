"""Collection: mark what holds need, sweep what nothing needs and is old. Blocking; callers use threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from dxops.engines.blocks.port import BlockStore, StoredBlock
from dxops.rooms.content.dags import key_of, reach
from dxops.rooms.content.meter import Meter
from dxops.rooms.content.model import Counted, HoldKind, Step
from dxops.wire.cid import DAG_CBOR, DAG_PB, RAW, Cid

Root = tuple[str, HoldKind]
_SWEEP = 500
_WALKED = (RAW, DAG_PB, DAG_CBOR)


class Marked:
    """The blocks that roots need. Each node is walked once, whatever codec and version it is named by.

    A set of nodes is kept, not of bytes: a block that one hold keeps alone, or has as raw bytes, may be a node with
    links for another.
    """

    def __init__(self, blocks: BlockStore) -> None:
        self._blocks = blocks
        self._nodes: set[bytes] = set()
        self._others: set[bytes] = set()
        self.missing: list[Cid] = []

    def __contains__(self, cid: Cid) -> bool:
        multihash = cid.multihash
        return multihash in self._others or any(key_of(Cid(1, codec, multihash)) in self._nodes for codec in _WALKED)

    def __len__(self) -> int:
        """What is a node for one hold and kept alone by another counts twice."""
        return len(self._nodes) + len(self._others)

    def add(self, roots: Iterable[Root], meter: Meter | None = None) -> None:
        """Mark what `roots` need. Damaged and absent blocks stay marked; absent ones are in `missing`."""
        meter = meter or Meter()
        for text, kind in roots:
            root = Cid.parse(text)
            if kind is HoldKind.DIRECT:
                self._others.add(root.multihash)
            else:
                self._walk(root, meter)
            meter.did()

    def _walk(self, root: Cid, meter: Meter) -> None:
        """A node of a codec whose links we do not know is kept alone."""
        for cid, block in reach(
            self._blocks, [root], seen=self._nodes, gap=lambda error: self.missing.append(error.cid), opaque=True
        ):
            if cid.codec not in _WALKED:
                self._others.add(cid.multihash)
            if block is None and not self._blocks.has(cid):
                self.missing.append(cid)
            meter.saw(0 if block is None else len(block))


class Swept(msgspec.Struct):
    """Counts of a sweep. `left` is what the store has afterwards."""

    removed_blocks: int = 0
    removed_bytes: int = 0
    young_blocks: int = 0
    young_bytes: int = 0
    left: Counted = Counted(blocks=0, bytes=0)


def sweep(
    blocks: BlockStore,
    marked: Marked,
    before: float,
    *,
    dry_run: bool,
    refresh: Callable[[], Iterable[Root]],
    removed: Callable[[str], None],
    meter: Meter,
    expected: int = 0,
) -> Swept:
    """Delete what is neither marked nor written or touched since `before` (epoch seconds).

    Holds made while this runs are seen: `refresh` is asked before each batch is deleted, and a block that is put or
    touched meanwhile is young. So nothing goes that a hold needs, whatever the order. `expected` blocks are for the
    meter.
    """
    meter.begin(Step.SWEEPING, expected)
    done = Swept()
    count = size = 0

    def unneeded() -> Iterator[StoredBlock]:
        nonlocal count, size
        for stored in blocks.all():
            count += 1
            size += stored.size_bytes
            meter.did()
            meter.saw(stored.size_bytes)
            if stored.cid not in marked:
                yield stored

    for batch in _batches(unneeded()):
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
    gone = (0, 0) if dry_run else (done.removed_blocks, done.removed_bytes)
    done.left = Counted(blocks=count - gone[0], bytes=size - gone[1])
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
