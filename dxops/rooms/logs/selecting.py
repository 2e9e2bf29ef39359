"""A selection as the WHERE of a statement over `log_events`, and rows as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dxops.base.errors import Refused
from dxops.rooms.logs.fields import literals
from dxops.rooms.logs.filters import condition
from dxops.rooms.logs.model import Line, Selection
from dxops.rooms.logs.times import Times
from dxops.wire import query_tree as tree
from dxops.wire.logs.document import assemble

MAX_STREAMS: Final = 10_000

_COLUMNS: Final = (
    "toUnixTimestamp64Milli(ts)", "seq", "toUnixTimestamp64Milli(received)", "toString(stream)", "id", "version",
    "toString(level)", "toString(service)", "toString(host)", "toString(environment)", "message", "toString(template)",
    "attrs",
)  # fmt: skip
LINE_COLUMNS: Final = ", ".join(_COLUMNS)
LINE_WIDTH: Final = len(_COLUMNS)


def where(selection: Selection, times: Times) -> str:
    """The condition, without the word WHERE. Time first: it is what the table is sorted by."""
    parts = []
    if selection.window is not None:
        window = selection.window
        parts.append(f"ts >= fromUnixTimestamp64Milli({int(window.start_ms)}, 'UTC')")
        parts.append(f"ts < fromUnixTimestamp64Milli({int(window.end_ms)}, 'UTC')")
    if selection.streams is not None:
        if not selection.streams:
            return "0"
        if len(selection.streams) > MAX_STREAMS:
            raise Refused(f"at most {MAX_STREAMS} streams at once", hint="name them by a narrower pattern")
        parts.append(f"stream IN ({literals(selection.streams)})")
    if not isinstance(selection.query, tree.All):
        parts.append(f"({condition(selection.query, times)})")
    if selection.hides_dead:
        parts.append("seq NOT IN (SELECT seq FROM log_dead)")
    return " AND ".join(parts) or "1"


def line_of(row: Sequence[Any], id_of: Any) -> Line:
    """A row of `LINE_COLUMNS`. `id_of` makes the id of a document that has none of its own from its sequence number."""
    ts, seq, received, stream, own_id, version, level, service, host, environment, message, template, attrs = row
    return Line(
        ts_ms=ts,
        seq=seq,
        received_ms=received,
        stream=stream,
        id=own_id or id_of(seq),
        version=version,
        level=level,
        service=service,
        host=host,
        environment=environment,
        message=message,
        source=assemble(template, attrs, message, ts),
    )
