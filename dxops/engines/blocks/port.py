"""The port: what a block store promises. Synchronous; callers on an event loop use threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

from dxops.base.errors import Missing, Unavailable
from dxops.wire.cid import Buffer, Cid


class MissingBlock(Missing):
    """The block is not held. `cid` names it."""

    default_code = "missing_block"

    def __init__(self, cid: Cid) -> None:
        super().__init__(f"block {cid} is not held here", hint="import the content again")
        self.cid = cid


class CorruptBlock(Unavailable):
    """The bytes on disk are not those the CID names. They are put aside, so that the next import stores good ones."""

    default_code = "corrupt_block"

    def __init__(self, cid: Cid) -> None:
        super().__init__(
            f"block {cid} is damaged on disk and was put aside", hint="import the content again; check the disk"
        )
        self.cid = cid


class StoredBlock(msgspec.Struct, frozen=True):
    """A block as the store sees it. `cid` is its raw v1 form (the codec is not kept); `modified_at` is epoch seconds
    of the last write or touch."""

    cid: Cid
    size_bytes: int
    modified_at: float


class Batch(Protocol):
    """Many puts that become durable together. Safe for several threads. Memory does not grow with the blocks' bytes.

    Used as a context: leaving it normally commits, an exception discards what is not yet committed. Large batches
    may commit in steps, so blocks can become visible before the end.
    """

    def put(self, cid: Cid, data: Buffer | Sequence[Buffer]) -> None:
        """Take a block (or its parts in order). `data` may be reused after the call. Not verified."""
        ...

    def commit(self) -> None:
        """Everything put so far is durable and visible when this returns. The batch may go on."""
        ...

    def __enter__(self) -> Batch: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlockStore(Protocol):
    """Blocks by CID. Every call may block on disk. Identity CIDs are always held and never stored.

    Writing calls raise `Unavailable` (code `disk_full` when that is the reason, else `disk_error`) and leave nothing
    half-written visible.
    """

    def has(self, cid: Cid) -> bool: ...

    def has_many(self, cids: Iterable[Cid]) -> list[bool]:
        """In the order of `cids`."""
        ...

    def get(self, cid: Cid) -> bytes:
        """The block, verified against `cid`. Raises `MissingBlock`, `CorruptBlock`."""
        ...

    def size(self, cid: Cid) -> int:
        """Length in bytes. Raises `MissingBlock`."""
        ...

    def put_many(self, blocks: Iterable[tuple[Cid, Buffer]], *, verify: bool = False) -> None:
        """Store blocks, durable on return, freshening those already held. With `verify`, raises `Refused`
        (`bad_block`) at the first whose bytes do not match its CID, having stored none."""
        ...

    def batch(self) -> Batch: ...

    def touch_many(self, cids: Iterable[Cid]) -> list[Cid]:
        """Freshen blocks, so that a collection spares them; those that are not held, in order."""
        ...

    def delete_if_older(self, cids: Iterable[Cid], before: float) -> int:
        """Delete those last written or touched before `before` (epoch seconds); how many were deleted. A block that
        is put or touched meanwhile stays."""
        ...

    def all(self) -> Iterator[StoredBlock]:
        """Every block, in no order. Blocks that come or go meanwhile may or may not be seen."""
        ...

    def path(self, cid: Cid) -> Path | None:
        """The file that holds the block, for sendfile; unverified, and it may vanish. None where there is none."""
        ...


def joined(data: Buffer | Sequence[Buffer]) -> bytes:
    """A block's parts as one."""
    return bytes(data) if isinstance(data, bytes | bytearray | memoryview) else b"".join(data)
