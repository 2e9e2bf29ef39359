"""Log lines as text: for a terminal with colours by level, elsewhere plain, one line each. What a line holds is data:
control characters are shown, never sent to the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from dxops.app.terminal import safe

COLUMNS: Final = ("time", "level", "service", "message")
OF_LINE: Final = frozenset(
    {"id", "seq", "stream", "time", "level", "service", "host", "environment", "message", "received"}
)
_COLORS: Final = {
    "fatal": "\x1b[1;31m", "error": "\x1b[31m", "warn": "\x1b[33m", "notice": "\x1b[36m", "info": "\x1b[32m",
    "debug": "\x1b[2m", "trace": "\x1b[2m",
}  # fmt: skip
_RESET: Final = "\x1b[0m"
_WIDTHS: Final = {"time": 24, "level": 6}
_BAR: Final = 50

Line = Mapping[str, Any]  # a line of the API


def value_of(line: Line, column: str) -> str:
    """A column of a line, or a field of its document by its dotted name; "" where it has none."""
    if column == "@timestamp":
        column = "time"
    if column == "received":
        return datetime.fromtimestamp(line["received_ms"] / 1000, UTC).isoformat(timespec="milliseconds")
    if column in OF_LINE:
        return str(line.get(column, ""))
    found = _dig(line["source"], column.split("."))
    if found is None or isinstance(found, str):
        return found or ""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def line_text(line: Line, columns: Sequence[str], *, terminal: bool) -> str:
    """On a terminal: columns set apart by blanks, further lines of a message indented. Elsewhere: by tabs."""
    if not terminal:
        return "\t".join(safe(value_of(line, column), one_line=True) for column in columns)
    color = _COLORS.get(line["level"], "")
    cells = []
    for index, column in enumerate(columns):
        last = index == len(columns) - 1
        text = safe(value_of(line, column), one_line=not last)
        cell = text if last else text.ljust(_WIDTHS.get(column, 0))
        if column == "level" and color:
            cell = f"{color}{cell}{_RESET}"
        elif column == "time":
            cell = f"\x1b[2m{cell}{_RESET}"
        elif last and line["level"] in ("fatal", "error"):
            cell = "\n".join(f"{color}{part}{_RESET}" for part in cell.split("\n"))
        cells.append(cell)
    return "  ".join(cells).replace("\n", "\n    ")


def caret(query: str, position: int, length: int) -> str:
    """The query, and below it a mark at what cannot be read. A long query is cut around it."""
    shown = safe(query, one_line=True) if "\n" not in query and "\t" not in query else re.sub(r"\s", " ", query)
    start = max(0, position - 60)
    piece = shown[start : start + 110]
    lead = "…" if start else ""
    return f"  {lead}{piece}\n  {' ' * (len(lead) + position - start)}{'^' * max(1, min(length, 110))}"


def histogram_rows(found: Mapping[str, Any]) -> list[tuple[str, int]]:
    """(time, count) of each bucket of an answer of `/logs/histogram`."""
    series = list(found["series"].values())
    counts = [sum(column) for column in zip(*series, strict=True)] if series else []
    return [(_time(found["start_ms"] + index * found["interval_ms"]), count) for index, count in enumerate(counts)]


def bar(count: int, most: int) -> str:
    """A bar of its share of `most`; anything there is has at least a sliver."""
    if not count:
        return ""
    eighths = max(1, round(count / most * _BAR * 8))
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _dig(value: Any, names: list[str]) -> Any:
    """Names may themselves be dotted: the longest that is there leads on."""
    if not names:
        return value
    if isinstance(value, dict):
        for size in range(len(names), 0, -1):
            key = ".".join(names[:size])
            if key in value and (found := _dig(value[key], names[size:])) is not None:
                return found
    if isinstance(value, list):
        several = [found for item in value if (found := _dig(item, names)) is not None]
        return several or None
    return None
