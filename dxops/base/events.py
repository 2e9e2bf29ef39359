"""What happened, told to whoever listens in this process. Across processes PostgreSQL's NOTIFY carries the same.

An event is a frozen struct. Handlers run one after the other, in order of subscription; a handler that raises is
logged and does not stop the others, nor the publisher. Nothing durable hangs on these: durable follow-ups are rows.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

log = logging.getLogger(__name__)

E = TypeVar("E", bound=msgspec.Struct)
Handler = Callable[[Any], Awaitable[None]]


class Events:
    """A dispatcher by event type."""

    def __init__(self) -> None:
        self._handlers: dict[type[msgspec.Struct], list[Handler]] = defaultdict(list)

    def on(self, kind: type[E], handler: Callable[[E], Awaitable[None]]) -> None:
        """Call `handler` for each later event of exactly `kind`."""
        self._handlers[kind].append(handler)

    async def tell(self, event: msgspec.Struct) -> None:
        """Run the handlers. Never raises; a failure is logged with the event's type."""
        for handler in self._handlers[type(event)]:
            try:
                await handler(event)
            except Exception:
                log.exception("event handler failed", extra={"event": type(event).__name__})
