"""What something slow said last, asked for again beside the work that uses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """A value that is given as it is for `fresh_s` seconds, and for `old_s` while it is asked for again; an older one
    is waited for. Whoever comes while it is asked for waits for the same answer. For one event loop."""

    def __init__(self, ask: Callable[[], Awaitable[T]], *, fresh_s: float, old_s: float) -> None:
        self._ask = ask
        self._fresh_s = fresh_s
        self._old_s = old_s
        self._known: tuple[float, T] | None = None
        self._asking: asyncio.Task[T] | None = None
        self._waiting = 0

    async def get(self) -> T:
        """Raises what asking raises, unless there is a value that is not too old."""
        age_s = float("inf") if self._known is None else time.monotonic() - self._known[0]
        if self._known is not None and age_s < self._fresh_s:
            return self._known[1]
        if self._asking is None:
            self._asking = asyncio.create_task(self._asked())
            self._asking.add_done_callback(_heard)
        if self._known is not None and age_s < self._old_s:
            return self._known[1]
        asking = self._asking
        self._waiting += 1
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            if self._waiting == 1:  # nobody is left to hear it
                asking.cancel()
                if self._asking is asking:
                    self._asking = None
            raise
        finally:
            self._waiting -= 1

    def last(self) -> T | None:
        """The value, however old; None where there never was one, or it was forgotten."""
        return None if self._known is None else self._known[1]

    def forget(self) -> None:
        """The next who asks waits for an answer that is asked for from now on."""
        self._known = None
        self._asking = None

    async def _asked(self) -> T:
        mine = asyncio.current_task()
        try:
            value = await self._ask()
        except Exception:
            if self._asking is mine and self._known is not None:
                self._known = (float("-inf"), self._known[1])  # so that the next waits, and hears of it
            raise
        else:
            if self._asking is mine:
                self._known = (time.monotonic(), value)
            return value
        finally:
            if self._asking is mine:
                self._asking = None


def _heard(task: asyncio.Task[object]) -> None:
    """Nobody may be waiting for a failure: then the next who comes asks again, and hears of that."""
    if not task.cancelled():
        task.exception()
