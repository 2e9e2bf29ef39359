"""The body of `add`, as it comes: multipart parts to blocks and answer lines. Blocking; one feed at a time, in threads.

Blocks are durable and readable before their file's line is handed out: clients read back while they still upload.
Memory holds one chunk, and per entry its name and CID, whatever the size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dxops.base.errors import Refused, TooLarge
from dxops.engines.blocks.port import Batch, BlockStore
from dxops.wire.kubo import AddFlags
from dxops.wire.multipart import MultipartReader, Part, PartEnd
from dxops.wire.unixfs import Block, Profile, kubo_profile
from dxops.wire.unixfs_build import FileBuilder, Link
from dxops.wire.unixfs_tree import TreeBuilder, split_path

Line = Mapping[str, object]
PROGRESS_BYTES: Final = 262_144
DEFAULT_CHUNK_BYTES: Final = 262_144
MAX_TARGET_BYTES: Final = 4096


class Upload:
    """`roots` are the finished top-level entries, or the wrapping directory alone; `files`, `size_bytes`, `dag_bytes`
    count what came."""

    def __init__(self, blocks: BlockStore, flags: AddFlags, boundary: str) -> None:
        self._flags = flags
        self.profile: Profile = kubo_profile(
            cid_version=flags.cid_version,
            raw_leaves=flags.raw_leaves,
            chunk_bytes=flags.chunk_bytes or DEFAULT_CHUNK_BYTES,
        )
        self._batch: Batch | None = None if flags.only_hash else blocks.batch()
        self._reader = MultipartReader(boundary)
        self._tree = TreeBuilder(self.profile)
        self._part: Part | None = None
        self._file: FileBuilder | None = None
        self._target = bytearray()
        self._bytes = self._told = 0
        self._tops: list[Link] = []
        self.roots: list[Link] = []
        self.files = 0
        self.size_bytes = 0
        self.dag_bytes = 0

    def feed(self, data: bytes) -> list[Line]:
        """The lines that `data` completes; their blocks are durable. Raises `Refused` for a bad part."""
        lines: list[Line] = []
        for event in self._reader.feed(data):
            if isinstance(event, Part):
                self._begin(event)
            elif isinstance(event, PartEnd):
                lines.extend(self._end())
            else:
                lines.extend(self._take(event))
        if self._batch is not None and any("Hash" in line for line in lines):
            self._batch.commit()
        return lines

    def finish(self) -> list[Line]:
        """The body is over: the directories, children first, and the wrapping root last. Raises `Refused` when it was
        cut."""
        self._reader.finish()
        lines: list[Line] = []
        for directory in self._tree.finish():
            if not directory.path and not self._flags.wrap:
                continue
            self._put(iter(directory.blocks))
            lines.append(_line(directory.path.decode(), directory.link))
            if not directory.path:
                self.roots = [directory.link]
            elif b"/" not in directory.path:
                self._tops.append(directory.link)
        if not self._flags.wrap:
            self.roots = self._tops
        if self._batch is not None:
            self._batch.commit()
        return [] if self._flags.silent else lines

    def close(self) -> None:
        """Let go of what is not committed, after a failure."""
        if self._batch is not None:
            self._batch.__exit__(Refused, None, None)

    def _begin(self, part: Part) -> None:
        self._part, self._bytes, self._told = part, 0, 0
        self._file = None
        kind = part.content_type
        if kind.startswith("multipart/"):
            raise Refused("nested multipart is not supported", field="Content-Type", hint="send one part a file")
        name = _path(part)
        if kind == "application/x-directory":
            self._tree.add_directory(name)
        elif kind == "application/symlink":
            self._target.clear()
            self._check_named(name)
        else:
            if name:
                split_path(name)  # a bad name is told before the file is read
            self._file = FileBuilder(self.profile)

    def _take(self, data: bytes) -> Iterator[Line]:
        assert self._part is not None
        if self._file is None:
            if self._part.content_type != "application/symlink":
                raise Refused(f"the directory '{self._part.filename}' has content", code="bad_part")
            self._target += data
            if len(self._target) > MAX_TARGET_BYTES:
                raise TooLarge(f"the target of '{self._part.filename}' is over {MAX_TARGET_BYTES} bytes")
            return
        self._put(self._file.feed(data))
        self._bytes += len(data)
        if self._flags.progress and self._bytes - self._told >= PROGRESS_BYTES:
            yield self._progress()

    def _end(self) -> Iterator[Line]:
        assert self._part is not None
        part, name = self._part, _path(self._part)
        if part.content_type == "application/x-directory":
            return
        if part.content_type == "application/symlink":
            link, block = self._tree.add_symlink(name, bytes(self._target))
            self._put(iter([block]))
        else:
            assert self._file is not None
            link, rest = self._file.finish()
            self._put(iter(rest))
            self._file = None
            self._add(name, link)
        if b"/" not in name:
            self._tops.append(link)
        self.files += 1
        self.size_bytes += link.size
        if self._flags.progress and self._bytes != self._told:
            yield self._progress()
        if not self._flags.silent:
            yield _line(name.decode() or str(link.cid), link)

    def _add(self, name: bytes, link: Link) -> None:
        """A file without a name is called by its CID, as Kubo does; twice the same is one entry."""
        if name:
            self._tree.add_file(name, link)
        elif all(top.cid != link.cid for top in self._tops):
            self._tree.add_file(str(link.cid).encode(), link)

    def _check_named(self, name: bytes) -> None:
        if not name:
            raise Refused("a symlink needs a name", field="filename")
        split_path(name)

    def _put(self, blocks: Iterator[Block]) -> None:
        for cid, block in blocks:
            self.dag_bytes += len(block)
            if self._batch is not None:
                self._batch.put(cid, block)

    def _progress(self) -> Line:
        assert self._part is not None
        self._told = self._bytes
        return {"Name": _path(self._part).decode(), "Bytes": self._bytes}


def _path(part: Part) -> bytes:
    """The entry's path: Kubo's clients may put one slash in front. Whether it can be stored, the tree decides."""
    return (part.filename or "").removeprefix("/").encode()


def _line(name: str, link: Link) -> Line:
    return {"Name": name, "Hash": str(link.cid), "Size": str(link.tsize)}
