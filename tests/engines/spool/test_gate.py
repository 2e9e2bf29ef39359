"""Who is let in, who is held, who is refused."""

from __future__ import annotations

import asyncio

import pytest

from dxops.base.errors import Throttled
from dxops.engines.spool.gate import Gate, Request
from dxops.engines.spool.model import SpoolFull
from tests.engines.spool.driving import limits


def gate(**changes: object) -> Gate:
    return Gate(limits(**{"memory_bytes": 1000, "tenant_share": 0.6, "hold_s": 5.0, **changes}))


def request(size: int, tenant: str = "a", stream: str = "logs") -> Request:
    return Request(stream, tenant, size)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_memory_is_bounded_and_shared() -> None:
    room = gate()
    assert room.try_enter(request(500))
    assert not room.try_enter(request(200)), "over the tenant's share"
    assert room.try_enter(request(400, "b"))
    assert not room.try_enter(request(200, "c")), "over the whole"
    room.leave(request(500))
    assert room.try_enter(request(200, "c"))
    assert room.waiting_bytes == 600


async def test_one_frame_larger_than_memory_goes_alone() -> None:
    room = gate()
    assert room.try_enter(request(5000))
    assert not room.try_enter(request(1, "b"))


async def test_the_held_are_let_in_in_order_and_others_pass_a_tenant_that_is_stuck() -> None:
    room = gate()
    assert room.try_enter(request(600))
    order: list[str] = []

    async def enter(name: str, size: int, tenant: str) -> None:
        await room.enter(request(size, tenant))
        order.append(name)

    tasks = [asyncio.create_task(enter(*one)) for one in (("a1", 300, "a"), ("a2", 10, "a"), ("b1", 300, "b"))]
    await settle()
    assert order == ["b1"], "b is not held because a is over its share"
    room.leave(request(600))
    room.let_in()
    await asyncio.gather(*tasks)
    assert order == ["b1", "a1", "a2"]
    assert not room.holding


async def test_a_held_sender_that_goes_away_takes_nothing() -> None:
    room = gate()
    assert room.try_enter(request(600))
    task = asyncio.create_task(room.enter(request(300)))
    await settle()
    assert room.holding
    room.leave(request(600))
    room.let_in()
    task.cancel()
    await asyncio.wait([task])
    assert room.waiting_bytes == 0
    assert not room.holding


async def test_what_is_held_is_bounded_too() -> None:
    room = gate(hold_s=0.05)
    assert room.try_enter(request(600))
    first = asyncio.create_task(room.enter(request(350)))
    await settle()
    with pytest.raises(Throttled):
        await room.enter(request(300))
    with pytest.raises(Throttled):
        await first
    assert dict(room.refused) == {("logs", "a"): 2}
    assert dict(room.held) == {("logs", "a"): 1}


async def test_disk_is_bounded_by_stream_and_spool_and_free_space() -> None:
    room = gate(spool_bytes=10_000, stream_bytes=6_000, tenant_share=1.0, min_free_bytes=500)
    room.stored("logs", "a", 5_900)
    with pytest.raises(SpoolFull, match="stream 'logs'"):
        room.check(request(200))
    room.check(request(200, stream="usage"))
    room.stored("usage", "a", 4_000)
    with pytest.raises(SpoolFull, match="the spool is full"):
        room.check(request(200, stream="errors"))
    room.stored("logs", "a", -5_900)
    room.check(request(200))
    room.set_space(1_000, 1 << 30)
    with pytest.raises(SpoolFull, match="disk of the spool") as refused:
        room.check(request(600))
    assert refused.value.retry_after_s > 0
