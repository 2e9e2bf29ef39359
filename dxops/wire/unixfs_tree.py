"""A whole UnixFS tree from entries in any order (an upload's parts), refusing paths that no tree can have."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dxops.base.errors import Refused
from dxops.wire.unixfs import Block, Profile
from dxops.wire.unixfs_build import DirectoryBuilder, Link, build_symlink, check_name


class BuiltDirectory(msgspec.Struct, frozen=True):
    """A finished directory. `path` is as added, b"" for the root; `blocks` end with the directory's own root."""

    path: bytes
    link: Link
    blocks: list[Block]


class TreeBuilder:
    """Entries in any order, directories implied by paths; then all directories, children first.

    Paths are bytes, relative, `/`-separated. Each `add…` raises `Refused` (`bad_path`) for an absolute path, an empty
    segment, `.`, `..`, NUL; (`duplicate_name`) for a path added twice or one that is both a file and a directory.
    Naming a directory twice is fine. Memory grows with the number of entries, not with their content.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._root: dict[bytes, _Entry] = {}

    def add_file(self, path: bytes, link: Link) -> None:
        """A finished file (or any finished DAG)."""
        parent, name = self._parent(path)
        if name in parent:
            kind = "a directory" if isinstance(parent[name], dict) else "a file"
            raise Refused(f"{path!r} is already {kind} in this tree", code="duplicate_name")
        parent[name] = link

    def add_directory(self, path: bytes) -> None:
        """A directory, perhaps empty. b"" is the root, which is always there."""
        if path:
            parent, name = self._parent(path)
            _open(parent, name, path)

    def add_symlink(self, path: bytes, target: bytes) -> tuple[Link, Block]:
        """A symlink; its node, which is the caller's to store."""
        link, block = build_symlink(target, self._profile)
        self.add_file(path, link)
        return link, block

    def finish(self) -> Iterator[BuiltDirectory]:
        """Every directory after its children, names in byte order, the root (path b"") last. Call once."""
        stack = [_Frame(b"", b"", self._root, iter(sorted(self._root.items())), DirectoryBuilder(self._profile))]
        while stack:
            frame = stack[-1]
            for name, entry in frame.rest:
                if isinstance(entry, dict):
                    path = frame.path + b"/" + name if frame.path else name
                    rest = iter(sorted(entry.items()))
                    stack.append(_Frame(path, name, entry, rest, DirectoryBuilder(self._profile)))
                    break
                frame.builder.add(name, entry)
            else:
                stack.pop()
                link, blocks = frame.builder.finish()
                if stack:
                    stack[-1].builder.add(frame.name, link)
                yield BuiltDirectory(frame.path, link, blocks)
                frame.entries.clear()

    def _parent(self, path: bytes) -> tuple[dict[bytes, _Entry], bytes]:
        *parents, name = split_path(path)
        here = self._root
        for index, segment in enumerate(parents):
            here = _open(here, segment, b"/".join(parents[: index + 1]))
        return here, name


_Entry = Link | dict[bytes, "_Entry"]


class _Frame(msgspec.Struct):
    path: bytes
    name: bytes
    entries: dict[bytes, _Entry]
    rest: Iterator[tuple[bytes, _Entry]]
    builder: DirectoryBuilder


def split_path(path: bytes) -> list[bytes]:
    """The segments of a relative path. Raises `Refused` (`bad_path`)."""
    if path.startswith(b"/"):
        raise Refused(f"the path {_shown(path)} is absolute", code="bad_path", hint="use a path inside the tree")
    segments = path.split(b"/")
    for segment in segments:
        try:
            check_name(segment)
        except Refused as error:
            raise Refused(f"the path {_shown(path)} cannot be stored: {error.message}", code="bad_path") from None
    return segments


def _open(parent: dict[bytes, _Entry], name: bytes, path: bytes) -> dict[bytes, _Entry]:
    entry = parent.setdefault(name, {})
    if not isinstance(entry, dict):
        raise Refused(f"{_shown(path)} is both a file and a directory in this tree", code="duplicate_name")
    return entry


def _shown(path: bytes) -> str:
    return repr(path.decode("utf-8", "backslashreplace")[:200])
