"""Memory for bodies: bounded, shared, given back."""

from __future__ import annotations

import asyncio

import pytest

from dxops.engines.spool import SpoolFull
from dxops.rooms.logs.elastic.bodies import Bodies

MB = 1 << 20


async def test_what_does_not_fit_waits_until_it_does() -> None:
    bodies = Bodies(8 * MB)
    first, second = bodies.request(), bodies.request()
    await first.take(5 * MB)
    waiting = asyncio.create_task(second.take(4 * MB))
    await asyncio.sleep(0)
    assert not waiting.done()
    first.release()
    await waiting
    first.release()  # again changes nothing
    second.release()
    await first.take(6 * MB)


async def test_small_bodies_have_room_when_large_ones_trickle() -> None:
    bodies = Bodies(8 * MB, hold_s=0.001)
    large = bodies.request()
    await large.take(6 * MB)
    with pytest.raises(SpoolFull) as refused:
        await bodies.request().take(2 * MB)
    assert refused.value.retry_after_s == 1.0
    small = bodies.request()
    await small.take(MB // 2)
    await small.take(MB // 2)
    with pytest.raises(SpoolFull):
        await small.take(1)


async def test_one_alone_may_have_more() -> None:
    bodies = Bodies(8 * MB, hold_s=0.001)
    with bodies.request() as alone:
        for _ in range(100):
            await alone.take(MB)
        with pytest.raises(SpoolFull):
            await bodies.request().take(MB)
    await bodies.request().take(MB)


async def test_a_waiter_that_goes_away_leaves_nothing() -> None:
    bodies = Bodies(8 * MB)
    first, second = bodies.request(), bodies.request()
    await first.take(6 * MB)
    waiting = asyncio.create_task(second.take(5 * MB))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.release()
    second.release()
    await bodies.request().take(6 * MB)
