"""Values that are asked for beside the work that uses them."""

from __future__ import annotations

import asyncio

import pytest

from dxops.base.remembered import Remembered


class Slow:
    """Counts how often it was asked; answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.fails = False

    async def __call__(self) -> int:
        self.asked += 1
        mine = self.asked
        await self.open.wait()
        if self.fails:
            raise ConnectionError("away")
        return mine


async def begun(value: Remembered[int]) -> asyncio.Task[int]:
    """Somebody who waits for the value."""
    task = asyncio.create_task(value.get())
    await asyncio.sleep(0)
    return task


async def test_a_fresh_value_is_given_as_it_is() -> None:
    slow = Slow()
    value = Remembered(slow, fresh_s=60, old_s=60)
    assert [await value.get(), await value.get()] == [1, 1]
    assert slow.asked == 1
    assert value.last() == 1


async def test_whoever_comes_while_it_is_asked_for_waits_for_the_same() -> None:
    slow = Slow()
    slow.open.clear()
    value = Remembered(slow, fresh_s=60, old_s=60)
    assert value.last() is None
    both = [await begun(value), await begun(value)]
    both[0].cancel()
    await asyncio.sleep(0)
    slow.open.set()
    assert await both[1] == 1
    assert slow.asked == 1


async def test_asking_ends_when_the_last_who_waits_leaves() -> None:
    slow = Slow()
    slow.open.clear()
    value = Remembered(slow, fresh_s=60, old_s=60)
    alone = await begun(value)
    alone.cancel()
    next_one = await begun(value)  # at once: before the asking that was ended has ended
    with pytest.raises(asyncio.CancelledError):
        await alone
    slow.open.set()
    assert await next_one == 2


async def test_an_older_one_is_given_while_it_is_asked_for_again() -> None:
    slow = Slow()
    value = Remembered(slow, fresh_s=0, old_s=60)
    await value.get()
    slow.open.clear()
    assert [await value.get(), await value.get()] == [1, 1]
    slow.open.set()
    while value.last() == 1:
        await asyncio.sleep(0)
    assert await value.get() == 2


async def test_a_failure_is_told_to_the_next() -> None:
    slow = Slow()
    value = Remembered(slow, fresh_s=0, old_s=60)
    await value.get()
    slow.fails = True
    assert await value.get() == 1
    for _ in range(10):
        await asyncio.sleep(0)
    with pytest.raises(ConnectionError):
        await value.get()
    assert value.last() == 1
    slow.fails = False
    assert await value.get() > 2


async def test_what_was_asked_before_is_not_heard_after_forgetting() -> None:
    slow = Slow()
    slow.open.clear()
    value = Remembered(slow, fresh_s=60, old_s=60)
    first = await begun(value)
    value.forget()
    second = await begun(value)
    slow.open.set()
    assert [await first, await second] == [1, 2]
    assert value.last() == 2
