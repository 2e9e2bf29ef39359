"""`<data>/state/status.json`: what the supervisor last knew. Written by it alone, read by `dxops status` and `web`."""

from __future__ import annotations

import fcntl
import os
from datetime import datetime
from pathlib import Path

import msgspec

from dxops.base.files import write_atomic


class RoleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One role. `since` is when `status` began; `detail` says why where something is wrong."""

    status: str
    pid: int | None
    since: datetime
    restarts: int
    detail: str | None = None


class SystemRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The whole system. `ready_at` is when all roles were healthy for the first time; `nursery` the process that forks
    them."""

    pid: int
    started_at: datetime
    roles: dict[str, RoleRecord]
    ready_at: datetime | None = None
    nursery: int | None = None

    @property
    def healthy(self) -> bool:
        """Every role is there and well. While it starts, the roles that are there already may be."""
        return self.ready_at is not None and all(role.status == "healthy" for role in self.roles.values())


def write_status(path: Path, record: SystemRecord) -> None:
    """Replace the file."""
    write_atomic(path, msgspec.json.encode(record))


def read_status(path: Path, lock: Path) -> SystemRecord | None:
    """The record, or None when no supervisor holds `lock`, or the file is an earlier supervisor's."""
    if not is_locked(lock):
        return None
    try:
        record = msgspec.json.decode(path.read_bytes(), type=SystemRecord)
        holder = lock.read_text().strip()
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return record if holder == str(record.pid) else None


def is_locked(lock: Path) -> bool:
    """Whether some process holds the data directory."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
