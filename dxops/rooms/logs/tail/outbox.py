"""What is on its way: batches in order, so many bytes at most, and what to do once one is safe."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

MAX_BYTES: Final = 16 << 20
REQUEST_BYTES: Final = 4 << 20
REQUEST_DOCUMENTS: Final = 5000


class Batch(msgspec.Struct, frozen=True):
    """Documents of one source. `ids` are their own ids, if they have some. `safe` is called once they are stored."""

    documents: Sequence[bytes]
    safe: Callable[[], None]
    ids: Sequence[str] | None = None

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.documents))


class Outbox:
    """Producers wait while it is full: that is how a slow server slows down the reading."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._changed = asyncio.Condition()
        self._closed = False

    @property
    def documents(self) -> int:
        """That are not safe yet."""
        return sum(len(batch.documents) for batch in self._batches)

    async def put(self, batch: Batch) -> None:
        """Waits for room; one batch always fits into an empty outbox."""
        size = batch.size_bytes
        async with self._changed:
            await self._changed.wait_for(lambda: not self._bytes or self._bytes + size <= self._max_bytes)
            self._batches.append(batch)
            self._bytes += size
            self._changed.notify_all()

    async def next(self) -> list[Batch]:
        """The oldest batches, enough for a request; they stay in here. Empty once it is closed and empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._batches or self._closed)
            found: list[Batch] = []
            documents = size = 0
            for batch in self._batches:
                documents += len(batch.documents)
                size += batch.size_bytes
                if found and (documents > REQUEST_DOCUMENTS or size > REQUEST_BYTES):
                    break
                found.append(batch)
            return found

    async def done(self, batches: Sequence[Batch]) -> None:
        """These, the oldest, are safe."""
        async with self._changed:
            for batch in batches:
                assert self._batches[0] is batch
                self._batches.popleft()
                self._bytes -= batch.size_bytes
                batch.safe()
            self._changed.notify_all()

    async def close(self) -> None:
        """Nothing more comes."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
