"""Publish runs and their logs: written in batches, read live by any number of readers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Conflict, Missing, Refused, TooLarge, Unavailable
from dxops.base.ids import IdSource
from dxops.base.web import Page, decode_number, page_limit, page_of
from dxops.engines.postgres.database import Database, notify
from dxops.rooms.delivery import rules, runs_repo
from dxops.rooms.delivery.catalogue import seq_of
from dxops.rooms.delivery.model import LogText, Run, RunLine, RunStatus, Source
from dxops.rooms.delivery.wakeups import RUN, Wakeups
from dxops.wire.sgr import colored_line, plain_line

log = logging.getLogger(__name__)

MAX_LINES = 100_000
MAX_BATCH = 5_000
MAX_LINE = 8_192  # characters
_READ = 1_000
_POLL_S = 10.0
_SILENCE = timedelta(minutes=10)  # our CLI writes at least every minute
_STREAMS = ("out", "err", "info")


class Runs:
    """The runs of all environments."""

    def __init__(self, database: Database, wakeups: Wakeups, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._wakeups = wakeups
        self._clock = clock
        self._ids = ids

    async def start(self, actor: Actor, environment: str, apps: Sequence[str], source: Source) -> Run:
        """Open a run of these apps' names (scope PUBLISH for each)."""
        actor.require(Scope.PUBLISH, environment=environment)
        for name in apps:
            actor.require(Scope.PUBLISH, app=rules.check_app_name(name), environment=environment)
        run = Run(
            id=self._ids("run"),
            number=0,
            environment=environment,
            apps=tuple(apps),
            status=RunStatus.RUNNING,
            actor=actor.name,
            via=source.via,
            started_at=self._clock.now(),
            commit=source.commit,
            branch=source.branch,
            author=source.author,
        )
        async with self._database.begin() as tx:
            return await runs_repo.add(tx, run, actor)

    async def append(self, actor: Actor, run_id: str, lines: Sequence[LogText]) -> int:
        """Append lines; the number of the last one. No lines at all is a sign of life. What is over `MAX_LINES` is
        dropped, and the log says so. Raises `Conflict` once the run is finished."""
        if len(lines) > MAX_BATCH:
            raise TooLarge(f"at most {MAX_BATCH} lines in one call", field="lines")
        for line in lines:
            if line.stream not in _STREAMS:
                raise Refused(f"no stream '{line.stream[:20]}'", field="stream", hint="out, err or info")
        now = self._clock.now()
        async with self._database.begin() as tx:
            run = await self._open_run(tx, actor, run_id)
            room = MAX_LINES - run.lines
            kept = [
                RunLine(
                    seq=run.lines + index,
                    at=now,
                    stream=line.stream,
                    app=line.app,
                    text=colored_line(line.text, MAX_LINE),
                )
                for index, line in enumerate(lines[: max(room, 0)], 1)
            ]
            if 0 < room <= len(lines):
                cut = f"[the log is cut here: over {MAX_LINES} lines]"
                kept[-1] = RunLine(seq=run.lines + len(kept), at=now, stream="info", text=cut)
            await runs_repo.add_lines(tx, run_id, kept, now)
            await notify(tx, RUN, run_id)
        return run.lines + len(kept)

    async def finish(self, actor: Actor, run_id: str, status: RunStatus, summary: str | None) -> Run:
        """Freeze a run. Raises `Conflict` for one that is finished."""
        if status is RunStatus.RUNNING:
            raise Refused("a finished run is succeeded or failed", field="status")
        async with self._database.begin() as tx:
            await self._open_run(tx, actor, run_id)
            text = None if summary is None else plain_line(summary)[:MAX_LINE]
            await runs_repo.finish(tx, run_id, status, text, self._clock.now())
            await notify(tx, RUN, run_id)
        return await self.get(run_id)

    async def get(self, run_id: str) -> Run:
        """One run. Raises `Missing`."""
        async with self._database.begin() as tx:
            return _found(await runs_repo.find(tx, run_id), run_id)

    async def list(self, app: str | None, cursor: str | None, limit: int | None) -> Page[Run]:
        """Newest first."""
        size, before = page_limit(limit), decode_number(cursor) if cursor else None
        async with self._database.begin() as tx:
            found = await runs_repo.listed(tx, app, before, size + 1)
        return page_of(found, size, seq_of, lambda each: each[1])

    async def follow(self, run_id: str, after: int, *, colors: bool) -> AsyncIterator[RunLine]:
        """Every line after `after`, then live until the run is finished; plain text, or with `colors` as `wire.sgr`
        keeps them. Waits while PostgreSQL is away. Raises `Missing` at the first step."""
        async with self._wakeups.waiting(RUN, run_id) as bell:
            while True:
                bell.clear()
                try:
                    async with self._database.begin() as tx:
                        # the run before its lines: once it is finished, the lines that follow are all there are
                        run = _found(await runs_repo.find(tx, run_id), run_id)
                        lines = await runs_repo.lines_after(tx, run_id, after, _READ)
                except Unavailable as error:
                    log.warning("following a run: waiting", extra={"run": run_id, "reason": error.message})
                    await asyncio.sleep(error.retry_after_s)
                    continue
                for line in lines:
                    after = line.seq
                    yield line if colors else msgspec.structs.replace(line, text=plain_line(line.text))
                if len(lines) == _READ:
                    continue
                if run.finished_at is not None:
                    return
                try:
                    await asyncio.wait_for(bell.wait(), _POLL_S)
                except TimeoutError:
                    continue

    async def sweep(self) -> int:
        """Close runs whose client went silent, with a line that says so; how many."""
        now = self._clock.now()
        async with self._database.begin() as tx:
            for run_id in (found := await runs_repo.silent(tx, now - _SILENCE)):
                run = _found(await runs_repo.find(tx, run_id), run_id)
                text = "[the publisher went silent: run given up]"
                await runs_repo.add_lines(
                    tx, run_id, [RunLine(seq=run.lines + 1, at=now, stream="info", text=text)], now
                )
                await runs_repo.finish(tx, run_id, RunStatus.LOST, "the publisher went silent", now)
                await notify(tx, RUN, run_id)
        return len(found)

    async def _open_run(self, tx: AsyncConnection, actor: Actor, run_id: str) -> Run:
        run = _found(await runs_repo.find(tx, run_id, lock=True), run_id)
        actor.require(Scope.PUBLISH, environment=run.environment)
        if run.finished_at is not None:
            raise Conflict(f"run {run.number} is already {run.status.value}", code="run_finished")
        return run


def _found(run: Run | None, run_id: str) -> Run:
    if run is None:
        raise Missing(f"no run '{run_id[:60]}'", hint="`dxops runs` lists them")
    return run
