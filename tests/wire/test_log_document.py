"""Log documents into templates and values and back, to the byte, by both ways."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.logs.cut import cut
from dxops.wire.logs.document import assemble, slots, time_text
from dxops.wire.logs.shapes import Shapes

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00.000Z


def both(line: bytes, ts_ms: int = NOON) -> tuple[str, dict[str, str], str]:
    """Apart by the slow way and, once learned, by the fast one; the same result, and the same document back."""
    slow = cut(line, ts_ms)
    shapes = Shapes()
    for _ in range(4):
        (fast,) = shapes.split([line], [ts_ms])
    assert fast.template == slow.template
    assert fast.messages == [slow.message]
    assert dict(zip(fast.names, fast.values, strict=True)) == dict(zip(slow.names, slow.values, strict=True))
    attrs = {name.decode(): value.decode() for name, value in zip(slow.names, slow.values, strict=True)}
    template, message = slow.template.decode(), slow.message.decode()
    assert assemble(template, attrs, message, ts_ms) == line
    return template, attrs, message


def test_values_are_kept_as_plain_text_by_dotted_name() -> None:
    line = b'{"@timestamp":"2026-01-01T12:00:00.000Z","message":"GET /","http":{"status":200,"ok":true},"a.b":"x"}'
    template, attrs, message = both(line)
    assert message == "GET /"
    assert attrs == {"http.status": "200", "http.ok": "true", "a.b": "x"}
    assert "2026" not in template
    assert [name for _, name in slots(template)] == ["@timestamp", "message", "http.status", "http.ok", "a.b"]


def test_a_time_written_differently_is_kept_as_written() -> None:
    _, attrs, _ = both(b'{"@timestamp":"2026-01-01T13:00:00+01:00"}')
    assert attrs == {"@timestamp": "2026-01-01T13:00:00+01:00"}


def test_the_fast_way_sees_that_a_time_is_not_the_row_s() -> None:
    shapes = Shapes()
    line = b'{"@timestamp":"2026-01-01T12:00:00.000Z","n":1}'
    for _ in range(4):
        shapes.split([line], [NOON])
    (apart,) = shapes.split([line], [NOON + 1])
    assert apart.values == [b"2026-01-01T12:00:00.000Z", b"1"]


@given(
    st.permutations(
        [
            '"@timestamp":"2026-01-01T12:00:00.000Z"',
            '"message":"it\\n is"',
            '"n":1',
            '"a":"x\\ny"',
            '"b":"x\\/y"',
            '"c":"d"',
        ]
    ),
    st.integers(0, 5),
)
def test_the_row_s_time_may_stand_anywhere(members: list[str], left_out: int) -> None:
    both(("{" + ",".join(members[left_out:]) + "}").encode())


@pytest.mark.parametrize(
    ("line", "attrs", "message"),
    [
        (b'{"message":"a\\nb"}', {}, "a\nb"),
        (b'{"message":"\\u00e9"}', {"message": '"\\u00e9"'}, "é"),
        (b'{"log":"from fluent bit","x":null}', {}, "from fluent bit"),
        (b'{"log":{"level":"info"},"msg":"m"}', {"log.level": "info"}, "m"),
        (b'{"message":5,"msg":"text"}', {"message": "5"}, "text"),
        (b'{"event":{"original":"raw line"}}', {}, "raw line"),
        (b'{"path":"C:\\\\x","url":"a\\/b"}', {"path": "C:\\x", "url": '"a\\/b"'}, ""),
        (b'{ "a" : [ 1 , 2 ],\n "b":[] , "c":{} }', {"a": "[ 1 , 2 ]"}, ""),
    ],
)
def test_each_kind_of_value(line: bytes, attrs: dict[str, str], message: str) -> None:
    _, found, text = both(line)
    assert (found, text) == (attrs, message)


@pytest.mark.parametrize(
    ("learned", "other"),
    [
        (b'{"m":1,"a":"x\\/y","b":"\\n"}', b'{"m":1,"a":"plain","b":"\\n"}'),
        (b'{"m":1,"a":"x\\/y","b":"\\n"}', b'{"m":1,"a":"x\\ny","b":"\\n"}'),
        (b'{"m":1,"a":"x\\ny","b":"\\n"}', b'{"m":1,"a":"plain","b":"\\n"}'),
        (b'{"message":"x\\/y","b":"\\n"}', b'{"message":"plain","b":"\\n"}'),
        (b'{"message":"x\\/y","b":"\\n"}', b'{"message":"x\\ny","b":"\\n"}'),
        (b'{"message":"x\\ny","b":"\\n"}', b'{"message":"plain","b":"\\n"}'),
        (b'{"a":[1,2]}', b'{"a":[ ]}'),
        (b'{"n":1,"@timestamp":"2026-01-01T12:00:00.000Z"}', b'{"n":1,"@timestamp":"2026-01-01T12:00:00.001Z"}'),
        (b'{"@timestamp":"2026-01-01T12:00:00.000Z","n":1}', b'{"@timestamp":"2026-01-01T12:00:00.001Z","n":1}'),
    ],
)
def test_a_learned_shape_takes_only_what_the_slow_way_takes_so(learned: bytes, other: bytes) -> None:
    shapes = Shapes()
    for _ in range(4):
        shapes.split([learned], [NOON])
    (fast,), slow = shapes.split([other], [NOON]), cut(other, NOON)
    assert fast.template == slow.template
    assert fast.messages == [slow.message]
    assert (fast.names, tuple(fast.values)) == (slow.names, slow.values)


def test_numbers_keep_every_digit() -> None:
    _, attrs, _ = both(b'{"n":1.50,"big":123456789012345678901234567890,"e":-1E+5}')
    assert attrs == {"n": "1.50", "big": "123456789012345678901234567890", "e": "-1E+5"}


def test_fields_inside_arrays_of_objects_can_be_asked_for() -> None:
    _, attrs, _ = both(b'{"items":[{"id":1,"t":["a"]},{"id":2,"deep":{"x":"y"}}]}')
    assert attrs["items.id"] == "[1,2]"
    assert attrs["items.t"] == '["a"]'
    assert attrs["items.deep.x"] == '["y"]'


def test_repeated_names_keep_the_document_and_both_values() -> None:
    line = b'{"a":{"b":1},"a.b":2,"message":"m"}'
    _, attrs, message = both(line)
    assert attrs[""] == line.decode()
    assert (attrs["a.b"], message) == ("[1,2]", "m")
    twice = b'{"k":1,"k":2}'
    assert both(twice)[1][""] == twice.decode()


def test_depth_is_bounded() -> None:
    line = b'{"a":' * 200 + b"1" + b"}" * 200
    template, attrs, _ = both(line)
    assert len(attrs) == 1
    assert len(slots(template)[0][1]) < 200


@pytest.mark.parametrize(
    "line",
    [
        b'{"message":"lone \\ud800 surrogate","n":1}',
        b'{"\\ud800":"name","message":"m"}',
        b'{"big":1e400,"huge":' + b"9" * 400 + b',"message":"m"}',
        b'{"items":[{"a":"\\udfff"}],"message":"m"}',
        b'{"a":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b',"message":"m"}',
        b'{"a":' + b"[" * 900 + b"]" * 900 + b',"message":"m"}',
        b'{"message":"m","message":"twice \\ud800"}',
    ],
)
def test_documents_that_few_readers_take_are_kept_to_the_byte(line: bytes) -> None:
    _, attrs, message = both(line)
    assert message or attrs


KEYS = st.text(max_size=6) | st.sampled_from(["message", "@timestamp", "a", "b", "a.b", "log", "event", "original"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_any_document_comes_back_to_the_byte(
    document: dict[str, Any], separators: tuple[str, str], ascii: bool
) -> None:
    line = json.dumps(document, separators=separators, ensure_ascii=ascii).encode(errors="surrogatepass")
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return  # a lone surrogate: refused where documents come in
    both(line)


@given(st.integers(min_value=0, max_value=253402300799999))
def test_time_text(ts_ms: int) -> None:
    text = time_text(ts_ms)
    assert len(text) == 24
    assert both(b'{"@timestamp":"' + text.encode() + b'"}', ts_ms)[1] == {}


@pytest.mark.parametrize(
    "line",
    [
        b'{"message":"m","path":"C:\\\\Windows\\\\"}',
        b'{"message":"a \\"quoted\\" \\\\","n":1}',
        b'{"message":"a \\"quoted\\" word","n":1}',
        b'{"raw":"a\\/b\\\\","n":1}',
    ],
)
def test_backslashes_and_quotes_are_learned_too(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = Shapes()
    for _ in range(4):
        (learned,) = shapes.split([line], [NOON])
    monkeypatch.setattr("dxops.wire.logs.shapes.cut", None)  # from now on nothing can be walked
    assert shapes.split([line], [NOON]) == [learned]


LINES = st.sampled_from(
    [
        b'{"message":"m","n":1}',
        b'{"message":"other","n":22}',
        b'{"message":"a \\"quoted\\" word","n":3}',
        b'{"message":"ends in a backslash\\\\","n":4}',
        b'{"message":"C:\\\\","a":"\\",","n":5}',
        b'{"a":"x","b":"y"}',
        b'{"a":"x\\\\","b":"y"}',
        b'{"a":"x\\\\\\"","b":"\\"y"}',
        b'{"a":"\\u00e9\\"","b":"y"}',
        b'{"things":[{"n":1}],"message":"m"}',
        b'{"things":[{"m":1}],"message":"m"}',
    ]
)


@given(st.lists(LINES, min_size=1, max_size=60))
def test_a_mixed_batch_comes_apart_by_template_and_each_document_as_alone(lines: list[bytes]) -> None:
    shapes = Shapes()
    for _ in range(2):
        groups = shapes.split(lines, [NOON] * len(lines))
    assert sorted(place for group in groups for place in group.places) == list(range(len(lines)))
    for group in groups:
        width = len(group.names)
        assert group.places == sorted(group.places)
        for number, (place, message) in enumerate(zip(group.places, group.messages, strict=True)):
            slow = cut(lines[place], NOON)
            values = tuple(group.values[number * width : (number + 1) * width])
            assert (group.template, message, group.names, values) == (
                slow.template, slow.message, slow.names, slow.values,
            )  # fmt: skip
