"""What an operator should know at once, wherever they look: the console's banner, `dxops status`, `/api/health`."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something is wrong, or soon will be. `severity` is `bad` (something is refused or stands still) or `warn`;
    `role` is whose state it degrades; `path` the console's page about it."""

    code: str
    severity: str
    role: str
    message: str
    hint: str
    path: str = "/system/spool"


class Troubles(Protocol):
    """What is wrong now."""

    def now(self) -> tuple[Trouble, ...]:
        """As of a few seconds ago; the worst first. Does not block."""
        ...
