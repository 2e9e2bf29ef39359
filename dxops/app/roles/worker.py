"""The role `worker`: periodic jobs, and upkeep when it is asked for. Any number of workers may run; rows make each job
run once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import psycopg
from procrastinate.exceptions import ConnectorException

from dxops.app.house import House
from dxops.app.jobs import Job, make_jobs
from dxops.app.roles import DRAIN_S
from dxops.base.actors import SYSTEM
from dxops.rooms.content.model import UpkeepKind

log = logging.getLogger(__name__)

_FIRST_RETRY_S = 0.5
_LAST_RETRY_S = 15.0


def jobs_of(house: House) -> list[Job]:
    """Every periodic job of the house."""
    return [
        Job(name="check_links", cron="* * * * * */30", run=house.delivery.check_links),
        Job(name="sweep_runs", cron="*/5 * * * *", run=house.delivery.sweep_runs),
        Job(name="retire_releases", cron="10 * * * *", run=house.delivery.retire),
        Job(
            name="collect_content",
            cron="20 * * * *",
            run=lambda: house.content.upkeep.start(SYSTEM, UpkeepKind.COLLECT),
        ),
        Job(name="replicate_content", cron="* * * * * */10", run=house.content.replicate_pending),
        Job(name="expire_logs", cron="*/5 * * * *", run=house.expire_logs),
        Job(name="make_room", cron="* * * * * */30", run=house.make_room),
        Job(name="forget_sessions", cron="40 3 * * *", run=house.accounts.housekeep),
    ]


async def run(house: House, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Work until `stop`; a job under way may end for ten seconds. Waits with back-off while PostgreSQL is away."""
    ready()
    async with asyncio.TaskGroup() as group:
        group.create_task(_run_jobs(house, stop))
        group.create_task(house.content.upkeep.attend(stop))


async def _run_jobs(house: House, stop: asyncio.Event) -> None:
    delay = _FIRST_RETRY_S
    while not stop.is_set():
        try:
            await _work(house, stop)
            delay = _FIRST_RETRY_S
        except (psycopg.Error, ConnectorException) as error:
            log.warning("jobs wait for PostgreSQL", extra={"reason": str(error).strip(), "retry_s": delay})
            try:
                await asyncio.wait_for(stop.wait(), delay)
            except TimeoutError:
                delay = min(delay * 2, _LAST_RETRY_S)


async def _work(house: House, stop: asyncio.Event) -> None:
    app = make_jobs(house.postgres_url, jobs_of(house))
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                concurrency=2,
                install_signal_handlers=False,
                shutdown_graceful_timeout=DRAIN_S,
                delete_jobs="successful",
            )
        )
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({worker, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
        if not stop.is_set() and (error := worker.exception()) is not None:
            raise error
