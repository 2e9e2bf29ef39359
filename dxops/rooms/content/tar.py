"""A tree as a TAR stream (POSIX pax), for `get` and `format=tar`."""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator

from dxops.base.errors import Refused
from dxops.rooms.content.dag import Dag
from dxops.wire.cid import Cid

_BLOCK = 512


async def tar(dag: Dag, root: Cid, name: str) -> AsyncIterator[bytes]:
    """The tree below `root` as `name` and what is under it. Times are 0, so the same tree gives the same bytes.

    Raises `Refused` for a name that would leave the root, and for what is not UnixFS.
    """
    if name in ("", ".", ".."):
        raise Refused(f"'{name}' cannot name the top of an archive", code="bad_name")
    async for entry in dag.tree(root):
        if any(part in ("", ".", "..") for part in entry.path.split("/")) and entry.path:
            raise Refused(f"'{entry.path[:200]}' would leave the archive", code="bad_name")
        info = tarfile.TarInfo(f"{name}/{entry.path}" if entry.path else name)
        if entry.kind == "directory":
            info.type, info.mode = tarfile.DIRTYPE, 0o755
        elif entry.kind == "symlink":
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target or "", 0o777
        else:
            info.size, info.mode = entry.size_bytes, 0o644
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        if entry.kind == "file":
            async for chunk in dag.read(Cid.parse(entry.cid), 0, entry.size_bytes):
                yield chunk
            if entry.size_bytes % _BLOCK:
                yield bytes(_BLOCK - entry.size_bytes % _BLOCK)
    yield bytes(2 * _BLOCK)
