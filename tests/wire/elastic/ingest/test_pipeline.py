"""Definitions with all their faults, failure chains, nested pipelines, simulation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxops.wire.elastic.documents import read_document
from dxops.wire.elastic.errors import ElasticRefused, Fault
from dxops.wire.elastic.ingest.document import Document, ProcessorFailure
from dxops.wire.elastic.ingest.pipeline import PROCESSORS, Pipeline, find_loops, ingest, read_pipeline
from dxops.wire.elastic.ingest.simulate import simulate

NOW = 1_767_225_600_000
FAIL = {"fail": {"message": "no {{m}}", "tag": "t"}}


def pipelines(**definitions: Any) -> dict[str, Pipeline]:
    return {name: read_pipeline(name, definition) for name, definition in definitions.items()}


def run(source: dict[str, Any], *names: str, **definitions: Any) -> Document | None:
    known = pipelines(**definitions)
    return ingest(source, names or ["p"], known.get, now_ms=NOW, index="logs")


def faults(definition: Any) -> list[dict[str, Any]]:
    with pytest.raises(ElasticRefused) as caught:
        read_pipeline("p", definition)
    value: Any = caught.value.fault.to_value()
    assert value["status"] == 400
    error = value["error"]
    assert error["type"] == "parse_exception"
    return [error["root_cause"][0] | {"suppressed": []}, *error.get("suppressed", [])]


def test_all_faults_at_once_with_their_places() -> None:
    found = faults(
        {
            "processors": [
                {"set": {"value": 1, "tag": "first"}},
                {"script": {"source": "ctx.a = 1"}},
                {"nonsense": {}},
                {"grok": {"field": "a", "patterns": ["%{NOPE:x}"], "more": 1}},
                {"set": {"field": "a", "value": "{{#each}}", "on_failure": [{"rename": {"field": "x"}}]}},
                {"set": {"field": "a", "value": 1, "if": "ctx.a = 5", "on_failure": []}},
                "text",
                {"foreach": {"field": "l", "processor": {"date": {"field": "d", "formats": ["qq"]}}}},
            ],
            "colour": "red",
        }
    )
    told = [(fault.get("processor"), fault.get("property_name"), fault["reason"]) for fault in found]
    assert told[0][2] == "pipeline [p] doesn't support one or more provided configuration parameters [colour]"
    assert told[1] == ("processors[0]", "field", "[field] required property is missing")
    assert found[1]["processor_tag"] == "first"
    assert "scripts are not run; use set" in told[2][2]
    assert "No processor type exists with name [nonsense]" in told[3][2]
    assert told[4] == (
        "processors[3]",
        "patterns",
        "[patterns] Unable to find pattern [NOPE] in Grok's pattern dictionary",
    )
    assert "configuration parameters [more]" in told[5][2]
    assert told[6] == ("processors[4].on_failure[0]", "target_field", "[target_field] required property is missing")
    assert told[7][1] == "value"
    assert told[8][:2] == ("processors[5]", "if")
    assert "position 7" in told[8][2]
    assert told[9][1] == "on_failure"
    assert told[10] == ("processors[6]", None, "a processor is an object with one name, whose value is an object")
    assert told[11][:2] == ("processors[7].processor", "formats")
    assert len(told) == 12


@pytest.mark.parametrize(
    "definition",
    [
        None,
        [],
        {},
        {"processors": {}},
        {"processors": [{}]},
        {"processors": [{"set": []}]},
        {"processors": [], "on_failure": []},
        {"processors": [{"set": {"field": 1.5, "value": "{{a"}}]},
        {"processors": [{"convert": {"field": "a", "type": "wat"}}]},
        {"processors": [{"remove": {}}]},
        {"processors": [{"remove": {"field": "a", "keep": "b"}}]},
        {"processors": [{"gsub": {"field": "a", "pattern": "(", "replacement": ""}}]},
        {"processors": [{"gsub": {"field": "a", "pattern": "a", "replacement": "$1"}}]},
        {"processors": [{"csv": {"field": "a", "target_fields": ["b"], "separator": "::"}}]},
        {"processors": [{"date": {"field": "a", "formats": ["ISO8601"], "locale": "fr"}}]},
        {"processors": [{"dissect": {"field": "a", "pattern": "%{a}%{b}"}}]},
        {"processors": [{"dissect": {"field": "a", "pattern": "none"}}]},
        {"processors": [{"dissect": {"field": "a", "pattern": "%{*k} %{b}"}}]},
        {"processors": [{"grok": {"field": "a", "patterns": []}}]},
        {
            "processors": [
                {"grok": {"field": "a", "patterns": ["%{A}"], "pattern_definitions": {"A": "%{B}", "B": "%{A}"}}}
            ]
        },
        {"processors": [{"grok": {"field": "a", "patterns": ["%{broken"]}}]},
        {"processors": [{"grok": {"field": "a", "patterns": ["("]}}]},
        {"processors": [{"dot_expander": {"field": "a"}}]},
        {"processors": [{"json": {"field": "a", "add_to_root": True, "target_field": "b"}}]},
    ],
)
def test_bad_definitions(definition: Any) -> None:
    assert faults(definition)[0]["reason"]


def test_grok_that_expands_for_ever_is_refused() -> None:
    definitions = {f"A{n}": f"%{{A{n + 1}}}%{{A{n + 1}}}" for n in range(30)} | {"A30": "x"}
    found = faults(
        {"processors": [{"grok": {"field": "a", "patterns": ["%{A0}"], "pattern_definitions": definitions}}]}
    )
    assert "too large when its names are filled in" in found[0]["reason"]


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"trim": {"field": "_ingest._value"}}
    for _ in range(depth):
        inner = {"foreach": {"field": "_ingest._value", "processor": inner}}
    return {"processors": [inner]}


def test_size_and_nesting_have_bounds() -> None:
    read_pipeline("p", nested(10))
    assert "nested at most 20 deep" in faults(nested(30))[0]["reason"]
    assert "at most 2000 processors" in faults({"processors": [{"drop": {}}] * 2500})[0]["reason"]


def test_conditions_decide() -> None:
    definition = {
        "processors": [
            {"set": {"field": "a", "value": 1, "if": "ctx.m == 'x'"}},
            {"set": {"field": "b", "value": 1, "if": "ctx.m != 'x'"}},
        ]
    }
    document = run({"m": "x"}, p=definition)
    assert document is not None
    assert document.source == {"m": "x", "a": 1}


def test_a_processors_own_failure_chain_goes_on_after_it() -> None:
    names = ["message", "processor_type", "processor_tag", "pipeline"]
    told = "|".join(f"{{{{_ingest.on_failure_{name}}}}}" for name in names)
    chain = [{"set": {"field": "error", "value": told}}]
    after = {"set": {"field": "after", "value": "{{_ingest.on_failure_message}}."}}
    document = run({"m": "x"}, p={"processors": [{"fail": {**FAIL["fail"], "on_failure": chain}}, after]})
    assert document is not None
    assert document.source == {"m": "x", "error": "no x|fail|t|p", "after": "."}


def test_the_pipelines_failure_chain_ends_it() -> None:
    definition = {
        "processors": [FAIL, {"set": {"field": "after", "value": 1}}],
        "on_failure": [{"set": {"field": "_index", "value": "failed-{{_index}}"}}],
    }
    document = run({"m": "x"}, p=definition)
    assert document is not None
    assert (document.source, document.meta) == ({"m": "x"}, {"_index": "failed-logs"})


def test_ignored_failures_and_failures_in_chains() -> None:
    document = run(
        {}, p={"processors": [{"fail": {"message": "x", "ignore_failure": True}}, {"set": {"field": "a", "value": 1}}]}
    )
    assert document is not None
    assert document.source == {"a": 1}
    with pytest.raises(ProcessorFailure, match="second"):
        run({}, p={"processors": [{"fail": {"message": "first", "on_failure": [{"fail": {"message": "second"}}]}}]})


def test_drop() -> None:
    assert run({"a": 1}, p={"processors": [{"drop": {"if": "ctx.a == 1"}}, FAIL]}) is None


def test_pipelines_call_pipelines() -> None:
    outer = {
        "processors": [{"pipeline": {"name": "{{which}}"}}, {"set": {"field": "back", "value": "{{_ingest.pipeline}}"}}]
    }
    inner = {"processors": [{"set": {"field": "in", "value": "{{_ingest.pipeline}}"}}]}
    optional = {"processors": [{"pipeline": {"name": "none", "ignore_missing_pipeline": True}}]}
    document = run({"which": "i"}, "o", "z", o=outer, i=inner, z=optional)
    assert document is not None
    assert document.source == {"which": "i", "in": "i", "back": "o"}


def test_a_failure_below_names_where_it_was() -> None:
    outer = {
        "processors": [{"pipeline": {"name": "i"}}],
        "on_failure": [{"set": {"field": "w", "value": "{{_ingest.on_failure_pipeline}}"}}],
    }
    document = run({}, "o", o=outer, i={"processors": [FAIL]})
    assert document is not None
    assert document.source == {"w": "i"}


def test_cycles_are_found_before_and_while_running() -> None:
    definitions = {
        "a": {"processors": [{"pipeline": {"name": "b"}}]},
        "b": {"processors": [{"foreach": {"field": "l", "processor": {"pipeline": {"name": "c"}}}}]},
        "c": {"processors": [{"drop": {"on_failure": [{"pipeline": {"name": "a"}}]}}]},
        "d": {"processors": [{"pipeline": {"name": "d"}}]},
        "e": {"processors": [{"pipeline": {"name": "a"}}, {"pipeline": {"name": "gone"}}]},
    }
    assert find_loops(pipelines(**definitions)) == [["a", "b", "c", "a"], ["d", "d"]]
    assert find_loops(pipelines(c=definitions["c"])) == []
    with pytest.raises(ProcessorFailure, match=r"Cycle detected for pipeline: d \(d -> d\)"):
        run({}, "d", **definitions)


def test_loops_are_found_quickly_among_many_ways() -> None:
    ladder = {f"p{n}": {"processors": [{"pipeline": {"name": f"p{n + 1}"}}] * 2} for n in range(40)}
    assert find_loops(pipelines(**ladder)) == []


def test_work_on_one_document_is_bounded() -> None:
    ladder = {f"p{n}": {"processors": [{"pipeline": {"name": f"p{n + 1}"}}] * 2} for n in range(30)}
    ladder["p30"] = {"processors": [{"set": {"field": "x", "value": 1}}]}
    with pytest.raises(ProcessorFailure, match="more than 20000 processors ran"):
        run({}, "p0", **ladder)
    doubling = {"processors": [{"set": {"field": "a", "value": "{{a}}{{a}}"}}] * 60}
    with pytest.raises(ProcessorFailure, match="adds too much"):
        run({"a": "xx"}, p=doubling)
    copying = {"processors": [{"set": {"field": f"a.k{n}", "copy_from": "a"}} for n in range(60)]}
    with pytest.raises(ProcessorFailure, match="adds too much"):
        run({"a": {"z": 1}}, p=copying)


def test_an_unknown_pipeline_fails_the_item() -> None:
    with pytest.raises(ProcessorFailure, match=r"pipeline with id \[p\] does not exist") as caught:
        run({})
    assert caught.value.fault().cause() == {
        "type": "illegal_argument_exception",
        "reason": "pipeline with id [p] does not exist",
    }


def test_simulate() -> None:
    body = {
        "pipeline": {
            "processors": [
                {"drop": {"if": "ctx.d == true"}},
                {"set": {"field": "a", "value": 1}},
                {"fail": {"message": "f", "if": "ctx.f == true"}},
            ]
        },
        "docs": [{"_source": {"m": 1}}, {"_source": {"d": True}}, {"_index": "i", "_id": "7", "_source": {"f": True}}],
    }
    answer = simulate(body, pipelines().get, now_ms=NOW)
    assert answer["docs"][0] == {
        "doc": {
            "_index": "_index",
            "_id": "_id",
            "_source": {"m": 1, "a": 1},
            "_ingest": {"timestamp": "2026-01-01T00:00:00.000Z"},
        }
    }
    assert answer["docs"][1] is None
    assert answer["docs"][2]["error"]["reason"] == "f"


def test_documents_nested_deeply_end_in_words() -> None:
    deep = read_document(b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}")
    for processor in ({"set": {"field": "b", "value": "{{a}}"}}, {"set": {"field": "b", "copy_from": "a"}}):
        with pytest.raises(ProcessorFailure, match=r"nested too deep|recursion"):
            run(deep, p={"processors": [processor]})
    with pytest.raises(ElasticRefused, match="nested too deep"):
        simulate({"pipeline": {"processors": []}, "docs": [{"_source": deep}]}, pipelines().get, now_ms=NOW)


def test_simulate_verbose() -> None:
    known = pipelines(
        p={
            "processors": [
                {"set": {"field": "a", "value": 1, "tag": "s", "description": "sets a"}},
                {"set": {"field": "b", "value": 1, "if": "ctx.a == 2"}},
                {"fail": {"message": "ignored", "ignore_failure": True}},
                {"rename": {"field": "no", "target_field": "x"}},
                {"set": {"field": "never", "value": 1}},
            ]
        }
    )
    (doc,) = simulate({"docs": [{"_source": {}}]}, known.get, now_ms=NOW, name="p", verbose=True)["docs"]
    results = doc["processor_results"]
    assert [(result["processor_type"], result["status"]) for result in results] == [
        ("set", "success"), ("set", "skipped"), ("fail", "error_ignored"), ("rename", "error"),
    ]  # fmt: skip
    assert (results[0]["tag"], results[0]["description"]) == ("s", "sets a")
    assert results[0]["doc"]["_source"] == {"a": 1}
    assert results[1]["if"] == {"condition": "ctx.a == 2", "result": False}
    assert results[2]["ignored_error"]["error"]["reason"] == "ignored"
    assert results[3]["error"]["root_cause"][0]["reason"] == "field [no] doesn't exist"
    assert "doc" not in results[3]


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"docs": []},
        {"pipeline": {"processors": []}},
        {"pipeline": {"processors": []}, "docs": []},
        {"pipeline": {"processors": []}, "docs": [{"a": 1}]},
        {"pipeline": 5, "docs": [{"_source": {}}]},
    ],
)
def test_bad_simulations(body: Any) -> None:
    with pytest.raises(ElasticRefused):
        simulate(body, pipelines().get, now_ms=NOW)
    with pytest.raises(ElasticRefused):
        simulate({"docs": [{"_source": {}}]}, pipelines().get, now_ms=NOW, name="gone")


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10)
values = st.recursive(
    plain, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from("abc"), v, max_size=3), max_leaves=6
)
names = st.sampled_from(
    [
        "field",
        "value",
        "target_field",
        "pattern",
        "patterns",
        "formats",
        "separator",
        "replacement",
        "type",
        "if",
        "processor",
        "name",
        "message",
        "fields",
        "target_fields",
        "field_split",
        "value_split",
    ]
)
texts = st.sampled_from(
    ["a", "b", "a.b", "{{a}}", "%{WORD:x}", "ISO8601", "UNIX", ",", "long", "ctx.a == 1", "%{a} %{b}", ""]
)
configs = st.dictionaries(names, texts | st.lists(texts, max_size=2) | values, max_size=6)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PROCESSORS), configs), max_size=4),
    st.dictionaries(st.sampled_from("abc"), values),
)
def test_hostile_definitions_and_documents_end_in_words(given_processors: Any, source: dict[str, Any]) -> None:
    definition = {"processors": [{kind: config} for kind, config in given_processors]}
    try:
        run(source, p=definition)
    except (ElasticRefused, ProcessorFailure):
        return


def test_a_simulation_shows_so_much_and_takes_so_long() -> None:
    sets = [{"set": {"field": f"a{n}", "value": n}} for n in range(1_000)]
    large = {"n": list(range(2_000))}
    body = {"pipeline": {"processors": sets}, "docs": [{"_source": large}]}
    assert simulate(body, pipelines().get, now_ms=NOW)["docs"][0]["doc"]["_source"]["a999"] == 999
    with pytest.raises(ElasticRefused, match="too much to show"):
        simulate(body, pipelines().get, now_ms=NOW, verbose=True)
    steps = iter(range(1_500))

    def tick() -> None:
        if next(steps, None) is None:
            raise ElasticRefused(Fault(type="t", reason="too long"))

    body["docs"] = [{"_source": {}}, {"_source": {}}]
    body["pipeline"]["on_failure"] = [{"set": {"field": "e", "value": 1}}]
    with pytest.raises(ElasticRefused, match="too long"):
        simulate(body, pipelines().get, now_ms=NOW, tick=tick)
