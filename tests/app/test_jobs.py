"""Periodic jobs on a real database."""

from __future__ import annotations

import asyncio

from dxops.app.jobs import Job, make_jobs, rescue_stalled


async def test_a_periodic_job_runs_and_a_failing_one_does_not_stop_it(database_url: str) -> None:
    ran = asyncio.Event()

    async def good() -> None:
        ran.set()

    async def bad() -> None:
        raise RuntimeError("always")

    jobs = [Job(name="good", cron="* * * * * *", run=good), Job(name="bad", cron="* * * * * *", run=bad)]
    app = make_jobs(database_url, jobs)
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(install_signal_handlers=False, fetch_job_polling_interval=0.2)
        )
        await asyncio.wait_for(ran.wait(), 20)
        ran.clear()
        await asyncio.wait_for(ran.wait(), 20)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        assert await rescue_stalled(app) == 0
