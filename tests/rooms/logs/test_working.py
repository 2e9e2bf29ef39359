"""What the store answered is worked on beside the event loop, within bounds: whoever sends documents does not wait."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dxops.base.errors import TooLarge
from dxops.rooms.logs.elastic.reading import read_fault
from dxops.rooms.logs.working import Check, Workers
from tests.rooms.logs.serving import serving


async def test_work_ends_when_it_takes_too_long() -> None:
    def endless(check: Check) -> None:
        while True:
            check()

    with pytest.raises(TooLarge) as late:
        await Workers(seconds=0.05).run(endless)
    fault = read_fault(late.value)
    assert fault is not None
    assert (fault.status, fault.type) == (400, "search_phase_execution_exception")


async def test_work_ends_when_nobody_waits_for_it() -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(check: Check) -> None:
        begun.set()
        try:
            while True:
                check()
        finally:
            ended.set()

    work = asyncio.create_task(Workers().run(endless))
    await asyncio.to_thread(begun.wait, 10)
    work.cancel()
    assert await asyncio.to_thread(ended.wait, 10)
    with pytest.raises(asyncio.CancelledError):
        await work


@pytest.mark.engine
@pytest.mark.parametrize(
    "body",
    [
        {"size": 60, "fields": [f"x{n}*" for n in range(300)]},
        {"size": 0, "aggs": {"h": {"top_hits": {"size": 60, "docvalue_fields": [f"x{n}*" for n in range(300)]}}}},
    ],
)
async def test_documents_are_taken_while_hits_are_made(tmp_path: Path, body: dict[str, Any]) -> None:
    async with serving(tmp_path) as on:
        document = {f"f{n}": n for n in range(100)}
        lines: list[Any] = [line for _ in range(60) for line in ({"index": {"_index": "a"}}, document)]
        await on.ask("POST", "/_bulk?refresh=true", lines)
        search = asyncio.create_task(on.client.post("/a/_search", json=body, timeout=60))
        taken, longest_s = 0, 0.0
        while not search.done():
            began = time.monotonic()
            await on.ask("POST", "/a/_doc", {"n": 1}, 201)
            longest_s = max(longest_s, time.monotonic() - began)
            taken += 1
        assert (await search).status_code == 200
        assert taken > 5
        assert longest_s < 2
