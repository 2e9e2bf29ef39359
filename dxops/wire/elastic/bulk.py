"""The `_bulk` body as columns: one pass over the bytes, no object per document beyond its source.

    {"create":{"_index":"logs-app-default"}}\n
    {"@timestamp":"2026-01-01T00:00:00.000Z","message":"..."}\n

The action lines decide whether there is a batch at all (`ElasticRefused`, nothing may be stored); a bad source fails
its own item. Sources keep the bytes as sent. Differences from the original, all of which keep a log that it refuses:
the final newline is optional, blank lines are skipped, `_type` is ignored, `_id` "" is absent, a document without
`@timestamp` takes `timestamp`, `time` or `ts`, else the time of receipt, and `undated` says so.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from dxops.wire.elastic.bulk_actions import MAX_ID_BYTES, Action, ActionReader, Defaults
from dxops.wire.elastic.documents import BadSource, read_document
from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument, parse_exception
from dxops.wire.elastic.times import read_loose_time, read_time, read_times

MAX_SOURCE_BYTES: Final = 100 << 20
_AT_ONCE: Final = 4096
NO_DEFAULTS: Final = Defaults()


class Bulk(msgspec.Struct, kw_only=True):
    """The columns; position is the operation's number, in the body's order.

    `actions` holds interned objects; `uniform` is the one that all operations share, if they do. `sources` are the
    bytes as sent, b"" for `delete`. `times_ms` is the event time, the time of receipt for the documents in `undated`,
    in `errors`, for deletes and for updates that carry none. `errors` has the items that must not be stored; their
    sources are still here, for a quarantine. `dropped` are those that a pipeline left out, and that is their success.
    """

    actions: list[Action]
    ids: list[str | None]
    sources: list[bytes]
    times_ms: array[int]
    undated: list[int]
    errors: dict[int, Fault]
    uniform: Action | None
    has_ids: bool
    dropped: set[int] = msgspec.field(default_factory=set)
    known: list[Action] | None = None

    def __len__(self) -> int:
        return len(self.actions)

    def distinct(self) -> list[Action]:
        """The different actions. Who changes `actions` or `uniform` sets `known` to None: it keeps the answer."""
        if self.known is None:
            by_id = dict(zip(map(id, self.actions), self.actions, strict=True)) if self.uniform is None else {}
            self.known = list(by_id.values()) if self.uniform is None else [self.uniform]
        return self.known


class _Times(msgspec.Struct, gc=False):
    """All that is looked at in a source; the decoder checks the rest of it without building it."""

    at: Any = msgspec.field(name="@timestamp", default=None)
    timestamp: Any = None
    time: Any = None
    ts: Any = None


_decode_times = msgspec.json.Decoder(_Times).decode


def parse_bulk(
    body: bytes,
    defaults: Defaults = NO_DEFAULTS,
    *,
    now_ms: int,
    max_source_bytes: int = MAX_SOURCE_BYTES,
    legacy: bool = False,
) -> Bulk:
    """The batch. `now_ms` is the time of receipt; `legacy` gives callers below 8 the error type that they know.

    Raises `ElasticRefused` (400) for an empty body or a malformed action line, naming the line.
    """
    lines = body.split(b"\n")
    if b"\r" in body:
        lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
    if not lines[-1]:
        lines.pop()
    reader = ActionReader(defaults, now_ms)
    bulk = _pair(lines, reader) or _walk(lines, reader)
    if not _read_all_times(bulk, now_ms, ascii_only=body.isascii()):
        if any(not source.strip() for source in bulk.sources):
            bulk = _walk(lines, reader)  # a line of blanks is no document, and not the pair of its action
        _read_each_time(bulk, now_ms, legacy)
    _check_items(bulk, max_source_bytes if len(body) > max_source_bytes else None)
    return bulk


def _bulk(actions: list[Action], ids: list[str | None], sources: list[bytes], *, has_ids: bool) -> Bulk:
    first = actions[0]
    uniform = first if all(action is first for action in actions) else None
    return Bulk(
        actions=actions, ids=ids, sources=sources, times_ms=array("q"), undated=[], errors={}, uniform=uniform,
        has_ids=has_ids,
    )  # fmt: skip


def _pair(lines: list[bytes], reader: ActionReader) -> Bulk | None:
    """The usual body: action and source take turns. None if it is not one, without saying why."""
    if not lines or len(lines) % 2:
        return None
    heads, sources = lines[0::2], lines[1::2]
    if b"" in sources:
        return None
    distinct = set(heads)
    try:
        if len(distinct) * 4 <= len(heads) or len(distinct) == 1:
            table = {line: reader.read(line, 0) for line in distinct}
            pairs = list(map(table.__getitem__, heads))
        else:
            pairs = [reader.read(line, 0) for line in heads]
    except ElasticRefused:
        return None
    actions = [pair[0] for pair in pairs]
    ids = [pair[1] for pair in pairs]
    bulk = _bulk(actions, ids, sources, has_ids=ids.count(None) != len(ids))
    return None if any(action.op == "delete" for action in bulk.distinct()) else bulk


def _walk(lines: Sequence[bytes], reader: ActionReader) -> Bulk:
    """Line by line: deletes, blank lines, and the exact place of what is wrong."""
    actions: list[Action] = []
    ids: list[str | None] = []
    sources: list[bytes] = []
    waiting = 0  # the number of the action line whose source is to come
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        if waiting:
            sources.append(line)
            waiting = 0
            continue
        action, id_ = reader.read(line, number)
        actions.append(action)
        ids.append(id_)
        if action.op == "delete":
            sources.append(b"")
        else:
            waiting = number
    if waiting:
        op = actions[-1].op
        raise ElasticRefused(illegal_argument(f"Malformed action/metadata line [{waiting}], [{op}] has no source line"))
    if not actions:
        raise ElasticRefused(parse_exception("request body is required"))
    return _bulk(actions, ids, sources, has_ids=ids.count(None) != len(ids))


def _read_all_times(bulk: Bulk, now_ms: int, *, ascii_only: bool) -> bool:
    """The column of times when every source is a document to be kept whole; False as soon as one is not."""
    if any(action.op in ("update", "delete") for action in bulk.distinct()):
        return False
    times = array("q")
    try:
        for start in range(0, len(bulk), _AT_ONCE):
            sources = bulk.sources[start : start + _AT_ONCE]
            if not ascii_only:
                for source in sources:
                    str(source, "utf-8")
            read = list(map(_decode_times, sources))
            found = read_times([each.at for each in read])
            for place in [place for place, time_ms in enumerate(found) if time_ms is None] if None in found else ():
                found[place] = _other_time(read[place])
                if found[place] is None:
                    bulk.undated.append(start + place)
                    found[place] = now_ms
            times.extend(cast(list[int], found))
    except (ValueError, RecursionError, msgspec.DecodeError):
        bulk.undated.clear()
        return False
    bulk.times_ms = times
    return True


def _other_time(read: _Times) -> int | None:
    if read.at is not None and read.at != []:
        raise ValueError("@timestamp is not a time")
    for value in (read.timestamp, read.time, read.ts):
        if value is not None:
            time_ms = read_loose_time(value)
            if time_ms is not None:
                return time_ms
    return None


def _read_each_time(bulk: Bulk, now_ms: int, legacy: bool) -> None:
    bulk.times_ms = array("q", [now_ms]) * len(bulk)
    for place, (action, source) in enumerate(zip(bulk.actions, bulk.sources, strict=True)):
        if action.op == "delete":
            continue
        try:
            if action.op == "update":
                time_ms = _time_of(_update_document(read_document(source)), source)
            else:
                time_ms = _source_time(source)
            if time_ms is not None:
                bulk.times_ms[place] = time_ms
            elif action.op != "update":
                bulk.undated.append(place)
        except BadSource as bad:
            bulk.errors[place] = _source_fault(bad, legacy)
        except _BadTime as bad_time:
            bulk.errors[place] = _time_fault(bad_time, bulk.ids[place], legacy)


def time_of_document(source: bytes, id_: str | None, *, legacy: bool = False) -> int | Fault | None:
    """The time that a document carries, None for none; or what is wrong with it."""
    try:
        return _source_time(source)
    except BadSource as bad:
        return _source_fault(bad, legacy)
    except _BadTime as bad_time:
        return _time_fault(bad_time, id_, legacy)


def _source_time(source: bytes) -> int | None:
    """The quick way first: among bad neighbours most sources are good."""
    try:
        if not source.isascii():
            str(source, "utf-8")
        read = _decode_times(source)
        time_ms = read_time(read.at)
        return _other_time(read) if time_ms is None else time_ms
    except (ValueError, RecursionError, msgspec.DecodeError):
        return _time_of(read_document(source), source)


class _BadTime(ValueError):
    def __init__(self, value: object, column: int) -> None:
        super().__init__("failed to parse date")
        self.preview = str(value)[:200] if isinstance(value, str | int | float) else "an object or an array"
        self.column = column


def _time_of(document: dict[str, Any], source: bytes) -> int | None:
    value = document.get("@timestamp")
    time_ms = read_time(value)
    if time_ms is None:
        try:
            time_ms = _other_time(_Times(value, document.get("timestamp"), document.get("time"), document.get("ts")))
        except ValueError:
            raise _BadTime(value, _column_of_value(source)) from None
    return time_ms


def _column_of_value(source: bytes) -> int:
    place = source.rfind(b'"@timestamp"')
    if place < 0:
        return 1
    place = source.find(b":", place) + 1
    return place + len(source[place:]) - len(source[place:].lstrip()) + 1


def _update_document(body: dict[str, Any]) -> dict[str, Any]:
    """The partial document of an update's source. Raises `BadSource` for what an update may not say."""
    if "script" in body:
        raise BadSource("[script] is not supported; send the changed fields as [doc]")
    unknown = body.keys() - {"doc", "upsert", "doc_as_upsert", "detect_noop", "_source", "scripted_upsert"}
    if unknown:
        raise BadSource(f"[UpdateRequest] unknown field [{min(unknown)[:100]}]")
    document = body.get("doc")
    if not isinstance(document, dict):
        raise BadSource("script or doc is missing" if document is None else "[doc] is not an object")
    if not isinstance(body.get("upsert", {}), dict):
        raise BadSource("[upsert] is not an object")
    return document


