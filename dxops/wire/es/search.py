"""A search request: the body of `_search` and the URL parameters that add to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dxops.wire.es.agg_request import Aggregation, parse_aggregations
from dxops.wire.es.body import Body
from dxops.wire.es.durations import duration_ms
from dxops.wire.es.errors import ILLEGAL, EsError, unsupported
from dxops.wire.es.fields import SourceFilter, names, parse_fields, parse_source_parameter
from dxops.wire.es.hits import HitsRequest, take_hits
from dxops.wire.es.query import parse_query
from dxops.wire.es.sorting import SHARD_DOC, parse_sort_parameter
from dxops.wire.query_tree import All, Node, Scalar

COUNTED_HITS: Final = 10_000  # `track_total_hits` unless asked otherwise: counted exactly up to here

# What the original uses to plan its execution; and what belongs to names and answers, which others read.
_NO_EFFECT: Final = frozenset(
    {
        "preference",
        "batched_reduce_size",
        "request_cache",
        "routing",
        "search_type",
        "pre_filter_shard_size",
        "error_trace",
        "pretty",
        "human",
        "max_concurrent_shard_requests",
        "max_concurrent_searches",
        "ccs_minimize_roundtrips",
        "min_compatible_shard_node",
        "allow_partial_search_results",
        "lenient",
        "analyze_wildcard",
        "source",
        "source_content_type",
        "force_synthetic_source",
    }
)
_ELSEWHERE: Final = frozenset(
    {
        "ignore_unavailable",
        "ignore_throttled",
        "allow_no_indices",
        "expand_wildcards",
        "filter_path",
        "format",
        "keep_alive",
        "keep_on_completion",
        "wait_for_completion_timeout",
        "index",
        "project_routing",
    }
)


class Pit(msgspec.Struct, frozen=True):
    """A point in time. `keep_alive_ms` None: as it was."""

    id: str
    keep_alive_ms: int | None = None


class Collapse(msgspec.Struct, frozen=True):
    """One hit, the first, per value of `field`."""

    field: str


class SearchRequest(msgspec.Struct, frozen=True):
    """`total_hits`: how far hits are counted exactly; None is all, 0 not at all.

    `search_after` are the sort values of the last hit seen; with a point in time there may be one more than sort keys,
    for the implied `_shard_doc`.
    """

    query: Node = All()
    post_filter: Node | None = None
    hits: HitsRequest = HitsRequest()
    aggregations: tuple[Aggregation, ...] = ()
    total_hits: int | None = COUNTED_HITS
    search_after: tuple[Scalar | None, ...] = ()
    pit: Pit | None = None
    collapse: Collapse | None = None
    timeout_ms: int | None = None
    terminate_after: int = 0
    scroll_ms: int | None = None
    rest_total_hits_as_int: bool = False
    typed_keys: bool = False


def parse_search(body: Any, parameters: Mapping[str, str] | None = None) -> SearchRequest:
    """`body` is decoded JSON, or None for an empty one. A URL parameter wins over the body. Raises `EsError`."""
    given = Body("search", {} if body is None else body)
    overrides = _overrides(dict(parameters or {}))
    request = _body(given)
    request = _merged(request, overrides)
    _check(request)
    return request


def parse_count(body: Any, parameters: Mapping[str, str] | None = None) -> Node:
    """The query of `_count` (and of `_delete_by_query`): a body that has only `query`, and `q` of the URL."""
    given = Body("count", {} if body is None else body)
    query = given.take("query")
    given.close()
    overrides = _overrides(dict(parameters or {}))
    if isinstance(overrides.get("query"), dict):
        query = overrides["query"]
    return All() if query is None else parse_query(query)


def _body(body: Body) -> SearchRequest:
    query, post = body.take("query"), body.take("post_filter")
    hits = take_hits(body, 10)
    aggregations = body.take("aggs", "aggregations")
    timeout = body.take("timeout")
    after = body.take("search_after")
    pit, collapse = body.take("pit"), body.take("collapse")
    total = body.take("track_total_hits")
    body.accept("indices_boost", "stats")
    body.refuse("min_score", "dxops computes no scores", (0, 0.0))
    body.refuse("profile", "see the SQL of a search in the console", (False,))
    body.refuse("rescore", "dxops computes no scores", ([],))
    body.refuse("suggest", "dxops suggests no spellings", ({},))
    body.refuse("slice", "read with search_after", ())
    body.refuse("knn", "dxops has no vector search", ([],))
    for key in ("retriever", "rank"):
        body.refuse(key, "dxops computes no scores")
    body.refuse("ext", "it has no extensions", ({},))
    terminate_after = body.integer("terminate_after", 0)
    body.close()
    return SearchRequest(
        All() if query is None else parse_query(query),
        None if post is None else parse_query(post),
        hits,
        () if aggregations is None else parse_aggregations(aggregations),
        _total_hits(total),
        _search_after(after),
        None if pit is None else _pit(pit),
        None if collapse is None else _collapse(collapse),
        None if timeout is None else duration_ms(timeout, "timeout"),
        terminate_after,
    )


def _total_hits(value: Any) -> int | None:
    if value is None:
        return COUNTED_HITS
    if value in ("true", "false"):
        value = value == "true"
    if isinstance(value, bool):
        return None if value else 0
    number = Body("search", {"track_total_hits": value}).integer("track_total_hits", 0, least=-1)
    return None if number == -1 else number


def _search_after(value: Any) -> tuple[Scalar | None, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not value:
        raise EsError(ILLEGAL, "Values must contains at least one value.", key="search_after")
    for each in value:
        if each is not None and not isinstance(each, str | int | float | bool):
            raise EsError(ILLEGAL, "[search_after] takes the values of a hit's [sort]", key="search_after")
    return tuple(value)


def _pit(value: Any) -> Pit:
    body = Body("pit", value)
    name = body.need_text("id")
    keep = body.take("keep_alive")
    body.close()
    return Pit(name, None if keep is None else duration_ms(keep, "keep_alive"))


def _collapse(value: Any) -> Collapse:
    body = Body("collapse", value)
    found = Collapse(body.need_text("field"))
    body.accept("max_concurrent_group_searches")
    body.refuse("inner_hits", "search for one value to see its other hits", ([],))
    body.close()
    return found


def _overrides(left: dict[str, str]) -> dict[str, Any]:
    """The URL's parameters as options of a body, `hits` apart. Unknown ones are refused."""
    for key in (*_NO_EFFECT, *_ELSEWHERE):
        left.pop(key, None)
    found: dict[str, Any] = {}
    text = left.pop("q", None)
    string = {
        "query": text,
        "default_field": left.pop("df", None),
        "default_operator": left.pop("default_operator", None),
        "analyzer": left.pop("analyzer", None),
    }
    if text is not None:
        found["query"] = {"query_string": {key: value for key, value in string.items() if value is not None}}
    for key in ("size", "from", "track_total_hits", "timeout", "terminate_after", "version", "seq_no_primary_term"):
        if key in left:
            found[key] = left.pop(key)
    for key in ("scroll", "rest_total_hits_as_int", "typed_keys", "track_scores", "sort", "stored_fields"):
        if key in left:
            found[key] = left.pop(key)
    for key in ("docvalue_fields", "_source", "_source_includes", "_source_excludes"):
        if key in left:
            found[key] = left.pop(key)
    for old, new in (("_source_include", "_source_includes"), ("_source_exclude", "_source_excludes")):
        if old in left:
            found[new] = left.pop(old)
    if left.pop("explain", "false") not in ("false",):
        raise unsupported("[explain] of [search]", "dxops computes no scores", "explain")
    left.pop("stats", None)
    if left:
        raise EsError(ILLEGAL, f"request [/_search] contains unrecognized parameter: [{min(left)[:80]}]")
    return found


