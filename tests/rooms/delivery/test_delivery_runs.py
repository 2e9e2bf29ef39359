"""Runs and their logs."""

from __future__ import annotations

import asyncio

import pytest

from dxops.base.actors import Actor
from dxops.base.clock import ManualClock
from dxops.base.errors import Conflict, Forbidden, Missing, Refused
from dxops.rooms.delivery import runs as runs_module
from dxops.rooms.delivery.model import LogText, RunStatus, Source, Via
from dxops.rooms.delivery.service import Delivery

SOURCE = Source(via=Via.CLI, commit="c0ffee", branch="main", author="Ada")


async def read(delivery: Delivery, run_id: str) -> list[str]:
    return [line.text async for line in delivery.follow_run(run_id)]


async def test_a_run_is_followed_live_and_from_the_start(delivery: Delivery, developer: Actor) -> None:
    run = await delivery.start_run(developer, "dev", ["kai", "docs"], SOURCE)
    await delivery.append_log(developer, run.id, [LogText(text="one"), LogText(text="two\n", app="kai", stream="err")])
    got: list[str] = []

    async def follow() -> None:
        async for line in delivery.follow_run(run.id):
            got.append(line.text)

    reader = asyncio.create_task(follow())
    while len(got) < 2:
        await asyncio.sleep(0.005)
    await delivery.append_log(developer, run.id, [LogText(text="three")])
    while len(got) < 3:  # live: long before the poll of 10 s
        await asyncio.sleep(0.005)
    done = await delivery.finish_run(developer, run.id, RunStatus.SUCCEEDED, "2 released")
    await asyncio.wait_for(reader, 5)
    assert got == ["one", "two", "three"] == await read(delivery, run.id)
    assert (done.status, done.lines, done.summary, done.author) == (RunStatus.SUCCEEDED, 3, "2 released", "Ada")
    assert done.finished_at is not None
    with pytest.raises(Conflict):
        await delivery.append_log(developer, run.id, [LogText(text="late")])
    with pytest.raises(Conflict):
        await delivery.finish_run(developer, run.id, RunStatus.FAILED)
    assert [r.id for r in (await delivery.runs("kai")).items] == [run.id]
    assert (await delivery.runs("other")).items == []


async def test_batches_at_once_keep_their_lines_in_order(delivery: Delivery, developer: Actor) -> None:
    run = await delivery.start_run(developer, "dev", ["kai"], SOURCE)
    await asyncio.gather(
        *(delivery.append_log(developer, run.id, [LogText(text=f"{n}.{i}") for i in range(5)]) for n in range(8))
    )
    await delivery.finish_run(developer, run.id, RunStatus.FAILED)
    texts = await read(delivery, run.id)
    assert len(texts) == 40
    assert all(texts[i : i + 5] == [f"{texts[i].split('.')[0]}.{j}" for j in range(5)] for i in range(0, 40, 5))


async def test_a_log_is_bounded(delivery: Delivery, developer: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs_module, "MAX_LINES", 10)
    run = await delivery.start_run(developer, "dev", ["kai"], SOURCE)
    assert await delivery.append_log(developer, run.id, [LogText(text=str(n)) for n in range(8)]) == 8
    assert await delivery.append_log(developer, run.id, [LogText(text=str(n)) for n in range(8)]) == 10
    assert await delivery.append_log(developer, run.id, [LogText(text="more")]) == 10
    await delivery.finish_run(developer, run.id, RunStatus.SUCCEEDED)
    assert (await read(delivery, run.id))[-2:] == ["0", "[the log is cut here: over 10 lines]"]


async def test_a_silent_run_is_given_up(delivery: Delivery, developer: Actor, clock: ManualClock) -> None:
    silent = await delivery.start_run(developer, "dev", ["kai"], SOURCE)
    alive = await delivery.start_run(developer, "dev", ["kai"], SOURCE)
    clock.advance(500)
    await delivery.append_log(developer, alive.id, [])
    clock.advance(200)
    assert await delivery.sweep_runs() == 1
    assert (await delivery.run(silent.id)).status is RunStatus.LOST
    assert (await delivery.run(alive.id)).status is RunStatus.RUNNING
    assert await read(delivery, silent.id) == ["[the publisher went silent: run given up]"]


async def test_bad_calls_are_refused(delivery: Delivery, developer: Actor, viewer: Actor) -> None:
    with pytest.raises(Forbidden):
        await delivery.start_run(viewer, "dev", ["kai"], SOURCE)
    with pytest.raises(Missing):
        await delivery.start_run(developer, "qa", ["kai"], SOURCE)
    run = await delivery.start_run(developer, "dev", ["kai"], SOURCE)
    with pytest.raises(Forbidden):
        await delivery.append_log(viewer, run.id, [])
    with pytest.raises(Refused):
        await delivery.append_log(developer, run.id, [LogText(text="x", stream="stdin")])
    with pytest.raises(Refused):
        await delivery.finish_run(developer, run.id, RunStatus.RUNNING)
    with pytest.raises(Missing):
        await delivery.run("run_nope")
    with pytest.raises(Missing):
        await read(delivery, "run_nope")
