"""The query DSL: every query with its options, and refusals in Elasticsearch's shape."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.es.errors import EsError, error_body
from dxops.wire.es.query import parse_query
from dxops.wire.query_tree import (
    MAX_CLAUSES,
    All,
    And,
    AtLeast,
    Exists,
    Fuzzy,
    Ids,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Prefix,
    Range,
    Regexp,
    Term,
    Wildcard,
    Words,
)


def t(field: str, *values: Any) -> Term:
    return Term((field,), values)


A: dict[str, Any] = {"term": {"a": 1}}
B: dict[str, Any] = {"term": {"b": 2}}
C: dict[str, Any] = {"term": {"c": 3}}
TA, TB, TC = t("a", 1), t("b", 2), t("c", 3)


@pytest.mark.parametrize(
    ("body", "tree"),
    [
        ({"match_all": {}}, All()),
        ({"match_all": {"boost": 1.2}}, All()),
        ({"match_none": {}}, Nothing()),
        # bool
        ({"bool": {}}, All()),
        ({"bool": {"filter": A}}, TA),
        ({"bool": {"filter": [A, B], "must": C}}, And((TC, TA, TB))),
        ({"bool": {"must_not": [A, B]}}, And((Not(TA), Not(TB)))),
        ({"bool": {"mustNot": A}}, Not(TA)),
        ({"bool": {"should": [A, B]}}, Or((TA, TB))),
        ({"bool": {"should": [A, B], "filter": C}}, TC),
        ({"bool": {"should": [A, B], "filter": C, "minimum_should_match": 1}}, And((TC, Or((TA, TB))))),
        ({"bool": {"should": [A, B, C], "minimum_should_match": 2}}, AtLeast(2, (TA, TB, TC))),
        ({"bool": {"should": [A, B, C], "minimum_should_match": "-1"}}, AtLeast(2, (TA, TB, TC))),
        ({"bool": {"should": [A, B, C], "minimum_should_match": "75%"}}, AtLeast(2, (TA, TB, TC))),
        ({"bool": {"should": [A, B, C], "minimum_should_match": "2<75%"}}, AtLeast(2, (TA, TB, TC))),
        ({"bool": {"should": [A, B], "minimum_should_match": "2<75%"}}, And((TA, TB))),
        ({"bool": {"should": [A, B], "minimum_should_match": 0}}, Or((TA, TB))),
        ({"bool": {"should": [A, B], "minimum_should_match": 3}}, Nothing()),
        ({"bool": {"should": A, "must_not": B, "adjust_pure_negative": True, "boost": 1}}, And((TA, Not(TB)))),
        ({"bool": {"filter": [{"bool": {"filter": [A, B]}}, C]}}, And((TA, TB, TC))),
        ({"constant_score": {"filter": A, "boost": 2}}, TA),
        ({"dis_max": {"queries": [A, B], "tie_breaker": 0.7}}, Or((TA, TB))),
        ({"nested": {"path": "x", "query": {"term": {"x.a": 1}}}}, t("x.a", 1)),
        ({"nested": {"path": "x", "query": A, "score_mode": "avg"}}, t("x.a", 1)),
        (
            {"nested": {"path": "x", "query": {"bool": {"filter": A, "must_not": {"multi_match": {"query": "q"}}}}}},
            And((t("x.a", 1), Not(Words(("x.*",), "q")))),
        ),
        # terms
        ({"term": {"f": {"value": "x", "case_insensitive": True, "boost": 1}}}, Term(("f",), ("x",), True)),
        ({"term": {"f": False}}, t("f", False)),
        ({"terms": {"f": ["a", 1, True], "boost": 1}}, t("f", "a", 1, True)),
        ({"terms": {"f": []}}, Nothing()),
        ({"ids": {"values": ["1", 2]}}, Ids(("1", "2"))),
        ({"ids": {"values": "1"}}, Ids(("1",))),
        ({"ids": {"values": []}}, Nothing()),
        ({"exists": {"field": "f"}}, Exists(("f",))),
        ({"prefix": {"f": "x"}}, Prefix(("f",), "x")),
        (
            {"prefix": {"f": {"value": "x", "case_insensitive": True, "rewrite": "constant_score"}}},
            Prefix(("f",), "x", True),
        ),
        ({"wildcard": {"f": "x*?"}}, Wildcard(("f",), "x*?")),
        ({"wildcard": {"f": {"wildcard": "x*", "case_insensitive": True}}}, Wildcard(("f",), "x*", True)),
        ({"regexp": {"f": "a.*"}}, Regexp(("f",), "a.*")),
        ({"regexp": {"f": {"value": "a~b<1-2>", "flags": "NONE"}}}, Regexp(("f",), "a\\~b\\<1-2\\>")),
        ({"regexp": {"f": {"value": "a~b&c\\~", "flags": "COMPLEMENT|ANYSTRING"}}}, Regexp(("f",), "a~b\\&c\\~")),
        ({"fuzzy": {"f": "abc"}}, Fuzzy(("f",), "abc")),
        (
            {"fuzzy": {"f": {"value": "abc", "fuzziness": "1", "prefix_length": 2, "max_expansions": 5}}},
            Fuzzy(("f",), "abc", 1, 2),
        ),
        (
            {"fuzzy": {"f": {"value": "abcde", "fuzziness": "AUTO:2,5", "transpositions": True}}},
            Fuzzy(("f",), "abcde", 2),
        ),
        # range
        ({"range": {"f": {"gte": 1, "lt": 5.5}}}, Range(("f",), gte=1, lt=5.5)),
        ({"range": {"f": {"gt": "now-1d/d", "lte": None}}}, Range(("f",), gt="now-1d/d")),
        ({"range": {"f": {"from": 1, "to": 2}}}, Range(("f",), gte=1, lte=2)),
        (
            {"range": {"f": {"from": 1, "to": 2, "include_lower": False, "include_upper": False}}},
            Range(("f",), gt=1, lt=2),
        ),
        (
            {"range": {"@t": {"gte": 1, "format": "epoch_millis", "time_zone": "+01:00", "relation": "within"}}},
            Range(("@t",), gte=1, format="epoch_millis", time_zone="+01:00"),
        ),
        ({"range": {"f": {}}}, Exists(("f",))),
        # match
        ({"match": {"f": "a b"}}, Words(("f",), "a b")),
        ({"match": {"f": 200}}, Words(("f",), "200")),
        ({"match": {"f": True}}, Words(("f",), "true")),
        ({"match": {"f": {"query": "a b", "operator": "AND"}}}, Words(("f",), "a b", -1)),
        ({"match": {"f": {"query": "a b c", "minimum_should_match": "75%"}}}, Words(("f",), "a b c", 2)),
        ({"match": {"f": {"query": "a b", "minimum_should_match": 5}}}, Nothing()),
        ({"match": {"f": {"query": "a", "minimum_should_match": 5}}}, Words(("f",), "a")),
        (
            {"match": {"f": {"query": "a", "fuzziness": "AUTO", "prefix_length": 1}}},
            Words(("f",), "a", 1, -1, False, 1),
        ),
        ({"match": {"f": {"query": "a", "lenient": True, "analyzer": "standard", "boost": 2}}}, Words(("f",), "a")),
        ({"match": {"f": {"query": "--", "zero_terms_query": "all"}}}, All()),
        ({"match": {"f": {"query": "--"}}}, Words(("f",), "--")),
        ({"match_phrase": {"f": "a b"}}, Phrase(("f",), "a b")),
        ({"match_phrase": {"f": {"query": "a b", "slop": 2}}}, Phrase(("f",), "a b", 2)),
        ({"match_phrase_prefix": {"f": {"query": "a b", "max_expansions": 9}}}, Phrase(("f",), "a b", 0, True)),
        ({"match_bool_prefix": {"f": "a b"}}, Words(("f",), "a b", last_is_prefix=True)),
        ({"match_bool_prefix": {"f": {"query": "a b", "operator": "and"}}}, Words(("f",), "a b", -1, 0, True)),
        # multi_match
        ({"multi_match": {"query": "a b", "fields": ["f^3", "g.*"]}}, Words(("f", "g.*"), "a b")),
        ({"multi_match": {"query": "a b"}}, Words((), "a b")),
        ({"multi_match": {"query": "a b", "fields": "*", "lenient": True}}, Words((), "a b")),
        (
            {"multi_match": {"query": "a b", "fields": ["f"], "operator": "and", "type": "most_fields"}},
            Words(("f",), "a b", -1),
        ),
        ({"multi_match": {"query": "a b", "fields": ["f"], "type": "phrase", "slop": 1}}, Phrase(("f",), "a b", 1)),
        ({"multi_match": {"query": "a b", "fields": ["f"], "type": "phrase_prefix"}}, Phrase(("f",), "a b", 0, True)),
        (
            {"multi_match": {"query": "a b", "fields": ["f"], "type": "bool_prefix"}},
            Words(("f",), "a b", last_is_prefix=True),
        ),
        (
            {"multi_match": {"query": "a b", "fields": ["f", "g"], "type": "cross_fields", "operator": "and"}},
            And((Words(("f", "g"), "a"), Words(("f", "g"), "b"))),
        ),
        ({"multi_match": {"query": "a b", "type": "best_fields", "tie_breaker": 0.3}}, Words((), "a b")),
        # query strings
        ({"kql": {"query": "f:a and not g:*"}}, And((Words(("f",), "a"), Not(Exists(("g",)))))),
        (
            {"kql": {"query": "x or f > 1", "default_field": "m", "time_zone": "+01:00"}},
            Or((Words(("m",), "x"), Range(("f",), gt="1", time_zone="+01:00"))),
        ),
        ({"kql": {"query": "x", "default_field": "*"}}, Words((), "x")),
        ({"query_string": {"query": "f:a AND b"}}, And((Words(("f",), "a"), Words((), "b")))),
        (
            {"query_string": {"query": "a b", "default_field": "f", "default_operator": "AND"}},
            And((Words(("f",), "a", -1), Words(("f",), "b", -1))),
        ),
        (
            {"query_string": {"query": "a", "fields": ["f^2", "g"], "analyze_wildcard": True, "time_zone": "UTC"}},
            Words(("f", "g"), "a"),
        ),
        ({"query_string": {"query": "*", "analyze_wildcard": True}}, All()),
        ({"query_string": {"query": "a~", "fuzziness": 1, "fuzzy_prefix_length": 3}}, Fuzzy((), "a", 1, 3)),
        (
            {"simple_query_string": {"query": "a + -b", "fields": ["f"]}},
            And((Words(("f",), "a"), Not(Words(("f",), "b")))),
        ),
        ({"simple_query_string": {"query": "a|b", "flags": "NONE"}}, Words((), "a|b")),
        (
            {"simple_query_string": {"query": "a b", "default_operator": "and", "lenient": True}},
            And((Words((), "a", -1), Words((), "b", -1))),
        ),
    ],
)
def test_queries(body: dict[str, Any], tree: Node) -> None:
    assert parse_query(body) == tree


@pytest.mark.parametrize(
    ("body", "type_", "reason"),
    [
        ({"foo": {}}, "parsing_exception", "unknown query [foo]"),
        ({"mach": {}}, "parsing_exception", "unknown query [mach] did you mean [match] or [match_all]?"),
        ([], "parsing_exception", "must start with start_object"),
        ({}, "illegal_argument_exception", "query malformed, empty clause found"),
        ({"term": {"a": 1}, "match": {"b": 2}}, "parsing_exception", "expected [END_OBJECT] but found [FIELD_NAME]"),
        ({"bool": {"muts": []}}, "parsing_exception", "[bool] does not support [muts]"),
        ({"bool": {"must": ["x"]}}, "parsing_exception", "must start with start_object"),
        ({"bool": []}, "parsing_exception", "[bool] malformed, expected an object but found an array"),
        ({"bool": {"should": [], "minimum_should_match": "x"}}, "illegal_argument_exception", "minimum_should_match"),
        ({"bool": {"filter": A, "_name": "n"}}, "illegal_argument_exception", "[_name] of [bool] is not supported"),
        ({"term": {"a": 1, "b": 2}}, "parsing_exception", "doesn't support multiple fields, found [a] and [b]"),
        ({"term": {"a": None}}, "illegal_argument_exception", "cannot be null"),
        ({"term": {"a": [1]}}, "parsing_exception", "does not support an array"),
        ({"term": {"a": {"value": 1, "x": 2}}}, "parsing_exception", "[term] does not support [x]"),
        ({"term": {}}, "illegal_argument_exception", "requires a field name"),
        ({"terms": {"a": "x"}}, "parsing_exception", "requires an array"),
        ({"terms": {"a": {"index": "i", "id": "1", "path": "p"}}}, "illegal_argument_exception", "lookup"),
        ({"terms": {"a": [{}]}}, "parsing_exception", "must be a text, number or boolean"),
        ({"range": {"a": {"gte": 1, "foo": 2}}}, "parsing_exception", "[range] does not support [foo]"),
        ({"range": {"a": 5}}, "parsing_exception", "no start_object"),
        ({"range": {"a": {"gte": {}}}}, "parsing_exception", "must be a text"),
        (
            {"range": {"a": {"gte": 1, "time_zone": "Mars"}}},
            "illegal_argument_exception",
            "Unknown time-zone ID: [Mars]",
        ),
        ({"range": {"a": {"gte": 1, "format": "bbb"}}}, "illegal_argument_exception", "Invalid format: [bbb]"),
        ({"exists": {}}, "parsing_exception", "[exists] requires [field]"),
        ({"match": {"f": {"query": "a", "operator": "xor"}}}, "illegal_argument_exception", "is one of or, and"),
        ({"match": {"f": {"query": "a", "fuzziness": 7}}}, "illegal_argument_exception", "is 0, 1, 2 or AUTO"),
        ({"match": {"f": {"query": "a", "fuzziness": "AUTO:1,9"}}}, "illegal_argument_exception", "AUTO:3,6"),
        ({"match": {"f": {"query": "a", "analyzer": "french"}}}, "illegal_argument_exception", "[analyzer] of [match]"),
        ({"match": {"f": {}}}, "illegal_argument_exception", "cannot be null"),
        ({"match_phrase": {"f": {"query": "a", "slop": -1}}}, "illegal_argument_exception", "must be at least 0"),
        (
            {"match_phrase": {"f": {"query": "a", "operator": "and"}}},
            "parsing_exception",
            "does not support [operator]",
        ),
        ({"regexp": {"f": {"value": "a", "flags": "WILD"}}}, "illegal_argument_exception", "Unknown regexp flag"),
        ({"nested": {"path": "p", "query": A, "inner_hits": {}}}, "illegal_argument_exception", "inner_hits"),
        ({"nested": {"query": A}}, "parsing_exception", "[nested] requires [path]"),
        (
            {"function_score": {}},
            "illegal_argument_exception",
            "query [function_score] is not supported: dxops computes",
        ),
        ({"script": {}}, "illegal_argument_exception", "runs no scripts"),
        ({"multi_match": {"query": "a", "type": "x"}}, "illegal_argument_exception", "best_fields"),
        ({"query_string": {"query": "a AND (b"}}, "parse_exception", "Failed to parse query [a AND (b]: Expected a )"),
        ({"kql": {"query": "a:"}}, "parse_exception", "Expected a value after `a:`, found the end at position 3"),
        ({"query_string": {"query": "a", "foo": 1}}, "parsing_exception", "[query_string] does not support [foo]"),
        ({"query_string": {"query": "a", "escape": True}}, "illegal_argument_exception", "[escape]"),
        ({"query_string": {"query": "a", "minimum_should_match": "?"}}, "illegal_argument_exception", "minimum_should"),
        ({"simple_query_string": {"query": "a", "flags": "FOO"}}, "illegal_argument_exception", "Unknown simple_query"),
        ({"bool": {"filter": [A] * (MAX_CLAUSES + 1)}}, "too_many_nested_clauses", "more than 1024 clauses"),
    ],
)
def test_refusals(body: Any, type_: str, reason: str) -> None:
    with pytest.raises(EsError) as caught:
        parse_query(body)
    assert caught.value.type == type_
    assert reason in caught.value.reason
    assert caught.value.status == 400


def test_deep_nesting_is_refused_and_no_recursion_error() -> None:
    body: dict[str, Any] = A
    for _ in range(10_000):
        body = {"bool": {"filter": body}}
    with pytest.raises(EsError, match="nested more than"):
        parse_query(body)


def test_an_error_has_elasticsearch_s_shape_and_the_place() -> None:
    source = b'{\n  "query": {"bool": {"muts": []}}\n}'
    with pytest.raises(EsError) as caught:
        parse_query({"bool": {"muts": []}})
    reason = {"type": "parsing_exception", "reason": "[bool] does not support [muts]", "line": 2, "col": 22}
    assert error_body(caught.value, source) == {"error": {"root_cause": [reason], **reason}, "status": 400}
    bare = {"type": "parsing_exception", "reason": "[bool] does not support [muts]"}
    assert error_body(caught.value) == {"error": {"root_cause": [bare], **bare}, "status": 400}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
known = st.sampled_from(
    [
        "bool",
        "term",
        "terms",
        "range",
        "exists",
        "prefix",
        "wildcard",
        "regexp",
        "fuzzy",
        "ids",
        "match",
        "match_phrase",
        "match_bool_prefix",
        "multi_match",
        "query_string",
        "simple_query_string",
        "nested",
        "constant_score",
        "dis_max",
        "match_all",
        "match_none",
    ]
)
keys = st.sampled_from(
    [
        "f",
        "query",
        "value",
        "values",
        "fields",
        "filter",
        "should",
        "must",
        "must_not",
        "minimum_should_match",
        "operator",
        "fuzziness",
        "slop",
        "flags",
        "type",
        "gte",
        "lt",
        "format",
        "path",
        "field",
        "queries",
        "prefix_length",
        "boost",
    ]
)


@given(
    st.dictionaries(
        known,
        st.dictionaries(keys, json_values | st.dictionaries(keys, json_values, max_size=3), max_size=4),
        max_size=2,
    )
)
def test_hostile_json_is_read_or_refused(body: Any) -> None:
    with contextlib.suppress(EsError):
        assert parse_query(body) is not None


@given(json_values)
def test_any_json_is_read_or_refused(body: Any) -> None:
    with contextlib.suppress(EsError):
        assert parse_query(body) is not None
