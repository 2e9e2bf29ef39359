"""Negotiation, handshake answers and cat tables."""

from __future__ import annotations

import pytest

from dxops.wire.elastic import handshake
from dxops.wire.elastic.cat import Column, Table, as_text, as_values, human_bytes, human_ms
from dxops.wire.elastic.errors import ElasticRefused
from dxops.wire.elastic.media import JSON, TEXT, answering, check_parameters, request_kind

V8 = "application/vnd.elasticsearch+json; compatible-with=8"
CLUSTER = handshake.Cluster(uuid="b1Xk2mQpS0aZ7cR4tY9uLw")


@pytest.mark.parametrize(
    ("accept", "expected", "compatible"),
    [
        (V8, V8, 8),
        (
            "application/vnd.elasticsearch+json;compatible-with=9",
            "application/vnd.elasticsearch+json;compatible-with=9",
            9,
        ),
        (f"{V8},application/vnd.elasticsearch+json; compatible-with=9", V8, 8),
        (f"text/plain,{V8}", V8, 8),
        ("application/json", JSON, None),
        ("*/*", JSON, None),
        ("", JSON, None),
        ("application/vnd.elasticsearch+json; compatible-with=12", JSON, None),
        ("application/vnd.elasticsearch+json; compatible-with=8\r\nX: y", JSON, None),
    ],
)
def test_accept(accept: str, expected: str, compatible: int | None) -> None:
    found = answering(accept, {})
    assert (found.content_type, found.compatible, found.text) == (expected, compatible, False)


@pytest.mark.parametrize(
    ("accept", "form", "content_type", "text"),
    [
        (f"text/plain,{V8}", "json", V8, False),
        (f"text/plain,{V8}", "", TEXT, True),
        ("*/*", "", TEXT, True),
        ("", "", TEXT, True),
        ("application/json", "", JSON, False),
        (V8, "", V8, False),
        ("application/json", "text", TEXT, True),
        ("image/png, application/json", "", JSON, False),
    ],
)
def test_cat_speaks_text_unless_json_is_asked_for(accept: str, form: str, content_type: str, text: bool) -> None:
    found = answering(accept, {"format": form} if form else {}, cat=True)
    assert (found.content_type, found.text) == (content_type, text)


def test_encoding() -> None:
    value = {"a": 1, "b": {"c": 1 << 70}}
    assert answering("", {}).encode(value) == b'{"a":1,"b":{"c":1180591620717411303424}}'
    assert answering("", {"pretty": "", "filter_path": "a", "human": "x"}).encode(value) == b'{\n  "a": 1\n}\n'
    for bad in ({"format": "yaml"}, {"pretty": "maybe"}):
        with pytest.raises(ElasticRefused):
            answering("", bad)


def test_request_types() -> None:
    assert request_kind("application/json; charset=utf-8") == "json"
    assert request_kind("") == "json"
    assert request_kind("application/x-ndjson") == "ndjson"
    assert request_kind("application/vnd.elasticsearch+x-ndjson; compatible-with=8") == "ndjson"
    for bad in ("text/plain", "application/x-www-form-urlencoded", "application/cbor"):
        with pytest.raises(ElasticRefused) as caught:
            request_kind(bad)
        assert caught.value.fault.status == 406


def test_unknown_parameters_are_named() -> None:
    check_parameters("/x", {"pretty", "q"}, {"q"})
    with pytest.raises(ElasticRefused, match=r"request \[/x\] contains unrecognized parameters: \[a\], \[b\]"):
        check_parameters("/x", {"b", "a", "q"}, {"q"})


