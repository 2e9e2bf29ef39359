"""Lines as Elasticsearch's hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from dxops.rooms.logs.fields import base_name, is_time
from dxops.rooms.logs.model import Line
from dxops.rooms.logs.ordering import EQUAL, Key
from dxops.rooms.logs.values import typed
from dxops.wire.elastic.documents import read_document
from dxops.wire.es.date_format import format_ms
from dxops.wire.es.dates import parse_date
from dxops.wire.es.errors import EsError
from dxops.wire.es.fields import FieldRequest, SourceFilter, filter_source, flatten
from dxops.wire.es.highlight import Highlight, fragments, wanted_terms
from dxops.wire.es.hits import NO_STORED, HitsRequest
from dxops.wire.es.number_format import number_format
from dxops.wire.es.sorting import SCORE
from dxops.wire.name_patterns import name_matches
from dxops.wire.query_tree import Node

_TIME = "@timestamp"


def hit_of(
    line: Line, request: HitsRequest, query: Node, sort: Sequence[Any] | None, *, whole: bool = True
) -> dict[str, Any]:
    """`sort` are the values to show, None where the request sorts by nothing. `whole`: `_source` may be given as the
    bytes that were sent (`orjson.Fragment`) instead of as a value."""
    hit: dict[str, Any] = {"_index": line.stream}
    if request.stored_fields != (NO_STORED,):
        hit["_id"] = line.id
    if request.version:
        hit["_version"] = line.version
    if request.seq_no_primary_term:
        hit |= {"_seq_no": line.seq, "_primary_term": 1}
    scored = sort is None or request.track_scores or any(key.field == SCORE for key in request.sort)
    hit["_score"] = 1.0 if scored else None
    source = request.shown_source
    if request.stored_fields == (NO_STORED,):
        source = SourceFilter(enabled=False)
    filtered = bool(source.includes or source.excludes)
    wanted = (*request.fields, *request.docvalue_fields)
    needs_value = bool(wanted or request.highlight) or (source.enabled and (filtered or not whole))
    document = read_document(line.source) if needs_value else {}
    if source.enabled:
        hit["_source"] = shown_source(line, document, source, whole=whole)
    if wanted:
        found = _fields(line, document, wanted)
        if found:
            hit["fields"] = found
    if request.highlight is not None:
        marked = _highlights(document, request.highlight, query)
        if marked:
            hit["highlight"] = marked
    if sort is not None:
        hit["sort"] = list(sort)
    return hit


def shown_source(line: Line, document: dict[str, Any], wanted: SourceFilter, *, whole: bool) -> Any:
    """`_source`, exactly as it was sent where nothing is left out of it."""
    if wanted.includes or wanted.excludes:
        return filter_source(document, wanted)
    return orjson.Fragment(line.source) if whole else document


def sort_values(keys: Sequence[Key], raw: Sequence[Any]) -> list[Any]:
    """What a hit's `sort` shows."""
    return [_sort_value(key, value) for key, value in zip(keys, raw, strict=True)]


def _sort_value(key: Key, raw: Any) -> Any:
    value = typed(key.kind, raw)
    if key.kind == "date" and key.format and isinstance(value, int):
        return value if key.format == "epoch_millis" else format_ms(value, key.format)
    return float(value) if key.order == EQUAL else value


def _fields(line: Line, document: dict[str, Any], wanted: Sequence[FieldRequest]) -> dict[str, list[Any]]:
    flat = {**flatten(document), _TIME: [line.ts_ms]}
    found: dict[str, list[Any]] = {}
    for each in wanted:
        names = [name for name in flat if name_matches(each.field, name)]
        if not names and each.field in ("_id", "_index"):
            found[each.field] = [line.id if each.field == "_id" else line.stream]
        base = base_name(each.field)
        if not names and base in flat:
            found[each.field] = [_shown(value, base, each.format) for value in flat[base]]
        for name in names:
            found[name] = [_shown(value, name, each.format) for value in flat[name]]
    return found


def _shown(value: Any, name: str, format: str) -> Any:
    if is_time(name):
        return format_ms(int(value), format or None)
    if not format or format == "use_field_mapping":
        return value
    try:
        if isinstance(value, str):
            return format_ms(parse_date(value, 0), format)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return number_format(format).write(value) if set(format) & set("#0") else format_ms(int(value), format)
    except EsError:
        return value
    return value


def _highlights(document: dict[str, Any], how: Highlight, query: Node) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, values in flatten(document).items():
        field = how.of(name)
        if field is None:
            continue
        wanted = wanted_terms(query, name, field)
        cut = [piece for value in values if isinstance(value, str) for piece in fragments(value, wanted, field)]
        if cut:
            found[name] = cut[: field.fragments] if field.fragments else cut
    return found
