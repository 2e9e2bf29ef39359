"""Lines that our own roles wrote, as documents under the names of the Elastic Common Schema.

A role's log line is JSON as `base.log` writes it: `{"ts","level","role","logger","message",…}`. What it has beyond that
comes as `dxops.NAME`, so that it meets no field of somebody else. Whatever a role printed that is no such line, a
traceback or an engine's words, is a document with the text as its message.
"""

from __future__ import annotations

from datetime import UTC
from typing import Final

import orjson

from dxops.wire.elastic.times import format_ms, read_loose_time
from dxops.wire.logs.lines import read_line
from dxops.wire.logs.splitting import Record

ACCESS_STREAM: Final = "dxops-access"
ROLES_STREAM: Final = "dxops-roles"

_KNOWN: Final = {"level": "log.level", "logger": "log.logger", "message": "message", "error": "error.stack_trace"}
_RESERVED: Final = frozenset({"ts", "role", *_KNOWN})


def role_document(record: Record, role: str, host: str, now_ms: int) -> tuple[bytes, int]:
    """The document and its time in milliseconds since 1970: that of the line, else `now_ms`."""
    entry: object = None
    if record.text[:1] == b"{":
        try:
            entry = orjson.loads(record.text)
        except orjson.JSONDecodeError:
            entry = None
    if not isinstance(entry, dict) or "message" not in entry:
        return _plain_document(record, role, host, now_ms)
    time_ms = read_loose_time(entry.get("ts"))
    time_ms = now_ms if time_ms is None else time_ms
    document: dict[str, object] = {"@timestamp": format_ms(time_ms)}
    for name, ours in _KNOWN.items():
        if name in entry:
            document[ours] = entry[name]
    document |= _about(str(entry.get("role", role)), host, record)
    document |= {f"dxops.{name}": value for name, value in entry.items() if name not in _RESERVED}
    return orjson.dumps(document), time_ms


def _plain_document(record: Record, role: str, host: str, now_ms: int) -> tuple[bytes, int]:
    text = record.text.decode("utf-8", "replace")
    line = read_line(text.partition("\n")[0], now_ms, UTC)
    time_ms = now_ms if line.time_ms is None else line.time_ms
    level = line.level or ("error" if "Traceback" in text else "info")
    document = {"@timestamp": format_ms(time_ms), "log.level": level, "message": text, **_about(role, host, record)}
    return orjson.dumps(document), time_ms


def _about(role: str, host: str, record: Record) -> dict[str, object]:
    about: dict[str, object] = {"service.name": f"dxops-{role}", "host.name": host, "event.dataset": "dxops.roles"}
    if record.cut_bytes:
        about["log.cut_bytes"] = record.cut_bytes
    return about
