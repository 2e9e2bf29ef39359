"""The query DSL as `query_tree`. Scores are not computed: boosts are accepted and change nothing.

`nested` searches the same fields without regard to which array element holds them. `filter` and `must` are the same.
A `should` beside them filters only through `minimum_should_match`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, Final

from dxops.wire.es.body import json_kind
from dxops.wire.es.errors import ILLEGAL, PARSING, EsError, unsupported
from dxops.wire.es.query_options import least_of, options
from dxops.wire.es.term_queries import TERM_QUERIES
from dxops.wire.es.text_queries import TEXT_QUERIES
from dxops.wire.query_rewrite import below
from dxops.wire.query_tree import MAX_CLAUSES, MAX_DEPTH, AtLeast, Node, Not, Nothing, both, either

_SCORING: Final = "dxops computes no scores"
_REFUSED: Final = {
    "function_score": _SCORING,
    "script_score": _SCORING,
    "distance_feature": _SCORING,
    "rank_feature": _SCORING,
    "boosting": _SCORING,
    "pinned": _SCORING,
    "script": "dxops runs no scripts",
    "more_like_this": "dxops has no similarity search",
    "knn": "dxops has no vector search",
    "sparse_vector": "dxops has no vector search",
    "semantic": "dxops has no vector search",
    "text_expansion": "dxops has no vector search",
    "percolate": "dxops keeps no queries as documents",
    "has_child": "documents have no parents",
    "has_parent": "documents have no parents",
    "parent_id": "documents have no parents",
    "geo_bounding_box": "dxops has no geographic search",
    "geo_distance": "dxops has no geographic search",
    "geo_grid": "dxops has no geographic search",
    "geo_polygon": "dxops has no geographic search",
    "geo_shape": "dxops has no geographic search",
    "shape": "dxops has no geographic search",
    "terms_set": "use bool with minimum_should_match",
    "combined_fields": "use multi_match with type cross_fields",
    "intervals": "use match_phrase with slop",
    "span_containing": "use match_phrase with slop",
    "span_first": "use match_phrase with slop",
    "span_multi": "use match_phrase with slop",
    "span_near": "use match_phrase with slop",
    "span_not": "use match_phrase with slop",
    "span_or": "use match_phrase with slop",
    "span_term": "use term",
    "span_within": "use match_phrase with slop",
    "wrapper": "send the query as JSON",
    "rule": "dxops has no query rules",
    "type": "documents have no types",
}


def parse_query(body: Any) -> Node:  # Any: decoded JSON
    """The tree of a query object. Raises `EsError`: `parsing_exception` for what is malformed or unknown,
    `illegal_argument_exception` for what Elasticsearch has and dxops has not."""
    return _Reader().query(body)


class _Reader:
    def __init__(self) -> None:
        self.depth = 0
        self.clauses = 0

    def query(self, body: Any) -> Node:
        if not isinstance(body, dict):
            raise EsError(PARSING, f"[_na] query malformed, must start with start_object, found {json_kind(body)}")
        if not body:
            raise EsError(ILLEGAL, "query malformed, empty clause found")
        name, value = next(iter(body.items()))
        if len(body) > 1:
            other = list(body)[1]
            reason = f"[{name}] malformed query, expected [END_OBJECT] but found [FIELD_NAME] [{other}]"
            raise EsError(PARSING, reason, key=other)
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise EsError("too_many_nested_clauses", f"Query contains more than {MAX_CLAUSES} clauses", key=name)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise EsError(ILLEGAL, f"The query is nested more than {MAX_DEPTH} deep", key=name)
        node = self._named(name, value)
        self.depth -= 1
        return node

    def _named(self, name: str, value: Any) -> Node:
        compound = _COMPOUND.get(name)
        if compound is not None:
            return compound(self, value)
        leaf = TERM_QUERIES.get(name) or TEXT_QUERIES.get(name)
        if leaf is not None:
            return leaf(value)
        if name in _REFUSED:
            raise unsupported(f"query [{name}]", _REFUSED[name], name)
        known = [*_COMPOUND, *TERM_QUERIES, *TEXT_QUERIES]
        close = difflib.get_close_matches(name[:64], known, n=3)
        guess = f" did you mean {' or '.join(f'[{each}]' for each in close)}?" if close else ""
        raise EsError(PARSING, f"unknown query [{name[:200]}]{guess}", key=name)

    def bool_(self, value: Any) -> Node:
        body = options("bool", value)
        required = [self.query(each) for key in ("must", "filter") for each in body.objects(key)]
        prohibited = [self.query(each) for each in body.objects("must_not", "mustNot")]
        optional = [self.query(each) for each in body.objects("should")]
        spec = body.take("minimum_should_match")
        body.accept("adjust_pure_negative")
        body.close()
        default = 0 if required or not optional else 1
        least = default if spec is None else max(least_of(spec, len(optional), "bool"), default)
        return both([*required, *at_least(least, optional), *(Not(each) for each in prohibited)])

    def constant_score(self, value: Any) -> Node:
        body = options("constant_score", value)
        inner = body.take("filter")
        body.close()
        return self.query(inner)

    def dis_max(self, value: Any) -> Node:
        body = options("dis_max", value)
        found = [self.query(each) for each in body.objects("queries")]
        body.accept("tie_breaker")
        body.close()
        return either(found)

    def nested(self, value: Any) -> Node:
        body = options("nested", value)
        path = body.need_text("path")
        inner = self.query(body.take("query"))
        body.accept("score_mode", "ignore_unmapped")
        body.refuse("inner_hits", "array elements are not hits of their own")
        body.close()
        return below(inner, path + ".")


_COMPOUND: Final[dict[str, Callable[[_Reader, Any], Node]]] = {
    "bool": _Reader.bool_,
    "constant_score": _Reader.constant_score,
    "dis_max": _Reader.dis_max,
    "nested": _Reader.nested,
}


def at_least(count: int, clauses: list[Node]) -> list[Node]:
    """`count` of `clauses` as a list of required nodes."""
    if count <= 0:
        return []
    if count > len(clauses):
        return [Nothing()]
    if count == len(clauses):
        return clauses
    return [either(clauses) if count == 1 else AtLeast(count, tuple(clauses))]
