"""Lines as the explorer's API shows them."""

from __future__ import annotations

from typing import Any

import msgspec

from dxops.rooms.logs.model import Line
from dxops.wire.elastic.times import format_ms


class ShownLine(msgspec.Struct, frozen=True, kw_only=True):
    """One document. `source` is it exactly as it was sent; `seq` a text, since it has 64 bits."""

    id: str
    seq: str
    stream: str
    time: str
    ts_ms: int
    received_ms: int
    level: str
    service: str
    host: str
    environment: str
    message: str
    source: Any  # any JSON object


def shown(line: Line) -> ShownLine:
    """The line, its document put in as bytes."""
    return ShownLine(
        id=line.id,
        seq=str(line.seq),
        stream=line.stream,
        time=format_ms(line.ts_ms),
        ts_ms=line.ts_ms,
        received_ms=line.received_ms,
        level=line.level,
        service=line.service,
        host=line.host,
        environment=line.environment,
        message=line.message,
        source=msgspec.Raw(on_one_line(line.source)),
    )


def on_one_line(source: bytes) -> bytes:
    """A JSON document without line breaks: inside strings JSON has none, between tokens they mean nothing."""
    if b"\n" in source or b"\r" in source:
        return source.replace(b"\r", b" ").replace(b"\n", b" ")
    return source
