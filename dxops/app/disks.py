"""The disks that must not fill up: the spool's and the store's, and how much of each has to stay free."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from dxops.app.data import DataDirectory
from dxops.app.settings import Settings
from dxops.base.spooled import DiskSpace
from dxops.engines.clickhouse.client import ClickHouse

_MB: Final = 1 << 20
_SPOOL_SHARE: Final = 20  # as the spool's own bound
_STORE_SHARE: Final = 16
_DISKS: Final = (
    "SELECT min(free_space) AS free, argMin(total_space, free_space) AS total FROM {table} "
    "WHERE type = 'Local' OR total_space < pow(2, 60)"
)


def spool_disk(data: DataDirectory, settings: Settings) -> DiskSpace | None:
    """None where there is no directory yet."""
    return _space(data.spool, settings.spool.min_free_mb, _SPOOL_SHARE) or _space(
        data.root, settings.spool.min_free_mb, _SPOOL_SHARE
    )


async def store_disk(data: DataDirectory, settings: Settings, client: ClickHouse | None) -> DiskSpace | None:
    """The disk below our own store, or the fullest one of the servers at `clickhouse.url`. Raises `Unavailable` while
    those do not answer; None without a `client` for them."""
    least_mb = settings.logs.min_free_mb
    if not settings.clickhouse.url:
        return _space(data.root / "clickhouse", least_mb, _STORE_SHARE) or _space(data.root, least_mb, _STORE_SHARE)
    if client is None:
        return None
    cluster = settings.clickhouse.cluster
    table = f"clusterAllReplicas(`{cluster}`, system.disks)" if cluster else "system.disks"
    ((free, total),) = (await client.query(_DISKS.replace("{table}", table))).rows
    return _bounded(int(free), int(total), least_mb, _STORE_SHARE) if total else None


def _space(path: Path, least_mb: int, share: int) -> DiskSpace | None:
    try:
        found = os.statvfs(path)
    except FileNotFoundError:
        return None
    return _bounded(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, least_mb, share)


def _bounded(free: int, total: int, least_mb: int, share: int) -> DiskSpace:
    return DiskSpace(free_bytes=free, total_bytes=total, least_bytes=min(least_mb * _MB, total // share))
