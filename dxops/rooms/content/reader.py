"""Reading UnixFS from a block store: directories, files by range, trees. Synchronous; callers use threads.

Every block is verified as it is read. `MissingBlock` and `CorruptBlock` pass through; `Refused` for what is not UnixFS.
Names cross this seam as text; one that is not UTF-8 is text as `os.fsdecode` makes it (`shown` for people and JSON).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dxops.base.errors import Refused, TooLarge
from dxops.base.ports import TreeEntry
from dxops.engines.blocks.port import BlockStore
from dxops.wire import hamt
from dxops.wire.cid import RAW, Cid
from dxops.wire.dagpb import PBLink
from dxops.wire.unixfs import HAMT_SHARD, Node, decode_node
from dxops.wire.unixfs_build import check_name

_MAX_DEPTH = 64
_MAX_ENTRIES = 1_000_000


class DirectoryEntry(msgspec.Struct, frozen=True):
    """A name in a directory. `tsize` is the stored hint. Nothing is known of the child itself."""

    name: str
    cid: Cid
    tsize: int


def name_of(raw: bytes) -> str:
    """A stored name as text; reversible."""
    return raw.decode("utf-8", "surrogateescape")


def name_bytes(name: str) -> bytes:
    """The stored form of a name."""
    return name.encode("utf-8", "surrogateescape")


def shown(name: str) -> str:
    """A name as valid Unicode, for people and JSON."""
    return name_bytes(name).decode("utf-8", "replace")


class Reader:
    """UnixFS on a block store. Keeps nothing between calls; safe for several threads."""

    def __init__(self, blocks: BlockStore) -> None:
        self._blocks = blocks

    def node(self, cid: Cid) -> Node:
        """A block as UnixFS."""
        return decode_node(cid, self._blocks.get(cid))

    def entry(self, path: str, cid: Cid) -> TreeEntry:
        """What `cid` is, named `path`. A raw leaf is not read, only measured."""
        if cid.codec == RAW:
            return TreeEntry(path=path, kind="file", cid=str(cid), size_bytes=self._blocks.size(cid))
        return _entry(path, cid, self.node(cid))

    def entries(self, directory: Cid) -> list[DirectoryEntry]:
        """The entries by name, in byte order, the first of duplicates; opens shards but no child."""
        entries: dict[bytes, PBLink] = {}
        for _, node, level in self._shards(directory):
            width = hamt.prefix_width(node) if level is not None else 0
            for link in node.links:
                name = (link.name or b"")[width:]
                if level is None or name:
                    entries.setdefault(name, link)
        return [DirectoryEntry(name_of(name), link.cid, link.tsize or 0) for name, link in sorted(entries.items())]

    def directory_blocks(self, directory: Cid) -> Iterator[Cid]:
        """The blocks that listing it needs: itself, or all shards."""
        return (cid for cid, _, _ in self._shards(directory))

    def size(self, file: Cid) -> int:
        """A file's content in bytes, from its root block only. Raises `Refused` (`not_a_file`)."""
        if file.codec == RAW:
            return self._blocks.size(file)
        return _require_file(file, self.node(file)).size_bytes

    def read(self, file: Cid, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Bytes `offset` to `offset + length` (or the end), reading only the blocks they are in."""
        for _, _, piece in self.file_parts(file, offset, length):
            if piece:
                yield piece

    def file_parts(self, file: Cid, offset: int = 0, length: int | None = None) -> Iterator[tuple[Cid, bytes, bytes]]:
        """Depth first, the blocks that bytes `offset` to `offset + length` need: CID, block, and its piece of them."""
        end = None if length is None else offset + length
        stack: list[tuple[Cid, int, int | None]] = [(file, 0, None)]
        while stack:
            cid, start, promised = stack.pop()
            block = self._blocks.get(cid)
            node = _require_file(cid, decode_node(cid, block))
            if promised is not None and node.size_bytes != promised:
                raise Refused(f"{file} is broken: {cid} has not the size its parent says", code="bad_unixfs")
            own = node.data.data or b""
            last = len(own) if end is None else max(0, min(len(own), end - start))
            yield cid, block, own[max(0, offset - start) : last]
            position = start + len(own)
            children: list[tuple[Cid, int, int | None]] = []
            for link, size in zip(node.links, node.data.blocksizes, strict=True):
                if size and position + size > offset and (end is None or position < end):
                    children.append((link.cid, position, size))
                position += size
            stack.extend(reversed(children))

    def tree(self, root: Cid, *, max_entries: int = _MAX_ENTRIES) -> Iterator[TreeEntry]:
        """Every entry, root first (path ""), a directory before its children, names in byte order.

        Raises `TooLarge` past `max_entries`: a small DAG can name a tree without end. `Refused` for a stored name that
        would leave its directory.
        """
        stack = [("", root)]
        seen = 0
        while stack:
            path, cid = stack.pop()
            entry = self.entry(path, cid)
            seen += 1
            if seen > max_entries:
                raise TooLarge(f"{root} has more than {max_entries} entries")
            yield entry
            if entry.kind == "directory":
                children = self.entries(cid)
                for child in children:
                    check_name(name_bytes(child.name))
                stack.extend(
                    (f"{path}/{child.name}" if path else child.name, child.cid) for child in reversed(children)
                )

    def _shards(self, directory: Cid) -> Iterator[tuple[Cid, Node, int | None]]:
        """The directory's own blocks, depth first; the level is None for a flat directory."""
        stack = [(directory, 0)]
        while stack:
            cid, level = stack.pop()
            node = self.node(cid)
            if node.data.type != HAMT_SHARD:
                if level or not node.is_directory:
                    raise Refused(f"{cid} is not a directory", code="not_a_directory")
                yield cid, node, None
                return
            if level > _MAX_DEPTH:
                raise Refused(f"{directory} is broken: its shards are nested without end", code="bad_unixfs")
            yield cid, node, level
            width = hamt.prefix_width(node)
            inner = [(link.cid, level + 1) for link in node.links if len(link.name or b"") == width]
            stack.extend(reversed(inner))


def _require_file(cid: Cid, node: Node) -> Node:
    if not node.is_file:
        kind = "a directory" if node.is_directory else "not a file"
        raise Refused(f"{cid} is {kind}", code="not_a_file")
    return node


def _entry(path: str, cid: Cid, node: Node) -> TreeEntry:
    if node.is_directory:
        return TreeEntry(path=path, kind="directory", cid=str(cid), size_bytes=0)
    if node.is_symlink:
        target = name_of(node.data.data or b"")
        return TreeEntry(path=path, kind="symlink", cid=str(cid), size_bytes=0, target=target)
    return TreeEntry(path=path, kind="file", cid=str(cid), size_bytes=_require_file(cid, node).size_bytes)
