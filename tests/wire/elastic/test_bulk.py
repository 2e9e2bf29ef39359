"""The bulk body: section 5's rules, hostile bytes, and that nothing is lost without a word."""

from __future__ import annotations

import json
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.elastic.bulk import Bulk, parse_bulk
from dxops.wire.elastic.bulk_actions import Action, Defaults
from dxops.wire.elastic.documents import BadSource, read_document, write_document
from dxops.wire.elastic.errors import ElasticRefused, Fault

NOW = 1_767_225_600_000
AT = b'{"@timestamp":"2026-01-01T00:00:00.001Z"}'


def parse(body: bytes, index: str | None = "x", **options: Any) -> Bulk:
    return parse_bulk(body, Defaults(index=index), now_ms=NOW, **options)


def refusal(body: bytes, index: str | None = "x") -> Fault:
    with pytest.raises(ElasticRefused) as caught:
        parse(body, index)
    return caught.value.fault


def one(source: bytes, **options: Any) -> tuple[int, bool, Fault | None]:
    """(time, undated, fault) of a source that stands between two good ones, which must pass."""
    bulk = parse(b"\n".join([b'{"index":{}}', AT, b'{"index":{}}', source, b'{"index":{}}', AT]), **options)
    assert [bulk.times_ms[0], bulk.times_ms[2]] == [NOW + 1, NOW + 1]
    assert set(bulk.errors) <= {1}
    assert bulk.sources[1] == source.removesuffix(b"\r")
    return bulk.times_ms[1], bulk.undated == [1], bulk.errors.get(1)


def test_columns() -> None:
    body = (
        b'{"index":{"_index":"a","_id":"1"}}\n{"n":1}\n'
        b'{"create":{"_index":"a"}}\n' + AT + b"\n"
        b'{"delete":{"_index":"b","_id":"2"}}\n'
        b'{"update":{"_id":"3","if_seq_no":4,"if_primary_term":1}}\n{"doc":{"n":2}}\n'
    )
    bulk = parse(body)
    assert [action.op for action in bulk.actions] == ["index", "create", "delete", "update"]
    assert [action.index for action in bulk.actions] == ["a", "a", "b", "x"]
    assert bulk.ids == ["1", None, "2", "3"]
    assert bulk.sources == [b'{"n":1}', AT, b"", b'{"doc":{"n":2}}']
    assert list(bulk.times_ms) == [NOW, NOW + 1, NOW, NOW]
    assert bulk.undated == [0]
    assert (bulk.errors, bulk.uniform, bulk.has_ids, len(bulk)) == ({}, None, True, 4)
    assert (bulk.actions[3].if_seq_no, bulk.actions[3].if_primary_term) == (4, 1)


def test_equal_actions_are_one_object() -> None:
    bulk = parse(b"".join(b'{"create":{"_index":"a","_id":"%d"}}\n{}\n' % n for n in range(50)))
    assert len({id(action) for action in bulk.actions}) == 1
    assert bulk.uniform is bulk.actions[0]
    assert bulk.ids == [str(n) for n in range(50)]


def test_every_metadata_field() -> None:
    head = {
        "_index": "a", "_id": 7, "_type": "_doc", "routing": 5, "pipeline": "p", "require_alias": True,
        "dynamic_templates": {"f": "t"}, "if_seq_no": 3, "if_primary_term": "1", "retry_on_conflict": 2,
        "require_data_stream": "false",
    }  # fmt: skip
    bulk = parse(orjson.dumps({"index": head}) + b"\n{}\n")
    assert bulk.ids == ["7"]
    assert bulk.uniform == Action(
        op="index", index="a", routing="5", pipeline="p", require_alias=True, dynamic_templates=(("f", "t"),),
        if_seq_no=3, if_primary_term=1, retry_on_conflict=2,
    )  # fmt: skip


def test_the_url_fills_what_actions_leave_out() -> None:
    defaults = Defaults(index="u", pipeline="p", routing="r", require_alias=True)
    body = b'{"index":{}}\n{}\n{"index":{"_index":"a","pipeline":"_none","routing":"s","require_alias":false}}\n{}\n'
    first, second = parse_bulk(body, defaults, now_ms=NOW).actions
    assert first == Action(op="index", index="u", pipeline="p", routing="r", require_alias=True)
    assert second == Action(op="index", index="a", routing="s", pipeline="_none")


