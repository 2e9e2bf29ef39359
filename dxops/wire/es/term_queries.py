"""Queries that compare values: term, terms, range, exists, prefix, wildcard, regexp, fuzzy, ids; all and none."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from dxops.wire.es.body import json_kind
from dxops.wire.es.date_format import date_format
from dxops.wire.es.errors import ILLEGAL, PARSING, EsError, unsupported
from dxops.wire.es.query_options import AUTO, fuzziness, fuzzy_details, of_field, options, scalar, scalar_text
from dxops.wire.es.zones import zone
from dxops.wire.query_tree import (
    MAX_VALUES,
    All,
    Exists,
    Fuzzy,
    Ids,
    Node,
    Nothing,
    Prefix,
    Range,
    Regexp,
    Term,
    Wildcard,
)

_REGEXP_FLAGS: Final = {
    "COMPLEMENT": "~",
    "INTERVAL": "<>",
    "INTERSECTION": "&",
    "ANYSTRING": "@",
    "EMPTY": "#",
    "NONE": "",
    "ALL": "~<>&@#",
}
_REGEXP_PIECE: Final = re.compile(r"\\.|.", re.DOTALL)


def _match_all(value: Any) -> Node:
    options("match_all", value).close()
    return All()


def _match_none(value: Any) -> Node:
    options("match_none", value).close()
    return Nothing()


def _term(value: Any) -> Node:
    field, body = of_field("term", value, "value")
    wanted = scalar(body.take("value"), "term", field)
    any_case = body.boolean("case_insensitive", False)
    body.close()
    return Term((field,), (wanted,), any_case)


def _terms(value: Any) -> Node:
    body = options("terms", value)
    names = body.keys()
    if len(names) != 1:
        if not names:
            raise EsError(PARSING, "[terms] query requires a field name", key="terms")
        reason = f"[terms] query does not support multiple fields, found [{names[0]}] and [{names[1]}]"
        raise EsError(PARSING, reason, key=names[1])
    field = names[0]
    values = body.take(field)
    if isinstance(values, dict):
        raise unsupported("a lookup of [terms]", "send the values themselves", field)
    if not isinstance(values, list):
        raise EsError(PARSING, f"[terms] query requires an array for [{field}], found {json_kind(values)}", key=field)
    if len(values) > MAX_VALUES:
        raise EsError(ILLEGAL, f"[terms] has {len(values)} values; at most {MAX_VALUES} are allowed", key=field)
    wanted = tuple(scalar(each, "terms", field) for each in values)  # 1 and true differ: no set
    return Term((field,), wanted) if wanted else Nothing()


def _range(value: Any) -> Node:
    field, body = of_field("range", value, "")
    if "" in body:
        raise EsError(PARSING, f"[range] query malformed, no start_object after [{field}]", key=field)
    bounds: dict[str, Any] = {name: body.take(name) for name in ("gt", "gte", "lt", "lte")}
    for old, strict, inclusive in (("from", "gt", "gte"), ("to", "lt", "lte")):
        included = body.boolean("include_lower" if old == "from" else "include_upper", True)
        bound = body.take(old)
        if bound is not None:
            bounds[inclusive if included else strict] = bound
    given = {name: scalar(bound, "range", field) for name, bound in bounds.items() if bound is not None}
    format, time_zone = body.text("format"), body.text("time_zone")
    if format is not None:
        date_format(format)
    if time_zone is not None:
        zone(time_zone)
    body.accept("relation")  # a value is a point: within, contains and intersects are the same
    body.close()
    return Range((field,), format=format, time_zone=time_zone, **given) if given else Exists((field,))


def _exists(value: Any) -> Node:
    body = options("exists", value)
    field = body.need_text("field")
    body.close()
    return Exists((field,))


def _prefix(value: Any) -> Node:
    field, body = of_field("prefix", value, "value")
    text = scalar_text(body.take("value", "prefix"), "prefix", field)
    any_case = body.boolean("case_insensitive", False)
    body.accept("rewrite")
    body.close()
    return Prefix((field,), text, any_case)


def _wildcard(value: Any) -> Node:
    field, body = of_field("wildcard", value, "value")
    pattern = scalar_text(body.take("value", "wildcard"), "wildcard", field)
    any_case = body.boolean("case_insensitive", False)
    body.accept("rewrite")
    body.close()
    return Wildcard((field,), pattern, any_case)


def _regexp(value: Any) -> Node:
    field, body = of_field("regexp", value, "value")
    pattern = scalar_text(body.take("value"), "regexp", field)
    flags = body.text("flags", "ALL") or "NONE"
    any_case = body.boolean("case_insensitive", False)
    body.accept("rewrite", "max_determinized_states", "flags_value")
    body.close()
    return Regexp((field,), _only(pattern, flags), any_case)


def _only(pattern: str, flags: str) -> str:
    """`pattern` with the operators that `flags` leave out made literal."""
    on = ""
    for flag in flags.upper().split("|"):
        if flag.strip() not in _REGEXP_FLAGS:
            raise EsError(ILLEGAL, f"Unknown regexp flag [{flag[:40]}]", key="flags")
        on += _REGEXP_FLAGS[flag.strip()]
    off = set(_REGEXP_FLAGS["ALL"]) - set(on)
    pieces: list[str] = _REGEXP_PIECE.findall(pattern)
    return "".join("\\" + piece if piece in off else piece for piece in pieces)


def _fuzzy(value: Any) -> Node:
    field, body = of_field("fuzzy", value, "value")
    text = scalar_text(body.take("value"), "fuzzy", field)
    edits = fuzziness(body.take("fuzziness"), "fuzzy", text) if "fuzziness" in body else AUTO
    prefix_length = body.integer("prefix_length", 0)
    fuzzy_details(body)
    body.close()
    return Fuzzy((field,), text, edits, prefix_length)


def _ids(value: Any) -> Node:
    body = options("ids", value)
    values = body.objects("values")
    body.accept("type")
    body.close()
    wanted = tuple(dict.fromkeys(scalar_text(each, "ids", "values") for each in values))
    return Ids(wanted) if wanted else Nothing()


TERM_QUERIES: Final[dict[str, Callable[[Any], Node]]] = {
    "match_all": _match_all,
    "match_none": _match_none,
    "term": _term,
    "terms": _terms,
    "range": _range,
    "exists": _exists,
    "prefix": _prefix,
    "wildcard": _wildcard,
    "regexp": _regexp,
    "fuzzy": _fuzzy,
    "ids": _ids,
}
