"""The subset of Painless that `if` knows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.elastic.ingest.conditions import BadCondition, read_condition
from dxops.wire.elastic.ingest.document import Document, ProcessorFailure

CTX: dict[str, Any] = {
    "a": {"b": "x", "n": 5, "f": 1.0, "t": True, "none": None},
    "tags": ["p", "q"],
    "text": "Hello World",
    "one": 1,
    "dotted.name": "d",
}


def holds(text: str) -> bool:
    return read_condition(text)(Document(CTX, {"_index": "logs-x"}, ""))


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "ctx.a.b == 'x'",
        'ctx.a?.b == "x" && ctx.c == null',
        "ctx.c?.d?.e == null",
        "ctx?.a?.b != null",
        "ctx['a']['b'] == 'x' && ctx['dotted.name'] == 'd'",
        "!(ctx.a.n > 5) && ctx.a.n >= 5 && ctx.a.n <= 5 && ctx.a.n < 5.5",
        "ctx.a.f == 1 && ctx.one == 1.0 && ctx.a.t == true",
        "ctx.a.t != 1",
        "ctx.a.n > -1",
        "ctx.tags.contains('q') && !ctx.tags.contains('z')",
        "ctx.tags.size() == 2 && !ctx.tags.isEmpty() && ctx.tags[0] == 'p' && ctx.tags.get(1) == 'q'",
        "['x', 'y'].contains(ctx.a.b)",
        "ctx.text.startsWith('Hello') && ctx.text.endsWith('World') && ctx.text.contains('lo W')",
        "ctx.text.toLowerCase() == 'hello world' && ctx.text.length() > 3 && ctx.text.indexOf('W') == 6",
        "ctx.text.equalsIgnoreCase('HELLO WORLD') && ctx.text.equals('Hello World')",
        "ctx.containsKey('a') && ctx.a.containsKey('none')",
        "ctx.text =~ /W.r/ && ctx.text ==~ /Hello.*/ && !(ctx.text ==~ /Hello/)",
        "ctx.nope?.contains('x') == null",
        "ctx._index == 'logs-x'",
        "return ctx.one == 1;",
        "/* a */ ctx.one == 1 // b\n && true",
        "ctx.one == 2 || ctx.one == 1 && true",
        "ctx.one.toString() == '1'",
        "ctx.text == 'Hello World' || ctx.no.such == 'x'",
        r"'it\'s' != 'its'",
        "ctx.one === 1 && ctx.one !== 2",
    ],
)
def test_true(text: str) -> None:
    assert holds(text) is True
    assert holds(f"!({text.removeprefix('return ').removesuffix(';')})") is False


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ctx.no.such == 1", "cannot access [such] of [null]; use ?."),
        ("ctx.one.x == 1", "cannot access [x] of [java.lang.Long]"),
        ("ctx.text", "gives [java.lang.String], not a boolean"),
        ("ctx.one && true", "cannot cast [java.lang.Long] to boolean"),
        ("ctx.text > 5", "cannot compare [java.lang.String] with [java.lang.Long]"),
        ("ctx.c > 5", "cannot compare [null]"),
        ("ctx.one.contains('x')", "the method [contains(java.lang.String)] does not exist for [java.lang.Long]"),
        ("ctx.text.contains(1)", "does not exist"),
        ("ctx.text.contains()", "does not exist"),
        ("ctx.one =~ /x/", "cannot match a pattern against"),
    ],
)
def test_documents_that_make_it_impossible(text: str, says: str) -> None:
    with pytest.raises(ProcessorFailure) as caught:
        holds(text)
    assert says in caught.value.reason


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("ctx.a = 1", 7),
        ("ctx.a == ", 10),
        ("ctx.a == 1 &&", 14),
        ("(ctx.a == 1", 12),
        ("ctx.a instanceof String", 7),
        ("ctx.a + 1 == 2", 7),
        ("for (x in ctx.a) { }", 1),
        ("ctx.a.matches('x')", 7),
        ("Math.max(1, 2) == 2", 1),
        ("ctx.a == 'open", 10),
        ("ctx.a == 1; ctx.b = 2", 13),
        ("ctx.a =~ 'x'", 9),
        ("ctx[a] == 1", 5),
        ("def x = 1; x == 1", 1),
        ("ctx.a == 1 ? true : false", 12),
    ],
)
def test_refused_with_its_position(text: str, position: int) -> None:
    with pytest.raises(BadCondition) as caught:
        read_condition(text)
    assert str(caught.value).startswith(f"position {position}:")


def test_bounds() -> None:
    for text in ("(" * 1000 + "true" + ")" * 1000, "!" * 1000 + "true", "ctx.a == 1 || " * 1000 + "true"):
        with pytest.raises(BadCondition):
            read_condition(text)
    with pytest.raises(BadCondition, match="Invalid regex"):
        read_condition("ctx.a =~ /(/")


@given(st.text("ctx.ab?()[]'\"!&|=<>12, /~", max_size=40) | st.text(max_size=20))
def test_hostile(text: str) -> None:
    try:
        assert holds(text) in (True, False)
    except (BadCondition, ProcessorFailure):
        return
