"""What of a document an answer shows: `_source` filters and `fields`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dxops.wire.es.body import Body, json_kind
from dxops.wire.es.errors import PARSING, EsError
from dxops.wire.name_patterns import name_is_within, name_matches

MAX_DEPTH: Final = 100  # of documents: what is deeper is kept or left out as a whole
_TRUE: Final = ("true", "")


class SourceFilter(msgspec.Struct, frozen=True):
    """`enabled` False: no `_source`. Patterns are dotted names with `*`; empty `includes` means all."""

    enabled: bool = True
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


class FieldRequest(msgspec.Struct, frozen=True):
    """A field (or pattern) whose values are wanted apart from `_source`; `format` is for dates and numbers."""

    field: str
    format: str = ""
    include_unmapped: bool = False


def parse_source(value: Any) -> SourceFilter:
    """`true`, `"a.*"`, `["a", "b"]` or `{"includes": …, "excludes": …}`."""
    if value is None or isinstance(value, bool):
        return SourceFilter(enabled=value is not False)
    if isinstance(value, str | list):
        return SourceFilter(includes=Body("_source", {"includes": value}).strings("includes"))
    body = Body("_source", value)
    includes = body.strings("includes") or body.strings("include")
    excludes = body.strings("excludes") or body.strings("exclude")
    body.accept("includes", "include", "excludes", "exclude")
    body.close()
    return SourceFilter(includes=includes, excludes=excludes)


def parse_source_parameter(text: str) -> SourceFilter:
    """The URL's `_source=false` or `_source=a,b.*`."""
    if text in ("true", "false", ""):
        return SourceFilter(enabled=text in _TRUE)
    return SourceFilter(includes=names(text))


def names(text: str) -> tuple[str, ...]:
    """A comma list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse_fields(value: Any, kind: str) -> tuple[FieldRequest, ...]:
    """`fields` and `docvalue_fields`."""
    items = value if isinstance(value, list) else [value]
    return tuple(_field(item, kind) for item in items)


def _field(item: Any, kind: str) -> FieldRequest:
    if isinstance(item, str):
        return FieldRequest(item)
    if not isinstance(item, dict):
        raise EsError(PARSING, f"[{kind}] must be names or objects, found {json_kind(item)}", key=kind)
    body = Body(kind, item)
    found = FieldRequest(
        body.need_text("field"), body.text("format", "") or "", body.boolean("include_unmapped", False)
    )
    body.close()
    return found


def filter_source(document: dict[str, Any], wanted: SourceFilter) -> dict[str, Any]:
    """The part of a document that `wanted` keeps. Objects that lose everything are left out, arrays keep elements."""
    if not wanted.includes and not wanted.excludes:
        return document
    kept = _filtered(document, "", wanted, not wanted.includes, MAX_DEPTH)
    return kept if isinstance(kept, dict) else {}


_NONE: Final = object()


def _filtered(value: Any, name: str, wanted: SourceFilter, inside: bool, depth: int) -> Any:
    """What is kept of `value`, or `_NONE`. `inside`: `name` or something above it is included."""
    if depth == 0:
        return value if inside else _NONE
    if isinstance(value, list):
        kept = [each for item in value if (each := _filtered(item, name, wanted, inside, depth - 1)) is not _NONE]
        return kept if kept or (inside and not value) else _NONE
    if not isinstance(value, dict):
        return value if inside else _NONE
    found: dict[str, Any] = {}
    for key, child in value.items():
        path = f"{name}.{key}" if name else key
        if any(name_is_within(each, path) for each in wanted.excludes):
            continue
        taken = inside or any(name_is_within(each, path) for each in wanted.includes)
        kept_child = _filtered(child, path, wanted, taken, depth - 1)
        if kept_child is not _NONE:
            found[key] = kept_child
    return found if found or (inside and not value) or not name else _NONE


def flatten(document: dict[str, Any]) -> dict[str, list[Any]]:
    """Dotted names and their values, arrays flattened, nulls left out: what `hits[].fields` shows."""
    found: dict[str, list[Any]] = {}
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            children = [(f"{name}.{key}" if name else key, child) for key, child in value.items()]
            pending.extend(reversed(children))
        elif isinstance(value, list):
            pending.extend((name, item) for item in reversed(value))
        elif value is not None:
            found.setdefault(name, []).append(value)
    return found


def select_fields(document: dict[str, Any], wanted: tuple[FieldRequest, ...]) -> dict[str, list[Any]]:
    """The values of the wanted fields. Formats are applied by the caller, who knows which are dates."""
    flat = flatten(document)
    return {name: values for name, values in flat.items() if any(name_matches(each.field, name) for each in wanted)}