def _source_fault(bad: BadSource, legacy: bool) -> Fault:
    where = f"[{bad.line}:{bad.column}]"
    cause = Fault(type="x_content_parse_exception", reason=f"{where} {bad.reason}")
    if legacy:
        return Fault(type="mapper_parsing_exception", reason="failed to parse", caused_by=cause)
    return Fault(type="document_parsing_exception", reason=f"{where} failed to parse", caused_by=cause)


def _time_fault(bad: _BadTime, id_: str | None, legacy: bool) -> Fault:
    reason = f"failed to parse date field [{bad.preview}] with format [strict_date_optional_time||epoch_millis]"
    cause = Fault(type="illegal_argument_exception", reason=reason)
    field = "failed to parse field [@timestamp] of type [date]"
    if legacy:
        of = f" in document with id '{id_}'. Preview of field's value: '{bad.preview}'"
        return Fault(type="mapper_parsing_exception", reason=field + of, caused_by=cause)
    return Fault(type="document_parsing_exception", reason=f"[1:{bad.column}] {field}", caused_by=cause)


def _check_items(bulk: Bulk, max_source_bytes: int | None) -> None:
    """What fails an item whatever its source says.

    A source over the limit is a 400 of its item. 413 for the request would lose the neighbours with rsyslog and Fluent
    Bit, 413 for the item is retried by Logstash for ever.
    """
    if any(action.fault is not None for action in bulk.distinct()):
        for place, action in enumerate(bulk.actions):
            if action.fault is not None:
                bulk.errors[place] = action.fault
    if bulk.has_ids:
        for place, id_ in enumerate(bulk.ids):
            if id_ is not None and len(id_) > MAX_ID_BYTES // 4 and len(id_.encode()) > MAX_ID_BYTES:
                reason = f"id [{id_[:100]}...] is too long, must be no longer than {MAX_ID_BYTES} bytes"
                bulk.errors[place] = illegal_argument(f"{reason} but was: {len(id_.encode())}")
    if any(action.op in ("update", "delete") for action in bulk.distinct()):
        for place, (action, id_) in enumerate(zip(bulk.actions, bulk.ids, strict=True)):
            if id_ is None and action.op in ("update", "delete"):
                bulk.errors[place] = illegal_argument(f"an id must be provided for [{action.op}]")
    if max_source_bytes is not None:
        for place, source in enumerate(bulk.sources):
            if len(source) > max_source_bytes:
                reason = f"the document has {len(source)} bytes, more than the limit of {max_source_bytes}"
                bulk.errors[place] = illegal_argument(reason)
