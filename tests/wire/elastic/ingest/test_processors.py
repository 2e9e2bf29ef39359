"""Each processor: what it makes of a document, and in which words it fails."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dxops.wire.elastic.ingest.document import Document, ProcessorFailure
from dxops.wire.elastic.ingest.pipeline import PROCESSORS, ingest, read_pipeline

NOW = 1_767_225_600_000


def run(processor: dict[str, Any], source: dict[str, Any]) -> Document:
    pipeline = read_pipeline("p", {"processors": [processor]})
    document = ingest(copy.deepcopy(source), ["p"], {"p": pipeline}.get, now_ms=NOW, index="logs", id_="1")
    assert document is not None
    return document


M: dict[str, Any] = {"m": "x"}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("set", {"field": "a.b", "value": 1}, {}, {"a": {"b": 1}}),
    ("set", {"field": "a", "value": "{{m}}-{{{ m }}}!{{no}}"}, M, {"m": "x", "a": "x-x!"}),
    ("set", {"field": "{{m}}", "value": {"k": ["{{m}}", 1]}}, M, {"m": "x", "x": {"k": ["x", 1]}}),
    ("set", {"field": "m", "value": "y", "override": False}, M, M),
    ("set", {"field": "m", "value": "y", "override": False}, {"m": None}, {"m": "y"}),
    ("set", {"field": "m", "value": "{{no}}", "ignore_empty_value": True}, M, M),
    ("set", {"field": "c", "copy_from": "o"}, {"o": {"x": [1]}}, {"o": {"x": [1]}, "c": {"x": [1]}}),
    ("set", {"field": "l.1", "value": 9}, {"l": [1, 2]}, {"l": [1, 9]}),
    ("set", {"field": "t", "value": "{{_ingest.timestamp}}"}, {}, {"t": "2026-01-01T00:00:00.000Z"}),
    ("set", {"field": "t", "value": "{{_index}}/{{_id}}"}, {}, {"t": "logs/1"}),
    (
        "set",
        {"field": "t", "value": "{{o}} {{b}}"},
        {"o": {"a": 1}, "b": True},
        {"o": {"a": 1}, "b": True, "t": '{"a":1} true'},
    ),
    ("append", {"field": "t", "value": ["a", "{{m}}"]}, M, {"m": "x", "t": ["a", "x"]}),
    ("append", {"field": "m", "value": "x"}, M, {"m": ["x", "x"]}),
    ("append", {"field": "m", "value": ["x", "y"], "allow_duplicates": False}, M, {"m": ["x", "y"]}),
    ("remove", {"field": ["a.b", "m"]}, {"a": {"b": 1, "c": 2}, "m": 1}, {"a": {"c": 2}}),
    ("remove", {"field": "no", "ignore_missing": True}, M, M),
    ("remove", {"keep": ["a.b", "m", "no"]}, {"a": {"b": 1, "c": 2}, "m": 1, "z": 0}, {"a": {"b": 1}, "m": 1}),
    ("rename", {"field": "m", "target_field": "n.o"}, M, {"n": {"o": "x"}}),
    ("rename", {"field": "no", "target_field": "n", "ignore_missing": True}, M, M),
    ("rename", {"field": "m", "target_field": "n", "override": True}, {"m": 1, "n": 2}, {"n": 1}),
    ("convert", {"field": "a", "type": "integer"}, {"a": "0x1F"}, {"a": 31}),
    ("convert", {"field": "a", "type": "long"}, {"a": ["-5", 7]}, {"a": [-5, 7]}),
    ("convert", {"field": "a", "type": "double", "target_field": "b"}, {"a": "1.5"}, {"a": "1.5", "b": 1.5}),
    ("convert", {"field": "a", "type": "boolean"}, {"a": "TRUE"}, {"a": True}),
    ("convert", {"field": "a", "type": "string"}, {"a": [True, 1.5, 3]}, {"a": ["true", "1.5", "3"]}),
    ("convert", {"field": "a", "type": "ip"}, {"a": "::1"}, {"a": "::1"}),
    ("convert", {"field": "a", "type": "auto"}, {"a": ["1", "1.5", "false", "x", 2]}, {"a": [1, 1.5, False, "x", 2]}),
    ("convert", {"field": "no", "type": "long", "ignore_missing": True}, {}, {}),
    ("lowercase", {"field": "a"}, {"a": "ÄB"}, {"a": "äb"}),
    ("uppercase", {"field": "a", "target_field": "b"}, {"a": ["x", "y"]}, {"a": ["x", "y"], "b": ["X", "Y"]}),
    ("trim", {"field": "a"}, {"a": "  x "}, {"a": "x"}),
    ("trim", {"field": "no", "ignore_missing": True}, {}, {}),
    (
        "gsub",
        {"field": "a", "pattern": r"(\d+)-(\d+)", "replacement": r"$2\$$1$10"},
        {"a": "1-2,3-4"},
        {"a": "2$110,4$330"},
    ),
    ("gsub", {"field": "a", "pattern": r"(?<n>\d)", "replacement": "<${n}>"}, {"a": "a1"}, {"a": "a<1>"}),
    ("gsub", {"field": "a", "pattern": r"\.", "replacement": ""}, {"a": ["1.2", "3"]}, {"a": ["12", "3"]}),
    ("split", {"field": "a", "separator": r"\s*,\s*"}, {"a": "x , y,,"}, {"a": ["x", "y"]}),
    ("split", {"field": "a", "separator": ",", "preserve_trailing": True}, {"a": "x,,"}, {"a": ["x", "", ""]}),
    ("join", {"field": "a", "separator": "-"}, {"a": [1, "x", True]}, {"a": "1-x-true"}),
    ("urldecode", {"field": "a"}, {"a": "a%20b+c%C3%A9"}, {"a": "a b cé"}),
    ("bytes", {"field": "a"}, {"a": ["1kb", "1.5MB", "7", "2 gb", "3b"]}, {"a": [1024, 1572864, 7, 2 << 30, 3]}),
    ("html_strip", {"field": "a"}, {"a": "<p>a &amp; b</p><!-- x -->1 < 2"}, {"a": "\na & b\n\n1 < 2"}),
    ("dot_expander", {"field": "a.b"}, {"a.b": 1, "a": {"c": 2}}, {"a": {"c": 2, "b": 1}}),
    ("dot_expander", {"field": "*"}, {"a.b": 1, "c.d.e": 2}, {"a": {"b": 1}, "c": {"d": {"e": 2}}}),
    ("dot_expander", {"field": "a.b", "override": True}, {"a.b": 1, "a": {"b": 2}}, {"a": {"b": 1}}),
    ("dot_expander", {"field": "a.b"}, {"a.b": 1, "a": {"b": 2}}, {"a": {"b": [2, 1]}}),
    ("dot_expander", {"field": "x.y", "path": "o"}, {"o": {"x.y": 1}}, {"o": {"x": {"y": 1}}}),
    ("json", {"field": "a"}, {"a": '{"x":[1,null]}'}, {"a": {"x": [1, None]}}),
    ("json", {"field": "a", "target_field": "b"}, {"a": "5"}, {"a": "5", "b": 5}),
    (
        "json",
        {"field": "a", "add_to_root": True},
        {"a": '{"o":{"x":1}}', "o": {"y": 2}},
        {"a": '{"o":{"x":1}}', "o": {"x": 1}},
    ),
    (
        "json",
        {"field": "a", "add_to_root": True, "add_to_root_conflict_strategy": "merge"},
        {"a": '{"o":{"x":1}}', "o": {"y": 2}},
        {"a": '{"o":{"x":1}}', "o": {"y": 2, "x": 1}},
    ),
    (
        "kv",
        {"field": "a", "field_split": " ", "value_split": "="},
        {"a": "x=1 y=a=b x=2"},
        {"a": "x=1 y=a=b x=2", "x": ["1", "2"], "y": "a=b"},
    ),
    (
        "kv",
        {
            "field": "a",
            "field_split": "&",
            "value_split": "=",
            "target_field": "q",
            "prefix": "p_",
            "exclude_keys": ["z"],
            "strip_brackets": True,
            "trim_key": " ",
            "trim_value": " ",
        },
        {"a": ' x = "1" &z=2'},
        {"a": ' x = "1" &z=2', "q": {"p_x": "1"}},
    ),
    (
        "kv",
        {"field": "a", "field_split": ",", "value_split": ":", "include_keys": ["x"]},
        {"a": "x:1,y:2"},
        {"a": "x:1,y:2", "x": "1"},
    ),
    (
        "dissect",
        {"field": "a", "pattern": "%{ip} [%{+t} %{+t}] %{?skip}: %{*k}=%{&k} %{rest}", "append_separator": " "},
        {"a": "1.1.1.1 [10/Oct 13:55] foo: user=joe a b"},
        {
            "a": "1.1.1.1 [10/Oct 13:55] foo: user=joe a b",
            "ip": "1.1.1.1",
            "t": "10/Oct 13:55",
            "user": "joe",
            "rest": "a b",
        },
    ),
    (
        "dissect",
        {"field": "a", "pattern": "%{l->} %{+n/2} %{+n/1}", "append_separator": ","},
        {"a": "WARN    b a"},
        {"a": "WARN    b a", "l": "WARN", "n": "a,b"},
    ),
    (
        "csv",
        {"field": "a", "target_fields": ["x", "y.z", "w"]},
        {"a": '1,"a ""q"", b",'},
        {"a": '1,"a ""q"", b",', "x": "1", "y": {"z": 'a "q", b'}},
    ),
    (
        "csv",
        {"field": "a", "target_fields": ["x", "y"], "separator": ";", "trim": True, "empty_value": "-"},
        {"a": " 1 ;"},
        {"a": " 1 ;", "x": "1", "y": "-"},
    ),
    (
        "uri_parts",
        {"field": "a"},
        {"a": "http://u:p@h.com:80/x/y.gif?q=1#f"},
        {
            "a": "http://u:p@h.com:80/x/y.gif?q=1#f",
            "url": {
                "domain": "h.com",
                "path": "/x/y.gif",
                "fragment": "f",
                "query": "q=1",
                "scheme": "http",
                "port": 80,
                "user_info": "u:p",
                "username": "u",
                "password": "p",
                "extension": "gif",
                "original": "http://u:p@h.com:80/x/y.gif?q=1#f",
            },
        },
    ),
    ("user_agent", {"field": "m"}, M, M),
    ("geoip", {"field": "no", "ignore_missing": True}, M, M),
    (
        "foreach",
        {"field": "l", "processor": {"uppercase": {"field": "_ingest._value"}}},
        {"l": ["a", "b"]},
        {"l": ["A", "B"]},
    ),
    (
        "foreach",
        {"field": "l", "processor": {"remove": {"field": "_ingest._value.x"}}},
        {"l": [{"x": 1, "y": 2}]},
        {"l": [{"y": 2}]},
    ),
    (
        "foreach",
        {"field": "o", "processor": {"set": {"field": "_ingest._value", "value": "{{_ingest._key}}!"}}},
        {"o": {"a": 1}},
        {"o": {"a": "a!"}},
    ),
    ("foreach", {"field": "no", "ignore_missing": True, "processor": {"fail": {"message": "x"}}}, {}, {}),
    (
        "grok",
        {"field": "a", "patterns": ["%{IP:c.ip} %{NUMBER:n:int} %{WORD:[h][v]}"]},
        {"a": "1.2.3.4 5 GET"},
        {"a": "1.2.3.4 5 GET", "c": {"ip": "1.2.3.4"}, "n": 5, "h": {"v": "GET"}},
    ),
    (
        "grok",
        {
            "field": "a",
            "patterns": ["^%{INT:n}$", "%{PET:p} (?<x.y>[0-9]+)"],
            "pattern_definitions": {"PET": "cat|dog"},
        },
        {"a": "dog 7"},
        {"a": "dog 7", "p": "dog", "x": {"y": "7"}},
    ),
    ("grok", {"field": "no", "patterns": ["%{IP}"], "ignore_missing": True}, {}, {}),
    (
        "date",
        {"field": "a", "formats": ["dd/MMM/yyyy:HH:mm:ss Z"]},
        {"a": "10/Oct/2000:13:55:36 -0700"},
        {"a": "10/Oct/2000:13:55:36 -0700", "@timestamp": "2000-10-10T20:55:36.000Z"},
    ),
    (
        "date",
        {"field": "a", "formats": ["UNIX"], "target_field": "t"},
        {"a": "1767225600.5"},
        {"a": "1767225600.5", "t": "2026-01-01T00:00:00.500Z"},
    ),
    (
        "date",
        {"field": "a", "formats": ["UNIX_MS"], "target_field": "t"},
        {"a": NOW},
        {"a": NOW, "t": "2026-01-01T00:00:00.000Z"},
    ),
    (
        "date",
        {
            "field": "a",
            "formats": ["UNIX", "MMM d HH:mm:ss", "MMM  d HH:mm:ss"],
            "timezone": "{{z}}",
            "target_field": "t",
        },
        {"a": "Jan  5 01:02:03", "z": "Europe/Paris"},
        {"a": "Jan  5 01:02:03", "z": "Europe/Paris", "t": "2026-01-05T01:02:03.000+01:00"},
    ),
    (
        "date",
        {
            "field": "a",
            "formats": ["ISO8601"],
            "timezone": "+02:00",
            "output_format": "yyyy-MM-dd HH:mm",
            "target_field": "t",
        },
        {"a": "2026-01-01T10:00:00"},
        {"a": "2026-01-01T10:00:00", "t": "2026-01-01 10:00"},
    ),
    (
        "date",
        {"field": "a", "formats": ["ISO8601"], "target_field": "t"},
        {"a": "2026-01-01T10:00:00+02:00"},
        {"a": "2026-01-01T10:00:00+02:00", "t": "2026-01-01T08:00:00.000Z"},
    ),
    (
        "date",
        {"field": "a", "formats": ["TAI64N"], "target_field": "t"},
        {"a": "4000000050d506482dbdf024"},
        {"a": "4000000050d506482dbdf024", "t": "2012-12-22T01:00:46.767Z"},
    ),
    (
        "date",
        {
            "field": "a",
            "formats": ["yyyy-MM-dd HH:mm:ss.SSSSSSSSS"],
            "output_format": "ss.SSSSSSSSS",
            "target_field": "t",
        },
        {"a": "2026-01-01 00:00:07.123456789"},
        {"a": "2026-01-01 00:00:07.123456789", "t": "07.123456789"},
    ),
]


@pytest.mark.parametrize(("kind", "config", "source", "expected"), CASES)
def test_what_it_makes(kind: str, config: dict[str, Any], source: dict[str, Any], expected: dict[str, Any]) -> None:
    assert run({kind: config}, source).source == expected


FAILURES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "set",
        {"field": "m.x", "value": 1},
        M,
        "cannot set [x] with parent object of type [java.lang.String] as part of path [m.x]",
    ),
    ("set", {"field": "c", "copy_from": "no"}, M, "field [no] not present as part of path [no]"),
    ("set", {"field": "{{no}}", "value": 1}, M, "path [] is not valid"),
    ("remove", {"field": "a.b"}, {"a": {}}, "field [b] not present as part of path [a.b]"),
    ("rename", {"field": "no", "target_field": "x"}, M, "field [no] doesn't exist"),
    ("rename", {"field": "m", "target_field": "n"}, {"m": 1, "n": 1}, "field [n] already exists"),
    ("convert", {"field": "m", "type": "integer"}, M, "unable to convert [x] to integer"),
    ("convert", {"field": "m", "type": "integer"}, {"m": 1 << 40}, "unable to convert"),
    ("convert", {"field": "m", "type": "ip"}, M, "unable to convert [x] to ip"),
    ("lowercase", {"field": "m"}, {"m": 1}, "field [m] of type [java.lang.Long] cannot be cast to [java.lang.String]"),
    ("lowercase", {"field": "m"}, {"m": None}, "field [m] is null, cannot process it."),
    ("join", {"field": "m", "separator": ","}, M, "cannot be cast to [java.util.List]"),
    ("bytes", {"field": "m"}, M, "failed to parse setting [Ingest Field] with value [x]"),
    ("json", {"field": "m"}, {"m": '{"a":'}, "field is not JSON"),
    ("json", {"field": "m"}, {"m": '1},{"a":2'}, "field is not JSON"),
    ("json", {"field": "m"}, {"m": '1,"b":2'}, "more follows a value"),
    ("json", {"field": "m", "add_to_root": True}, {"m": "[1]"}, "cannot add non-map fields to root"),
    ("kv", {"field": "m", "field_split": " ", "value_split": "="}, M, "field [m] does not contain value_split [=]"),
    (
        "dissect",
        {"field": "m", "pattern": "%{a} %{b}"},
        M,
        "Unable to find match for dissect pattern: %{a} %{b} against source: x",
    ),
    ("grok", {"field": "m", "patterns": ["%{INT:a}"]}, M, "Provided Grok expressions do not match field value: [x]"),
    ("date", {"field": "m", "formats": ["ISO8601"]}, M, "unable to parse date [x]"),
    (
        "date",
        {"field": "m", "formats": ["UNIX"], "timezone": "{{z}}"},
        {"m": 1, "z": "Moon"},
        "the time zone [Moon] is not known",
    ),
    ("date", {"field": "m", "formats": ["UNIX"]}, {"m": "1e300"}, "unable to parse date"),
    ("date", {"field": "m", "formats": ["UNIX"]}, {"m": "nan"}, "unable to parse date"),
    ("csv", {"field": "m", "target_fields": ["a"]}, {"m": '"x'}, "is not CSV"),
    ("uri_parts", {"field": "m"}, {"m": "http://h:port/"}, "unable to parse URI"),
    ("dot_expander", {"field": "a.b"}, {"a.b": 1, "a": 5}, "cannot expand [a.b] because [a] is not an object field"),
    ("foreach", {"field": "m", "processor": {"trim": {"field": "x"}}}, M, "cannot be cast to a list or map"),
    ("fail", {"message": "bad {{m}}"}, M, "bad x"),
    ("geoip", {"field": "no"}, M, "field [no] not present"),
    ("pipeline", {"name": "nope"}, M, "Pipeline processor configured for non-existent pipeline [nope]"),
    ("gsub", {"field": "m", "pattern": "(x+x+)+y", "replacement": ""}, {"m": "x" * 5000}, "took longer than"),
    ("grok", {"field": "m", "patterns": ["^(x+x+)+y"]}, {"m": "x" * 5000}, "took longer than"),
    ("grok", {"field": "m", "patterns": ["%{DATA}"]}, {"m": "x" * ((1 << 20) + 1)}, "more than the 1048576"),
]


@pytest.mark.parametrize(("kind", "config", "source", "says"), FAILURES)
def test_how_it_fails(kind: str, config: dict[str, Any], source: dict[str, Any], says: str) -> None:
    with pytest.raises(ProcessorFailure) as caught:
        run({kind: {**config, "tag": "t1"}}, source)
    assert says in caught.value.reason
    fault = caught.value.fault()
    assert fault.status == 400
    assert (fault.extra["processor_type"], fault.extra["processor_tag"], fault.extra["pipeline"]) == (kind, "t1", "p")


def test_every_processor_is_under_test() -> None:
    tested = {case[0] for case in CASES} | {case[0] for case in FAILURES}
    assert set(PROCESSORS) - tested == {"drop", "fingerprint"}, "those two have tests of their own"


def test_fingerprints_depend_on_fields_values_and_salt() -> None:
    def print_of(source: dict[str, Any], **more: Any) -> str:
        config = {"fields": ["a", "b"], "ignore_missing": True, **more}
        return str(run({"fingerprint": config}, source).source["fingerprint"])

    one = print_of({"a": 1, "b": {"x": 1, "y": 2}})
    assert one == print_of({"b": {"y": 2, "x": 1}, "a": 1, "c": 5}, fields=["b", "a"])
    assert len({one, print_of({"a": "1"}), print_of({"b": "1"}), print_of({"a": "1"}, salt="s")}) == 4
    assert len(print_of({"a": 1}, method="SHA-256")) == 44


def test_metadata_can_be_set_and_traced_matches_are_numbered() -> None:
    document = run({"set": {"field": "_index", "value": "other-{{m}}"}}, M)
    assert (document.meta, document.source) == ({"_index": "other-x", "_id": "1"}, M)
    assert run({"set": {"field": "_routing", "value": "r"}}, M).meta["_routing"] == "r"
    traced = run({"grok": {"field": "m", "patterns": ["%{INT:n}", "%{WORD:w}"], "trace_match": True}}, M)
    assert traced.ingest["_grok_match_index"] == "1"