@pytest.mark.parametrize("id_", [b"null", b'""'])
def test_null_and_empty_ids_are_absent(id_: bytes) -> None:
    bulk = parse(b'{"create":{"_index": "x", "_id":%b}}\n{}\n' % id_)
    assert (bulk.ids, bulk.has_ids) == ([None], False)


@pytest.mark.parametrize(
    "body",
    [
        b'{"index":{}}\n{"a":1}',
        b'{"index":{}}\r\n{"a":1}\r\n',
        b'\n\n{"index":{}}\n\n{"a":1}\n\n',
        b'{"index":{}}\n   \n{"a":1}\n',
        b'{"index":{}}\r\n \t \r\n{"a":1}\r\n\r\n',
        b' { "index" : { } } \n{"a":1}\n',
    ],
)
def test_line_ends_and_blank_lines(body: bytes) -> None:
    bulk = parse(body)
    assert (bulk.sources, bulk.errors) == ([b'{"a":1}'], {})


def test_date_math_and_bad_index_names() -> None:
    bulk = parse(
        b'{"index":{"_index":"<l-{now/d}>"}}\n{}\n{"index":{"_index":"Bad"}}\n{}\n{"index":{"_index":"<l-{>"}}\n{}\n'
    )
    assert bulk.actions[0].index == "l-2026.01.01"
    assert {place: fault.type for place, fault in bulk.errors.items()} == {
        1: "invalid_index_name_exception",
        2: "parse_exception",
    }
    assert bulk.errors[1].reason == "Invalid index name [Bad], must be lowercase"


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"", "parse_exception", "request body is required"),
        (b"\n\r\n \n", "parse_exception", "request body is required"),
        (b'{"index":{}}\n{}\nhello\n{}\n', "illegal_argument_exception", "line [3], not JSON at column 1"),
        (b"[1]\n{}\n", "illegal_argument_exception", "line [1], expected START_OBJECT but found [START_ARRAY]"),
        (b"{}\n{}\n", "illegal_argument_exception", "line [1], expected exactly one"),
        (b'{"index":{},"create":{}}\n{}\n', "illegal_argument_exception", "line [1], expected exactly one"),
        (b'\n{"index":"x"}\n{}\n', "illegal_argument_exception", "line [2], expected START_OBJECT but found [VALUE_S"),
        (b'{"upsert":{}}\n{}\n', "illegal_argument_exception", "'index' or 'update' but found [upsert"),
        (b'{"index":{"foo":1}}\n{}\n', "illegal_argument_exception", "line [1] contains an unknown parameter [foo]"),
        (b'{"index":{"version":1}}\n{}\n', "illegal_argument_exception", "external versions are not supported"),
        (b'{"index":{"_index":5}}\n{}\n', "illegal_argument_exception", "[_index] has a value of the wrong type"),
        (b'{"index":{"_id":{}}}\n{}\n', "illegal_argument_exception", "[_id] has a value of the wrong type"),
        (b'{"index":{"routing":%b}}\n{}\n' % (b"[" * 500 + b"]" * 500), "illegal_argument_exception", "[routing]"),
        (b'{"index":{"if_seq_no":-1}}\n{}\n', "illegal_argument_exception", "[if_seq_no]"),
        (b'{"delete":{"_id":"1"}}\n{"index":{}}\n', "illegal_argument_exception", "[2], [index] has no source line"),
        (b'{"index":{}}\n{}\n{"index":{}}\n\n\n', "illegal_argument_exception", "line [3], [index] has no source line"),
    ],
)  # fmt: skip
def test_a_broken_action_refuses_the_whole_request(body: bytes, kind: str, says: str) -> None:
    fault = refusal(body)
    assert (fault.type, fault.status) == (kind, 400)
    assert says in fault.reason


