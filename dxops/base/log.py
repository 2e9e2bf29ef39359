"""Structured logs: one JSON object a line on stderr, read back by the log room.

Use the standard `logging` module everywhere (`log = logging.getLogger(__name__)`), with fields in `extra`:
`log.info("released", extra={"app": app, "release": release_id})`. Secrets never enter a log call.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """`{"ts", "level", "role", "logger", "message", …extra, "error"?}`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


def configure_logging(role: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Send everything of this process to `stream` (stderr) as JSON lines. Replaces earlier configuration."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "procrastinate", "alembic", "_granian"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
