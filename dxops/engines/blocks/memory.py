"""The block store's memory twin, for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from dxops.base.clock import Clock, SystemClock
from dxops.base.errors import Refused
from dxops.engines.blocks.port import CorruptBlock, MissingBlock, StoredBlock, joined
from dxops.wire.cid import Buffer, Cid


class MemoryBlocks:
    """Blocks in a dict. Not shared between processes, gone with this one."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._blocks: dict[bytes, tuple[bytes, float]] = {}

    def has(self, cid: Cid) -> bool:
        return cid.is_identity or cid.multihash in self._blocks

    def has_many(self, cids: Iterable[Cid]) -> list[bool]:
        return [self.has(cid) for cid in cids]

    def get(self, cid: Cid) -> bytes:
        if cid.is_identity:
            return cid.digest
        found = self._blocks.get(cid.multihash)
        if found is None:
            raise MissingBlock(cid)
        if not cid.verifies(found[0]):
            del self._blocks[cid.multihash]
            raise CorruptBlock(cid)
        return found[0]

    def size(self, cid: Cid) -> int:
        if cid.is_identity:
            return len(cid.digest)
        found = self._blocks.get(cid.multihash)
        if found is None:
            raise MissingBlock(cid)
        return len(found[0])

    def put_many(self, blocks: Iterable[tuple[Cid, Buffer]], *, verify: bool = False) -> None:
        with self.batch() as batch:
            for cid, data in blocks:
                if verify:
                    check_block(cid, data)
                batch.put(cid, data)

    def batch(self) -> MemoryBatch:
        return MemoryBatch(self)

    def touch_many(self, cids: Iterable[Cid]) -> list[Cid]:
        now = self._clock.now().timestamp()
        absent = []
        with self._lock:
            for cid in cids:
                found = self._blocks.get(cid.multihash)
                if found is not None:
                    self._blocks[cid.multihash] = (found[0], now)
                elif not cid.is_identity:
                    absent.append(cid)
        return absent

    def delete_if_older(self, cids: Iterable[Cid], before: float) -> int:
        deleted = 0
        with self._lock:
            for cid in cids:
                found = self._blocks.get(cid.multihash)
                if found is not None and found[1] < before:
                    del self._blocks[cid.multihash]
                    deleted += 1
        return deleted

    def all(self) -> Iterator[StoredBlock]:
        for multihash, (data, modified_at) in list(self._blocks.items()):
            yield StoredBlock(Cid(1, 0x55, multihash), len(data), modified_at)

    def path(self, cid: Cid) -> Path | None:
        return None

    def keep(self, blocks: dict[bytes, bytes]) -> None:
        """Store by multihash, as one step."""
        now = self._clock.now().timestamp()
        with self._lock:
            self._blocks.update((multihash, (data, now)) for multihash, data in blocks.items())


class MemoryBatch:
    """Blocks put so far, not yet in the store."""

    def __init__(self, store: MemoryBlocks) -> None:
        self._store = store
        self._pending: dict[bytes, bytes] = {}

    def put(self, cid: Cid, data: Buffer | Sequence[Buffer]) -> None:
        if not cid.is_identity:
            self._pending[cid.multihash] = joined(data)

    def commit(self) -> None:
        self._store.keep(self._pending)
        self._pending = {}

    def __enter__(self) -> MemoryBatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        self._pending = {}


def check_block(cid: Cid, data: Buffer) -> None:
    """Raises `Refused` (`bad_block`) when `data` is not what `cid` names."""
    if not cid.verifies(data):
        raise Refused(f"the bytes sent for block {cid} do not match it", code="bad_block")
