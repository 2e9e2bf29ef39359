"""How a role tells its supervisor that it is ready, alive, or stopping: systemd's notify protocol.

Under systemd (`Type=notify`, `WatchdogSec=`) the same messages go to systemd. Source: sd_notify(3).
"""

from __future__ import annotations

import asyncio
import os
import socket

HEARTBEAT_S = 2.0


class Notifier:
    """Sends to `$NOTIFY_SOCKET`; does nothing where there is none. Never blocks, never raises."""

    def __init__(self, address: str | None = None) -> None:
        address = address if address is not None else os.environ.get("NOTIFY_SOCKET")
        self._socket: socket.socket | None = None
        self._ready = False
        if not address:
            return
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def tell(self, **fields: str) -> None:
        """`tell(READY="1", STATUS="serving")`. A full or absent socket loses the message: the next one follows, and
        each heartbeat says again that we are ready."""
        self._ready = self._ready or fields.get("READY") == "1"
        if self._socket is None:
            return
        message = "\n".join(f"{key}={value}" for key, value in fields.items())
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:  # the supervisor is gone or busy; the lifeline ends us in the first case
            return

    async def heartbeat(self, role: str) -> None:
        """Say that the event loop turns, every two seconds, for ever."""
        while True:
            again = {"READY": "1"} if self._ready else {}
            self.tell(ROLE=role, PID=str(os.getpid()), WATCHDOG="1", **again)
            await asyncio.sleep(HEARTBEAT_S)
