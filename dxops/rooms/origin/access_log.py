"""The access log of the app hosts: a line per answered request in files of the data directory, from where the log room
takes them in.

Answers never wait for it. Lines are gathered for a quarter of a second and written by a thread; where the disk is full
or too slow they are dropped, counted, and the log says how many.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from time import gmtime, strftime, time_ns
from typing import Final

from dxops.base.rsgi import Headers, Scope
from dxops.rooms.origin.access_lines import (
    Access,
    Pieces,
    body_of,
    last_of,
    shortened,
    without_port,
    without_query,
)
from dxops.rooms.origin.config import OriginConfig

log = logging.getLogger(__name__)

FILE_BYTES: Final = 16 << 20
_FLUSH_S: Final = 0.25
_FLUSH_LINES: Final = 1024
_WAITING_BYTES: Final = 16 << 20
_TELL_S: Final = 60.0
_MAX_SENDERS: Final = 4096
_HEAD: Final = '{"@timestamp":"%Y-%m-%dT%H:%M:%S'

_Sender = tuple[str | None, str | None, str | None]
_SHOWN: Final[dict[str, Callable[[str], str]]] = {"short": shortened, "full": str, "off": lambda _: ""}


class AccessFile:
    """One per process. `start` within the event loop before the first line, `stop` after the last."""

    def __init__(self, path: Path, config: OriginConfig) -> None:
        self._machine = socket.gethostname()
        self._header = config.access_client_header.lower()
        shown = _SHOWN[config.access_client]
        if self._header:
            self._clients = Pieces("client.address", lambda raw: shown(last_of(raw)))
        else:
            self._clients = Pieces("client.address", lambda raw: shown(without_port(raw)))
        self._agents = Pieces("user_agent.original", str)
        self._referrers = Pieces("http.request.referrer", without_query)
        self._versions = Pieces("http.version", str)
        self._writer = _Writer(path, config.access_log_mb << 20)
        self._lines: list[str] = []
        self._senders: dict[_Sender, str] = {}
        self._time_ms = -1
        self._time = ""
        self._told_s = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to take lines."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()

    def stop(self) -> None:
        """Write what waits. Blocks for as long as the disk takes, five seconds at most."""
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
        self._writer.stop(5.0)

    def body(self, access: Access) -> str:
        """What `hit` wants to know of an answer that is given often."""
        return body_of(access, self._machine)

    def told(self, access: Access, scope: Scope, started_ns: int) -> None:
        """One answered request. `started_ns` is when it came, since 1970."""
        self.hit(body_of(access, self._machine), scope, scope.headers, started_ns)

    def hit(self, body: str, scope: Scope, headers: Headers, started_ns: int) -> None:
        """One answered request by its `body`. Each look into `scope` takes 0.1 to 0.3 µs, as long as all of Python's
        work on a field: `headers` are those that the caller has already."""
        client = headers.get(self._header) if self._header else scope.client
        sender = (client, headers.get("user-agent"), headers.get("referer"))
        time_ms = started_ns // 1_000_000
        if time_ms != self._time_ms:
            self._time_ms = time_ms
            self._time = f'{strftime(_HEAD, gmtime(time_ms // 1000))}.{time_ms % 1000:03d}Z","event.duration":'
        known = self._senders.get(sender) or self._sender(sender, scope.http_version)
        lines = self._lines
        lines.append(f"{self._time}{time_ns() - started_ns}{known}{body}")
        if self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_S, self._flush_by_time)
        elif len(lines) >= _FLUSH_LINES:
            self._flush()

    def _sender(self, sender: _Sender, version: str) -> str:
        """The fields that a connection has alike for all its requests."""
        client, agent, referrer = sender
        fields = (self._clients.of(client), self._agents.of(agent), self._referrers.of(referrer))
        known = f",{''.join(fields)}{self._versions.of(version)}"
        if len(self._senders) >= _MAX_SENDERS:
            self._senders.clear()
        self._senders[sender] = known
        return known

    def _flush_by_time(self) -> None:
        self._timer = None
        self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._writer.put("".join(lines).encode(), len(lines))
        self._tell()

    def _tell(self) -> None:
        if self._loop.time() - self._told_s < _TELL_S:
            return
        lines, reason = self._writer.dropped()
        if lines:
            self._told_s = self._loop.time()
            log.warning("access lines were dropped", extra={"lines": lines, "reason": reason})


class _Writer:
    """A thread that appends to `path` and begins another file when one is full: `access.log` becomes `access.7.log`."""

    def __init__(self, path: Path, total_bytes: int) -> None:
        self._path = path
        self._files = max(1, total_bytes // FILE_BYTES)
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
        self._descriptor = -1
        self._size = 0
        self._torn = False
        self._reason = ""
        self._dropped = 0

    def start(self) -> None:
        self._thread.start()

    def put(self, data: bytes, lines: int) -> None:
        """Never blocks."""
        with self._counting:
            if self._waiting > _WAITING_BYTES:
                self._dropped += lines
                self._reason = "the disk is too slow"
                return
            self._waiting += len(data)
        self._queue.put(data)

    def dropped(self) -> tuple[int, str]:
        """Lines that were lost since the last call, and why."""
        with self._counting:
            dropped, self._dropped = self._dropped, 0
            return dropped, self._reason

    def stop(self, timeout_s: float) -> None:
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self._descriptor >= 0 and not self._thread.is_alive():
            os.close(self._descriptor)
            self._descriptor = -1

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            written, reason = 0, ""
            try:
                self._open()
                if self._torn:
                    os.write(self._descriptor, b"\n")
                    self._torn = False
                while written < len(data):
                    written += os.write(self._descriptor, data[written:] if written else data)
            except OSError as error:
                reason = error.strerror or str(error)
                self._torn = self._torn or (written > 0 and data[written - 1 : written] != b"\n")
            self._size += written
            with self._counting:
                self._waiting -= len(data)
                if reason:
                    self._dropped += data[written:].count(b"\n")
                    self._reason = reason

    def _open(self) -> None:
        if self._descriptor >= 0 and self._size >= FILE_BYTES:
            os.close(self._descriptor)
            self._descriptor = -1
            self._rotate()
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._size = os.fstat(self._descriptor).st_size
            # a process that was killed left half a line
            self._torn = self._size > 0 and os.pread(self._descriptor, 1, self._size - 1) != b"\n"

    def _rotate(self) -> None:
        """The oldest files make room: what the log room has not taken in of them by then is lost."""
        numbers = sorted(
            int(name[1])
            for path in self._path.parent.glob(f"{self._path.stem}.*.log")
            if (name := path.name.split("."))[1].isdigit() and len(name) == 3
        )
        self._path.rename(self._numbered(numbers[-1] + 1 if numbers else 1))
        for number in numbers[: max(0, len(numbers) + 2 - self._files)]:
            self._numbered(number).unlink(missing_ok=True)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}.{number}.log")
