"""The files that processes write their logs into, bounded: one older file of about 16 MB is kept beside each. What is
older is in the log room."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 16 << 20
VARIABLE: Final = "DXOPS_LOG"
"""Where this process's output goes, said by who started it."""

_EVERY_S: Final = 5.0


async def keep_own_log_small() -> None:
    """For ever: begin another file when the one that stdout and stderr go to is full. Nothing is lost on the way."""
    path = os.environ.pop(VARIABLE, "")
    while path:
        rotate_own(Path(path))
        await asyncio.sleep(_EVERY_S)


def rotate_own(path: Path) -> None:
    """Rename the file and let both outputs go to a new one, if it is theirs and full."""
    try:
        found = path.stat()
        ours = os.fstat(2)
        if found.st_size <= MAX_BYTES or (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino):
            return
        path.replace(older(path))
        made = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return  # a full disk, say: the next try comes
    for descriptor in (1, 2):
        os.dup2(made, descriptor)
    os.close(made)


def rotate_for_another(path: Path) -> None:
    """For a program that cannot: copy its file and truncate it. The copy is a new file, so that who follows both can
    tell."""
    try:
        if path.stat().st_size <= MAX_BYTES:
            return
        older(path).unlink(missing_ok=True)
        shutil.copyfile(path, older(path))
        os.truncate(path, 0)
    except OSError:
        return


def older(path: Path) -> Path:
    """`web.log` → `web.old.log`."""
    return path.with_suffix(".old.log")