def _merged(request: SearchRequest, found: dict[str, Any]) -> SearchRequest:
    if not found:
        return request
    body = Body("search", {key: _flag(value) for key, value in found.items()})
    query = body.take("query")
    scroll, timeout, total = body.take("scroll"), body.take("timeout"), body.take("track_total_hits")
    changes: dict[str, Any] = {
        "rest_total_hits_as_int": body.boolean("rest_total_hits_as_int", False),
        "typed_keys": body.boolean("typed_keys", False),
        "terminate_after": body.integer("terminate_after", request.terminate_after),
        "hits": _merged_hits(request.hits, body),
    }
    body.close()
    if query is not None:
        changes["query"] = parse_query(query)
    if scroll is not None:
        changes["scroll_ms"] = duration_ms(scroll, "scroll")
    if timeout is not None:
        changes["timeout_ms"] = duration_ms(timeout, "timeout")
    if total is not None:
        changes["total_hits"] = _total_hits(total)
    return msgspec.structs.replace(request, **changes)


def _flag(value: Any) -> Any:
    """A parameter without a value is true: `?typed_keys`."""
    return "true" if value == "" else value


def _merged_hits(hits: HitsRequest, body: Body) -> HitsRequest:
    changes: dict[str, Any] = {
        "size": body.integer("size", hits.size),
        "from_": body.integer("from", hits.from_),
        "version": body.boolean("version", hits.version),
        "seq_no_primary_term": body.boolean("seq_no_primary_term", hits.seq_no_primary_term),
        "track_scores": body.boolean("track_scores", hits.track_scores),
        "source": _source(hits.source, body),
    }
    if "sort" in body:
        changes["sort"] = parse_sort_parameter(body.need_text("sort"))
    if "stored_fields" in body:
        changes["stored_fields"] = names(body.need_text("stored_fields"))
    if "docvalue_fields" in body:
        changes["docvalue_fields"] = parse_fields(list(names(body.need_text("docvalue_fields"))), "docvalue_fields")
    return msgspec.structs.replace(hits, **changes)


