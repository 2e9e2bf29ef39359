"""The site table as this process serves it: followed, loaded, and swapped one whole site at a time.

A flip reaches people when the new manifest is in memory; until then the old one answers, so no request waits or fails.
While PostgreSQL is away the last table stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from dxops.base.errors import DxopsError, Unavailable
from dxops.base.ports import Content, Host, LiveSite, Sites, SiteTable
from dxops.rooms.origin.manifest import load_manifest
from dxops.rooms.origin.model import Manifest

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
# Notifications can be lost and windows of earlier releases end without one.
_REFRESH_S: Final = 30.0
_FIRST_LOAD_S: Final = 15.0
_KEPT_FILES: Final = 200_000  # about 100 MB of manifests at most, live ones not counted
_KEPT_MANIFESTS: Final = 256

SiteKey = tuple[str, str]


class Live(msgspec.Struct, frozen=True):
    """A site with its manifest in memory."""

    site: LiveSite
    manifest: Manifest


class SiteBoard:
    """Hosts and live sites. `on_change` runs after each swap, in the same step of the loop."""

    def __init__(self, content: Content, sites: Sites, on_change: Callable[[], None]) -> None:
        self._content = content
        self._sites = sites
        self._on_change = on_change
        self._table = SiteTable(hosts={}, sites={})
        self._live: dict[SiteKey, Live] = {}
        self._loads: dict[SiteKey, tuple[str, asyncio.Task[None]]] = {}
        self._manifests: OrderedDict[str, Manifest] = OrderedDict()
        self._reading: dict[str, asyncio.Task[Manifest]] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._again = False
        self.ready = False

    async def start(self) -> None:
        """Take the first table and follow it from then on. Does not fail while PostgreSQL is away."""
        await self._refresh()
        self._tasks = [
            asyncio.create_task(self._listen(), name="site changes"),
            asyncio.create_task(self._follow(), name="site table"),
        ]

    async def stop(self) -> None:
        """Stop following."""
        tasks: list[asyncio.Task[None]] = [*self._tasks, *(task for _, task in self._loads.values())]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()

    def host(self, name: str) -> Host | None:
        """What a host name means."""
        return self._table.hosts.get(name)

    @property
    def table(self) -> SiteTable:
        """The table as last read; its sites may be ahead of what is served by one load."""
        return self._table

    async def live(self, key: SiteKey) -> Live | None:
        """The site as served now; None if the app has no release there. Waits for a first load only.

        Raises `Unavailable` if that cannot be read.
        """
        live = self._live.get(key)
        if live is not None or key not in self._table.sites:
            return live
        load = self._loads.get(key)
        if load is not None:
            await asyncio.wait([load[1]], timeout=_FIRST_LOAD_S)
        live = self._live.get(key)
        if live is None:
            raise Unavailable(f"the release of {key[0]} in {key[1]} cannot be read", retry_after_s=2)
        return live

    async def manifest(self, cid: str) -> Manifest:
        """A manifest, read once however many ask. Raises `Missing` or `Refused` as `load_manifest`."""
        known = self._manifests.get(cid)
        if known is not None:
            self._manifests.move_to_end(cid)
            return known
        for live in self._live.values():
            if live.manifest.cid == cid:
                return live.manifest
        reading = self._reading.get(cid)
        if reading is None:
            reading = self._reading[cid] = asyncio.create_task(load_manifest(self._content, cid))
            reading.add_done_callback(lambda _: self._reading.pop(cid, None))
        manifest = await asyncio.shield(reading)
        self._keep(manifest)
        return manifest

    def _keep(self, manifest: Manifest) -> None:
        self._manifests[manifest.cid] = manifest
        self._manifests.move_to_end(manifest.cid)
        total = sum(len(each.files) for each in self._manifests.values())
        while len(self._manifests) > 1 and (total > _KEPT_FILES or len(self._manifests) > _KEPT_MANIFESTS):
            total -= len(self._manifests.popitem(last=False)[1].files)

    async def _listen(self) -> None:
        async for _ in self._sites.changes():
            self._wake.set()

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _RETRY_S if self._again else _REFRESH_S)
            self._wake.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            table = await self._sites.table()
        except DxopsError as error:
            if not self._again:
                log.warning("serving the last site table", extra={"reason": error.message})
            self._again = True
            return
        except Exception:
            log.exception("the site table cannot be read; serving the last one")
            self._again = True
            return
        self._again = False
        self._apply(table)

    def _apply(self, table: SiteTable) -> None:
        changed = table.hosts != self._table.hosts or not self.ready
        self._table = table
        self.ready = True
        for key in self._live.keys() - table.sites.keys():
            del self._live[key]
            changed = True
        for key, site in table.sites.items():
            live = self._live.get(key)
            if live is not None and live.site == site:
                continue
            if live is not None and live.manifest.cid == site.manifest:
                self._live[key] = Live(site, live.manifest)
                changed = True
            elif (load := self._loads.get(key)) is None or load[0] != site.manifest:
                self._loads[key] = (site.manifest, asyncio.create_task(self._load(key, site.manifest)))
        if changed:
            self._on_change()

    async def _load(self, key: SiteKey, cid: str) -> None:
        """Read the manifest and swap, unless the table has moved on meanwhile."""
        try:
            manifest = await self.manifest(cid)
        except Exception as error:  # noqa: BLE001 - whatever it is, the old release must keep answering
            log.error(
                "a release cannot be read; the one before keeps answering",
                extra={"app": key[0], "environment": key[1], "manifest": cid, "reason": str(error)},
            )
            self._again = True
        else:
            site = self._table.sites.get(key)
            if site is not None and site.manifest == cid:
                self._live[key] = Live(site, manifest)
                self._on_change()
        finally:
            if (load := self._loads.get(key)) is not None and load[0] == cid:
                del self._loads[key]
            if self._again:
                self._wake_soon()

    def _wake_soon(self) -> None:
        asyncio.get_running_loop().call_later(_RETRY_S, self._wake.set)
