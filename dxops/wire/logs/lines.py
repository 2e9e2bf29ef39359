"""A line of text as what it says: time, level, message, and the fields of formats that everybody knows.

Known: syslog (RFC 3164, RFC 5424, with ISO times), access logs of nginx and Apache (common, combined, with a virtual
host before), their error logs, klog, Kubernetes' container logs, Redis, logfmt, and whatever begins with a time. What
is not known is a message; its level is guessed from words that are written like levels.

Where a format's head becomes fields as a whole, the message is the rest; else it is the line as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import tzinfo
from typing import Final

import msgspec

from dxops.wire.elastic.times import read_loose_time
from dxops.wire.logs.line_times import (
    apache_ms,
    clf_ms,
    day_first_ms,
    iso_ms,
    klog_ms,
    slashed_ms,
    syslog_ms,
)

_MAX_LEVEL_CHARS: Final = 160
_SEVERITIES: Final = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
_KLOG_LEVELS: Final = {"I": "info", "W": "warning", "E": "error", "F": "fatal"}
_REDIS_LEVELS: Final = {".": "debug", "-": "info", "*": "notice", "#": "warning"}

_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_QUOTED = r'"((?:[^"\\]|\\.)*)"'

_ACCESS = re.compile(
    rf"(?:([\w.-]+:\d{{1,5}}) )?([\w.:-]+) (\S+) (\S.*?|-) \[([^\]]{{26}})\] {_QUOTED} (\d{{3}}) (\d+|-)"
    rf"(?: {_QUOTED} {_QUOTED})?(?: |$)"
)
_REQUEST = re.compile(r"([A-Z]{3,16}) (\S+)(?: HTTP/([\d.]+))?")
_RFC5424 = re.compile(r"<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) (?:-|(\[(?:[^\]\\]|\\.)*\])+) ?", re.ASCII)
_RFC3164 = re.compile(
    r"(?:<(\d{1,3})>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?) (\S+) ([^\s:\[]{1,64})(?:\[(\d+)\])?: ?",
    re.ASCII,
)
_ISO_SYSLOG = re.compile(
    r"(?:<(\d{1,3})>)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) "
    r"(?!(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|stdout|stderr) )([\w.-]+) "
    r"([^\s:\[]{1,64})(?:\[(\d+)\])?: ?",
    re.ASCII,
)
_KLOG = re.compile(r"([IWEF])(\d{4} \d\d:\d\d:\d\d\.\d+) +(\d+) ([^\s:\]]+:\d+)\] ?", re.ASCII)
_NGINX_ERROR = re.compile(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w+)\] (\d+)#(\d+): (?:\*(\d+) )?", re.ASCII)
_GO = re.compile(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:[.,]\d+)?)(?: |$)", re.ASCII)
_APACHE_ERROR = re.compile(
    r"\[[A-Z][a-z]{2} ([A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\] \[(?:([\w.-]*):)?(\w+)\]"
    r"(?: \[pid (\d+)(?::tid \d+)?\])?(?: \[client ([^\]]+)\])? ?",
    re.ASCII,
)
_CRI = re.compile(rf"({_ISO}) (stdout|stderr) ([FP]) ?", re.ASCII)
_REDIS = re.compile(r"(\d+):[A-Z] (\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d+) ([.\-*#]) ", re.ASCII)
_STARTS_WITH_TIME = re.compile(rf"[\[(]?({_ISO})[\])]?", re.ASCII)
_PAIR = re.compile(r'([A-Za-z_][\w.\-/]*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))(?: +|$)')

_WORDS: Final = "TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRIT|CRITICAL|ALERT|EMERG|FATAL|PANIC"
_LEVEL = re.compile(
    rf"(?<![\w/.])(?:({_WORDS})(?![\w/.-])|LOG(?=: )|[\[<(]({_WORDS.lower()})[\])>]|({_WORDS.lower()}):(?= ))"
    r"|Traceback \("
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Line(msgspec.Struct, frozen=True):
    """`time_ms` is None and `level` "" where the line does not say. `fields` have the Elastic Common Schema's names."""

    message: str
    time_ms: int | None = None
    level: str = ""
    fields: dict[str, object] = {}


