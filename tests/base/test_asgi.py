"""Bodies part by part, and callers that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dxops.base.asgi import Gone, next_part, while_connected, whole_body


def sending(*messages: dict[str, Any]) -> Callable[[], Awaitable[dict[str, Any]]]:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


LEFT = {"type": "http.disconnect"}


async def test_a_body_is_read_to_its_end_or_to_its_limit() -> None:
    parts = [part(b"ab", more=True), part(b"", more=True), {"type": "http.request", "body": b"cd"}]
    assert await whole_body(sending(*parts), 4) == b"abcd"
    assert await whole_body(sending(*parts), 3) is None
    receive = sending(part(b"abc", more=True))
    assert await whole_body(receive, 2) is None  # what comes behind the limit is not waited for


async def test_a_body_that_is_cut_off_or_stalls_is_no_body() -> None:
    for receive in (sending(part(b"ab", more=True), LEFT), sending(part(b"ab", more=True))):
        with pytest.raises(Gone):
            await whole_body(receive, 10, stall_s=0.01)
    with pytest.raises(Gone):
        await next_part(sending(LEFT))


async def test_work_ends_with_its_caller() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(Gone):
        await while_connected(sending(LEFT), work())
    assert ended.is_set()
    assert await while_connected(sending(), asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ZeroDivisionError):
        await while_connected(sending(), fails())


async def fails() -> None:
    raise ZeroDivisionError
