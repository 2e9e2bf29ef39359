"""An event loop whose time jumps to the next timer, and threads that are greenlets: the same seed, the same run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import greenlet

T = TypeVar("T")


class Stuck(AssertionError):
    """Nothing will ever happen again."""


class _Selector:
    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise Stuck("everybody waits, no timer is set")
        self._loop.now += timeout
        return []


class SimulatedLoop(asyncio.BaseEventLoop):
    """No sockets, no signals, no real time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._selector = _Selector(self)

    def time(self) -> float:
        return self.now

    def _process_events(self, event_list: object) -> None: ...

    def _write_to_self(self) -> None: ...


class SimulatedClock:
    """The loop's time as a wall clock."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self._start = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.now)

    def monotonic(self) -> float:
        return self._loop.now


class Process:
    """Something that can be killed. Its disk calls fail from then on, its threads stop where they are."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.steps = 0
        self.dies_at_step = -1
        self.died = asyncio.Event()

    def die(self) -> None:
        self.dead = True
        self.died.set()


class Killed(BaseException):
    """Raised by disk calls of a dead process."""


class GreenletRunner:
    """Runs work so that it can be suspended inside a disk call while everybody else goes on."""

    def __init__(self, process: Process, start_delay: Callable[[], float]) -> None:
        self._process = process
        self._start_delay = start_delay

    async def run(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def body() -> None:
            try:
                result = work()
            except greenlet.GreenletExit:
                raise
            except BaseException as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        thread = greenlet.greenlet(body)

        def step() -> None:
            if self._process.dead:
                return
            pause = thread.switch()
            if not thread.dead:
                loop.call_later(pause, step)

        loop.call_later(self._start_delay(), step)
        return await done

    def close(self) -> None: ...


def pause(seconds: float) -> None:
    """Let simulated time pass inside a disk call; nothing where the call is made on the loop itself."""
    current = greenlet.getcurrent()
    if current.parent is not None:
        current.parent.switch(seconds)
