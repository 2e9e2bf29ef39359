"""Who a spool is: a random id, in the file `id` and in the header of every segment.

Tokens carry it, so that two spools never make the same one, and the keys of frames are made from it.
"""

from __future__ import annotations

import re
import secrets
import zlib

from dxops.engines.spool.disk import Disk, read_whole, write_whole
from dxops.engines.spool.frames import SEGMENT_BYTES, decode_segment_head
from dxops.engines.spool.model import DamagedState, SpoolPaths, is_name
from dxops.engines.spool.segments import list_segments, segment_path

_FILE = re.compile(rb"([0-9a-f]{32}) ([0-9a-f]{8})\n")


def list_streams(disk: Disk, root: str) -> list[str]:
    """The streams of a spool: directories that hold something. What else people put there is none."""
    return sorted(name for name in disk.names(root) if is_name(name) and disk.names(f"{root}/{name}"))


def read_id(disk: Disk, root: str) -> str | None:
    """The spool's id; None when there is none yet or it is damaged."""
    found = _FILE.fullmatch(read_whole(disk, f"{root}/id") or b"")
    if found is None or int(found[2], 16) != zlib.crc32(found[1]):
        return None
    return found[1].decode()


def settle_id(disk: Disk, root: str) -> str:
    """The spool's id, made if need be, and durable. Raises `OSError`, `DamagedState`."""
    known = read_id(disk, root)
    if known is not None:
        file = disk.open(f"{root}/id", "write")
        try:
            file.sync()
        finally:
            file.close()
        disk.sync_directory(root)
        return known
    spool_id = _id_from_segments(disk, root) or secrets.token_hex(16)
    write_whole(disk, f"{root}/id", f"{spool_id} {zlib.crc32(spool_id.encode()):08x}\n".encode())
    return spool_id


def _id_from_segments(disk: Disk, root: str) -> str | None:
    some = False
    for name in list_streams(disk, root):
        paths = SpoolPaths(root, name)
        for base in list_segments(disk, paths):
            head = decode_segment_head((read_whole(disk, segment_path(paths, base)) or b"")[:SEGMENT_BYTES])
            if head is not None:
                return head.spool_id
            some = True
    if some:
        raise DamagedState(
            f"the spool in {root} has lost its id, and no segment header tells it", hint="restore the file `id`"
        )
    return None
