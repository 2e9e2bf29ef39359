"""Searches that go on while their caller does something else, and their results until they expire: in memory."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from dxops.base.errors import Throttled, TooLarge

MAX_RUNS: Final = 200
MAX_RUNNING: Final = 20
OF_ONE: Final = 0.75  # the part of either that one owner alone may take
MAX_RESULT_BYTES: Final = 64 << 20
MAX_KEPT_BYTES: Final = 64 << 20  # compressed, of all together


class Run:
    """One of them. `body` is the compressed answer once there is one, `error` what ended it instead."""

    def __init__(self, id_: str, owner: str, kind: str, started_ms: int, expires_ms: int) -> None:
        self.id = id_
        self.owner = owner
        self.kind = kind
        self.started_ms = started_ms
        self.expires_ms = expires_ms
        self.ended_ms: int | None = None
        self.body: bytes | None = None
        self.error: Exception | None = None
        self.work: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self.ended_ms is None

    def answer(self) -> bytes | None:
        """The answer's JSON. Raises what ended the search."""
        if self.error is not None:
            raise self.error
        return None if self.body is None else zlib.decompress(self.body)

    async def wait(self, seconds: float) -> None:
        """Until it has ended, or so long."""
        if self.work is not None and self.running:
            await asyncio.wait([self.work], timeout=seconds)


class Runs:
    """All of a process. A run is its owner's: others do not find it."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._runs: dict[str, Run] = {}

    def start(self, owner: str, kind: str, keep_ms: int, work: Callable[[], Coroutine[Any, Any, bytes]]) -> Run:
        """`work` gives the answer's JSON. Raises `Throttled` where there are too many."""
        self._tidy()
        every = list(self._runs.values())
        own = [run for run in every if run.owner == owner]
        if _full(every, 1.0) or _full(own, OF_ONE):
            hint = "delete those that are not needed, or give a shorter keep_alive"
            raise Throttled("too many asynchronous searches are kept or running", hint=hint, retry_after_s=5.0)
        now = self._now_ms()
        run = Run(secrets.token_urlsafe(24), owner, kind, now, now + keep_ms)
        self._runs[run.id] = run
        run.work = asyncio.create_task(self._finish(run, work), name=f"async {kind}")
        return run

    def find(self, id_: str, owner: str, kind: str, *, keep_ms: int | None = None) -> Run | None:
        """None for one that is not there (any more), or is another's."""
        self._tidy()
        run = self._runs.get(id_)
        if run is None or run.owner != owner or run.kind != kind:
            return None
        if keep_ms is not None:
            run.expires_ms = self._now_ms() + keep_ms
        return run

    def remove(self, run: Run) -> None:
        """Forget it. What still runs is ended, and its query with it."""
        self._runs.pop(run.id, None)
        if run.work is not None:
            run.work.cancel()

    async def _finish(self, run: Run, work: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        try:
            body = await work()
            if len(body) > MAX_RESULT_BYTES:
                raise TooLarge(f"the result has {len(body)} bytes; at most {MAX_RESULT_BYTES} are kept")
            packed = await asyncio.to_thread(zlib.compress, body, 1)
            if sum(len(each.body or b"") for each in self._runs.values()) + len(packed) > MAX_KEPT_BYTES:
                raise TooLarge(f"results of {MAX_KEPT_BYTES} bytes are kept already", hint="delete old ones")
            run.body = packed
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            run.error = error
        finally:
            run.ended_ms = self._now_ms()

    def _tidy(self) -> None:
        now = self._now_ms()
        for run in [run for run in self._runs.values() if run.expires_ms <= now]:
            self.remove(run)


def _full(runs: list[Run], part: float) -> bool:
    return len(runs) >= MAX_RUNS * part or sum(run.running for run in runs) >= MAX_RUNNING * part