@pytest.mark.parametrize(
    ("agent", "number"),
    [
        ("", "8.19.0"),
        ("Elastic-filebeat/9.1.0 (linux; amd64; abc)", "9.1.0"),
        ("Elastic filebeat/7.10.2 (linux)", "8.19.0"),
        ("Elastic-metricbeat/8.19.3 (x)", "8.19.3"),
        ("Logstash/9.0.1 (OS=Linux)", "9.0.1"),
        ("elasticsearch-py/9.4.0 (Python/3.11)", "8.19.0"),
        ("Elastic-filebeat/9999999.1.0", "8.19.0"),
    ],
)
def test_the_version_is_never_lower_than_the_callers(agent: str, number: str) -> None:
    answer = handshake.root(CLUSTER, agent)
    assert answer["version"]["number"] == number
    assert [*answer] == ["name", "cluster_name", "cluster_uuid", "version", "tagline"]
    assert answer["version"]["build_flavor"] == "default"


def test_who_speaks_the_old_names() -> None:
    assert handshake.speaks_7("Elastic filebeat/7.10.2 (linux)", None)
    assert handshake.speaks_7("elasticsearch-py/7.17.9 (Python)", None)
    assert not handshake.speaks_7("Elastic-filebeat/8.0.0", None)
    assert not handshake.speaks_7("curl/7.88.1", None)
    assert not handshake.speaks_7("", None)
    assert handshake.speaks_7("anything", 7)


def test_the_other_answers() -> None:
    assert handshake.license_(CLUSTER)["license"]["status"] == "active"
    assert handshake.xpack(CLUSTER)["features"]["ilm"] == {"available": True, "enabled": True}
    assert handshake.health(CLUSTER)["status"] == "green"
    node = handshake.nodes(CLUSTER, "h:9200", "Elastic-filebeat/9.1.0")["nodes"]["n1"]
    assert (node["http"]["publish_address"], node["version"]) == ("h:9200", "9.1.0")
    with pytest.raises(ValueError, match="not a version"):
        handshake.read_version("8.x")


TABLE = Table(
    (
        Column("health", aliases=("h",), about="current health"),
        Column("index", aliases=("i", "idx")),
        Column("docs.count", "number", ("dc",)),
        Column("store.size", "bytes", ("ss",)),
        Column("uptime", "ms", default=False),
    ),
    [
        {"health": "green", "index": "b", "docs.count": 5, "store.size": 1234, "uptime": 90_000},
        {"health": "yellow", "index": "aa", "docs.count": 1000, "store.size": None},
    ],
)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "green  b     5 1.2kb\nyellow aa 1000\n"),
        (
            {"v": ""},
            "health index docs.count store.size\ngreen  b              5      1.2kb\nyellow aa          1000\n",
        ),
        ({"h": "i,dc", "s": "index"}, "aa 1000\nb     5\n"),
        ({"h": "dc,nothing", "v": "true", "s": "dc:desc"}, "  dc\n1000\n   5\n"),
        ({"h": "store.*", "bytes": "b"}, "1234\n\n"),
        ({"h": "uptime", "s": "uptime:desc"}, "1.5m\n\n"),
        ({"h": "uptime", "time": "s", "s": "uptime:desc,i"}, "90\n\n"),
        ({"h": "nothing"}, "\n\n"),
    ],
)
def test_cat_text(parameters: dict[str, str], expected: str) -> None:
    assert as_text(TABLE, parameters) == expected


def test_cat_json_help_and_refusals() -> None:
    assert as_values(TABLE, {"h": "i,ss"}) == [{"i": "b", "ss": "1.2kb"}, {"i": "aa", "ss": None}]
    assert as_text(TABLE, {"help": ""}).splitlines()[0] == "health     | h     | current health"
    assert as_text(Table(TABLE.columns, []), {}) == ""
    for bad in ({"s": "nope"}, {"bytes": "x"}, {"time": "x"}, {"s": "index:up"}):
        with pytest.raises(ElasticRefused):
            as_text(TABLE, bad)


def test_units() -> None:
    assert [human_bytes(n) for n in (0, 1023, 1024, 1 << 31, 5 << 40)] == ["0b", "1023b", "1kb", "2gb", "5tb"]
    assert [human_ms(n) for n in (0, 999, 1500, 7_200_000, 172_800_000)] == ["0ms", "999ms", "1.5s", "2h", "2d"]
