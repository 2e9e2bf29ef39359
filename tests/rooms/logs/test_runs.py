"""Searches that outlive their request: whose they are, and how many there may be."""

from __future__ import annotations

import asyncio

import pytest

from dxops.base.errors import Throttled
from dxops.rooms.logs import runs
from dxops.rooms.logs.runs import Run, Runs


async def _endless() -> bytes:
    await asyncio.Event().wait()
    return b""


async def _at_once() -> bytes:
    return b"{}"


async def test_one_owner_leaves_room_for_others() -> None:
    kept = Runs(lambda: 0)
    running = [kept.start("one", "search", 1000, _endless) for _ in range(int(runs.MAX_RUNNING * runs.OF_ONE))]
    with pytest.raises(Throttled):
        kept.start("one", "search", 1000, _endless)
    running += [kept.start("other", "search", 1000, _endless) for _ in range(runs.MAX_RUNNING - len(running))]
    with pytest.raises(Throttled):
        kept.start("third", "search", 1000, _endless)
    for run in running:
        kept.remove(run)
    await asyncio.gather(*(run.work for run in running if run.work is not None), return_exceptions=True)


async def test_results_that_are_kept_are_bounded_for_each_owner() -> None:
    kept = Runs(lambda: 0)
    made: list[Run] = []
    for _ in range(int(runs.MAX_RUNS * runs.OF_ONE)):
        made.append(kept.start("one", "search", 1000, _at_once))
        await made[-1].wait(10)
    with pytest.raises(Throttled):
        kept.start("one", "search", 1000, _at_once)
    assert kept.find(made[0].id, "other", "search") is None
    assert kept.find(made[0].id, "one", "esql") is None
    kept.remove(made[0])
    await kept.start("one", "search", 1000, _at_once).wait(10)
    await kept.start("other", "search", 1000, _at_once).wait(10)
