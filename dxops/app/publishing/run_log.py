"""The run's log, sent beside the build: in batches, from a thread, never holding the build up."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from dxops.app.client import ApiClient
from dxops.base.errors import DxopsError
from dxops.wire.sgr import plain_line

_EVERY_S = 0.2  # a reader sees a line within half a second
_ALIVE_S = 60.0
_BATCH_LINES = 1_000
_BATCH_CHARACTERS = 200_000
_MASK = "***"


class RunLog:
    """Lines of one run. `tell` may be called from any thread; `close` sends the rest. A server that does not take the
    log never fails the publish: `trouble` says what happened."""

    def __init__(self, client: ApiClient, run_id: str) -> None:
        self._client = client
        self._path = f"/runs/{run_id}/log"
        self._lines: list[dict[str, str | None]] = []
        self._secrets: list[str] = []
        self._lock = threading.Lock()
        self._rouse = threading.Event()
        self._closed = False
        self._sent_at = time.monotonic()
        self.trouble: str | None = None
        self._thread = threading.Thread(target=self._work, name="run log", daemon=True)
        self._thread.start()

    def hide(self, secrets: Sequence[str]) -> None:
        """Mask these values from now on."""
        with self._lock:
            self._secrets = sorted({*self._secrets, *secrets}, key=len, reverse=True)

    def masked(self, text: str) -> str:
        """The text without the secrets. One that shows only once colours and controls are gone costs the line them."""
        text = self._replaced(text)
        shown = plain_line(text)
        return text if shown == (clean := self._replaced(shown)) else clean

    def _replaced(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text

    def tell(self, text: str, *, stream: str = "info", app: str | None = None) -> None:
        """Add a line."""
        with self._lock:
            self._lines.append({"text": self.masked(text)[:10_000], "stream": stream, "app": app})

    def close(self) -> None:
        """Send what is left; returns within the client's timeouts."""
        self._closed = True
        self._rouse.set()
        self._thread.join()

    def _work(self) -> None:
        while self.trouble is None:
            self._rouse.wait(_EVERY_S)
            batch = self._take()
            if batch or time.monotonic() - self._sent_at > _ALIVE_S:
                self._send(batch)
            elif self._closed:
                return

    def _take(self) -> list[dict[str, str | None]]:
        with self._lock:
            count = size = 0
            for line in self._lines[:_BATCH_LINES]:
                size += len(line["text"] or "")
                if count and size > _BATCH_CHARACTERS:
                    break
                count += 1
            batch, self._lines = self._lines[:count], self._lines[count:]
        return batch

    def _send(self, batch: list[dict[str, str | None]]) -> None:
        try:
            self._client.post(self._path, {"lines": batch})
        except DxopsError as error:
            self.trouble = error.message
        self._sent_at = time.monotonic()
