"""DAGs for code on an event loop: `paths`, `dags` and `reader` in threads, a block or a page at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from dxops.base.errors import Refused
from dxops.base.ports import Completeness, TreeEntry
from dxops.engines.blocks.port import BlockStore, CorruptBlock, MissingBlock
from dxops.rooms.content import paths
from dxops.rooms.content.dags import EntityBytes, car_blocks, completeness
from dxops.rooms.content.paths import Found, Stat
from dxops.rooms.content.reader import DirectoryEntry, Reader, shown
from dxops.wire import car as wire_car
from dxops.wire.cid import Cid
from dxops.wire.dagcbor import links_of
from dxops.wire.gateway import CarWish

__all__ = ["Dag", "DirectoryEntry", "Found", "Stat"]

T = TypeVar("T")

_PAGE: Final = 200  # directory entries a trip to a thread
CAR_CUT: Final = b"\x7f"  # the length of a section that never comes


class Dag:
    """Reads only. All methods raise `Missing` for absent blocks and `Refused` for malformed ones."""

    def __init__(self, blocks: BlockStore) -> None:
        self._blocks = blocks
        self._reader = Reader(blocks)

    async def resolve(self, path: str, *, stop_at_data: bool = False) -> Found:
        """`<cid>[/path]`, with or without `/ipfs/` or `ipfs://` in front; names are taken as they are."""
        cid, segments = split_path(path)
        return await self.resolve_segments(cid, segments, stop_at_data=stop_at_data)

    async def resolve_segments(self, cid: Cid, segments: Sequence[str], *, stop_at_data: bool = False) -> Found:
        """As `resolve`."""
        if not segments:
            return Found(cid=cid, roots=(cid,), proof=())
        return await asyncio.to_thread(paths.resolve, self._blocks, cid, segments, stop_at_data=stop_at_data)

    async def stat(self, cid: Cid) -> Stat:
        return await asyncio.to_thread(paths.stat, self._blocks, cid)

    async def block(self, cid: Cid) -> bytes:
        return await asyncio.to_thread(self._blocks.get, cid)

    async def holds_block(self, cid: Cid) -> bool:
        """Whether this one block is here."""
        return await asyncio.to_thread(self._blocks.has, cid)

    async def links(self, cid: Cid) -> list[Cid]:
        """The links of a block, in order, repeated ones too."""
        return await asyncio.to_thread(lambda: links_of(cid, self._blocks.get(cid)))

    async def entries(self, cid: Cid) -> AsyncIterator[DirectoryEntry]:
        """A directory's entries by name, in byte order, shards joined."""
        for child in await asyncio.to_thread(self._reader.entries, cid):
            yield child

    async def read(self, cid: Cid, start: int, end: int) -> AsyncIterator[bytes]:
        """Content [start, end) of a file, at most a block at a time."""
        async for page in _pages(self._reader.read(cid, start, end - start), 1):
            yield page[0]

    async def tree(self, root: Cid) -> AsyncIterator[TreeEntry]:
        """As the port's `tree`. Raises `TooLarge` past a million entries, `Refused` for a name that is not UTF-8."""
        async for page in _pages(self._reader.tree(root), _PAGE):
            for entry in page:
                if not _is_unicode(entry.path):
                    raise Refused(f"the name '{shown(entry.path)}' in {root} is not UTF-8", code="bad_name")
                yield entry

    async def car(self, root: Cid, found: Found | None = None, wish: CarWish | None = None) -> AsyncIterator[bytes]:
        """A CARv1 of the whole DAG below `root`, or of what `wish` asks for at the end of `found`, with the blocks that
        prove the path first. A block that turns out to be missing ends it inside a section, so that no reader can take
        it for whole; a missing end of the path raises."""
        found = found or Found(cid=root, roots=(root,), proof=())
        span = wish.entity_bytes if wish else None
        source = car_blocks(
            self._blocks,
            found.cid,
            proof=found.proof,
            scope=wish.scope if wish else "all",
            entity_bytes=EntityBytes(*span) if span else None,
            duplicates=wish.dups if wish else False,
        )
        await self.block(found.cid)
        yield wire_car.header([root])
        try:
            async for page in _pages(source, 1):
                yield wire_car.section(*page[0])
        except (MissingBlock, CorruptBlock):
            yield CAR_CUT

    async def measure(self, *roots: Cid, touch: bool = False) -> Completeness:
        """Whether the whole DAGs are here, each block counted once; with `touch` every block is freshened."""
        return await asyncio.to_thread(completeness, self._blocks, *roots, freshen=touch)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def split_path(path: str) -> tuple[Cid, list[str]]:
    """The CID and the segments of a content path. Raises `Refused` for `/ipns/` and for a bad CID."""
    for prefix in ("/ipfs/", "ipfs://"):
        path = path.removeprefix(prefix)
    if path.startswith(("/ipns/", "ipns://")):
        raise Refused("this node resolves no IPNS names", code="ipns", hint="use /ipfs/<cid>")
    first, *rest = path.strip("/").split("/")
    return Cid.parse(first), [segment for segment in rest if segment]


async def _pages(source: Iterator[T], size: int) -> AsyncIterator[list[T]]:
    """A blocking iterator's items, `size` at a time, each trip in a thread."""
    take: Callable[[], list[T]] = lambda: list(islice(source, size))  # noqa: E731 - a closure over two names
    while page := await asyncio.to_thread(take):
        yield page
