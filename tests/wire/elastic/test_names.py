"""Names, expressions over them, and date math."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.elastic.date_math import resolve_date_math
from dxops.wire.elastic.errors import ElasticRefused
from dxops.wire.elastic.names import (
    Known,
    Options,
    check_index_name,
    index_name_fault,
    indices_of,
    matches_any,
    read_options,
    resolve,
    split_expression,
)
from dxops.wire.name_patterns import name_matches

NOW = int(datetime(2026, 3, 31, 23, 30, 15, tzinfo=UTC).timestamp() * 1000)
KNOWN = Known(
    indices=["logs-a", "logs-b", "logs-old-1", ".ds-web-000001", ".kibana", "shut"],
    aliases={"all-logs": ["logs-a", "logs-b"], "to-web": ["web"]},
    data_streams={"web": [".ds-web-000001"]},
    hidden=frozenset({"secret"}),
    closed=frozenset({"shut"}),
)


def names(expression: str, **options: bool) -> list[str]:
    return resolve(expression, KNOWN, Options(**options), now_ms=NOW)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("logs-2026.01.01", None),
        ("é", None),
        (".hidden", None),
        ("", "must not be empty"),
        ("..", "must not be '.' or '..'"),
        ("A", "must be lowercase"),
        ("_x", "must not start with '_', '-', or '+'"),
        ("+x", "must not start with '_', '-', or '+'"),
        ("a b", "must not contain the following characters ['"),
        ("a*", "must not contain the following characters ['"),
        ("a#b", "must not contain '#'"),
        ("a:b", "must not contain ':'"),
        ("a" * 256, "index name is too long, (256 > 255)"),
        ("é" * 128, "index name is too long, (256 > 255)"),
        ("a\x00", "must not contain control characters"),
    ],
)
def test_which_names_an_index_may_have(name: str, why: str | None) -> None:
    found = index_name_fault(name)
    assert found is None if why is None else (found or "").startswith(why)


def test_the_words_of_an_invalid_name() -> None:
    with pytest.raises(ElasticRefused, match=r"Invalid index name \[X\], must be lowercase") as caught:
        check_index_name("X")
    assert caught.value.fault.type == "invalid_index_name_exception"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("logs-a", ["logs-a"]),
        ("logs-b,logs-a,logs-b", ["logs-b", "logs-a"]),
        ("logs-*", ["logs-a", "logs-b", "logs-old-1"]),
        ("logs-*,-logs-old-*", ["logs-a", "logs-b"]),
        ("logs-*,-logs-a,logs-a", ["logs-b", "logs-old-1", "logs-a"]),
        ("_all", ["all-logs", "logs-a", "logs-b", "logs-old-1", "to-web", "web"]),
        ("", ["all-logs", "logs-a", "logs-b", "logs-old-1", "to-web", "web"]),
        ("*,-*", []),
        ("we*", ["web"]),
        (".kib*", [".kibana"]),
        ("shut", ["shut"]),
        ("nothing-*", []),
        ("all-logs", ["all-logs"]),
    ],
)
def test_expressions(expression: str, expected: list[str]) -> None:
    assert names(expression) == expected


def test_options() -> None:
    assert "shut" in names("*", closed=True)
    assert names("s*", open=False, closed=True) == ["shut"]
    assert ".kibana" in names("*", hidden=True)
    assert names("nope,logs-a", ignore_unavailable=True) == ["logs-a"]
    for expression, options in [("nope", {}), ("-nope", {}), ("nope-*", {"allow_no_indices": False})]:
        with pytest.raises(ElasticRefused, match=r"no such index \[-?nope") as caught:
            names(expression, **options)
        assert caught.value.fault.status == 404
    with pytest.raises(ElasticRefused, match="must not start with"):
        names("_nope")


def test_options_of_the_query_string() -> None:
    given_options = {"ignore_unavailable": "", "allow_no_indices": "false", "expand_wildcards": "closed,hidden"}
    assert read_options(given_options) == Options(
        ignore_unavailable=True, allow_no_indices=False, open=False, closed=True, hidden=True
    )
    assert read_options({"expand_wildcards": "all"}) == Options(closed=True, hidden=True)
    assert read_options({"expand_wildcards": "none"}) == Options(open=False)
    for bad in ({"expand_wildcards": "wide"}, {"ignore_unavailable": "yes"}):
        with pytest.raises(ElasticRefused):
            read_options(bad)


def test_indices_behind_names() -> None:
    assert indices_of(["all-logs", "logs-a", "web", "to-web"], KNOWN) == ["logs-a", "logs-b", ".ds-web-000001"]
    assert matches_any("logs-x", ["metrics-*", "logs-*"])
    assert not matches_any("log", ["logs-*"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("<filebeat-9.1.0-{now/d}-000001>", "filebeat-9.1.0-2026.03.31-000001"),
        ("<a-{now/M{yyyy.MM}}>", "a-2026.03"),
        ("<a-{now/d{yyyy-MM-dd|+12:00}}>", "a-2026-04-01"),
        ("<a-{now-1d/d}>", "a-2026.03.30"),
        ("<a-{now-1M{yyyy.MM.dd}}>", "a-2026.02.28"),
        ("<a-{now+1y/y{uuuu}}-{now/w{YYYY.ww}}>", "a-2027-2026.14"),
        ("<a-{now{yyyy.MM.dd'T'HH}}>", "a-2026.03.31T23"),
        (r"<a\{b\}-{now/d}>", "a{b}-2026.03.31"),
        ("plain", "plain"),
    ],
)
def test_date_math(name: str, expected: str) -> None:
    assert resolve_date_math(name, NOW) == expected


@pytest.mark.parametrize(
    ("name", "says"),
    [("<a-{now>", "not closed"), ("<a-}>", "no opening"), ("<a-{then}>", "does not begin"), ("<>", "nothing"),
     ("<a-{now+1q}>", "failed to parse date math"), ("<a-{now{jj}}>", "letter [j]"),
     ("<a-{now/d{yyyy|Mars/Olympus}}>", "not known"),
     ("<a-{now+999999y}>", "years 1 to 9999")],
)  # fmt: skip
def test_bad_date_math(name: str, says: str) -> None:
    with pytest.raises(ElasticRefused) as caught:
        resolve_date_math(name, NOW)
    assert says in caught.value.fault.reason


def test_splitting() -> None:
    assert split_expression("a,%3Cb-%7Bnow%2Fd%7D%3E,-<c-{now/y{yyyy,MM}}>", NOW, encoded=True) == [
        "a", "b-2026.03.31", "-c-2026,01",
    ]  # fmt: skip
    with pytest.raises(ElasticRefused, match="more than 10000"):
        split_expression("a," * 10_001, NOW)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_wildcards_against_a_regex(pattern: str, text: str) -> None:
    import re

    expected = re.fullmatch(pattern.replace("*", ".*"), text) is not None
    assert name_matches(pattern, text) is expected


@given(st.text('<>{}nowd/,*-_"ab', max_size=40))
def test_hostile_expressions(expression: str) -> None:
    try:
        found = names(expression)
    except ElasticRefused:
        return
    assert set(found) <= set(KNOWN.names())
