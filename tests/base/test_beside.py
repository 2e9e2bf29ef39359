"""Work beside a block: awaited, given up, failing."""

from __future__ import annotations

import asyncio

import pytest

from dxops.base.beside import beside


async def test_both_go_on_at_once() -> None:
    begun = asyncio.Event()

    async def work() -> int:
        begun.set()
        return 7

    async with beside(work()) as task:
        await begun.wait()
        assert await task == 7


async def test_work_that_nobody_awaits_ends_with_the_block() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned up")

    async def block() -> None:
        async with beside(work()):
            await asyncio.sleep(0)
            raise ValueError("the block's own")

    with pytest.raises(ValueError, match="the block's own"):
        await block()
    assert ended == ["cleaned up"]


async def test_a_failure_is_told_to_who_awaits_it() -> None:
    async def work() -> None:
        raise LookupError("of the work")

    async with beside(work()) as task:
        await asyncio.sleep(0)
        with pytest.raises(LookupError, match="of the work"):
            await task
    async with beside(work()):
        await asyncio.sleep(0)
