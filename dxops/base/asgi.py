"""What every raw listener shares: bodies part by part, and callers that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

T = TypeVar("T")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]  # Any: ASGI messages are open dictionaries


class Gone(Exception):
    """The client went away, or stalled."""


async def next_part(receive: Receive, stall_s: float | None = None) -> tuple[bytes, bool]:
    """What comes next of a body, and whether there is more. Raises `Gone`, also after `stall_s` without anything."""
    try:
        message = await asyncio.wait_for(receive(), stall_s)
    except TimeoutError:
        raise Gone from None
    if message["type"] != "http.request":
        raise Gone
    return message.get("body", b""), bool(message.get("more_body", False))


async def whole_body(receive: Receive, limit_bytes: int, stall_s: float | None = None) -> bytes | None:
    """All of it; None for more than `limit_bytes`, the rest of which is not read. Raises `Gone`."""
    parts, more = bytearray(), True
    while more:
        part, more = await next_part(receive, stall_s)
        parts += part
        if len(parts) > limit_bytes:
            return None
    return bytes(parts)


async def departure(receive: Receive) -> None:
    """Ends when the client goes away. Only where no body is left to read."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def while_connected(receive: Receive, work: Awaitable[T]) -> T:
    """`work`'s result; ended when the caller goes away, and its queries with it. Only where no body is left to read,
    and once for a request: Granian tells whoever waits again that the caller went away. Raises `Gone`."""
    running = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(departure(receive))
    try:
        await asyncio.wait((running, gone), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise Gone
        return running.result()
    finally:
        for task in (running, gone):
            task.cancel()
        await asyncio.gather(running, gone, return_exceptions=True)