def read_line(text: str, now_ms: int, zone: tzinfo) -> Line:
    """What a line says. `zone` is that of times without one. Never fails."""
    plain = _COLOURS.sub("", text) if "\x1b" in text else text
    first = plain[:1]
    for reader in _READERS.get(first, _READERS_OF_DIGITS if first.isdigit() else _OTHERS):
        line = reader(plain, now_ms, zone)
        if line is not None:
            return line
    return Line(text, None, level_in(plain))


def level_in(text: str) -> str:
    """The first word near the beginning that is written like a level; "" for none."""
    found = _LEVEL.search(text, 0, _MAX_LEVEL_CHARS)
    if found is None:
        return ""
    word = found[1] or found[2] or found[3]
    return word.lower() if word else "info" if found[0] == "LOG" else "error"


# --- the formats: None where the line is not of it ------------------------------------------------------------------


def _access(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _ACCESS.match(text)
    time_ms = clf_ms(found[5]) if found is not None else None
    if found is None or time_ms is None:
        return None
    status = int(found[7])
    fields: dict[str, object] = {"source.address": found[2], "http.response.status_code": status}
    request = _REQUEST.fullmatch(found[6])
    if request is not None:
        fields |= {"http.request.method": request[1], "url.original": request[2]}
        fields["url.path"] = request[2].partition("?")[0]
        if request[3]:
            fields["http.version"] = request[3]
    if found[1]:
        fields["url.domain"] = found[1].rpartition(":")[0]
    if found[4] != "-":
        fields["user.name"] = found[4]
    if found[8] != "-":
        fields["http.response.body.bytes"] = int(found[8])
    for name, value in (("http.request.referrer", found[9]), ("user_agent.original", found[10])):
        if value and value != "-":
            fields[name] = value.replace('\\"', '"')
    return Line(text, time_ms, "error" if status >= 500 else "warning" if status >= 400 else "info", fields)


def _syslog(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _RFC3164.match(text)
    time_ms = syslog_ms(found[2], now_ms, zone) if found is not None else None
    return None if found is None or time_ms is None else _syslog_line(text, found, time_ms)


def _iso_syslog(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _ISO_SYSLOG.match(text)
    time_ms = iso_ms(found[2], zone) if found is not None else None
    return None if found is None or time_ms is None else _syslog_line(text, found, time_ms)


def _syslog_line(text: str, found: re.Match[str], time_ms: int) -> Line:
    message = text[found.end() :]
    fields: dict[str, object] = {"host.name": found[3], "process.name": found[4]}
    if found[5]:
        fields["process.pid"] = int(found[5])
    level = _severity(found[1], fields) if found[1] else level_in(message)
    return Line(message, time_ms, level, fields)


def _rfc5424(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _RFC5424.match(text)
    if found is None:
        return None
    fields: dict[str, object] = {}
    level = _severity(found[1], fields)
    names = ("host.name", "process.name", "process.pid", "log.syslog.msgid")
    fields |= {name: found[place] for place, name in enumerate(names, 3) if found[place] != "-"}
    if str(fields.get("process.pid", "")).isdigit():
        fields["process.pid"] = int(str(fields["process.pid"]))
    if found[7]:
        fields["log.syslog.structured_data"] = text[found.start(7) : found.end()].strip()
    return Line(text[found.end() :].removeprefix("\ufeff"), iso_ms(found[2], zone), level, fields)


def _severity(priority: str, fields: dict[str, object]) -> str:
    fields["log.syslog.facility.code"] = int(priority) >> 3
    return _SEVERITIES[int(priority) & 7]


def _klog(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _KLOG.match(text)
    time_ms = klog_ms(found[2], now_ms, zone) if found is not None else None
    if found is None or time_ms is None:
        return None
    fields: dict[str, object] = {"process.thread.id": int(found[3]), "log.origin.file.name": found[4]}
    return Line(text[found.end() :], time_ms, _KLOG_LEVELS[found[1]], fields)


def _nginx_error(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _NGINX_ERROR.match(text)
    time_ms = slashed_ms(found[1], zone) if found is not None else None
    if found is None or time_ms is None:
        return None
    fields: dict[str, object] = {"process.pid": int(found[3]), "process.thread.id": int(found[4])}
    if found[5]:
        fields["nginx.error.connection_id"] = int(found[5])
    return Line(text[found.end() :], time_ms, found[2], fields)


def _apache_error(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _APACHE_ERROR.match(text)
    time_ms = apache_ms(found[1], zone) if found is not None else None
    if found is None or time_ms is None:
        return None
    fields: dict[str, object] = {}
    if found[2]:
        fields["apache.error.module"] = found[2]
    if found[4]:
        fields["process.pid"] = int(found[4])
    if found[5]:
        fields["source.address"] = found[5]
    return Line(text[found.end() :], time_ms, found[3], fields)


def _go(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _GO.match(text)
    time_ms = slashed_ms(found[1], zone) if found is not None else None
    return None if time_ms is None else Line(text, time_ms, level_in(text))


def _container(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _CRI.match(text)
    time_ms = iso_ms(found[1], zone) if found is not None else None
    if found is None or time_ms is None:
        return None
    message = text[found.end() :]
    fields: dict[str, object] = {"stream": found[2]}
    if found[3] == "P":
        fields["log.partial"] = True
    return Line(message, time_ms, level_in(message), fields)


def _redis(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _REDIS.match(text)
    time_ms = day_first_ms(found[2], zone) if found is not None else None
    if found is None or time_ms is None:
        return None
    return Line(text[found.end() :], time_ms, _REDIS_LEVELS[found[3]], {"process.pid": int(found[1])})


def _timed(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    found = _STARTS_WITH_TIME.match(text)
    time_ms = iso_ms(found[1], zone) if found is not None else None
    return None if time_ms is None else Line(text, time_ms, level_in(text))


def _logfmt(text: str, now_ms: int, zone: tzinfo) -> Line | None:
    end = 0
    pairs: dict[str, str] = {}
    for found in _PAIR.finditer(text):
        if found.start() != end or len(pairs) > 200:
            return None
        end = found.end()
        pairs[found[1]] = found[2].replace('\\"', '"').replace("\\\\", "\\") if found[2] is not None else found[3]
    if end != len(text) or not {"level", "lvl", "msg", "time", "ts"} & pairs.keys() or len(pairs) < 2:
        return None
    time_text = pairs.pop("time", "") or pairs.pop("ts", "")
    time_ms = iso_ms(time_text, zone)
    level = pairs.pop("level", "") or pairs.pop("lvl", "")
    message = pairs.pop("msg", None) or text
    return Line(message, read_loose_time(time_text) if time_ms is None else time_ms, level.lower(), dict(pairs))


_Reader = Callable[[str, int, tzinfo], Line | None]
_READERS: Final[dict[str, tuple[_Reader, ...]]] = {
    "<": (_rfc5424, _syslog, _iso_syslog),
    "[": (_apache_error, _timed),
    "(": (_timed,),
    **dict.fromkeys("IWEF", (_klog, _syslog, _access, _logfmt)),
}
_READERS_OF_DIGITS: Final[tuple[_Reader, ...]] = (
    _container,
    _iso_syslog,
    _timed,
    _access,
    _nginx_error,
    _go,
    _redis,
)
_OTHERS: Final[tuple[_Reader, ...]] = (_syslog, _access, _logfmt)