def _source(before: SourceFilter | None, body: Body) -> SourceFilter | None:
    whole = body.text("_source")
    found = before if whole is None else parse_source_parameter(whole)
    includes, excludes = body.text("_source_includes"), body.text("_source_excludes")
    if includes is None and excludes is None:
        return found
    base = found or SourceFilter()
    return SourceFilter(
        base.enabled,
        base.includes if includes is None else names(includes),
        base.excludes if excludes is None else names(excludes),
    )


def _check(request: SearchRequest) -> None:
    """Combinations that Elasticsearch refuses, and clients rely on being told."""
    after, sort = request.search_after, request.hits.sort
    if after:
        if request.hits.from_ > 0:
            raise EsError(ILLEGAL, "`from` parameter must be set to 0 when `search_after` is used.", key="from")
        if request.scroll_ms is not None:
            raise EsError(ILLEGAL, "`search_after` cannot be used in a scroll context.", key="search_after")
        if not sort:
            raise EsError(ILLEGAL, "Sort must contain at least one field.", key="search_after")
        implied = request.pit is not None and not any(key.field == SHARD_DOC for key in sort)
        if len(after) != len(sort) and not (implied and len(after) == len(sort) + 1):
            reason = f"search_after has {len(after)} value(s) but sort has {len(sort)}."
            raise EsError(ILLEGAL, reason, key="search_after")
    if request.scroll_ms is not None:
        if request.hits.from_ > 0:
            raise EsError(ILLEGAL, "using [from] is not allowed in a scroll context", key="from")
        if request.hits.size == 0:
            raise EsError(ILLEGAL, "[size] cannot be [0] in a scroll context", key="size")
        if request.collapse is not None:
            raise EsError(ILLEGAL, "cannot use `collapse` in a scroll context", key="collapse")
        if request.pit is not None:
            raise EsError(ILLEGAL, "using [point in time] is not allowed in a scroll context", key="pit")
