"""Bodies ready to send: small ones in memory, large ones as files. All of them were verified when read from blocks.

Large files go through a file because Granian sends a file as fast as its client takes it, while bytes handed to it pile
up in memory for a slow client.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Final

from dxops.base.clock import Clock
from dxops.base.errors import Unavailable
from dxops.base.ports import Content

log = logging.getLogger(__name__)

LARGE_BYTES: Final = 1024 * 1024
_IN_USE_S: Final = 30.0
_ENTRY_BYTES: Final = 600  # headers and keys beside a body


class Body:
    """Bytes, and the hot responses that refer to them. `used` is set on each hit, cleared by the sweep."""

    __slots__ = ("data", "keys", "used")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.used = True
        self.keys: list[Hashable] = []


class Bodies:
    """Bodies by CID, bounded in bytes: the oldest that nobody asked for since the last sweep goes first.

    `on_evict` gets the keys that were noted on the body, so that nothing else keeps its bytes alive.
    """

    def __init__(self, content: Content, limit_bytes: int, on_evict: Callable[[list[Hashable]], None]) -> None:
        self._content = content
        self._limit = limit_bytes
        self._on_evict = on_evict
        self._bodies: OrderedDict[str, Body] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Body]] = {}
        self.size_bytes = 0

    async def get(self, cid: str) -> Body:
        """The body, read once however many ask. Raises `Missing` or `Refused` for blocks that are gone or damaged."""
        body = self._bodies.get(cid)
        if body is not None:
            body.used = True
            return body
        loading = self._loading.get(cid)
        if loading is None:
            loading = self._loading[cid] = asyncio.create_task(self._load(cid))
            loading.add_done_callback(lambda _: self._loading.pop(cid, None))
        return await asyncio.shield(loading)

    async def _load(self, cid: str) -> Body:
        body = Body(await self._content.read_bytes(cid, LARGE_BYTES))
        self._bodies[cid] = body
        self.size_bytes += len(body.data) + _ENTRY_BYTES
        self._sweep(body)
        return body

    def note(self, body: Body, key: Hashable) -> None:
        """Tell `key` to `on_evict` when `body` goes."""
        body.keys.append(key)

    def forget_keys(self) -> None:
        """All noted keys are void."""
        for body in self._bodies.values():
            body.keys.clear()

    def _sweep(self, newest: Body) -> None:
        while self.size_bytes > self._limit and len(self._bodies) > 1:
            cid, body = self._bodies.popitem(last=False)
            if body.used and body is not newest:
                body.used = False
                self._bodies[cid] = body
                continue
            self.size_bytes -= len(body.data) + _ENTRY_BYTES
            self._on_evict(body.keys)


class Spool:
    """Large bodies as files of `directory`, which is emptied at start: all of it can be made again."""

    def __init__(self, content: Content, directory: Path, limit_bytes: int, clock: Clock) -> None:
        self._content = content
        self._directory = directory
        self._limit = limit_bytes
        self._clock = clock
        self._files: OrderedDict[str, int] = OrderedDict()
        self._used: dict[str, float] = {}
        self._making: dict[str, asyncio.Task[None]] = {}

    def prepare(self) -> None:
        """Make the directory, empty."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)

    async def path(self, cid: str) -> Path:
        """The file with these bytes, made once however many ask. Raises `Unavailable` when the disk is full."""
        self._used[cid] = self._clock.monotonic()
        path = self._directory / cid
        if cid not in self._files:
            making = self._making.get(cid)
            if making is None:
                making = self._making[cid] = asyncio.create_task(self._make(cid, path))
                making.add_done_callback(lambda _: self._making.pop(cid, None))
            await asyncio.shield(making)
        self._files.move_to_end(cid)
        self._used[cid] = self._clock.monotonic()
        return path

    async def _make(self, cid: str, path: Path) -> None:
        part = path.with_name(f"{cid}.part")
        size = 0
        try:
            with await asyncio.to_thread(part.open, "wb") as file:
                async for chunk in self._content.read(cid):
                    await asyncio.to_thread(file.write, chunk)
                    size += len(chunk)
            await asyncio.to_thread(part.replace, path)
        except OSError as error:
            raise Unavailable(f"a large file cannot be made ready: {error.strerror}", retry_after_s=10) from error
        finally:
            part.unlink(missing_ok=True)
        self._files[cid] = size
        self._sweep()

    def _sweep(self) -> None:
        """Remove the files used longest ago. One used just now may still wait to be opened: it stays a while."""
        total = sum(self._files.values())
        before = self._clock.monotonic() - _IN_USE_S
        for cid in list(self._files):
            if total <= self._limit:
                return
            if self._used.get(cid, 0.0) < before:
                total -= self._files.pop(cid)
                self._used.pop(cid, None)
                (self._directory / cid).unlink(missing_ok=True)
