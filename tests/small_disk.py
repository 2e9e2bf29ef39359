"""Disks that are small enough to fill: file systems in memory, mounted for one test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(size: str, at: Path | None = None, *, mode: str = "755") -> Iterator[Path]:
    """A disk of this size (`16m`), `at` a directory that is there, else one that goes afterwards. Skips the test where
    the account may not mount."""
    place = at or Path(tempfile.mkdtemp(prefix="dxops-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode={mode}", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        if at is None:
            place.rmdir()
        pytest.skip("a small disk needs root and the right to mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        if at is None:
            place.rmdir()


@contextmanager
def filled(disk: Path, left_bytes: int) -> Iterator[Path]:
    """Nothing but this much is free meanwhile; yields the file that takes the rest, for those who free it earlier."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(disk).free - left_bytes))
    try:
        yield ballast
    finally:
        ballast.unlink(missing_ok=True)
