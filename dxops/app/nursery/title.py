"""A command line of its own for a forked process, as `ps` and `/proc/PID/cmdline` show it. Linux only.

The kernel reads it from the memory where it put the arguments at exec, whose bounds it tells (fields 48 and 49 of
`/proc/self/stat`, proc(5)): the new ones are written there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path


def retitle(arguments: Sequence[str]) -> None:
    """Show these arguments instead of those of now, cut to the room that those took. Nothing happens where the kernel
    does not tell."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, end = int(fields[45]), int(fields[46])
    except (OSError, ValueError, IndexError):
        return
    if not 0 < start < end:
        return
    ctypes.memmove(start, fitted(arguments, end - start), end - start)


def fitted(arguments: Sequence[str], room_bytes: int) -> bytes:
    """Each argument ended by a NUL, exactly `room_bytes`: cut, or filled with NULs."""
    wanted = b"".join(argument.encode() + b"\0" for argument in arguments)
    return wanted[: room_bytes - 1].ljust(room_bytes, b"\0")
