"""KQL by the facts of its public description: parsing, errors, hints, completion, rendering, terms."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dxops.wire import kql
from dxops.wire.query_terms import QueryTerm
from dxops.wire.query_tree import (
    MAX_CHARS,
    MAX_CLAUSES,
    MAX_DEPTH,
    All,
    And,
    AtLeast,
    Exists,
    Fuzzy,
    Ids,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Prefix,
    QuerySyntaxError,
    Range,
    Regexp,
    Term,
    Wildcard,
    Words,
    both,
    either,
)


def w(text: str, *fields: str) -> Words:
    return Words(fields, text)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", All()),
        (" \t\n", All()),
        ("*", All()),
        ("*:*", All()),
        ("  a  ", w("a")),
        ("f:a", w("a", "f")),
        ("f : a", w("a", "f")),
        # precedence: not, then and, then or; parentheses override; any case
        ("a or b and not c", Or((w("a"), And((w("b"), Not(w("c"))))))),
        ("(a OR b) And NOT c", And((Or((w("a"), w("b"))), Not(w("c"))))),
        ("not a and b", And((Not(w("a")), w("b")))),
        ("not (a and b)", Not(And((w("a"), w("b"))))),
        ("not not a", w("a")),
        ("not not not a", Not(w("a"))),
        ("a and b and c", And((w("a"), w("b"), w("c")))),
        # an unquoted run is one value, and keeps its inner space
        ("f:quick  brown fox", w("quick  brown fox", "f")),
        ("f:a b or c d", Or((w("a b", "f"), w("c d")))),
        ("status code:5", w("5", "status code")),
        # keywords need white space around them
        ("android or orange", Or((w("android"), w("orange")))),
        ("knot x", w("knot x")),
        ("cannot find", w("cannot find")),
        ("f:cannot find", w("cannot find", "f")),
        ("a or", w("a or")),
        ("or a", w("or a")),
        ("not", w("not")),
        ("(and x)", w("and x")),
        ("f:and", w("and", "f")),
        # quotes
        ('f:"a b"', Phrase(("f",), "a b")),
        ('"a b"', Phrase((), "a b")),
        ('"f g":x', w("x", "f g")),
        ('f:"a*b"', Phrase(("f",), "a*b")),
        ('f:"a\\"b\\\\c"', Phrase(("f",), 'a"b\\c')),
        ('f:"x and y (z: {"', Phrase(("f",), "x and y (z: {")),
        ('f:"C:\\dir"', Phrase(("f",), "C:\\dir")),
        ('f:"a\\tb\\u00e9"', Phrase(("f",), "a\tbé")),
        ('f:""', Phrase(("f",), "")),
        # wildcards
        ("f:*", Exists(("f",))),
        ("f:**", Exists(("f",))),
        ("f.*:*", Exists(("f.*",))),
        ("not f:*", Not(Exists(("f",)))),
        ("f:a*b", Wildcard(("f",), "a*b")),
        ("*pat*", Wildcard((), "*pat*")),
        ("*:pat", w("pat")),
        ("host.*:a", w("a", "host.*")),
        ("f:a?b*", Wildcard(("f",), "a\\?b*")),
        ("f:a\\*b", w("a*b", "f")),
        ("f:a\\*b*", Wildcard(("f",), "a\\*b*")),
        ("f:a\\\\b*", Wildcard(("f",), "a\\\\b*")),
        # what looks like Lucene is text
        ("f:a?b", w("a?b", "f")),
        ("f:/a.c/", w("/a.c/", "f")),
        ("f:[1 TO 5]", w("[1 TO 5]", "f")),
        ("f:roam~1", w("roam~1", "f")),
        ("f:a^2", w("a^2", "f")),
        ("a && b", w("a && b")),
        # scope
        ("a:1 or 2", Or((w("1", "a"), w("2")))),
        ("a:(1 or 2)", Or((w("1", "a"), w("2", "a")))),
        ("a:(1 and not (2 or 3))", And((w("1", "a"), Not(Or((w("2", "a"), w("3", "a"))))))),
        ('a:("x y" or z*)', Or((Phrase(("a",), "x y"), Wildcard(("a",), "z*")))),
        ("*:(1 or 2)", Or((w("1"), w("2")))),
        # escapes
        ('f:\\\\\\(\\)\\:\\<\\>\\"\\*\\{\\}', w('\\():<>"*{}', "f")),
        ("f:a\\tb\\rc\\nd", w("a\tb\rc\nd", "f")),
        ("f:\\u0041\\u00df", w("Aß", "f")),
        ("f:\\ud83d\\ude00", w("😀", "f")),
        ("a \\and b", w("a and b")),
        ("\\or", w("or")),
        ("a \\NOT b", w("a NOT b")),
        ("\\note", w("\note")),
        ("f\\:g:x", w("x", "f:g")),
        # literals, numbers, ranges
        ("f:true", w("true", "f")),
        ("f:null", Not(Exists(("f",)))),
        ('f:"null"', Phrase(("f",), "null")),
        ("null", w("null")),
        ("f:\\u006eull", w("null", "f")),
        ("f > 5", Range(("f",), gt="5")),
        ("f>=5", Range(("f",), gte="5")),
        ("f < -1.5", Range(("f",), lt="-1.5")),
        ('f <= "2024-01-01T00:00:00Z"', Range(("f",), lte="2024-01-01T00:00:00Z")),
        ("@timestamp >= now-15m/d", Range(("@timestamp",), gte="now-15m/d")),
        ("a > 1 and a < 9", And((Range(("a",), gt="1"), Range(("a",), lt="9")))),
        # nested
        ("items:{ name:tea }", w("tea", "items.name")),
        (
            "items:{ name:tea and stock > 3 or x:{ y:* and free } }",
            Or(
                (
                    And((w("tea", "items.name"), Range(("items.stock",), gt="3"))),
                    And((Exists(("items.x.y",)), w("free", "items.x.*"))),
                )
            ),
        ),
    ],
)
def test_queries(text: str, tree: Node) -> None:
    assert kql.parse(text) == tree


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("f:", 2, "Expected a value after `f:`, found the end"),
        ("f: and b", 3, "Expected a value after `f:`, found `and`"),
        ("a and", 5, ""),  # text, see above: no error
        ("a and ", 6, "Expected a field, a value or (, found the end"),
        ("a and or b", 6, "found `or`"),
        ("(a) or", 4, "Expected `and`, `or` or the end, found `or`"),
        ("(a) b", 4, "found `b`"),
        ("(a", 2, "Expected `and`, `or` or ) for the ( at 1, found the end"),
        ("f:(a", 4, "for the ( at 3"),
        ("a)", 1, "Expected `and`, `or` or the end, found `)`"),
        ("()", 1, "found `)`"),
        ("f:{ a:1", 7, "Expected `and`, `or` or } for the { at 3, found the end"),
        ('f:"abc', 6, 'Expected a closing " for the quote at 3'),
        ("a:1 b:2", 5, "found `:`"),
        ("a:b:c", 3, "found `:`"),
        ("a not b", 2, "found `not`"),
        ("f:(a b:c)", 6, "found `:`"),
        ('a "b"', 2, 'found `"b"`'),
        ("f >", 3, "Expected a value after `>`, found the end"),
        ("f > a*", 4, "a value without `*` after `>`"),
        ("f:>5", 2, "found a comparison"),
        ("f:\\d", 2, "Expected a character that can be escaped after \\, found 'd'"),
        ("a\\", 1, "found the end"),
        ("f:\\ud800", 2, "half of a surrogate pair"),
        ("{a}", 0, "found `{`"),
        ("(" * 10_000, MAX_DEPTH, f"nested more than {MAX_DEPTH} deep"),
        ("f:{" * 10_000, MAX_DEPTH * 3 + 2, f"nested more than {MAX_DEPTH} deep"),
        (" or ".join(["a"] * 1_100), MAX_CLAUSES * 5, f"more than {MAX_CLAUSES} clauses"),
        ("a" * (MAX_CHARS + 1), MAX_CHARS, f"longer than {MAX_CHARS} characters"),
    ],
)
def test_errors_say_where_and_what_was_expected(text: str, position: int, message: str) -> None:
    if not message:
        assert kql.parse(text) == w(text)
        return
    with pytest.raises(QuerySyntaxError) as caught:
        kql.parse(text)
    assert message in caught.value.message
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("time:10:30", "Put a value that contains `:` in quotes"),
        ("a not b", "Write `and not`."),
        ("(a)or (b)", "Keywords need white space"),
        ("f:not x", "Write `not f:value` or `f:(not value)`."),
        ("f:>5", "Write `f > value`"),
        ("C:\\Users", ""),
        ("f:\\d", "Write \\\\ for a backslash"),
        ("(a && b", "KQL has `and` and `or`"),
        ("f:[1 TO 5", ""),
    ],
)
def test_errors_have_hints(text: str, hint: str) -> None:
    if not hint:
        assert isinstance(kql.hints(text), tuple)
        return
    with pytest.raises(QuerySyntaxError) as caught:
        kql.parse(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "position", "hint"),
    [
        ("a && b", 2, "not `&&` and `||`"),
        ("f:[1 TO 5]", 2, "ranges are written"),
        ("f:/a.c/", 2, "no regular expressions"),
        ("f:roam~1", 6, "no fuzzy search"),
        ("f:a^2", 3, "no boosts"),
        ("+a", 0, "`and` and `not`"),
        ("!a", 0, "`and` and `not`"),
        ("f:te?t", 4, "`?` is not a wildcard"),
        ("_exists_:f", 0, "`field:*`"),
        ('f:"a*"', 2, "an asterisk"),
    ],
)
def test_literal_text_that_looks_like_lucene_has_a_hint(text: str, position: int, hint: str) -> None:
    kql.parse(text)
    found = kql.hints(text)
    assert [each.position for each in found] == [position]
    assert hint in found[0].text


@pytest.mark.parametrize("text", ["", "status:500 and path:/var/log/x", "what now?", "f:*", "f:a-b", "level >= 3"])
def test_ordinary_queries_have_no_hints(text: str) -> None:
    assert kql.hints(text) == ()


@pytest.mark.parametrize(
    ("marked", "expected"),  # | is the cursor
    [
        ("|", [("field", "", "", ""), ("value", "", "", "")]),
        ("sta|", [("field", "sta", "sta", ""), ("value", "sta", "sta", "")]),
        ("sta|tus:5", [("field", "sta", "status", ""), ("value", "sta", "status", "")]),
        ("status |", [("operator", "", "", "status"), ("conjunction", "", "", "")]),
        ("status:|", [("value", "", "", "status")]),
        ("status: |", [("value", "", "", "status")]),
        ("status:5|", [("value", "5", "5", "status")]),
        ('host:"we|', [("value", "we", '"we', "host")]),
        ("status:5 |", [("conjunction", "", "", "")]),
        ('host:"web"|', [("conjunction", "", "", "")]),
        ("status:5 a|", [("conjunction", "a", "a", ""), ("value", "5 a", "5 a", "status")]),
        ("status:5 x|", [("value", "5 x", "5 x", "status")]),
        ("a:1 and |", [("field", "", "", ""), ("value", "", "", "")]),
        ("a:1 and not h|", [("field", "h", "h", ""), ("value", "h", "h", "")]),
        ("a:(x or |", [("value", "", "", "a")]),
        ("a:(x or (y and z|", [("value", "z", "z", "a")]),
        ("a:(x or y) |", [("conjunction", "", "", "")]),
        ("(a:1 or |", [("field", "", "", ""), ("value", "", "", "")]),
        ("bytes >= |", [("value", "", "", "bytes")]),
        ("items:{ n|", [("field", "n", "n", ""), ("value", "n", "n", "")]),
        ("items:{ name:|", [("value", "", "", "items.name")]),
        ("items:{ name:x } |", [("conjunction", "", "", "")]),
        (")) broken ( status:|", [("value", "", "", "status")]),
    ],
)
def test_completion(marked: str, expected: list[tuple[str, str, str, str]]) -> None:
    cursor = marked.index("|")
    text = marked.replace("|", "")
    found = kql.complete(text, cursor)
    assert [(each.kind, each.prefix, text[each.start : each.end], each.field) for each in found] == expected


def test_completion_knows_the_prefix_of_a_nested_group() -> None:
    assert [each.within for each in kql.complete("items:{ o:{ n", 13)] == ["items.o."] * 2


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (All(), "*"),
        (Nothing(), "not *"),
        (Term(("f",), ("a b",)), 'f:"a b"'),
        (Term(("f",), (1, True)), 'f:("1" or "true")'),
        (Term(("f", "g"), ("x",)), 'f:"x" or g:"x"'),
        (Not(Exists(("f",))), "not f:*"),
        (And((Or((w("a"), w("b", "f"))), Not(w("c")))), "(a or f:b) and not c"),
        (Range(("f",), gte=1, lt="now"), '(f >= "1" and f < "now")'),
        (Prefix(("f",), "a b"), "f:a b*"),
        (Ids(("1", "2")), '_id:("1" or "2")'),
        (w("and (x) or", "f"), "f:\\and \\(x\\) \\or"),
        (w("null", "f"), "f:\\u006eull"),
        (w(" x", "f"), "f:\\u0020x"),
        (Regexp(("f",), "a.c"), None),
        (Fuzzy(("f",), "a"), None),
        (Wildcard(("f",), "a?c*"), None),
        (AtLeast(2, (w("a"), w("b"))), None),
        (And((w("a"), Regexp(("f",), "x"))), None),
        (Words(("f",), "a b", least=-1), None),
        (Phrase(("f",), "a b", slop=2), None),
    ],
)
def test_rendering(tree: Node, text: str | None) -> None:
    assert kql.render(tree) == text


chars = st.characters(codec="utf-8")
names = st.text(chars, min_size=1, max_size=8).filter(lambda name: "*" not in name)
texts = st.text(chars, min_size=1, max_size=12)
fields = st.one_of(st.just(()), names.map(lambda name: (name,)))


def _starred(name: str, head: str) -> Wildcard:
    return Wildcard((name,), re.sub(r"[*?\\]", r"\\\g<0>", head) + "*")


leaves = st.one_of(
    st.builds(Words, fields, texts),
    st.builds(Phrase, fields, texts),
    st.builds(Exists, names.map(lambda name: (name,))),
    st.builds(lambda name, bound: Range((name,), gte=bound), names, texts),
    st.builds(_starred, names, texts),
)


def _branches(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(several.map(both), several.map(either), inner.filter(lambda n: not isinstance(n, Not)).map(Not))


@given(st.recursive(leaves, _branches, max_leaves=6))
@example(Words(("f",), " "))
@example(Words((), "null or not"))
@example(Words(("f",), "null"))
@example(Words((), "nOT "))
@example(Words((), " or and"))
def test_what_is_rendered_is_read_as_the_same_tree(tree: Node) -> None:
    text = kql.render(tree)
    if text is not None:
        assert kql.parse(text) == tree


@given(st.text(alphabet='ab\\:()<>{}"* \tuornotdAND0?/~[]^', max_size=40) | st.text(max_size=40), st.integers(0, 45))
def test_hostile_text_is_read_or_refused_with_a_place(text: str, cursor: int) -> None:
    for each in kql.complete(text, cursor):
        assert 0 <= each.start <= each.end <= len(text)
    kql.hints(text)
    with contextlib.suppress(QuerySyntaxError):
        kql.terms(kql.parse(text))
        return
    with pytest.raises(QuerySyntaxError) as caught:
        kql.parse(text)
    assert 0 <= caught.value.position <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 60_000,
        '"' * 60_000,
        "\\" * 60_000,
        "a " * 30_000,
        "*" * 60_000,
        "not " * 15_000,
        'a"' * 30_000,
        " " * 60_000,
    ],
)
def test_long_hostile_text_takes_no_time(text: str) -> None:
    start = time.thread_time()
    with contextlib.suppress(QuerySyntaxError):
        kql.parse(text)
    kql.hints(text)
    kql.complete(text, len(text))
    assert time.thread_time() - start < 2


def test_terms_are_what_can_match() -> None:
    tree = kql.parse('a:Quick-brown and "lazy dog" and not b:x and (c:w*d or a:quick) and d > 5')
    assert kql.terms(tree) == (
        QueryTerm(("a",), "word", "quick"),
        QueryTerm(("a",), "word", "brown"),
        QueryTerm((), "phrase", "lazy dog"),
        QueryTerm(("c",), "wildcard", "w*d"),
    )
