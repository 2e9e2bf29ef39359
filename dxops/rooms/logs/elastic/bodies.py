"""Memory for bodies: what all requests together may hold of them while they are received and worked on.

Without it a few hundred slow senders, or answers held back while the spool is full, would take all memory there is: the
server counts connections and messages, not bytes.
"""

from __future__ import annotations

import asyncio

from dxops.engines.spool import SpoolFull

_HOLD_S = 10.0
_SMALL_BYTES = 1 << 20


class Bodies:
    """`size_bytes` for all, a quarter of it only for bodies of up to 1 MiB: large ones that trickle do not keep those
    out. One request alone may have more, so that the largest that is taken fits."""

    def __init__(self, size_bytes: int, *, hold_s: float = _HOLD_S) -> None:
        self._size_bytes = size_bytes
        self._hold_s = hold_s
        self._taken = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def request(self) -> Held:
        """What one request holds: nothing yet. `Held.release` when it is answered."""
        return Held(self)

    async def take(self, held: int, more: int) -> None:
        """Room for `more` bytes beside the `held` that the request has. Its sender is made to wait for it. Raises
        `SpoolFull` when that takes too long: nothing of the request is stored."""
        if not self._fits(held, more):
            try:
                async with asyncio.timeout(self._hold_s):
                    await self._until_fits(held, more)
            except TimeoutError:
                raise SpoolFull(
                    "more arrives than there is memory for", hint="send it again in a moment", retry_after_s=1.0
                ) from None
        self._taken += more

    def give_back(self, size_bytes: int) -> None:
        """They are out of memory."""
        self._taken -= size_bytes
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _fits(self, held: int, more: int) -> bool:
        most = self._size_bytes if held + more <= _SMALL_BYTES else self._size_bytes * 3 // 4
        return self._taken + more <= most or self._taken == held

    async def _until_fits(self, held: int, more: int) -> None:
        while not self._fits(held, more):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)


class Held:
    """Bytes of one request."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._size_bytes = 0

    async def take(self, size_bytes: int) -> None:
        """See `Bodies.take`."""
        await self._bodies.take(self._size_bytes, size_bytes)
        self._size_bytes += size_bytes

    def release(self) -> None:
        """All of them. Idempotent."""
        size_bytes, self._size_bytes = self._size_bytes, 0
        if size_bytes:
            self._bodies.give_back(size_bytes)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
