"""Answers that go on: a stream that cleans up behind itself, and the frames of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

from litestar.response import Stream

SLICE_BYTES: Final = 64 * 1024
"""Granian's ASGI holds a few messages for a slow client, however large: so none is larger than this."""


class ClosingStream(Stream):
    """A streamed answer whose generator is closed when it ends, however that is: also by a client that leaves.

    `closing` is called then too, also where the generator was never begun.
    """

    def __init__(self, *args: Any, closing: Callable[[], Awaitable[None]] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._closing = closing

    def to_asgi_response(self, *args: Any, **options: Any) -> Any:  # Any: Litestar's own long signature
        """See Litestar."""
        sending = super().to_asgi_response(*args, **options)
        iterator = self.iterator

        async def send_all(scope: Any, receive: Any, send: Any) -> None:
            try:
                await sending(scope, receive, send)
            finally:
                if isinstance(iterator, AsyncGenerator):
                    await iterator.aclose()
                if self._closing is not None:
                    await self._closing()

        return send_all


async def sliced(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same bytes in slices of at most `SLICE_BYTES`. Closes `pieces`."""
    try:
        async for piece in pieces:
            for at in range(0, len(piece), SLICE_BYTES):
                yield piece[at : at + SLICE_BYTES]
    finally:
        await pieces.aclose()


def event(name: str, data: bytes, id: str = "") -> bytes:
    """A server-sent event. `data` is on one line."""
    head = f"id: {id}\nevent: {name}\ndata: " if id else f"event: {name}\ndata: "
    return head.encode() + data + b"\n\n"


def event_stream(pieces: AsyncGenerator[bytes, None], closing: Callable[[], Awaitable[None]] | None = None) -> Stream:
    """An answer of server-sent events, made of frames."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return ClosingStream(sliced(pieces), media_type="text/event-stream", headers=headers, closing=closing)
