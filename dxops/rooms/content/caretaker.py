"""The work of upkeep itself: collecting, verifying, counting. Each takes a `Meter` that tells how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import text

from dxops.base.clock import Clock
from dxops.base.errors import Conflict
from dxops.engines.blocks.port import BlockStore
from dxops.engines.postgres.database import COLLECTION_LOCK, Database
from dxops.rooms.content import repo, upkeep_repo
from dxops.rooms.content.collection import Marked, Root, Swept, sweep
from dxops.rooms.content.config import ContentConfig
from dxops.rooms.content.holds import Holds
from dxops.rooms.content.meter import Meter
from dxops.rooms.content.model import Collected, Counted, Step, Verified
from dxops.rooms.content.verification import check_blocks, check_roots, count_blocks


class Caretaker:
    """Blocks are walked in a thread. Each piece of work leaves a fresh count of the store behind."""

    def __init__(
        self, database: Database, blocks: BlockStore, holds: Holds, config: ContentConfig, clock: Clock
    ) -> None:
        self._database = database
        self._blocks = blocks
        self._holds = holds
        self._config = config
        self._clock = clock

    async def collect(
        self, *, dry_run: bool = False, removed: Callable[[str], None] | None = None, meter: Meter | None = None
    ) -> Collected:
        """Remove blocks that no hold needs and that are older than the grace period.

        Raises `Conflict` while a backup or another collection runs. `removed` is told each CID (as raw v1).
        """
        loop = asyncio.get_running_loop()
        now = self._clock.now()
        before = (now - timedelta(hours=self._config.grace_hours)).timestamp()
        meter = meter or Meter()
        expected = await self._expected()

        def refresh() -> list[Root]:
            return asyncio.run_coroutine_threadsafe(self._holds.needed(), loop).result()

        def work() -> tuple[Marked, Swept]:
            marked, roots = Marked(self._blocks), refresh()
            meter.begin(Step.MARKING, len(roots))
            marked.add(roots, meter)
            meter.found_fault(len(marked.missing))
            swept = sweep(
                self._blocks,
                marked,
                before,
                dry_run=dry_run,
                refresh=refresh,
                removed=removed or (lambda _: None),
                meter=meter,
                expected=expected,
            )
            return marked, swept

        async with self._database.begin() as lock:
            free = await lock.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": COLLECTION_LOCK})
            if not free.scalar():
                raise Conflict("a backup or another collection is running", hint="try again when it is done")
            async with self._database.begin() as tx:
                expired = await (repo.count_expired if dry_run else repo.drop_expired)(tx, now)
            marked, swept = await asyncio.to_thread(work)
        await self._keep(swept.left)
        return Collected(
            dry_run=dry_run,
            expired_holds=expired,
            kept_blocks=len(marked),
            removed_blocks=swept.removed_blocks,
            removed_bytes=swept.removed_bytes,
            young_blocks=swept.young_blocks,
            young_bytes=swept.young_bytes,
            missing=tuple(str(cid) for cid in marked.missing[:20]),
        )

    async def verify(self, meter: Meter | None = None) -> Verified:
        """Read every block and compare it with its name, then walk every held DAG."""
        meter = meter or Meter()
        counted = await self.count(meter)
        checked = await asyncio.to_thread(check_blocks, self._blocks, meter, counted.blocks)
        roots = await self._holds.needed()
        incomplete = await asyncio.to_thread(check_roots, self._blocks, roots, meter)
        # what was let go and collected meanwhile is no hole
        still = {root for root, _ in await self._holds.needed()} if incomplete else set()
        return Verified(
            blocks=checked.blocks,
            bytes=checked.size_bytes,
            roots=len(roots),
            corrupt=checked.damaged,
            incomplete={root: block for root, block in incomplete.items() if root in still},
        )

    async def count(self, meter: Meter | None = None) -> Counted:
        """How much there is, without reading it."""
        expected = await self._expected()
        counted = await asyncio.to_thread(count_blocks, self._blocks, meter or Meter(), expected)
        await self._keep(counted)
        return counted

    async def _expected(self) -> int:
        async with self._database.begin() as tx:
            last = await upkeep_repo.last_counted(tx)
        return last[0].blocks if last else 0

    async def _keep(self, counted: Counted) -> None:
        async with self._database.begin() as tx:
            await upkeep_repo.put_counted(tx, counted, self._clock.now())
