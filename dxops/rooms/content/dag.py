"""DAGs for code on an event loop: `walk` in threads, a block or a page at a time, and completeness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from dxops.base.errors import Refused
from dxops.base.ports import Completeness, TreeEntry
from dxops.engines.blocks.port import BlockStore, CorruptBlock, MissingBlock
from dxops.rooms.content import walk
from dxops.rooms.content.walk import Block, Child, Found, Stat
from dxops.wire import car as wire_car
from dxops.wire.cid import RAW, Cid
from dxops.wire.dagcbor import links_of
from dxops.wire.gateway import CarWish, absolute_span

__all__ = ["Child", "Dag", "Found", "Stat"]

T = TypeVar("T")

_PAGE: Final = 200  # directory entries a trip to a thread
_NAMED_MISSING: Final = 20
CAR_CUT: Final = b"\x7f"  # the length of a section that never comes


class Dag:
    """Reads only. All methods raise `Missing` for absent blocks and `Refused` for malformed ones."""

    def __init__(self, blocks: BlockStore) -> None:
        self._blocks = blocks

    async def resolve(self, path: str, *, stop_at_data: bool = False) -> Found:
        """`<cid>[/path]`, with or without `/ipfs/` or `ipfs://` in front; names are taken as they are."""
        cid, segments = split_path(path)
        return await self.resolve_segments(cid, segments, stop_at_data=stop_at_data)

    async def resolve_segments(self, cid: Cid, segments: Sequence[str], *, stop_at_data: bool = False) -> Found:
        """As `resolve`."""
        if not segments:
            return Found(cid=cid, roots=(cid,), proof=())
        return await asyncio.to_thread(walk.resolve, self._blocks, cid, segments, stop_at_data=stop_at_data)

    async def stat(self, cid: Cid) -> Stat:
        return await asyncio.to_thread(walk.stat, self._blocks, cid)

    async def block(self, cid: Cid) -> bytes:
        return await asyncio.to_thread(self._blocks.get, cid)

    async def holds_block(self, cid: Cid) -> bool:
        """Whether this one block is here."""
        return await asyncio.to_thread(self._blocks.has, cid)

    async def links(self, cid: Cid) -> list[Cid]:
        """The links of a block, in order, repeated ones too."""
        return await asyncio.to_thread(lambda: links_of(cid, self._blocks.get(cid)))

    async def entries(self, cid: Cid) -> AsyncIterator[Child]:
        """A directory's entries in stored order."""
        async for page in _pages(walk.entries(self._blocks, cid), _PAGE):
            for child in page:
                yield child

    async def read(self, cid: Cid, start: int, end: int) -> AsyncIterator[bytes]:
        """Content [start, end) of a file, at most a block at a time."""
        async for page in _pages(walk.file_bytes(self._blocks, cid, start, end), 1):
            yield page[0]

    async def tree(self, root: Cid) -> AsyncIterator[TreeEntry]:
        """As the port's `tree`."""
        async for page in _pages(_tree(self._blocks, "", root), _PAGE):
            for entry in page:
                yield entry

    async def car(self, root: Cid, found: Found | None = None, wish: CarWish | None = None) -> AsyncIterator[bytes]:
        """A CARv1 of the whole DAG below `root`, or of what `wish` asks for at the end of `found`, with the blocks that
        prove the path first. A block that turns out to be missing ends it inside a section, so that no reader can take
        it for whole; a missing first block raises."""
        source = _scoped(self._blocks, found or Found(cid=root, roots=(root,), proof=()), wish)
        started = False
        try:
            async for page in _pages(source, 1):
                cid, block = page[0]
                if not started:
                    yield wire_car.header([root])
                    started = True
                if not cid.is_identity:
                    yield wire_car.section(cid, block)
        except (MissingBlock, CorruptBlock):
            if not started:
                raise
            yield CAR_CUT

    async def measure(self, root: Cid, *, touch: bool = False) -> Completeness:
        """Whether the whole DAG is here, each block counted once; with `touch` every block is freshened."""
        return await asyncio.to_thread(_measure, self._blocks, root, touch)


