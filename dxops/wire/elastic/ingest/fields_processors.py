"""Processors that move and set fields: set, append, remove, rename, convert, dot_expander, fingerprint, untouched."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import math
from collections.abc import Callable
from typing import Any, Final

import orjson

from dxops.wire.elastic.documents import write_document
from dxops.wire.elastic.ingest.document import MISSING, Document, ProcessorFailure, kind_of
from dxops.wire.elastic.ingest.options import Options

Work = Callable[[Document], None]


def build_set(options: Options) -> Work:
    """`value` with templates, or `copy_from`."""
    field = options.template("field")
    override = options.flag("override", True)
    ignore_empty = options.flag("ignore_empty_value")
    options.take("media_type", None)
    source = options.optional_text("copy_from")
    value = options.value("value") if source is None else None
    if source is not None and options.take("value", None) is not None:
        options.fault("cannot set both `copy_from` and `value` in the same processor", "copy_from")

    def work(document: Document) -> None:
        path = field(document)
        if source is not None:
            new = document.copied(document.get(source))
        else:
            new = value(document) if value is not None else None
        if ignore_empty and (new is None or new == ""):
            return
        if override or document.find(path) in (MISSING, None):
            document.put(path, new)

    return work


def build_append(options: Options) -> Work:
    """Adds to an array, making one of what is there."""
    field = options.template("field")
    duplicates = options.flag("allow_duplicates", True)
    ignore_empty = options.flag("ignore_empty_values")
    options.take("media_type", None)
    value = options.value("value")

    def work(document: Document) -> None:
        new = value(document)
        values = new if isinstance(new, list) else [new]
        if ignore_empty:
            values = [item for item in values if item not in (None, "")]
        document.append(field(document), values, allow_duplicates=duplicates)

    return work


def build_remove(options: Options) -> Work:
    """`field` removes, `keep` removes all else; metadata stays in both."""
    keep = options.texts("keep", [])
    fields = options.texts("field", []) if keep else options.texts("field")
    templates = [options.template("field", field) for field in fields] if fields and not keep else []
    if keep and fields:
        options.fault("cannot set both `keep` and `field` in the same processor", "keep")
    ignore_missing = options.flag("ignore_missing")

    def work(document: Document) -> None:
        if keep:
            _keep(document, keep)
        for template in templates:
            path = template(document)
            if document.has(path) or not ignore_missing:
                document.remove(path)

    return work


def _keep(document: Document, paths: list[str]) -> None:
    kept = Document({}, {}, "")
    for path in paths:
        value = document.find(path)
        if value is not MISSING and path.split(".")[0] in document.source:
            kept.put(path, value)
    document.source = kept.source


def build_rename(options: Options) -> Work:
    """Fails when the target is there already, unless `override`."""
    field, target = options.template("field"), options.template("target_field")
    ignore_missing, override = options.flag("ignore_missing"), options.flag("override")

    def work(document: Document) -> None:
        path, new = field(document), target(document)
        if not path or not document.has(path):
            if ignore_missing:
                return
            raise ProcessorFailure(f"field [{path}] doesn't exist")
        if document.has(new) and not override:
            raise ProcessorFailure(f"field [{new}] already exists")
        value = document.remove(path)
        try:
            document.put(new, value)
        except ProcessorFailure:
            document.put(path, value)
            raise

    return work


_CONVERT: Final = ("integer", "long", "float", "double", "boolean", "ip", "string", "auto")


def build_convert(options: Options) -> Work:
    """To another type; arrays by element."""
    field = options.text("field")
    target = options.text("target_field", field)
    kind = options.choice("type", _CONVERT)
    ignore_missing = options.flag("ignore_missing")

    def work(document: Document) -> None:
        value = document.find(field)
        if value in (MISSING, None):
            if ignore_missing:
                return
            document.get(field)
            raise ProcessorFailure(f"Field [{field}] is null, cannot be converted to type [{kind}]")
        document.put(
            target, [_convert(item, kind) for item in value] if isinstance(value, list) else _convert(value, kind)
        )

    return work


def _convert(value: Any, kind: str) -> Any:
    text = str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else _written(value)
    try:
        if kind in ("integer", "long"):
            return _integer(text, 31 if kind == "integer" else 63)
        if kind in ("float", "double"):
            number = float(text)
            if not math.isfinite(number):
                raise ValueError
            return number
        if kind == "boolean":
            return {"true": True, "false": False}[text.lower()]
        if kind == "ip":
            ipaddress.ip_address(text)
            return text
    except (ValueError, KeyError):
        raise ProcessorFailure(f"unable to convert [{text[:200]}] to {kind}") from None
    return _guessed(text) if kind == "auto" and isinstance(value, str) else value if kind == "auto" else text


def _integer(text: str, bits: int) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").lower()
    if len(digits) > 40:
        raise ValueError
    number = sign * (int(digits, 16) if digits.startswith("0x") else int(digits))
    if not -(1 << bits) <= number < 1 << bits:
        raise ValueError
    return number


def _guessed(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for read in (lambda: _integer(text, 63), lambda: float(text)):
        try:
            number = read()
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return text


def _written(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        raise ProcessorFailure(f"a value of type [{kind_of(value)}] cannot be converted")
    return str(value)


def build_dot_expander(options: Options) -> Work:
    """`{"a.b": 1}` becomes `{"a": {"b": 1}}`; `*` expands every name of the object."""
    field = options.text("field")
    path = options.optional_text("path")
    override = options.flag("override")
    if field and field != "*" and ("." not in field.strip(".") or ".." in field or field != field.strip(".")):
        options.fault("field does not contain a dot and is not a wildcard", "field")

    def work(document: Document) -> None:
        holder = document.source if path is None else document.get(path)
        if not isinstance(holder, dict):
            raise ProcessorFailure(f"field [{path}] of type [{kind_of(holder)}] is not an object")
        for name in [name for name in holder if "." in name.strip(".")] if field == "*" else [field]:
            if name in holder:
                _expand(holder, name, override)

    return work


def _expand(holder: dict[str, Any], name: str, override: bool) -> None:
    inner = Document(holder, {}, "")
    value = holder[name]
    present = inner.find(name)
    if present is not MISSING and not override:
        value = [
            *(present if isinstance(present, list) else [present]),
            *(value if isinstance(value, list) else [value]),
        ]
    head = inner.find(name.rpartition(".")[0])
    if head is not MISSING and not isinstance(head, dict):
        raise ProcessorFailure(f"cannot expand [{name}] because [{name.rpartition('.')[0]}] is not an object field")
    inner.put(name, value)
    del holder[name]


_HASHES: Final = {"md5": "md5", "sha-1": "sha1", "sha-256": "sha256", "sha-512": "sha512"}


def build_fingerprint(options: Options) -> Work:
    """Base64 of a hash over the sorted fields and their values. Stable here, not equal to the original's bytes."""
    fields = sorted(options.texts("fields"))
    target = options.text("target_field", "fingerprint")
    salt = options.text("salt", "")
    name = _HASHES[options.choice("method", tuple(_HASHES), "sha-1")]
    ignore_missing = options.flag("ignore_missing")

    def work(document: Document) -> None:
        hasher = hashlib.new(name, salt.encode(), usedforsecurity=False)
        for field in fields:
            value = document.find(field)
            if value is MISSING:
                if ignore_missing:
                    continue
                document.get(field)
            item = orjson.loads(write_document({field: value}))
            hasher.update(orjson.dumps(item, option=orjson.OPT_SORT_KEYS) + b"\n")
        document.put(target, base64.b64encode(hasher.digest()).decode())

    return work


def build_untouched(options: Options) -> Work:
    """user_agent and geoip: their data is not here, so the document stays as it is; a missing field still fails."""
    field = options.text("field")
    ignore_missing = options.flag("ignore_missing")
    for name in ("target_field", "properties", "regex_file", "database_file", "first_only", "extract_device_type"):
        options.take(name, None)
    options.take("download_database_on_pipeline_creation", None)

    def work(document: Document) -> None:
        if not ignore_missing:
            document.get(field)

    return work
