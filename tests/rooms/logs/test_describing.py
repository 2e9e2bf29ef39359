"""Rules of what describes streams: pure, so in microseconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.rooms.accounts.rules import narrowed_streams, stream_pattern_fault
from dxops.rooms.logs import describing
from dxops.rooms.logs.aiming import aim
from dxops.rooms.logs.aliases import check_write_index, checked_options, with_alias, without_alias
from dxops.rooms.logs.catalog import EMPTY, Catalog, Definition, Stream
from dxops.rooms.logs.describing import Moment
from dxops.rooms.logs.elastic.lifecycle import explained
from dxops.rooms.logs.mappings import shown_properties
from dxops.rooms.logs.naming import check_seen, naming_of, resolved, write_index, write_target
from dxops.rooms.logs.policies import phase_of
from dxops.rooms.logs.rolling import Measured, due, next_name, read_conditions, rolled, size_bytes
from dxops.rooms.logs.settings import flat, merged, nested
from dxops.rooms.logs.templates import applied
from dxops.wire.elastic.bulk import parse_bulk
from dxops.wire.elastic.errors import ElasticRefused
from dxops.wire.elastic.names import Options

NOW = 1_767_225_600_000  # 2026-01-01
DAY = 86_400_000


def moment(now_ms: int = NOW) -> Moment:
    numbers = count(1)
    return Moment(now_ms, lambda: f"uuid-{next(numbers)}")


def made(*names: str, catalog: Catalog = EMPTY) -> Catalog:
    for name in names:
        catalog = describing.create_index(catalog, name, {}, moment())
    return catalog


def templates(**bodies: Mapping[str, Any]) -> Catalog:
    return msgspec.structs.replace(EMPTY, index_template={name: Definition(body=body) for name, body in bodies.items()})


def test_settings_mean_the_same_however_they_are_written() -> None:
    for written in (
        {"index": {"lifecycle": {"name": "a"}, "hidden": True}},
        {"index.lifecycle.name": "a", "hidden": "true"},
        {"lifecycle": {"name": "a"}, "index": {"hidden": True}},
    ):
        assert flat(written) == {"index.lifecycle.name": "a", "index.hidden": "true"}
    assert nested({"index.a": "1", "index.a.b": "2"}) == {"index": {"a": "1", "a.b": "2"}}
    assert merged({"a": 1, "b": 2}, {"b": None, "c": 3}) == {"a": 1, "c": 3}
    with pytest.raises(ElasticRefused):
        flat([1])


NAMES = st.text("abc", min_size=1, max_size=2)


@given(st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map(".".join), st.text(max_size=3), max_size=6))
def test_nested_settings_are_flat_again(settings: dict[str, str]) -> None:
    whole = {f"index.{name}": value for name, value in settings.items()}
    assert flat(nested(whole)) == whole


def test_the_template_of_the_highest_priority_applies_with_its_components() -> None:
    catalog = templates(
        low={"index_patterns": ["a*"], "priority": 1, "template": {"settings": {"x": "low", "y": "low"}}},
        high={"index_patterns": ["a-*"], "priority": 9, "composed_of": ["c", "gone"],
              "template": {"settings": {"x": "own"}}},
    )  # fmt: skip
    component = Definition(body={"template": {"settings": {"x": "c", "z": "c"}, "aliases": {"all": {}}}})
    catalog = msgspec.structs.replace(catalog, component_template={"c": component})
    found = applied(catalog, "a-1")
    assert (found.template, found.settings, found.aliases) == (
        "high", {"index.x": "own", "index.z": "c"}, {"all": {}},
    )  # fmt: skip
    assert found.overlapping == (("low", ("a*",)),)
    assert applied(catalog, "ab").settings == {"index.x": "low", "index.y": "low"}
    assert applied(catalog, "b").template is None
    assert applied(catalog, "logs-app-default").data_stream == {}


def test_legacy_templates_are_merged_by_order_where_no_other_fits() -> None:
    legacy = {
        "second": Definition(body={"index_patterns": ["a*"], "order": 2, "settings": {"x": "2"}}),
        "first": Definition(body={"index_patterns": "a-*", "order": 1, "settings": {"x": "1", "y": "1"}}),
    }
    catalog = msgspec.structs.replace(EMPTY, template=legacy)
    assert applied(catalog, "a-1").settings == {"index.x": "2", "index.y": "1"}


def test_names_lead_to_streams() -> None:
    catalog = made("app-1", "app-2", ".hidden")
    catalog = with_alias(catalog, "app", "app-1", {})
    catalog = describing.created_by_write(catalog, ["logs-x-y"], moment())
    backing = catalog.streams["logs-x-y"].backing[0].name
    assert backing == ".ds-logs-x-y-2026.01.01-000001"
    naming = naming_of(catalog, ["unregistered"])

    def streams(expression: str, options: Options = Options()) -> list[str]:  # noqa: B008 - frozen
        return sorted(resolved(expression, naming, options, now_ms=NOW).streams)

    assert streams("*") == ["app-1", "app-2", "logs-x-y", "unregistered"]
    assert streams("app") == ["app-1"]
    assert streams(backing) == streams("logs-x-y") == streams(".ds-logs-*") == ["logs-x-y"]
    assert streams("app*,-app-2") == ["app-1"]
    assert streams("*", Options(hidden=True)) == [".hidden", "app-1", "app-2", "logs-x-y", "unregistered"]
    with pytest.raises(ElasticRefused) as missing:
        streams("nope")
    assert missing.value.fault.status == 404
    assert streams("nope,app-1", Options(ignore_unavailable=True)) == ["app-1"]


def test_a_limited_caller_knows_no_other_names() -> None:
    catalog = with_alias(with_alias(made("app-1", "web-1"), "both", "app-1", {}), "both", "web-1", {})
    catalog = with_alias(catalog, "webs", "web-1", {})
    naming = naming_of(catalog, ["web-2", "app-2"], patterns=["app-*"])
    assert sorted(naming.known.names()) == ["app-1", "app-2", "both"]
    assert resolved("both", naming, now_ms=NOW).streams == ("app-1",)
    for hidden in ("web-1", "webs", "not-there", "<web-{now/y{yyyy}}>"):
        with pytest.raises(ElasticRefused) as refused:
            check_seen(hidden, ["app-*"], naming, NOW)
        assert refused.value.fault.status == 403
    check_seen("app-9,*,-web-1,both", ["app-*"], naming, NOW)


def test_limits_lie_within_limits() -> None:
    assert narrowed_streams(["app-x-*"], frozenset({"app-*"})) == ("app-x-*",)
    assert narrowed_streams(None, frozenset({"app-*"})) == ("app-*",)
    for wider in (["*"], ["app*"], ["web"]):
        with pytest.raises(ValueError):
            narrowed_streams(wider, frozenset({"app-*"}))
    assert stream_pattern_fault("app-*") is None
    for bad in ("", "App", "a b", "a,b", "-a", "a" * 300):
        assert stream_pattern_fault(bad) is not None


def test_filters_of_aliases_count_only_where_nothing_else_names_the_stream() -> None:
    query = {"term": {"level": "error"}}
    catalog = with_alias(made("app", "web"), "errors", "app", checked_options({"filter": query}))
    naming = naming_of(catalog)
    assert resolved("errors", naming, now_ms=NOW).filters == {"app": (query,)}
    assert resolved("errors,app", naming, now_ms=NOW).filters == {}
    for wrong in ({"filter": {"luck": {}}}, {"is_write_index": "yes"}, {"unknown": 1}, []):
        with pytest.raises(ElasticRefused):
            checked_options(wrong)


def test_the_write_index() -> None:
    catalog = with_alias(made("a-1", "a-2"), "a", "a-1", {})
    assert write_target(catalog, "a") == "a-1"
    assert write_target(catalog, "new") == "new"
    two = with_alias(catalog, "a", "a-2", {})
    assert write_index(two, "a") is None
    with pytest.raises(ElasticRefused, match="no write index"):
        write_target(two, "a")
    marked = with_alias(two, "a", "a-2", {"is_write_index": True})
    assert write_target(marked, "a") == "a-2"
    with pytest.raises(ElasticRefused, match="more than one"):
        check_write_index(with_alias(marked, "a", "a-1", {"is_write_index": True}), "a")
    assert write_index(with_alias(catalog, "a", "a-1", {"is_write_index": False}), "a") is None
    assert "a" not in without_alias(two, "a", ["a-1", "a-2"]).aliases
    with pytest.raises(ElasticRefused, match="same name"):
        with_alias(catalog, "a-2", "a-1", {})
    with pytest.raises(ElasticRefused, match="already exists as alias"):
        made("a", catalog=catalog)


def test_rolling_over() -> None:
    catalog = describing.create_index(
        EMPTY, "<b-{now/d}-000009>", {"aliases": {"b": {"is_write_index": True}}}, moment()
    )
    after, old, new = rolled(catalog, "b", None, {}, moment(NOW + DAY))
    assert (old, new) == ("b-2026.01.01-000009", "b-2026.01.02-000010")
    assert write_target(after, "b") == new
    assert after.streams[old].rollovers == {"b": NOW + DAY}
    moved, _, _ = rolled(with_alias(made("c-1"), "c", "c-1", {}), "c", None, {}, moment())
    assert list(moved.aliases["c"]) == ["c-000002"]
    assert next_name(Stream(name="x-99", uuid="u", created_ms=0)) == "x-000100"
    for target, why in (("c-1", "concrete index"), ("nope", "no such index")):
        with pytest.raises(ElasticRefused, match=why):
            rolled(made("c-1"), target, None, {}, moment())
    with pytest.raises(ElasticRefused, match="does not match pattern"):
        next_name(Stream(name="x", uuid="u", created_ms=0))


def test_conditions() -> None:
    measured = Measured(age_ms=2 * DAY, documents=10, size_bytes=5 << 20)
    for conditions, happens in (
        (None, True), ({}, True), ({"max_age": "1d"}, True), ({"max_age": "3d"}, False),
        ({"max_docs": 10}, True), ({"max_docs": 11, "max_size": "5mb"}, True), ({"max_size": "6mb"}, False),
        ({"max_docs": 1, "min_docs": 11}, False), ({"min_docs": 3}, True),
    ):  # fmt: skip
        assert due(read_conditions(conditions), measured) is happens, conditions
    assert size_bytes("1.5kb", "x") == 1536
    for wrong in ({"max_age": "soon"}, {"max_size": 5}, {"max_docs": "many"}, {"luck": 1}, [1]):
        with pytest.raises(ElasticRefused):
            read_conditions(wrong)


def test_phases_begin_by_age() -> None:
    policy = {"phases": {"hot": {}, "warm": {"min_age": "2d"}, "delete": {"min_age": "10d"}}}
    assert phase_of(policy, DAY) == ("hot", 0)
    assert phase_of(policy, 3 * DAY) == ("warm", 2 * DAY)
    assert phase_of(policy, 30 * DAY) == ("delete", 10 * DAY)
    assert phase_of({"phases": {"delete": {"min_age": "1d"}}}, 0) == ("new", 0)
    stream = Stream(name="x", uuid="u", created_ms=NOW, settings={"index.lifecycle.name": "gone"})
    assert explained(EMPTY, stream, "x", NOW, NOW, newest=True)["step"] == "ERROR"


def test_a_batch_goes_where_its_names_lead() -> None:
    catalog = with_alias(made("app-1", "web-1"), "app", "app-1", {})
    body = (
        b'{"index":{"_index":"app"}}\n{"a":1}\n{"index":{"_index":"web-1"}}\n{"a":2}\n{"index":{"_index":"new"}}\n{}\n'
    )
    bulk = parse_bulk(body, now_ms=NOW)
    assert aim(bulk, catalog) == {"app-1", "web-1", "new"}
    assert [action.index for action in bulk.actions] == ["app-1", "web-1", "new"]
    assert aim(bulk, catalog) == {"app-1", "web-1", "new"}
    limited = parse_bulk(body, now_ms=NOW)
    assert aim(limited, catalog, ["app-*"]) == {"app-1"}
    assert {place: fault.status for place, fault in limited.errors.items()} == {1: 403, 2: 403}
    uniform = parse_bulk(b'{"index":{"_index":"app"}}\n{"a":1}\n' * 3, now_ms=NOW)
    aim(uniform, catalog)
    assert uniform.uniform is not None
    assert uniform.uniform.index == uniform.actions[2].index == "app-1"
    strict = parse_bulk(b'{"index":{"_index":"web-1","require_alias":true}}\n{}\n', now_ms=NOW)
    assert aim(strict, catalog) == set()
    assert strict.errors[0].status == 404


def test_what_a_template_says_cannot_stop_a_document() -> None:
    body = {"index_patterns": ["x*"], "template": {"aliases": {"BAD NAME": {}, "app": {}, "{index}-all": {}}}}
    catalog = made("app", catalog=templates(t=body))
    catalog = describing.created_by_write(catalog, ["x-1", "app"], moment())
    assert catalog.streams["x-1"].by_write
    assert list(catalog.aliases_of("x-1")) == ["x-1-all"]


def test_a_mapping_is_shown_where_it_fits_what_was_seen() -> None:
    seen = {"n": {"type": "double"}, "t": {"type": "keyword"}, "o": {"properties": {"a": {"type": "keyword"}}}}
    declared = {
        "n": {"type": "integer"}, "t": {"type": "long"}, "never": {"type": "ip"},
        "o": {"dynamic": False, "properties": {"a": {"type": "ip"}, "b": {"type": "date"}}},
    }  # fmt: skip
    assert shown_properties(declared, seen) == {
        "n": {"type": "integer"}, "t": {"type": "keyword"}, "never": {"type": "ip"},
        "o": {"dynamic": False, "properties": {"a": {"type": "ip"}, "b": {"type": "date"}}},
    }  # fmt: skip
    assert shown_properties(None, seen) == seen


def test_thousands_of_new_streams_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"app-{n}" for n in range(2000)]
    started = time.perf_counter()
    catalog = describing.created_by_write(EMPTY, [*names, *names], moment())
    assert len(catalog.streams) == 2000
    assert describing.created_by_write(catalog, names, moment()) is catalog
    assert time.perf_counter() - started < 5.0
    monkeypatch.setattr(describing, "MAX_STREAMS", 2001)
    with pytest.raises(ElasticRefused, match="delete some first"):
        describing.created_by_write(catalog, ["x-1", "x-2"], moment())


def test_thousands_of_streams_are_named_in_milliseconds() -> None:
    streams = {f"app-{n}": Stream(name=f"app-{n}", uuid="u", created_ms=0) for n in range(5000)}
    catalog = msgspec.structs.replace(EMPTY, streams=streams)
    started = time.perf_counter()
    naming = naming_of(catalog)
    found = resolved("app-4*", naming, now_ms=NOW)
    assert len(found.streams) == 1111
    assert time.perf_counter() - started < 1.0
