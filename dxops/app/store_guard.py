"""The role `ingest` looks after the store's disk: what could not be loaded any more is not taken in.

The spool looks after its own disk. Where both are on one disk, the bound of the store comes first: merging needs room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from dxops.app.data import DataDirectory
from dxops.app.disks import store_disk
from dxops.app.settings import Settings
from dxops.base.errors import DxopsError
from dxops.base.spooled import DiskSpace
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.spool import Spool, SpoolFull

log = logging.getLogger(__name__)

NEAR_S: Final = 1.0
FAR_S: Final = 10.0
_MB: Final = 1_000_000
_AGAIN: Final = 1.05  # of what has to be free, before senders are let in again


async def guard(data: DataDirectory, settings: Settings, spool: Spool, client: ClickHouse) -> None:
    """Shut and open the spool by the free space, for ever. A store that does not answer shuts nothing: what arrives
    waits in the spool, which has a bound of its own."""
    shut = False
    while True:
        space: DiskSpace | None = None
        with contextlib.suppress(DxopsError):
            space = await store_disk(data, settings, client)
        if space is not None:
            was, shut = shut, too_full(space, shut=shut)
            if shut:
                spool.shut(reason(space))
            elif was:
                spool.shut(None)
            if shut != was:
                fields = {"free_bytes": space.free_bytes, "least_bytes": space.least_bytes}
                if shut:
                    log.error("the disk of the store is nearly full: nothing is taken in", extra=fields)
                else:
                    log.warning("the disk of the store has room again: records are taken in", extra=fields)
        await asyncio.sleep(FAR_S if settings.clickhouse.url and not shut else NEAR_S)


def too_full(space: DiskSpace, *, shut: bool) -> bool:
    """Whether nothing may be taken in; a little more has to be free to begin again than to go on."""
    return space.free_bytes < space.least_bytes * (_AGAIN if shut else 1.0)


def reason(space: DiskSpace) -> SpoolFull:
    """As senders get it."""
    return SpoolFull(
        f"the disk of the store is nearly full: {space.free_bytes // _MB:,} MB are free and "
        f"{space.least_bytes // _MB:,} MB are kept free",
        hint="free disk space, or keep logs for a shorter time; nothing was stored, send it again later",
        retry_after_s=10.0,
    )