def split_path(path: str) -> tuple[Cid, list[str]]:
    """The CID and the segments of a content path. Raises `Refused` for `/ipns/` and for a bad CID."""
    for prefix in ("/ipfs/", "ipfs://"):
        path = path.removeprefix(prefix)
    if path.startswith(("/ipns/", "ipns://")):
        raise Refused("this node resolves no IPNS names", code="ipns", hint="use /ipfs/<cid>")
    first, *rest = path.strip("/").split("/")
    return Cid.parse(first), [segment for segment in rest if segment]


def _scoped(blocks: BlockStore, found: Found, wish: CarWish | None) -> Iterator[Block]:
    scope, dups = ("all", False) if wish is None else (wish.scope, wish.dups)
    seen: set[bytes] = set()
    for cid in found.proof:
        seen.add(cid.multihash)
        yield cid, blocks.get(cid)
    if scope == "all":
        source = walk.dag_blocks(blocks, found.cid, dups=dups)
    elif scope == "entity":
        source = walk.entity_blocks(blocks, found.cid, _span(blocks, found.cid, wish))
    else:
        source = iter([(found.cid, blocks.get(found.cid))])
    for cid, block in source:
        if dups or cid.multihash not in seen:
            seen.add(cid.multihash)
            yield cid, block


def _span(blocks: BlockStore, cid: Cid, wish: CarWish | None) -> tuple[int, int] | None:
    if wish is None or wish.entity_bytes is None:
        return None
    size = walk.stat(blocks, cid).size_bytes
    if size is None:
        return None
    return absolute_span(wish.entity_bytes, size) or (0, 0)  # nothing inside: the root alone


def _tree(blocks: BlockStore, path: str, cid: Cid) -> Iterator[TreeEntry]:
    found = walk.stat(blocks, cid)
    if found.kind == "node":
        raise Refused(f"{cid} is not UnixFS", code="not_unixfs")
    size = found.size_bytes or 0
    yield TreeEntry(path=path, kind=found.kind, cid=str(cid), size_bytes=size, target=found.target)
    if found.kind != "directory":
        return
    for child in sorted(walk.entries(blocks, cid), key=lambda child: child.name.encode("utf-8", "surrogateescape")):
        try:
            child.name.encode()
        except UnicodeEncodeError:
            raise Refused(f"a name below '{path}' in {cid} is not UTF-8", code="bad_name") from None
        yield from _tree(blocks, f"{path}/{child.name}" if path else child.name, child.cid)


def _measure(blocks: BlockStore, root: Cid, touch: bool) -> Completeness:
    seen: set[bytes] = set()
    missing: list[str] = []
    size = count = 0
    fresh: list[Cid] = []
    stack = [root]
    while stack:
        cid = stack.pop()
        if cid.multihash in seen:
            continue
        seen.add(cid.multihash)
        try:
            if cid.codec == RAW:
                size += blocks.size(cid)
            else:
                block = blocks.get(cid)
                size += len(block)
                stack.extend(reversed(links_of(cid, block)))
        except (MissingBlock, CorruptBlock):
            if len(missing) < _NAMED_MISSING:
                missing.append(str(cid))
            continue
        count += 1
        fresh.append(cid)
        if touch and len(fresh) >= 500:
            blocks.touch_many(fresh)
            fresh.clear()
    if touch:
        blocks.touch_many(fresh)
    return Completeness(blocks=count, dag_bytes=size, missing=tuple(missing))


async def _pages(source: Iterator[T], size: int) -> AsyncIterator[list[T]]:
    """A blocking iterator's items, `size` at a time, each trip in a thread."""
    take: Callable[[], list[T]] = lambda: list(islice(source, size))  # noqa: E731 - a closure over two names
    while page := await asyncio.to_thread(take):
        yield page
