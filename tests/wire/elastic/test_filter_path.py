"""filter_path on values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.elastic.errors import ElasticRefused
from dxops.wire.elastic.filter_path import read_filter_path

ANSWER = {
    "took": 3,
    "hits": {"total": {"value": 2}, "hits": [{"_id": "1", "_source": {"a": 1, "b": [1]}}, {"_id": "2", "_source": {}}]},
    "_shards": {"total": 1, "failed": 0},
    "empty": {},
}


def left(path: str, value: Any = ANSWER) -> Any:
    wanted = read_filter_path(path)
    return value if wanted is None else wanted.apply(value)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("took", {"took": 3}),
        ("hits.total,took", {"took": 3, "hits": {"total": {"value": 2}}}),
        ("hits.hits._id", {"hits": {"hits": [{"_id": "1"}, {"_id": "2"}]}}),
        ("hits.hits._source.b", {"hits": {"hits": [{"_source": {"b": [1]}}]}}),
        ("**.value", {"hits": {"total": {"value": 2}}}),
        ("*.total", {"hits": {"total": {"value": 2}}, "_shards": {"total": 1}}),
        ("**.total", {"hits": {"total": {"value": 2}}, "_shards": {"total": 1}}),
        ("hits.**", {"hits": ANSWER["hits"]}),
        ("h*.t*al", {"hits": {"total": {"value": 2}}}),
        ("nothing", {}),
        ("hits.hits,-hits.hits._source", {"hits": {"hits": [{"_id": "1"}, {"_id": "2"}]}}),
        ("-hits,-_shards,-empty", {"took": 3}),
        ("-**.total,-took,-empty,-hits.hits", {"_shards": {"failed": 0}}),
        ("", ANSWER),
        (",", ANSWER),
        ("**", ANSWER),
        ("empty", {"empty": {}}),
    ],
)
def test_paths(path: str, expected: Any) -> None:
    assert left(path) == expected


def test_order_is_kept() -> None:
    assert [*left("_shards,took,hits.total")] == ["took", "hits", "_shards"]


def test_absurd_filters_are_refused() -> None:
    for path in ("a," * 501, "a" * 20_001):
        with pytest.raises(ElasticRefused):
            read_filter_path(path)


@given(
    st.text("ab.*-,", max_size=30),
    st.recursive(st.integers(), lambda v: st.lists(v) | st.dictionaries(st.text("ab"), v)),
)
def test_a_filter_never_invents(path: str, value: Any) -> None:
    found = left(path, value)
    assert found in ({}, value) or str(found) != ""
    if isinstance(value, dict) and isinstance(found, dict):
        assert [*found] == [name for name in value if name in found]
