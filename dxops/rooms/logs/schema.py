"""Columns of the log room's tables (migrations `0001_logs`, `0002_log_sizes`), in the order that `rows` writes them."""

from __future__ import annotations

from typing import Final

EVENT_COLUMNS: Final = (
    "ts",
    "seq",
    "received",
    "stream",
    "id",
    "version",
    "flags",
    "message",
    "template",
    "attrs",
    "level",
    "service",
    "host",
    "environment",
)
SHAPE_COLUMNS: Final = ("stream", "day", "template", "fields", "kinds", "documents")
SIZE_COLUMNS: Final = ("stream", "day", "documents", "bytes")
DEAD_COLUMNS: Final = ("seq",)
