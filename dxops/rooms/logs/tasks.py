"""Long work that callers may wait for, look at and cancel: what Elasticsearch calls tasks. In memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from dxops.base.errors import DxopsError

NODE: Final = "n1"
MAX_RUNNING: Final = 20
MAX_KEPT: Final = 500
_KEPT_MS: Final = 3_600_000


class Task:
    """`status` is asked for what to show meanwhile. `error` is what the work raised, if it did."""

    def __init__(
        self, number: int, action: str, description: str, tenant: str, started_ms: int, status: Callable[[], Any]
    ) -> None:
        self.id = f"{NODE}:{number}"
        self.number = number
        self.action = action
        self.description = description
        self.tenant = tenant
        self.started_ms = started_ms
        self.ended_ms: int | None = None
        self.status = status
        self.work: asyncio.Task[dict[str, Any]] | None = None
        self.cancelled = False

    @property
    def running(self) -> bool:
        return self.work is not None and not self.work.done()

    def result(self) -> dict[str, Any] | None:
        """Raises what the work raised; None while it runs and once it was cancelled."""
        if self.work is None or not self.work.done() or self.work.cancelled():
            return None
        return self.work.result()

    def error(self) -> BaseException | None:
        """What the work raised."""
        return (
            self.work.exception() if self.work is not None and self.work.done() and not self.work.cancelled() else None
        )


class TooMany(DxopsError):
    """No more work is taken at the moment."""


class Tasks:
    """All of a process. Ended ones are kept for an hour, a few hundred at most."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._next = 1
        self._tasks: dict[str, Task] = {}

    def start(
        self,
        action: str,
        description: str,
        tenant: str,
        work: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
        status: Callable[[], Any],
    ) -> Task:
        """Begin it. Raises `TooMany`."""
        self._tidy()
        if sum(task.running for task in self._tasks.values()) >= MAX_RUNNING:
            raise TooMany(f"{MAX_RUNNING} tasks are running", hint="wait for one to end, or cancel one")
        task = Task(self._next, action, description[:1000], tenant, self._now_ms(), status)
        self._next += 1
        self._tasks[task.id] = task
        task.work = asyncio.create_task(work(), name=f"task {task.id}")
        task.work.add_done_callback(lambda done: self._ended(task, done))
        return task

    def find(self, id_: str) -> Task | None:
        """None for one that never was or is forgotten."""
        self._tidy()
        return self._tasks.get(id_)

    def all(self) -> Mapping[str, Task]:
        """By id, the oldest first."""
        self._tidy()
        return self._tasks

    def forget(self, id_: str) -> None:
        """Its result is of no interest to anybody."""
        self._tasks.pop(id_, None)

    async def close(self) -> None:
        """Cancel what runs."""
        running = [task.work for task in self._tasks.values() if task.work is not None and not task.work.done()]
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: Task, done: asyncio.Task[dict[str, Any]]) -> None:
        task.ended_ms = self._now_ms()
        if not done.cancelled():
            done.exception()  # is looked at later, or never

    def _tidy(self) -> None:
        oldest = self._now_ms() - _KEPT_MS
        ended = [task for task in self._tasks.values() if task.ended_ms is not None]
        for place, task in enumerate(reversed(ended)):
            if place >= MAX_KEPT or (task.ended_ms or 0) < oldest:
                del self._tasks[task.id]
