"""Search requests, sorting, `_source` and `fields`, highlighting."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire import kql
from dxops.wire.es.durations import duration_ms
from dxops.wire.es.errors import EsError
from dxops.wire.es.fields import FieldRequest, SourceFilter, filter_source, flatten, parse_source, select_fields
from dxops.wire.es.highlight import Highlight, HighlightField, fragments, parse_highlight, wanted_terms
from dxops.wire.es.hits import HitsRequest
from dxops.wire.es.msearch import parse_msearch
from dxops.wire.es.search import Collapse, Pit, SearchRequest, parse_count, parse_search
from dxops.wire.es.sorting import SortKey
from dxops.wire.name_patterns import name_matches
from dxops.wire.query_marks import marks
from dxops.wire.query_terms import QueryTerm
from dxops.wire.query_tree import All, Fuzzy, Phrase, Term, Wildcard, Words

A = {"term": {"a": 1}}
TA = Term(("a",), (1,))


def hits(**options: Any) -> SearchRequest:
    return SearchRequest(hits=HitsRequest(**options))


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        (None, SearchRequest()),
        ({}, SearchRequest()),
        ({"query": A, "post_filter": A}, SearchRequest(query=TA, post_filter=TA)),
        ({"size": 0, "from": 20}, hits(size=0, from_=20)),
        ({"size": "5"}, hits(size=5)),
        ({"track_total_hits": True}, SearchRequest(total_hits=None)),
        ({"track_total_hits": False}, SearchRequest(total_hits=0)),
        ({"track_total_hits": 50}, SearchRequest(total_hits=50)),
        ({"track_total_hits": -1}, SearchRequest(total_hits=None)),
        ({"sort": "a"}, hits(sort=(SortKey("a"),))),
        (
            {"sort": ["_score", {"a": "desc"}, "_doc"]},
            hits(sort=(SortKey("_score", True), SortKey("a", True), SortKey("_doc"))),
        ),
        (
            {
                "sort": [
                    {"@timestamp": {"order": "desc", "unmapped_type": "boolean", "format": "strict_date_optional_time"}}
                ]
            },
            hits(sort=(SortKey("@timestamp", True, unmapped_type="boolean", format="strict_date_optional_time"),)),
        ),
        (
            {"sort": {"a": {"missing": "_first", "mode": "max"}}},
            hits(sort=(SortKey("a", missing="_first", mode="max"),)),
        ),
        (
            {"sort": {"a": {"missing": 0, "numeric_type": "long"}}},
            hits(sort=(SortKey("a", missing=0, numeric_type="long"),)),
        ),
        ({"_source": False}, hits(source=SourceFilter(False))),
        ({"_source": "a.*"}, hits(source=SourceFilter(includes=("a.*",)))),
        ({"_source": {"includes": ["a"], "excludes": "b"}}, hits(source=SourceFilter(True, ("a",), ("b",)))),
        (
            {
                "fields": ["a", {"field": "*", "include_unmapped": True}],
                "docvalue_fields": [{"field": "@t", "format": "date"}],
            },
            hits(
                fields=(FieldRequest("a"), FieldRequest("*", "", True)), docvalue_fields=(FieldRequest("@t", "date"),)
            ),
        ),
        ({"stored_fields": ["*"], "script_fields": {}, "runtime_mappings": {}}, hits(stored_fields=("*",))),
        ({"version": True, "seq_no_primary_term": True}, hits(version=True, seq_no_primary_term=True)),
        ({"timeout": "30s", "terminate_after": 5}, SearchRequest(timeout_ms=30_000, terminate_after=5)),
        ({"collapse": {"field": "a"}}, SearchRequest(collapse=Collapse("a"))),
        ({"pit": {"id": "P", "keep_alive": "1m"}}, SearchRequest(pit=Pit("P", 60_000))),
        (
            {"sort": ["a", "_shard_doc"], "search_after": [1, None]},
            SearchRequest(hits=HitsRequest(sort=(SortKey("a"), SortKey("_shard_doc"))), search_after=(1, None)),
        ),
        (
            {"sort": ["a"], "search_after": [1, 9], "pit": {"id": "P"}},
            SearchRequest(hits=HitsRequest(sort=(SortKey("a"),)), search_after=(1, 9), pit=Pit("P")),
        ),
        (
            {"indices_boost": [{"a": 1}], "min_score": 0, "profile": False, "explain": False, "stats": ["x"]},
            SearchRequest(),
        ),
    ],
)
def test_bodies(body: Any, request_: SearchRequest) -> None:
    assert parse_search(body) == request_


@pytest.mark.parametrize(
    ("parameters", "request_"),
    [
        ({"q": "a:1 b", "default_operator": "AND", "df": "m"}, None),
        ({"size": "0", "from": "5"}, hits(size=0, from_=5)),
        ({"sort": "a:desc,b,c:asc"}, hits(sort=(SortKey("a", True), SortKey("b"), SortKey("c")))),
        ({"_source": "false"}, hits(source=SourceFilter(False))),
        ({"_source": "a,b"}, hits(source=SourceFilter(includes=("a", "b")))),
        ({"_source_includes": "a,b.*", "_source_excludes": "c"}, hits(source=SourceFilter(True, ("a", "b.*"), ("c",)))),
        ({"scroll": "1m"}, SearchRequest(scroll_ms=60_000)),
        (
            {"rest_total_hits_as_int": "true", "typed_keys": ""},
            SearchRequest(rest_total_hits_as_int=True, typed_keys=True),
        ),
        ({"track_total_hits": "true"}, SearchRequest(total_hits=None)),
        ({"track_total_hits": "7"}, SearchRequest(total_hits=7)),
        ({"preference": "_local", "ignore_unavailable": "true", "batched_reduce_size": "64"}, SearchRequest()),
    ],
)
def test_parameters(parameters: dict[str, str], request_: SearchRequest | None) -> None:
    found = parse_search(None, parameters)
    if request_ is None:
        assert (
            found.query
            == parse_search(
                {"query": {"query_string": {"query": "a:1 b", "default_field": "m", "default_operator": "AND"}}}
            ).query
        )
    else:
        assert found == request_


def test_a_parameter_wins_over_the_body() -> None:
    found = parse_search(
        {"size": 5, "query": A, "sort": ["a"], "_source": ["x"]}, {"size": "7", "_source_excludes": "y"}
    )
    assert found.hits == HitsRequest(7, sort=(SortKey("a"),), source=SourceFilter(True, ("x",), ("y",)))
    assert found.query == TA


def test_count_takes_a_query_only() -> None:
    assert parse_count({"query": A}) == TA
    assert parse_count(None) == All()
    assert parse_count(None, {"q": "x"}) == Words((), "x")
    with pytest.raises(EsError, match=r"\[count\] does not support \[size\]"):
        parse_count({"size": 1})


@pytest.mark.parametrize(
    ("body", "parameters", "reason"),
    [
        ({"foo": 1}, {}, "[search] does not support [foo]"),
        ([], {}, "expected an object but found an array"),
        ({"size": -1}, {}, "[size] parameter cannot be negative"),
        ({"from": -1}, {}, "must be at least 0"),
        ({"sort": [1]}, {}, "[sort] must be names or objects"),
        ({"sort": {"a": "up"}}, {}, "asc, desc"),
        ({"sort": {"_script": {}}}, {}, "[sort] by [_script] is not supported"),
        ({"sort": {"a": {"foo": 1}}}, {}, "[sort] does not support [foo]"),
        ({"script_fields": {"a": {}}}, {}, "runs no scripts"),
        ({"runtime_mappings": {"a": {}}}, {}, "runs no scripts"),
        ({"suggest": {"a": {}}}, {}, "[suggest]"),
        ({"rescore": {}}, {}, "[rescore]"),
        ({"min_score": 1}, {}, "[min_score]"),
        ({"knn": {}}, {}, "vector"),
        ({"timeout": "5"}, {}, "as a time value"),
        ({"search_after": [1]}, {}, "Sort must contain at least one field."),
        ({"sort": ["a"], "search_after": [1, 2]}, {}, "search_after has 2 value(s) but sort has 1."),
        ({"sort": ["a"], "search_after": []}, {}, "at least one value"),
        ({"sort": ["a"], "search_after": [1], "from": 1}, {}, "`from` parameter must be set to 0"),
        ({"size": 0}, {"scroll": "1m"}, "[size] cannot be [0] in a scroll context"),
        ({}, {"foo": "1"}, "contains unrecognized parameter: [foo]"),
        ({}, {"size": "x"}, "must be a number"),
        ({"highlight": {}}, {}, "[highlight] requires [fields]"),
        ({"highlight": {"fields": {"a": {"foo": 1}}}}, {}, "does not support [foo]"),
        ({"aggs": {"a": {"foo": {}}}}, {}, "Unknown aggregation type [foo]"),
    ],
)
def test_refusals(body: Any, parameters: dict[str, str], reason: str) -> None:
    with pytest.raises(EsError) as caught:
        parse_search(body, parameters)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("text", "ms"), [("1m", 60_000), ("1.5s", 1_500), ("100ms", 100), ("1d", 86_400_000), ("-1", -1), (0, 0)]
)
def test_durations(text: Any, ms: int) -> None:
    assert duration_ms(text, "x") == ms


DOCUMENT = {"a": 1, "b": {"c": 2, "d": {"e": [3, 4]}}, "x": [{"y": 1, "z": 2}, {"y": 3}, {"z": 5}], "n": None, "o": {}}


@pytest.mark.parametrize(
    ("includes", "excludes", "kept"),
    [
        ((), (), DOCUMENT),
        (("a",), (), {"a": 1}),
        (("b",), (), {"b": DOCUMENT["b"]}),
        (("b.d",), (), {"b": {"d": {"e": [3, 4]}}}),
        (("*.c",), (), {"b": {"c": 2}}),
        (("x.y",), (), {"x": [{"y": 1}, {"y": 3}]}),
        (("b",), ("b.d",), {"b": {"c": 2}}),
        ((), ("b", "x", "n", "o"), {"a": 1}),
        (("nothing",), (), {}),
    ],
)
def test_source_filters(includes: tuple[str, ...], excludes: tuple[str, ...], kept: dict[str, Any]) -> None:
    assert filter_source(DOCUMENT, SourceFilter(True, includes, excludes)) == kept


def test_a_document_that_is_too_deep_is_kept_or_left_out_below() -> None:
    deep: Any = {"leaf": 1}
    for _ in range(5_000):
        deep = {"a": [deep]}
    assert filter_source({"x": 1, "a": deep}, SourceFilter(excludes=("x",))) != {}
    assert filter_source({"x": 1, "a": deep}, SourceFilter(includes=("x",))) == {"x": 1}
    assert list(flatten({"x": 1})) == ["x"]


def test_fields_are_arrays_of_values() -> None:
    assert flatten(DOCUMENT) == {"a": [1], "b.c": [2], "b.d.e": [3, 4], "x.y": [1, 3], "x.z": [2, 5]}
    assert select_fields(DOCUMENT, (FieldRequest("b.*"), FieldRequest("a"))) == {"a": [1], "b.c": [2], "b.d.e": [3, 4]}
    assert parse_source({"include": "a"}) == SourceFilter(includes=("a",))


def test_stored_fields_switch_the_source_off() -> None:
    assert HitsRequest().shown_source.enabled
    assert not HitsRequest(stored_fields=("*",)).shown_source.enabled
    assert HitsRequest(stored_fields=("*",), source=SourceFilter()).shown_source.enabled


@pytest.mark.parametrize(
    ("query", "text", "shown"),
    [
        ("quick", "The Quick fox", "The <Quick> fox"),
        ('"quick fox"', "a quick-fox", "a <quick-fox>"),
        ("m:qu*k", "quick quack", "<quick> <quack>"),
        ("m:*ck-fo*", "quick-fox", "qui<ck-fo>x"),
        ("m:quick and not fox", "quick fox", "<quick> fox"),
        ("other:quick", "quick", None),
        ("m*:quick", "quick", "<quick>"),
        ("nothing", "quick", None),
        ("m:Straße", "die straße", "die <straße>"),
    ],
)
def test_highlighting_a_whole_value(query: str, text: str, shown: str | None) -> None:
    how = HighlightField("*", "<", ">", fragments=0)
    assert fragments(text, wanted_terms(kql.parse(query), "m", how), how) == ([shown] if shown else [])


def test_fragments_are_cut_around_marks() -> None:
    text = "word " * 40 + "needle " + "word " * 40 + "needle needle end"
    how = HighlightField("m", fragment_size=30)
    found = fragments(text, kql.terms(Words(("m",), "needle")), how)
    assert [each.count("<em>needle</em>") for each in found] == [1, 2]
    assert all(len(each.replace("<em>", "").replace("</em>", "")) <= 40 for each in found)
    by_score = HighlightField("m", fragment_size=30, by_score=True, fragments=1)
    assert [each.count("<em>") for each in fragments(text, kql.terms(Words((), "needle")), by_score)] == [2]
    assert fragments(text, kql.terms(Words((), "x")), HighlightField("m", no_match_size=6)) == ["word w"]
    encoded = HighlightField("m", "[", "]", encode_html=True)
    assert fragments("<b>needle</b>", kql.terms(Words((), "needle")), encoded) == ["&lt;b&gt;[needle]&lt;/b&gt;"]


def test_the_explorer_s_highlight_request() -> None:
    found = parse_highlight(
        {"pre_tags": ["@a@"], "post_tags": ["@b@"], "fields": {"*": {}}, "fragment_size": 2147483647}
    )
    assert found == Highlight((HighlightField("*", "@a@", "@b@", fragment_size=2147483647),))
    several = parse_highlight({"fields": [{"a": {"number_of_fragments": 0}}, {"b*": {"highlight_query": A}}]})
    assert several.of("a") == HighlightField("a", fragments=0)
    assert several.of("bc") == HighlightField("b*", query=TA)
    assert several.of("c") is None


@pytest.mark.parametrize(
    ("node", "text", "expected"),
    [
        (Fuzzy((), "needle", 1), "needel needles nodes", ["needel", "needles"]),
        (Fuzzy((), "needle"), "neadel", ["neadel"]),
        (Term((), ("a b",)), "a b", ["a b"]),
        (Term((), ("a b",)), "a b c", []),
        (Wildcard((), "a?c"), "abc abbc", ["abc"]),
        (Wildcard((), "*a*a*"), "xaxax", ["xaxax"]),
        (Wildcard((), "/x/*.log"), "/x/y.log", ["/x/", ".log"]),
        (Wildcard((), "/x/*.log"), "/x/y.log2", []),
        (Phrase((), "ab cd", last_is_prefix=True), "ab cdx", ["ab cdx"]),
        (Phrase((), "ab cd"), "ab cdx", []),
        (Words((), "ab cd", last_is_prefix=True), "cdx abx", ["cdx"]),
    ],
)
def test_marks(node: Any, text: str, expected: list[str]) -> None:
    assert [text[each.start : each.end] for each in marks(text, kql.terms(node))] == expected


def test_a_hostile_pattern_takes_no_time() -> None:
    start = time.thread_time()
    marks(
        "a" * 100_000 + " " + "ab " * 10_000,
        [QueryTerm((), "wildcard", "*a" * 500 + "b"), QueryTerm((), "fuzzy", "a" * 200, 2)],
    )
    assert time.thread_time() - start < 2


@pytest.mark.parametrize(
    "terms",
    [
        kql.terms(Words((), " ".join(f"w{number}" for number in range(20_000)))),
        kql.terms(Phrase((), "a " * 30_000 + "b")),
        kql.terms(Phrase((), "a " * 99 + "b")),
        tuple(QueryTerm((str(number),), "fuzzy", f"a{number}", 2) for number in range(1_000)),
        (QueryTerm((), "wildcard", "?" * 10_000),),
    ],
)
def test_many_terms_take_no_time(terms: tuple[QueryTerm, ...]) -> None:
    start = time.thread_time()
    marks("a b " * 10_000, terms)
    assert time.thread_time() - start < 4


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a", "a", True),
        ("a", "a.b", False),
        ("*", "", True),
        ("a*", "a.b", True),
        ("*b", "a.b", True),
        ("a*b", "ab", True),
        ("a*b", "a", False),
        ("ab*ba", "aba", False),
        ("*a*b*", "xaxbx", True),
        ("*a*b*", "xbxax", False),
        ("*a" * 2_000 + "b", "a" * 50_000, False),
    ],
)
def test_name_patterns(pattern: str, name: str, expected: bool) -> None:
    assert name_matches(pattern, name) is expected


@given(st.text(max_size=60), st.text(alphabet="ab*?\\ ", max_size=12), st.integers(1, 30))
def test_any_text_is_highlighted_without_loss(text: str, pattern: str, size: int) -> None:
    for mark in marks(text, [QueryTerm((), "wildcard", pattern), QueryTerm((), "word", "a")]):
        assert 0 <= mark.start < mark.end <= len(text)
    how = HighlightField("m", "", "", fragment_size=size, fragments=100)
    for each in fragments(text, kql.terms(Wildcard((), pattern)), how):
        assert each in text


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "size",
                "from",
                "sort",
                "_source",
                "fields",
                "highlight",
                "search_after",
                "pit",
                "collapse",
                "aggs",
                "query",
                "track_total_hits",
                "timeout",
            ]
        ),
        st.none()
        | st.integers()
        | st.text(max_size=5)
        | st.lists(st.integers() | st.text(max_size=3), max_size=2)
        | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    )
)
def test_hostile_bodies_are_read_or_refused(body: Any) -> None:
    with contextlib.suppress(EsError):
        assert parse_search(body)


# what real clients send


def test_the_explorer_s_search() -> None:
    found = parse_search(
        {
            "track_total_hits": False,
            "sort": [
                {"@timestamp": {"order": "desc", "format": "strict_date_optional_time", "unmapped_type": "boolean"}},
                {"_doc": {"order": "desc", "unmapped_type": "boolean"}},
            ],
            "fields": [
                {"field": "*", "include_unmapped": True},
                {"field": "@timestamp", "format": "strict_date_optional_time"},
            ],
            "size": 500,
            "version": True,
            "script_fields": {},
            "stored_fields": ["*"],
            "runtime_mappings": {},
            "_source": False,
            "query": {
                "bool": {
                    "must": [],
                    "filter": [
                        {
                            "range": {
                                "@timestamp": {
                                    "format": "strict_date_optional_time",
                                    "gte": "2024-01-01T00:00:00.000Z",
                                    "lte": "now",
                                }
                            }
                        },
                        {"match_phrase": {"host": "a"}},
                    ],
                    "should": [],
                    "must_not": [],
                }
            },
            "highlight": {
                "pre_tags": ["@kibana-highlighted-field@"],
                "post_tags": ["@/kibana-highlighted-field@"],
                "fields": {"*": {}},
                "fragment_size": 2147483647,
            },
        },
        {
            "batched_reduce_size": "64",
            "ccs_minimize_roundtrips": "true",
            "wait_for_completion_timeout": "200ms",
            "keep_on_completion": "true",
            "keep_alive": "60000ms",
            "ignore_unavailable": "true",
            "preference": "1700000000000",
        },
    )
    assert found.total_hits == 0
    assert found.hits.size == 500
    assert not found.hits.shown_source.enabled
    assert found.hits.highlight is not None


def test_grafana_s_searches() -> None:
    found = parse_search(
        {
            "size": 0,
            "query": {
                "bool": {
                    "filter": [
                        {
                            "range": {
                                "@timestamp": {"gte": 1700000000000, "lte": 1700003600000, "format": "epoch_millis"}
                            }
                        },
                        {"query_string": {"analyze_wildcard": True, "query": "*"}},
                    ]
                }
            },
            "aggs": {
                "3": {
                    "terms": {"field": "host", "size": "10", "order": {"1": "desc"}, "min_doc_count": 1},
                    "aggs": {
                        "1": {"avg": {"field": "ms"}},
                        "2": {
                            "date_histogram": {
                                "field": "@timestamp",
                                "fixed_interval": "30s",
                                "min_doc_count": "0",
                                "extended_bounds": {"min": 1700000000000, "max": 1700003600000},
                                "format": "epoch_millis",
                                "time_zone": "utc".upper(),
                            },
                            "aggs": {
                                "4": {"percentiles": {"field": "ms", "percents": ["25", "99"]}},
                                "5": {"bucket_script": {"buckets_path": {"v": "4[99]"}, "script": "params.v * 2"}},
                                "6": {"serial_diff": {"buckets_path": "_count", "lag": "5"}},
                            },
                        },
                    },
                }
            },
        }
    )
    assert found.hits.size == 0
    assert [each.name for each in found.aggregations[0].subs[1].subs] == ["4", "5", "6"]


def test_export_tools() -> None:
    dump = parse_search(
        {"query": {"match_all": {}}, "stored_fields": ["*"], "_source": True},
        {"scroll": "10m", "size": "100", "from": "0"},
    )
    assert (dump.scroll_ms, dump.hits.size, dump.hits.shown_source.enabled) == (600_000, 100, True)
    scan = parse_search({"query": {"match_all": {}}, "sort": "_doc"}, {"scroll": "5m", "size": "1000"})
    assert scan.hits.sort == (SortKey("_doc"),)


def test_msearch() -> None:
    good = b'{"index":"a,b","ignore_unavailable":true}\r\n{"size":1}\n'
    data = good + b'\n{"query":{"foo":{}}}\n{"index":["c"]}\n{"size":\n\n'
    first, second, third = parse_msearch(data, {"typed_keys": "true"})
    assert (first.indices, first.ignore_unavailable, first.error) == (("a", "b"), True, None)
    assert first.request == SearchRequest(hits=HitsRequest(1), typed_keys=True)
    assert second.request is None
    assert second.error is not None
    assert second.error.reason == "unknown query [foo]"
    assert third.indices == ("c",)
    assert third.error is not None
    assert "[6:" in third.error.reason
    for bad in (b"", b"\n", b"{}", b'{"index":1}\n{}', b'{"foo":1}\n{}', b"{\n{}", b"{}\n{}\n" * 1_001):
        with pytest.raises(EsError):
            parse_msearch(bad)
