"""A local directory in the order its UnixFS tree is built. Names are bytes, as the file system has them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

import msgspec

from dxops.base.errors import Missing, Refused


class LocalFile(msgspec.Struct, frozen=True):
    """`relative` is the path in the tree (b"" when the root is a file), `path` where to open it, `size` as found."""

    relative: bytes
    path: bytes
    size: int


class LocalSymlink(msgspec.Struct, frozen=True):
    """A symlink, and what it points at."""

    relative: bytes
    target: bytes


class LocalDirectory(msgspec.Struct, frozen=True):
    """A directory all of whose entries have been given. b"" is the root, the last of all."""

    relative: bytes


LocalEntry = LocalFile | LocalSymlink | LocalDirectory

Hidden = bool | Callable[[bytes], bool]
"""Whether to take entries whose name starts with a dot: all, none, or decided by the path in the tree."""


def scan(
    root: str | os.PathLike[str], *, hidden: Hidden = False, follow_symlinks: bool = False
) -> Iterator[LocalEntry]:
    """Depth first, names in byte order, a directory after its entries. Memory: the entries of one path of directories.

    A directory that `hidden` does not take is not looked into. A symlink is an entry of its own unless
    `follow_symlinks`; the root is always followed. Raises `Missing` for a root that is not there; `Refused` naming what
    is neither file, directory nor symlink, what cannot be read, and a followed symlink that is broken or leads into
    itself.
    """
    top = os.fsencode(root)
    try:
        found = os.stat(top)  # noqa: PTH116 - bytes
    except FileNotFoundError:
        raise Missing(f"{_shown(top)} does not exist", code="no_such_path") from None
    except OSError as error:
        raise _unreadable(top, error) from None
    if stat.S_ISREG(found.st_mode):
        yield LocalFile(b"", top, found.st_size)
        return
    if not stat.S_ISDIR(found.st_mode):
        raise _special(top)
    stack = [(b"", _names(top, b"", hidden), (found.st_dev, found.st_ino))]
    while stack:
        relative, names, _ = stack[-1]
        for name in names:
            inner = relative + b"/" + name if relative else name
            path = top + b"/" + inner
            entry = _entry(inner, path, follow_symlinks)
            if isinstance(entry, os.stat_result):
                identity = (entry.st_dev, entry.st_ino)
                if any(identity == above for _, _, above in stack):
                    raise Refused(f"{_shown(path)} is a symlink into itself", hint="remove it or keep symlinks")
                stack.append((inner, _names(path, inner, hidden), identity))
                break
            yield entry
        else:
            stack.pop()
            yield LocalDirectory(relative)


def _names(path: bytes, relative: bytes, hidden: Hidden) -> Iterator[bytes]:
    try:
        names = os.listdir(path)  # noqa: PTH208 - names as bytes
    except OSError as error:
        raise _unreadable(path, error) from None
    return iter(sorted(name for name in names if not name.startswith(b".") or _takes(hidden, relative, name)))


def _takes(hidden: Hidden, relative: bytes, name: bytes) -> bool:
    if isinstance(hidden, bool):
        return hidden
    return hidden(relative + b"/" + name if relative else name)


def _entry(relative: bytes, path: bytes, follow: bool) -> LocalFile | LocalSymlink | os.stat_result:
    """The entry, or for a directory its status."""
    try:
        found = os.stat(path, follow_symlinks=follow)  # noqa: PTH116
        if stat.S_ISLNK(found.st_mode):
            return LocalSymlink(relative, os.readlink(path))  # noqa: PTH115 - bytes
    except OSError as error:
        raise _unreadable(path, error) from None
    if stat.S_ISREG(found.st_mode):
        return LocalFile(relative, path, found.st_size)
    if stat.S_ISDIR(found.st_mode):
        return found
    raise _special(path)


def changed(path: bytes) -> Refused:
    """The refusal of a file that is not as it was when it was looked at."""
    return Refused(
        f"{_shown(path)} changed while it was read", code="file_changed", hint="try again when nothing writes there"
    )


def _special(path: bytes) -> Refused:
    return Refused(f"{_shown(path)} is neither a file, a directory nor a symlink", code="special_file")


def _unreadable(path: bytes, error: OSError) -> Refused:
    return Refused(f"{_shown(path)} cannot be read: {error.strerror}", code="unreadable")


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