def test_an_action_without_an_index_anywhere_refuses_the_request() -> None:
    assert refusal(b'{"index":{}}\n{}\n', index=None).reason == "Validation Failed: 1: index is missing;"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b'{"a":1', "unexpected end"),
        (b"hello", "unexpected character"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b"[1]", "expected an object but found an array"),
        (b"5", "expected an object but found a number"),
        (b"null", "expected an object but found null"),
        (b'{"a":1},{"b":2}', "unexpected content"),
        (b'{"a":"\xff"}', "invalid UTF-8 byte 0xff"),
        (b'{"a":"\x00"}', "control character"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        (b'{"a":' + b"[" * 1500 + b"]" * 1500 + b"}", "nested deeper than 1024"),
        (b'{"a":' * 100_000, "nested deeper than 1024"),
    ],
)
def test_a_bad_source_fails_its_item_alone(source: bytes, says: str) -> None:
    _, _, fault = one(source)
    assert fault is not None
    assert (fault.type, fault.status) == ("document_parsing_exception", 400)
    assert fault.caused_by is not None
    assert says.lower() in fault.caused_by.reason.lower()
    _, _, legacy = one(source, legacy=True)
    assert legacy is not None
    assert legacy.type == "mapper_parsing_exception"


@pytest.mark.parametrize(
    "source",
    [
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00x\\ud800\\ud800"}',
        b'{"\\ud800":["\\udfff"]}',
        b'{"a":1e400}',
        b'{"a":-1e400,"b":1180591620717411303424}',
        b'{"a":' + b"9" * 10_000 + b"}",
        b'{"a":1,"a":2}',
        b'{"a":"\\u0000"}',
        b'{"a":' + b"[" * 400 + b"]" * 400 + b"}",
        b"{}",
        b' {"a" : 1 } ',
        '{"a":"é漢😀"}'.encode(),
    ],
)
def test_odd_json_is_kept_byte_for_byte_and_can_be_read(source: bytes) -> None:
    time_ms, undated, fault = one(source)
    assert (time_ms, undated, fault) == (NOW, True, None)
    assert read_document(write_document(read_document(source))) == read_document(source)


def test_depth_up_to_1024_is_read_though_it_cannot_be_written_again() -> None:
    source = b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}"
    assert one(source) == (NOW, True, None)
    with pytest.raises(BadSource, match="too deep to be written"):
        write_document(read_document(source))


def test_what_odd_json_reads_as() -> None:
    assert read_document(b'{"a":"x\\ud800","\\udc00":{"b":["\\ud800"]}}') == {
        "a": "x\ufffd",
        "\ufffd": {"b": ["\ufffd"]},
    }
    assert read_document(b'{"a":1e400,"b":"\\ud800"}') == {"a": "1e400", "b": "\ufffd"}
    assert read_document(b'{"a":1,"a":2}') == {"a": 2}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
sources = (
    st.binary(max_size=40)
    | st.text(alphabet='{}[]":,\\ud8019eE+-.truefalsn @imp', max_size=40).map(str.encode)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(["@timestamp", "time", "a"]), json_values).map(lambda v: json.dumps(v).encode())
)


@given(
    st.lists(sources.filter(lambda source: b"\n" not in source and b"\r" not in source and source.strip()), max_size=6)
)
def test_bulk_accepts_exactly_what_read_document_reads(given_sources: list[bytes]) -> None:
    body = b"".join(b'{"create":{}}\n' + source + b"\n" for source in given_sources) + b'{"create":{}}\n{}\n'
    bulk = parse(body)
    assert bulk.sources == [*given_sources, b"{}"]
    for place, source in enumerate(given_sources):
        fault = bulk.errors.get(place)
        try:
            document = read_document(source)
        except BadSource:
            assert fault is not None
        else:
            assert fault is None or ("@timestamp" in fault.reason and "@timestamp" in document)
    assert set(bulk.undated).isdisjoint(bulk.errors)


@given(st.binary(max_size=200) | st.text(alphabet='{}"index:create_\n\r ,', max_size=200).map(str.encode))
def test_hostile_bodies_are_read_or_refused(body: bytes) -> None:
    try:
        bulk = parse(body)
    except ElasticRefused:
        pass
    else:
        assert len(bulk.ids) == len(bulk.sources) == len(bulk.times_ms) == len(bulk) > 0


