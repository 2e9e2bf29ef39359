"""Processors that steer: fail, drop, pipeline, foreach, and the ones that are refused with what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dxops.wire.elastic.ingest.document import MISSING, Document, Dropped, ProcessorFailure, kind_of
from dxops.wire.elastic.ingest.options import Options

Work = Callable[[Document], None]

MAX_FOREACH: Final = 10_000

REFUSED: Final = {
    "script": "scripts are not run; use set, convert, gsub, grok, dissect, append, rename or foreach, with `if`",
    "registered_domain": "the list of public suffixes is not here; use uri_parts or grok for the host name",
    "enrich": "enrich policies are not supported; join when you search",
    "inference": "machine learning is not supported",
    "attachment": "documents of other formats are not read",
    "circle": "shapes are not supported; the document can hold the text as it is",
    "set_security_user": "the user is in the audit log",
}


def build_fail(options: Options) -> Work:
    """Always fails with its message."""
    message = options.template("message")

    def work(document: Document) -> None:
        raise ProcessorFailure(message(document), "fail_processor_exception")

    return work


def build_drop(_options: Options) -> Work:
    """The document is not stored, and counts as done."""

    def work(_document: Document) -> None:
        raise Dropped

    return work


def build_pipeline(options: Options) -> Work:
    """Runs another pipeline; what it does stays."""
    text = options.text("name")
    name = options.template("name", text)
    ignore_missing = options.flag("ignore_missing_pipeline")
    if text and "{{" not in text:
        options.calls.add(text)

    def work(document: Document) -> None:
        document.run.call(document, name(document), ignore_missing=ignore_missing)

    return work


def build_foreach(options: Options) -> Work:
    """One processor on each element (`_ingest._value`), or on each name (`_ingest._key`) and value of an object."""
    field = options.text("field")
    ignore_missing = options.flag("ignore_missing")
    inner = options.mapping("processor")
    nested: Work | None = None
    if options.nested is not None and inner:
        nested = options.nested(inner, f"{options.place}.processor")

    def work(document: Document) -> None:
        value = document.find(field)
        if value in (MISSING, None):
            if ignore_missing:
                return
            document.get(field)
        if not isinstance(value, list | dict):
            raise ProcessorFailure(f"field [{field}] of type [{kind_of(value)}] cannot be cast to a list or map")
        if len(value) > MAX_FOREACH:
            raise ProcessorFailure(
                f"field [{field}] has {len(value)} elements, more than the {MAX_FOREACH} that are visited"
            )
        if nested is not None:
            document.put(field, _each(document, value, nested))

    return work


def _each(document: Document, value: list[Any] | dict[str, Any], nested: Work) -> list[Any] | dict[str, Any]:
    outer = {name: document.ingest.get(name, MISSING) for name in ("_key", "_value")}
    pairs: list[tuple[Any, Any]] = []
    try:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            document.ingest["_value"] = item
            if isinstance(value, dict):
                document.ingest["_key"] = key
            nested(document)
            pairs.append((document.ingest.get("_key", key), document.ingest.get("_value")))
    finally:
        for name, before in outer.items():
            document.ingest.pop(name, None)
            if before is not MISSING:
                document.ingest[name] = before
    if isinstance(value, dict):
        return {str(key): item for key, item in pairs}
    return [item for _, item in pairs]
