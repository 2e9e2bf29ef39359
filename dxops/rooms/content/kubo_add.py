"""Kubo RPC: `add`. Lines are written while parts arrive; the wrapping root is last (kube.md, section 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from dxops.base.errors import Refused
from dxops.base.ports import Imported
from dxops.rooms.content.exchange import Cut, Exchange
from dxops.rooms.content.kubo_call import Call
from dxops.rooms.content.kubo_upload import Line, Upload
from dxops.wire.kubo import add_flags, lines
from dxops.wire.multipart import boundary_of

_STEP_BYTES: Final = 4 * 1024 * 1024  # at most this much of the body a trip to a thread
_AHEAD_BYTES: Final = 8 * 1024 * 1024  # read ahead of the hashing, at most


async def add(call: Call) -> None:
    """Import the parts, pin the result unless `pin=false`. A failed or cut request pins nothing: what it stored goes
    with the next collection."""
    flags = add_flags(call.query)
    upload = Upload(call.content.blocks, flags, boundary_of(call.exchange.header("content-type") or ""))

    async def put(values: list[Line]) -> None:
        if not values:
            return
        if not call.exchange.started:
            await call.start_lines()
        await call.exchange.write(lines(values))

    try:
        await _feed(call.exchange, upload, put)
        last = await asyncio.to_thread(upload.finish)
    except BaseException:
        upload.close()
        raise
    if not flags.only_hash:
        await _keep(call, upload, pin=flags.pin)
    if not call.exchange.started:
        await call.start_lines()
    await call.exchange.end(lines(last))


async def _keep(call: Call, upload: Upload, *, pin: bool) -> None:
    for root in upload.roots:
        if pin:
            await call.content.holds.hold_upload(str(root.cid))
        alone = len(upload.roots) == 1
        done = Imported(
            cid=str(root.cid),
            profile=upload.profile.name,
            files=upload.files if alone else 1,
            size_bytes=root.size,
            dag_bytes=upload.dag_bytes if alone else root.tsize,
        )
        await call.content.record_import(done, "kubo", call.actor)


async def _feed(exchange: Exchange, upload: Upload, put: Callable[[list[Line]], Awaitable[None]]) -> None:
    """Read ahead while a thread hashes and stores. Whatever has come is worked off at once: a client that sends little
    gets its lines no later than one that sends much."""
    ahead = _Ahead()
    reading = asyncio.create_task(ahead.fill(exchange))
    try:
        while data := await ahead.take(_STEP_BYTES):
            await put(await asyncio.to_thread(upload.feed, data))
        await reading
    except Cut:
        raise Refused("the upload was cut", code="upload_cut") from None
    finally:
        reading.cancel()


class _Ahead:
    """A bounded buffer between the connection and the thread."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._changed = asyncio.Condition()
        self._over = False

    async def fill(self, exchange: Exchange) -> None:
        try:
            async for chunk in exchange.body():
                async with self._changed:
                    await self._changed.wait_for(lambda: len(self._buffer) < _AHEAD_BYTES)
                    self._buffer += chunk
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self._over = True
                self._changed.notify_all()

    async def take(self, limit: int) -> bytes:
        """What is there, at most `limit` bytes; waits for some; empty at the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._buffer) or self._over)
            taken = bytes(self._buffer[:limit])
            del self._buffer[:limit]
            self._changed.notify_all()
        return taken
