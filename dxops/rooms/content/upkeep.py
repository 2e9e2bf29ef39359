"""Upkeep as background work: asked for anywhere, done once by whichever worker is free, watched by anyone.

A row is a run. Who works on it holds an advisory lock for as long, on a connection of its own: a worker that dies lets
go at once, and the next one begins again. Everything upkeep does may be done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import SYSTEM, Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import DxopsError, Missing, Unavailable
from dxops.base.ids import IdSource
from dxops.engines.postgres.database import Database, notify
from dxops.rooms.content import upkeep_repo as repo
from dxops.rooms.content.caretaker import Caretaker
from dxops.rooms.content.meter import Meter, Stopped
from dxops.rooms.content.model import Collected, Counted, Upkeep, UpkeepKind, UpkeepState, Verified

log = logging.getLogger(__name__)

_CHANNEL = "content_upkeep"
_TELL_S = 0.5
_POLL_S = 30.0  # a worker that died told nobody
_MAX_ATTEMPTS = 3


class UpkeepRuns:
    """The runs of all processes."""

    def __init__(self, database: Database, caretaker: Caretaker, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._caretaker = caretaker
        self._clock = clock
        self._ids = ids

    async def start(self, actor: Actor, kind: UpkeepKind) -> Upkeep:
        """Ask for a run (scope OPERATE); the unfinished one where there is one."""
        actor.require(Scope.OPERATE)
        while True:
            async with self._database.begin() as tx:
                run = Upkeep(
                    id=self._ids("upk"),
                    kind=kind,
                    state=UpkeepState.WAITING,
                    actor=actor.name,
                    asked_at=self._clock.now(),
                )
                if await repo.open_run(tx, run):
                    await notify(tx, _CHANNEL, kind.value)
                    return run
            async with self._database.begin() as tx:  # unless it was finished between the two
                found = [one for one in await repo.unfinished(tx) if one.kind is kind]
            if found:
                return found[0]

    async def get(self, run_id: str) -> Upkeep:
        """One run. Raises `Missing`."""
        async with self._database.begin() as tx:
            run = await repo.find(tx, run_id)
        if run is None:
            raise Missing(f"no upkeep '{run_id[:60]}'", hint="`GET /api/content/upkeep` lists the newest")
        return run

    async def newest(self) -> list[Upkeep]:
        """The newest run of each kind, newest first."""
        async with self._database.begin() as tx:
            return await repo.newest(tx)

    # the worker's side ----------------------------------------------------------------------------------------

    async def attend(self, stop: asyncio.Event) -> None:
        """Work off what is asked for until `stop`. Waits while PostgreSQL is away. A store that was never counted is
        counted."""
        wake = asyncio.Event()
        listener = asyncio.create_task(self._listen(wake), name="upkeep wakeups")
        stopping = asyncio.create_task(stop.wait())
        first = True
        try:
            while not stop.is_set():
                wake.clear()
                try:
                    if first and not await self._is_counted():
                        await self.start(SYSTEM, UpkeepKind.COUNT)
                    first = False
                    await self.work(stop)
                except Unavailable as error:
                    log.warning("upkeep waits", extra={"reason": error.message})
                waking = asyncio.create_task(wake.wait())
                await asyncio.wait({waking, stopping}, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
        finally:
            listener.cancel()
            stopping.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def work(self, stop: asyncio.Event | None = None) -> int:
        """Do what waits now and what a dead worker left, one after another; how many. What another works on is left
        to it."""
        done = 0
        async with self._database.begin() as tx:
            waiting = await repo.unfinished(tx)
        for run in waiting:
            if stop is not None and stop.is_set():
                break
            async with self._database.begin() as lock:
                if not await repo.lock(lock, run.kind):
                    continue
                async with self._database.begin() as tx:
                    attempts = await repo.begin(tx, run.id, self._clock.now())
                if attempts:
                    await self._one(run, attempts, lock, stop)
                    done += 1
        return done

    async def _one(self, run: Upkeep, attempts: int, lock: AsyncConnection, stop: asyncio.Event | None) -> None:
        """Raises `Unavailable` where PostgreSQL goes away: the row stays, the work is begun again."""
        if attempts > _MAX_ATTEMPTS:
            await self._finish(run, None, f"given up: {_MAX_ATTEMPTS} workers died over it; their logs say why")
            return
        meter = Meter()
        task = asyncio.create_task(self._do(run.kind, meter))
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_TELL_S)
                if stop is not None and stop.is_set():
                    meter.stop()
                async with self._database.begin() as tx:
                    await repo.tell(tx, run.id, meter.progress)
                await lock.execute(text("SELECT 1"))  # still ours, and not idle for the server
        finally:
            meter.stop()
            with contextlib.suppress(Exception):
                await task  # the thread ends at its next block; what it gave is looked at below
        run = msgspec.structs.replace(run, progress=meter.progress)
        try:
            report = task.result()
        except Stopped:
            async with self._database.begin() as tx:
                await repo.put_back(tx, run.id)
        except DxopsError as error:
            log.warning("upkeep failed", extra={"kind": run.kind.value, "reason": error.message})
            await self._finish(run, None, error.message)
        except Exception:
            log.exception("upkeep failed", extra={"kind": run.kind.value})
            await self._finish(run, None, "an error of dxops itself; the worker's log has it")
        else:
            await self._finish(run, report, None)

    async def _do(self, kind: UpkeepKind, meter: Meter) -> Verified | Collected | Counted:
        if kind is UpkeepKind.VERIFY:
            return await self._caretaker.verify(meter)
        if kind is UpkeepKind.COUNT:
            return await self._caretaker.count(meter)
        return await self._caretaker.collect(dry_run=kind is UpkeepKind.PREVIEW, meter=meter)

    async def _finish(self, run: Upkeep, report: Verified | Collected | Counted | None, error: str | None) -> None:
        async with self._database.begin() as tx:
            await repo.finish(tx, run, self._clock.now(), report=report, error=error)

    async def _is_counted(self) -> bool:
        async with self._database.begin() as tx:
            return await repo.last_counted(tx) is not None

    async def _listen(self, wake: asyncio.Event) -> None:
        async for _ in self._database.notifications([_CHANNEL]):
            wake.set()
