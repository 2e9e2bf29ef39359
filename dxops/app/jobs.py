"""Background work of the worker role: periodic jobs as PostgreSQL rows, by procrastinate.

Rows make a job run once however many workers there are, and again if the worker that had it dies.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from procrastinate import App, PsycopgConnector

log = logging.getLogger(__name__)

_STALLED_S = 60
_CONNECTIONS = 3  # one listens, one fetches, one runs


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A periodic job. `cron` has five fields, or six with seconds last; `run` must bear being run twice."""

    name: str
    cron: str
    run: Callable[[], Awaitable[object]]


def make_jobs(url: str, jobs: Sequence[Job]) -> App:
    """A procrastinate app with every job registered. Use it as `async with app.open_async()`.

    A run that fails is logged and tried again at its next time. No job runs beside itself, nor queues up twice.
    """
    connector = PsycopgConnector(
        conninfo=url,
        min_size=1,
        max_size=_CONNECTIONS,
        max_idle=30.0,
        kwargs={"options": "-c search_path=jobs -c timezone=UTC", "application_name": "dxops jobs"},
    )
    app = App(connector=connector)
    for job in [*jobs, Job(name="rescue_stalled", cron="* * * * *", run=lambda: rescue_stalled(app))]:
        _register(app, job)
    return app


async def rescue_stalled(app: App) -> int:
    """Queue again what a dead worker had begun; how many."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_S))
    for job in stalled:
        log.warning("job of a dead worker queued again", extra={"job": job.task_name})
        await app.job_manager.retry_job(job)
    return len(stalled)


def _register(app: App, job: Job) -> None:
    async def task(timestamp: int, **_: Any) -> None:  # procrastinate passes the scheduled time
        try:
            found = await job.run()
        except Exception:
            log.exception("job failed", extra={"job": job.name})
            raise
        log.debug("job done", extra={"job": job.name, "result": str(found)})

    registered = app.task(name=job.name, lock=job.name, queueing_lock=job.name)(task)
    app.periodic(cron=job.cron)(registered)