def test_deep_recursion_does_not_depend_on_the_callers_stack() -> None:
    source = b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"

    def down(depth: int) -> tuple[int, bool, Fault | None]:
        return one(source) if not depth else down(depth - 1)

    assert down(sys.getrecursionlimit() // 2) == (NOW, True, None)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b'"@timestamp":"2026-01-01T00:00:01.5+01:00"', NOW + 1500 - 3_600_000),
        (b'"@timestamp":1767225600123', NOW + 123),
        (b'"@timestamp":"1767225600123"', NOW + 123),
        (b'"@timestamp":["2026-01-01"]', NOW),
        (b'"@timestamp":null,"time":"2026-01-01T00:00:02Z"', NOW + 2000),
        (b'"@timestamp":"2020","@timestamp":"2026-01-01T00:00:03Z"', NOW + 3000),
        (b'"\\u0040timestamp":"2026-01-01T00:00:03Z"', NOW + 3000),
        (b'"timestamp":1767225600.5', NOW + 500),
        (b'"ts":1767225600123456789', NOW + 123),
        (b'"time":"nonsense","ts":1767225601', NOW + 1000),
    ],
)
def test_event_times(field: bytes, expected: int) -> None:
    assert one(b"{%b}" % field) == (expected, False, None)


@pytest.mark.parametrize(
    "value", [b'"soon"', b"true", b"{}", b'["2026-01-01","2026-01-02"]', b"1e300", b'"2026-02-30"']
)
def test_a_timestamp_that_is_none_fails_its_item(value: bytes) -> None:
    _, undated, fault = one(b'{"a":1, "@timestamp": %b}' % value)
    assert not undated
    assert fault is not None
    assert (fault.type, fault.reason) == (
        "document_parsing_exception",
        "[1:23] failed to parse field [@timestamp] of type [date]",
    )
    assert fault.caused_by is not None
    assert fault.caused_by.type == "illegal_argument_exception"


def test_a_timestamp_that_is_nested_deeply_fails_its_item() -> None:
    _, _, fault = one(b'{"@timestamp":' + b"[" * 1000 + b"]" * 1000 + b"}")
    assert fault is not None
    assert "failed to parse field [@timestamp]" in fault.reason


def test_a_bad_timestamp_in_the_words_of_7() -> None:
    _, _, fault = one(b'{"@timestamp":"soon"}', legacy=True)
    assert fault is not None
    assert fault.type == "mapper_parsing_exception"
    assert "Preview of field's value: 'soon'" in fault.reason


@pytest.mark.parametrize(
    "field", [b'"time":"12:05"', b'"timestamp":{}', b'"ts":true', b'"ts":1e300', b'"@timestamp":[]']
)
def test_other_time_fields_never_fail_an_item(field: bytes) -> None:
    assert one(b"{%b}" % field) == (NOW, True, None)


def test_updates() -> None:
    head = b'{"update":{"_id":"1"}}\n'
    bodies = [
        b'{"doc":{"@timestamp":"2026-01-01T00:00:09Z"},"doc_as_upsert":true}',
        b'{"script":{"source":"x"}}',
        b'{"docs":{}}',
        b'{"upsert":{}}',
        b'{"doc":5}',
        b'{"doc":{},"upsert":[]}',
    ]
    bulk = parse(b"".join(head + body + b"\n" for body in bodies))
    assert bulk.times_ms[0] == NOW + 9000
    assert bulk.undated == []
    assert sorted(bulk.errors) == [1, 2, 3, 4, 5]
    cause = bulk.errors[1].caused_by
    assert cause is not None
    assert "[script] is not supported" in cause.reason


def test_items_that_need_an_id_and_ids_that_are_too_long() -> None:
    body = b'{"delete":{}}\n{"update":{}}\n{"doc":{}}\n{"index":{"_id":"%b"}}\n{}\n{"index":{"_id":"%b"}}\n{}\n'
    bulk = parse(body % (b"a" * 513, b"a" * 512))
    assert sorted(bulk.errors) == [0, 1, 2]
    assert "must be no longer than 512 bytes but was: 513" in bulk.errors[2].reason
    assert sorted(parse(b'{"delete":{}}\n{"delete":{}}\n').errors) == [0, 1]


def test_a_source_over_the_limit_fails_alone() -> None:
    _, _, fault = one(b'{"a":"%b"}' % (b"x" * 100), max_source_bytes=99)
    assert fault is not None
    assert (fault.status, fault.type) == (400, "illegal_argument_exception")
    assert "108 bytes, more than the limit of 99" in fault.reason


def test_a_note_beside_the_action_is_passed_over() -> None:
    bulk = parse(b'{"index":{"_index":"a"},"attempts":1}\n{"n":1}\n')
    assert [(action.op, action.index) for action in bulk.actions] == [("index", "a")]
    assert bulk.errors == {}
