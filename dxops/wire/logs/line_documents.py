"""Records of files, the journal and commands as documents for `_bulk`: what they say, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

import orjson

from dxops.wire.elastic.times import format_ms, read_loose_time, read_time
from dxops.wire.logs.line_times import iso_ms
from dxops.wire.logs.lines import read_line
from dxops.wire.logs.splitting import Record

_TIME_NAMES: Final = ("timestamp", "time", "ts", "t", "date", "datetime", "eventTime", "asctime", "@t")
_PRIORITIES: Final = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
_JOURNAL: Final = {
    "_HOSTNAME": "host.name",
    "_SYSTEMD_UNIT": "systemd.unit",
    "_SYSTEMD_USER_UNIT": "systemd.user_unit",
    "SYSLOG_IDENTIFIER": "process.name",
    "_COMM": "process.command",
    "_TRANSPORT": "systemd.transport",
    "CODE_FILE": "log.origin.file.name",
    "CODE_FUNC": "log.origin.function",
    "CONTAINER_NAME": "container.name",
}


def document_of(record: Record, about: Mapping[str, object], now_ms: int, zone: tzinfo) -> bytes:
    """The document: a JSON object's own fields, byte for byte, or what `read_line` finds. `about` (host, file) gives
    way to what the record says itself. `now_ms` is its time where it has none."""
    found: Any = None
    if record.text[:1] == b"{":
        try:
            found = orjson.loads(record.text)
        except orjson.JSONDecodeError:
            found = None
    about = {**about, "log.cut_bytes": record.cut_bytes} if record.cut_bytes else about
    if isinstance(found, dict) and ("@timestamp" not in found or read_time(found["@timestamp"]) is not None):
        return _spliced(record.text, found, about, now_ms, zone)
    return text_document(record.text.decode("utf-8", "replace"), about, now_ms, zone)


def text_document(text: str, about: Mapping[str, object], now_ms: int, zone: tzinfo) -> bytes:
    """The document of a text. Of several lines the first one says when and how bad."""
    first, _, more = text.partition("\n")
    line = read_line(first, now_ms, zone)
    document: dict[str, object] = {"@timestamp": format_ms(now_ms if line.time_ms is None else line.time_ms)}
    level = line.level or ("error" if "Traceback (most recent call last)" in more else "")
    if level:
        document["log.level"] = level
    document["message"] = f"{line.message}\n{more}" if more else line.message
    return orjson.dumps({**document, **about, **line.fields})


def journal_document(entry: Mapping[str, Any], about: Mapping[str, object], now_ms: int) -> bytes:
    """An entry of `journalctl -o json`. Fields that programs set themselves come as `journald.custom.NAME`."""
    time = str(entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry.get("__REALTIME_TIMESTAMP") or "")
    document: dict[str, object] = {"@timestamp": format_ms(int(time) // 1000 if time.isdigit() else now_ms)}
    priority = str(entry.get("PRIORITY", ""))
    if priority in "01234567" and priority:
        document["log.level"] = _PRIORITIES[int(priority)]
    document["message"] = _journal_text(entry.get("MESSAGE"))
    document |= about
    for name, ours in _JOURNAL.items():
        if entry.get(name):
            document[ours] = _journal_text(entry[name])
    unit = str(document.get("systemd.unit", "")).removesuffix(".service")
    document["service.name"] = unit or document.get("process.name", "")
    if str(entry.get("_PID", "")).isdigit():
        document["process.pid"] = int(entry["_PID"])
    for name, value in entry.items():
        if name not in _JOURNAL and not name.startswith(("_", "SYSLOG_", "CODE_", "MESSAGE", "PRIORITY")):
            document[f"journald.custom.{name.lower()}"] = _journal_text(value)
    return orjson.dumps(document)


def _journal_text(value: Any) -> str:
    """journalctl writes what is not UTF-8 as a list of bytes, and what is too long as null."""
    if isinstance(value, list):
        try:
            return bytes(value).decode("utf-8", "replace")
        except (TypeError, ValueError):
            return "\n".join(map(_journal_text, value))  # one name several times
    return "" if value is None else str(value)


def _spliced(text: bytes, found: dict[str, Any], about: Mapping[str, object], now_ms: int, zone: tzinfo) -> bytes:
    """The object with what it lacks in front of its own fields."""
    added = {name: value for name, value in about.items() if name not in found and name.partition(".")[0] not in found}
    if "@timestamp" not in found:
        added = {"@timestamp": format_ms(_time_in(found, now_ms, zone)), **added}
    if not added:
        return text
    head = orjson.dumps(added)
    body = text.lstrip()[1:].lstrip()
    return head[:-1] + (b"," if body[:1] != b"}" else b"") + body


def _time_in(found: dict[str, Any], now_ms: int, zone: tzinfo) -> int:
    for name in _TIME_NAMES:
        value = found.get(name)
        time_ms = iso_ms(value, zone) if isinstance(value, str) else None
        time_ms = read_loose_time(value) if time_ms is None else time_ms
        if time_ms is not None:
            return time_ms
    return now_ms
