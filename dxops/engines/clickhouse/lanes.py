"""Keeping loads apart: a few threads for each kind of work, a bounded queue before each, 503 past it.

One lane cannot take another's threads, so that a heavy query never makes an insert wait. (CPU is shared; the queries'
`max_threads` bounds that.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


class Busy(Exception):
    """The queue is full. Come again in `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Lane:
    """`slots` at a time, at most `waiting` more in the queue, each for at most `patience_s`."""

    def __init__(self, name: str, slots: int, waiting: int, patience_s: float = 20.0) -> None:
        self.name = name
        self.slots = slots
        self._waiting = waiting
        self._patience_s = patience_s
        self._free = asyncio.Semaphore(slots)
        self._queued = 0
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix=f"lane-{name}")

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A place in the lane for the block's duration. Raises `Busy`."""
        if self._free.locked() and self._queued >= self._waiting:
            raise Busy(f"{self.slots} {self.name} requests run and {self._queued} wait")
        self._queued += 1
        try:
            await asyncio.wait_for(self._free.acquire(), self._patience_s)
        except TimeoutError:
            raise Busy(f"{self.slots} {self.name} requests ran for {self._patience_s:.0f} s", 5) from None
        finally:
            self._queued -= 1
        try:
            yield
        finally:
            self._free.release()

    def run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """`work` in a thread of the lane; to be used inside `slot`. It is not interrupted by cancelling the future."""
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Take no more work; waits for none."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Budget:
    """Bytes that may be held in memory by all requests together."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes

    def take(self, size_bytes: int) -> None:
        """Raises `Busy` when they are not there."""
        if size_bytes > self._left:
            raise Busy("too many bodies are being received")
        self._left -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        self._left += size_bytes
