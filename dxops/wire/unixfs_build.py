"""Bytes to UnixFS blocks by a profile, equal to `ipfs-unixfs-importer` and Kubo. Pure: no I/O, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dxops.base.errors import Refused
from dxops.wire import dagpb, hamt, varint
from dxops.wire.cid import DAG_PB, RAW, Buffer, Cid
from dxops.wire.unixfs import DIRECTORY_DATA, FILE, SYMLINK, Block, Data, Profile, encode_data, leaf_envelope


class Link(msgspec.Struct, frozen=True):
    """A finished DAG: its root, `tsize` (all its serialised bytes, as Kubo counts) and `size`, its content bytes
    (of a directory: the sum over its entries)."""

    cid: Cid
    tsize: int
    size: int


def leaf(chunk: Buffer, profile: Profile) -> tuple[Link, bytes]:
    """The leaf block of one chunk."""
    size = len(chunk)
    if profile.raw_leaves:
        block = bytes(chunk)
        return Link(Cid.for_block(block, RAW), size, size), block
    head, tail = leaf_envelope(size)
    block = b"".join((head, chunk, tail))
    return Link(Cid.for_block(block, DAG_PB, profile.cid_version), len(block), size), block


class FileLayout:
    """The balanced tree over a file's leaves: feed leaf links in order, get inner nodes as they become complete.

    Holds at most `max_links` links a level.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._levels: list[list[Link]] = [[]]

    def add(self, link: Link) -> list[Block]:
        """The next leaf; the inner nodes it completed."""
        blocks: list[Block] = []
        self._push(0, link, blocks)
        return blocks

    def finish(self) -> tuple[Link, list[Block]]:
        """The file, and the inner nodes that were still open. Every file has a leaf, if an empty one."""
        blocks: list[Block] = []
        level = 0
        while level < len(self._levels) - 1 or len(self._levels[level]) > 1:
            if self._levels[level]:
                self._close(level, blocks)
            level += 1
        return self._levels[level][0], blocks

    def _push(self, level: int, link: Link, blocks: list[Block]) -> None:
        if level == len(self._levels):
            self._levels.append([])
        links = self._levels[level]
        links.append(link)
        if len(links) == self._profile.max_links:
            self._close(level, blocks)

    def _close(self, level: int, blocks: list[Block]) -> None:
        links = self._levels[level]
        size = sum(link.size for link in links)
        data = encode_data(Data(type=FILE, filesize=size, blocksizes=tuple(link.size for link in links)))
        block = dagpb.encode(dagpb.PBNode(tuple(dagpb.PBLink(link.cid, b"", link.tsize) for link in links), data))
        cid = Cid.for_block(block, DAG_PB, self._profile.cid_version)
        blocks.append((cid, block))
        tsize = len(block) + sum(link.tsize for link in links)
        links.clear()
        self._push(level + 1, Link(cid, tsize, size), blocks)


class FileBuilder:
    """One file from bytes of any sizes. Holds less than one chunk and a few hundred links.

    Blocks come in the order they are complete: leaves before the nodes that link them, the root last.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._layout = FileLayout(profile)
        self._pending = bytearray()
        self._started = False

    def feed(self, data: Buffer) -> Iterator[Block]:
        """The blocks that `data` completes. Consume the iterator wholly before the next call."""
        size = self._profile.chunk_bytes
        view = memoryview(data)
        offset = 0
        if self._pending:
            offset = min(size - len(self._pending), len(view))
            self._pending += view[:offset]
            if len(self._pending) < size:
                return
            chunk = bytes(self._pending)
            self._pending.clear()
            yield from self._chunk(chunk)
        while len(view) - offset >= size:
            yield from self._chunk(view[offset : offset + size])
            offset += size
        self._pending += view[offset:]

    def finish(self) -> tuple[Link, list[Block]]:
        """The file and its last blocks, the root last."""
        blocks: list[Block] = []
        if self._pending or not self._started:
            blocks.extend(self._chunk(bytes(self._pending)))
            self._pending.clear()
        link, rest = self._layout.finish()
        return link, blocks + rest

    def _chunk(self, chunk: Buffer) -> Iterator[Block]:
        self._started = True
        link, block = leaf(chunk, self._profile)
        yield link.cid, block
        yield from self._layout.add(link)


def build_file(data: bytes, profile: Profile) -> tuple[Link, list[Block]]:
    """A file whose bytes are at hand."""
    builder = FileBuilder(profile)
    blocks = list(builder.feed(data))
    link, rest = builder.finish()
    return link, blocks + rest


def build_symlink(target: bytes, profile: Profile) -> tuple[Link, Block]:
    """A symlink node."""
    block = dagpb.encode(dagpb.PBNode((), encode_data(Data(type=SYMLINK, data=target))))
    cid = Cid.for_block(block, DAG_PB, profile.cid_version)
    return Link(cid, len(block), 0), (cid, block)


class DirectoryBuilder:
    """One directory from finished entries: a flat node, or a HAMT when the profile says so."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._entries: dict[bytes, Link] = {}

    def add(self, name: bytes, link: Link) -> None:
        """Raises `Refused` for a name that is empty, `.`, `..`, has `/` or NUL, or is already there."""
        check_name(name)
        if name in self._entries:
            raise Refused(f"two entries are named {name!r}", code="duplicate_name")
        self._entries[name] = link

    def finish(self) -> tuple[Link, list[Block]]:
        """The directory and its blocks, the root last."""
        entries = sorted(self._entries.items())
        size = sum(link.size for _, link in entries)
        estimate = sum(len(name) + len(bytes(link.cid)) for name, link in entries)
        block = None
        # A huge directory is not serialised flat only to be thrown away.
        if self._profile.estimate_block or not self._is_over(estimate):
            links = [dagpb.encode_link(link.cid, name, link.tsize) for name, link in entries]
            block = b"".join((*links, b"\x0a", varint.encode(len(DIRECTORY_DATA)), DIRECTORY_DATA))
            estimate = len(block) if self._profile.estimate_block else estimate
        if block is None or self._is_over(estimate):
            shards = [hamt.Entry(name, link.cid, link.tsize) for name, link in entries]
            cid, tsize, blocks = hamt.build(shards, self._profile.cid_version)
            return Link(cid, tsize, size), blocks
        cid = Cid.for_block(block, DAG_PB, self._profile.cid_version)
        tsize = len(block) + sum(link.tsize for _, link in entries)
        return Link(cid, tsize, size), [(cid, block)]

    def _is_over(self, estimate: int) -> bool:
        limit = self._profile.shard_bytes
        return estimate > limit or (estimate == limit and self._profile.shard_at_limit)


def check_name(name: bytes) -> None:
    """Raises `Refused` (`bad_path`) for what cannot be a directory entry's name."""
    if not name:
        raise Refused("an entry's name is empty", code="bad_path")
    if name in (b".", b".."):
        raise Refused(f"an entry cannot be named {name.decode()!r}", code="bad_path")
    if b"/" in name or b"\0" in name:
        raise Refused(f"the entry's name {name!r} has a slash or NUL in it", code="bad_path")
