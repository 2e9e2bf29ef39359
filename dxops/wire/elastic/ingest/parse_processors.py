"""Processors that read structure out of a text: grok, dissect, date, json, kv, csv."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from dxops.wire.elastic.documents import BadSource, read_document
from dxops.wire.elastic.ingest.dissect import BadDissect, Dissect, read_dissect
from dxops.wire.elastic.ingest.document import MISSING, Document, ProcessorFailure, kind_of, text_of
from dxops.wire.elastic.ingest.grok import BadGrok, Grok
from dxops.wire.elastic.ingest.options import Options
from dxops.wire.elastic.ingest.patterns import TIMEOUT_S, TooSlow, compile_bounded
from dxops.wire.elastic.ingest.text_processors import guarded
from dxops.wire.elastic.java_time import java_pattern, zone_of
from dxops.wire.elastic.times import read_iso

Work = Callable[[Document], None]

DEFAULT_DATE_OUTPUT: Final = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCALES = ("en", "english", "root", "en-us", "en-gb", "en_us", "en_gb", "und", "")


def build_grok(options: Options) -> Work:
    """Fields that are matched replace what is there."""
    field = options.text("field")
    patterns = options.texts("patterns")
    definitions = options.mapping("pattern_definitions", {})
    ecs = options.text("ecs_compatibility", "disabled")
    ignore_missing, trace = options.flag("ignore_missing"), options.flag("trace_match")
    if ecs not in ("disabled", "v1"):
        options.fault(f"unsupported mode [{ecs[:60]}]", "ecs_compatibility")
    if not all(isinstance(value, str) for value in definitions.values()):
        options.fault("values are not strings", "pattern_definitions")
        definitions = {}
    if not patterns:
        options.fault("List of patterns must not be empty", "patterns")
    grok = options.read("patterns", lambda given: Grok(given, definitions, ecs=ecs == "v1"), patterns)

    def work(document: Document) -> None:
        if document.find(field) in (MISSING, None) and ignore_missing:
            return
        text = text_of(document, field)
        try:
            found = grok.read(text) if grok is not None else None
        except (BadGrok, TooSlow) as error:
            raise ProcessorFailure(str(error)) from None
        if found is None:
            raise ProcessorFailure(f"Provided Grok expressions do not match field value: [{text[:1000]}]")
        fields, number = found
        for path, value in fields.items():
            document.put(path, value)
        if trace:
            document.put("_ingest._grok_match_index", str(number))

    return work


def build_dissect(options: Options) -> Work:
    """Fields that are found replace what is there."""
    field = options.text("field")
    pattern: Dissect | None = options.read("pattern", read_dissect, options.text("pattern"))
    separator = options.text("append_separator", "")
    ignore_missing = options.flag("ignore_missing")

    def work(document: Document) -> None:
        if document.find(field) in (MISSING, None) and ignore_missing:
            return
        text = text_of(document, field)
        try:
            found = pattern.read(text, separator) if pattern is not None else {}
        except BadDissect as error:
            raise ProcessorFailure(str(error), "dissect_exception.find_match") from None
        for path, value in found.items():
            document.put(path, value)

    return work


DateReader = Callable[[str, int, tzinfo], tuple[datetime, int]]


def _read_iso(text: str, _year: int, zone: tzinfo) -> tuple[datetime, int]:
    found = read_iso(text)
    if found is None:
        raise ValueError(f"failed to parse date field [{text[:100]}] with format [ISO8601]")
    moment = _EPOCH + timedelta(milliseconds=found[0])
    if not found[1]:
        moment = moment.replace(tzinfo=zone)
    return moment, moment.microsecond * 1000


def _read_unix(text: str, _year: int, _zone: tzinfo) -> tuple[datetime, int]:
    moment = _EPOCH + timedelta(milliseconds=int(float(text) * 1000 + (0.5 if float(text) > 0 else -0.5)))
    return moment, moment.microsecond * 1000


def _read_unix_ms(text: str, _year: int, _zone: tzinfo) -> tuple[datetime, int]:
    moment = _EPOCH + timedelta(milliseconds=int(text))
    return moment, moment.microsecond * 1000


def _read_tai64n(text: str, _year: int, _zone: tzinfo) -> tuple[datetime, int]:
    digits = text.removeprefix("@")
    if len(digits) != 24:
        raise ValueError(f"[{text[:60]}] is not TAI64N")
    moment = _EPOCH + timedelta(seconds=int(digits[:16], 16) - (1 << 62) - 10)
    return moment.replace(microsecond=int(digits[16:], 16) // 1000), int(digits[16:], 16)


_FORMATS: Final[dict[str, DateReader]] = {
    "ISO8601": _read_iso, "UNIX": _read_unix, "UNIX_MS": _read_unix_ms, "TAI64N": _read_tai64n,
}  # fmt: skip


def _date_reader(text: str) -> DateReader:
    if text in _FORMATS:
        return _FORMATS[text]
    pattern = java_pattern(text)
    return lambda value, year, zone: pattern.read(value, default_year=year, zone=zone)


def build_date(options: Options) -> Work:
    """The first format that fits; a text without a year is of the current one, as in the original."""
    field = options.text("field")
    target = options.text("target_field", "@timestamp")
    formats = options.texts("formats")
    readers = [reader for reader in (options.read("formats", _date_reader, text) for text in formats) if reader]
    zone_text = options.template("timezone", "UTC")
    locale = options.text("locale", "en")
    if locale.lower() not in _LOCALES and "{{" not in locale:
        options.fault(f"[{locale[:60]}] is not supported, only English names of months and days are", "locale")
    output = options.read("output_format", java_pattern, options.text("output_format", DEFAULT_DATE_OUTPUT))

    def work(document: Document) -> None:
        value = document.get(field)
        if value is None or isinstance(value, dict | list | bool):
            raise ProcessorFailure(f"field [{field}] of type [{kind_of(value)}] is no date")
        try:
            zone = zone_of(zone_text(document) or "UTC")
        except ValueError as error:
            raise ProcessorFailure(f"unable to parse date [{value}]: {error}") from None
        year = int(document.ingest["timestamp"][:4])
        moment, nanos = _first_date(str(value), readers, year, zone)
        if output is not None:
            document.put(target, output.write(moment.astimezone(zone), nanos))

    return work


def _first_date(text: str, readers: list[DateReader], year: int, zone: tzinfo) -> tuple[datetime, int]:
    reason = ""
    for reader in readers:
        try:
            moment, nanos = reader(text, year, zone)
            moment.astimezone(UTC)  # a moment at the edge of the calendar may not have one
        except (ValueError, OverflowError) as error:
            reason = str(error)
        else:
            return moment, nanos
    raise ProcessorFailure(f"unable to parse date [{text[:200]}]: {reason}")


def build_json(options: Options) -> Work:
    """A text as the JSON it is; `add_to_root` by `add_to_root_conflict_strategy` replace or merge."""
    field = options.text("field")
    target = options.optional_text("target_field")
    to_root = options.flag("add_to_root")
    merge = options.choice("add_to_root_conflict_strategy", ("replace", "merge"), "replace") == "merge"
    options.flag("allow_duplicate_keys")
    strict = options.flag("strict_json_parsing", True)
    if to_root and target is not None:
        options.fault("Cannot set a target field while also setting `add_to_root` to true", "target_field")

    def work(document: Document) -> None:
        value = document.get(field)
        parsed = _parsed(value, strict) if isinstance(value, str) else value
        if not to_root:
            document.put(target or field, parsed)
            return
        if not isinstance(parsed, dict):
            raise ProcessorFailure("cannot add non-map fields to root of document")
        for name, item in parsed.items():
            present = document.source.get(name)
            if merge and isinstance(present, dict) and isinstance(item, dict):
                _merge(present, item)
            else:
                document.source[name] = item

    return work


def _parsed(text: str, strict: bool) -> Any:
    source = b'{"value":%b}' % text.encode("utf-8", "replace")
    try:
        read = read_document(source)
    except BadSource as error:
        if not strict and text[:1] not in '[{"':
            return text.split(None, 1)[0] if text.strip() else text
        raise ProcessorFailure(f"field is not JSON: {error.reason} at column {max(1, error.column - 9)}") from None
    if read.keys() != {"value"}:
        raise ProcessorFailure("field is not JSON: more follows a value")
    return read["value"]


def _merge(into: dict[str, Any], new: dict[str, Any]) -> None:
    todo = [(into, new)]
    while todo:
        present, given = todo.pop()
        for name, item in given.items():
            there = present.get(name)
            if isinstance(there, dict) and isinstance(item, dict):
                todo.append((there, item))
            else:
                present[name] = item


def build_kv(options: Options) -> Work:
    """`a=1 b="2"`: pairs split by regular expressions; a key that occurs again makes an array."""
    field = options.template("field")
    target = options.template("target_field", "")
    split_text, value_text = options.text("field_split"), options.text("value_split")
    field_split = options.read("field_split", compile_bounded, split_text)
    value_split = options.read("value_split", compile_bounded, value_text)
    include, exclude = options.texts("include_keys", []), set(options.texts("exclude_keys", []))
    prefix = options.text("prefix", "")
    trim_key, trim_value = options.text("trim_key", ""), options.text("trim_value", "")
    strip, ignore_missing = options.flag("strip_brackets"), options.flag("ignore_missing")

    def work(document: Document) -> None:
        path = field(document)
        if document.find(path) in (MISSING, None) and ignore_missing:
            return
        text = text_of(document, path)
        base = target(document)
        base = base + "." if base else ""
        for part in _split(field_split, text, split_text, 0):
            pair = _split(value_split, part, value_text, 1)
            if len(pair) < 2:
                raise ProcessorFailure(f"field [{path}] does not contain value_split [{value_text[:60]}]")
            key, value = pair[0].strip(trim_key or None) if trim_key else pair[0], pair[-1]
            if (include and key not in include) or key in exclude or not key:
                continue
            value = value.strip(trim_value) if trim_value else value
            value = _without_brackets(value) if strip else value
            _put_again(document, base + prefix + key, value)

    return work


def _split(pattern: Any, text: str, pattern_text: str, most: int) -> list[str]:
    parts = guarded(text, pattern_text, lambda: pattern.split(text, maxsplit=most, timeout=TIMEOUT_S))
    return [part or "" for part in parts]


def _put_again(document: Document, path: str, value: str) -> None:
    present = document.find(path)
    if present is MISSING:
        document.put(path, value)
    else:
        document.append(path, [value], allow_duplicates=True)


def _without_brackets(value: str) -> str:
    pairs = {"(": ")", "<": ">", "[": "]", '"': '"', "'": "'"}
    return value[1:-1] if len(value) > 1 and pairs.get(value[0]) == value[-1] else value


def build_csv(options: Options) -> Work:
    """One line of CSV; an empty field is left out, unless there is an `empty_value`."""
    field, targets = options.text("field"), options.texts("target_fields")
    separator, quote = options.text("separator", ","), options.text("quote", '"')
    trim, ignore_missing = options.flag("trim"), options.flag("ignore_missing")
    empty = options.take("empty_value", MISSING)
    for name, text in (("separator", separator), ("quote", quote)):
        if len(text) != 1 or text in "\r\n":
            options.fault(f"{name} has to be a single character like {',' if name == 'separator' else chr(34)}", name)
            separator, quote = ",", '"'

    def work(document: Document) -> None:
        if document.find(field) in (MISSING, None) and ignore_missing:
            return
        text = text_of(document, field)
        if not text:
            return
        try:
            # a line that csv would see as several is one record with line ends inside
            cells = next(csv.reader([text], delimiter=separator, quotechar=quote, strict=True, skipinitialspace=trim))
        except (csv.Error, StopIteration) as error:
            raise ProcessorFailure(f"field [{field}] is not CSV: {error}") from None
        for path, cell in zip(targets, cells, strict=False):
            value = cell.strip() if trim else cell
            if value:
                document.put(path, value)
            elif empty is not MISSING:
                document.put(path, empty)

    return work
