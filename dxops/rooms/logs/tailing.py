"""Live tails: what arrives, pushed to who watches, without a queue.

One poller for the whole process learns up to which sequence number the store has documents; each tail then asks for
its own. A tail asks when its reader has taken what it was given, so a slow reader costs nothing: what it cannot be
shown is counted (`skipped`), or comes later where every line is wanted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from dxops.base.errors import DxopsError, Throttled
from dxops.rooms.logs.explorer import Explorer
from dxops.rooms.logs.model import Line, Selection

MOST_TAILS: Final = 64
MOST_OF_ONE: Final = 16  # of one person or token: nobody takes all places
MOST_LINES: Final = 500  # of one event
EVERY_S: Final = 0.2
STATE_S: Final = 5.0
LONGEST_S: Final = 900.0
"""A tail ends then and its client comes again: credentials are looked at anew."""


class Lines(msgspec.Struct, frozen=True):
    """New lines, in order of arrival."""

    lines: list[Line]
    last_seq: int


class Skipped(msgspec.Struct, frozen=True):
    """So many lines came that are not shown."""

    count: int


class State(msgspec.Struct, frozen=True):
    """`lag_ms`: how long the newest shown line took from its receipt to here. `away`: why nothing can come now."""

    lag_ms: int
    last_seq: int
    away: str | None = None


Told: TypeAlias = Lines | Skipped | State
Selecting: TypeAlias = Callable[[], Awaitable[Selection]]


class Tails:
    """All open tails of a process."""

    def __init__(
        self, explorer: Explorer, *, most: int = MOST_TAILS, of_one: int = MOST_OF_ONE, every_s: float = EVERY_S
    ) -> None:
        self._explorer = explorer
        self._most = most
        self._of_one = of_one
        self._every_s = every_s
        self._open: Counter[str] = Counter()
        self._watch: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self._top = 0
        self._away: str | None = None

    @property
    def open(self) -> int:
        """How many there are."""
        return self._open.total()

    def begin(self, selecting: Selecting, *, owner: str, after_seq: int | None, whole: bool) -> Tail:
        """A tail, to be closed by `aclose`. `selecting` gives the selection, asked anew now and then. `whole`: every
        line from `after_seq` on, however long it takes. Raises `Throttled` when there are too many, of `owner` or all.
        """
        if self._open[owner] >= self._of_one:
            raise Throttled(f"{self._of_one} live tails of yours are open", retry_after_s=5, hint="close one of them")
        if self.open >= self._most:
            raise Throttled(f"{self._most} live tails are open", retry_after_s=5, hint="close one and try again")
        self._open[owner] += 1
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._poll(), name="tails")
        return Tail(self, owner, selecting, after_seq, whole)

    def end(self, owner: str) -> None:
        """One tail less; the last takes the poller along."""
        self._open[owner] -= 1
        self._open += Counter()  # forgets who has none
        if not self._open and self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _poll(self) -> None:
        while True:
            began = time.monotonic()
            try:
                top = await self._explorer.last_seq(self._top)
                away = None
            except DxopsError as error:
                top, away = self._top, error.message
            if top != self._top or away != self._away:
                self._top, self._away = top, away
                self._moved.set()
                self._moved = asyncio.Event()
            await asyncio.sleep(max(0.02, self._every_s - (time.monotonic() - began)))

    async def first(self) -> int:
        """Where a tail without a place of its own begins: the newest document there is now."""
        self._top = max(self._top, await self._explorer.last_seq(self._top))
        return self._top

    async def beyond(self, seq: int, within_s: float) -> tuple[int, str | None]:
        """Waits until there is more than `seq` (or the store goes away), at most so long: the newest sequence number,
        and why the store is away."""
        moved = self._moved
        if self._top <= seq:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(moved.wait(), within_s)
        return self._top, self._away

    @property
    def explorer(self) -> Explorer:
        return self._explorer


class Tail:
    """One tail: iterate it. `aclose` ends it, also where it was never iterated."""

    def __init__(self, tails: Tails, owner: str, selecting: Selecting, after_seq: int | None, whole: bool) -> None:
        self._tails = tails
        self._owner = owner
        self._selecting = selecting
        self._after = after_seq
        self._whole = whole
        self._lag_ms = 0
        self._closed = False

    async def aclose(self) -> None:
        """Give its place back."""
        if not self._closed:
            self._closed = True
            self._tails.end(self._owner)

    async def events(self, now_ms: Callable[[], int], lasts_s: float = LONGEST_S) -> AsyncIterator[Told]:
        """What to tell. Begins with a `State`."""
        if self._after is None:
            self._after = await self._tails.first()
        yield State(0, self._after)
        told = began = time.monotonic()
        while (now := time.monotonic()) - began < lasts_s:
            top, away = await self._tails.beyond(self._after, min(STATE_S, max(0.05, told + STATE_S - now)))
            if top > self._after and away is None:
                try:
                    found = await self._news(self._after, top)
                except DxopsError as error:
                    away = error.message
                else:
                    for event in found:
                        yield event
                    self._lag_ms = _lag_ms(found, now_ms()) or self._lag_ms
            if away is not None or time.monotonic() - told >= STATE_S:
                yield State(self._lag_ms, self._after, away)
                told = time.monotonic()
                if away is not None:
                    await asyncio.sleep(1.0)

    async def _news(self, after: int, top: int) -> list[Told]:
        explorer = self._tails.explorer
        selection = await self._selecting()
        lines = await explorer.arrived(selection, after, to_seq=top, limit=MOST_LINES, newest=not self._whole)
        full = len(lines) == MOST_LINES
        found: list[Told] = []
        if full and not self._whole:
            left = await explorer.arrived_count(selection, after, top) - MOST_LINES
            if left > 0:
                found.append(Skipped(left))
        self._after = lines[-1].seq if full and self._whole else top
        if lines:
            found.append(Lines(lines, self._after))
        return found


def _lag_ms(found: list[Told], now_ms: int) -> int:
    newest = [event.lines[-1].received_ms for event in found if isinstance(event, Lines)]
    return max(1, now_ms - newest[-1]) if newest else 0
