"""`query_string` by Lucene's rules, `simple_query_string`, their errors, hints and bounds."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire import lucene
from dxops.wire.lucene import Options
from dxops.wire.minimum import minimum
from dxops.wire.query_tree import (
    MAX_CHARS,
    MAX_CLAUSES,
    MAX_DEPTH,
    All,
    And,
    AtLeast,
    Exists,
    Fuzzy,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Prefix,
    QuerySyntaxError,
    Range,
    Regexp,
    Wildcard,
    Words,
)


def w(text: str, *fields: str, least: int = 1) -> Words:
    return Words(fields, text, least)


A, B, C, D = w("a"), w("b"), w("c"), w("d")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Nothing()),
        ("  \t", Nothing()),
        ("a", A),
        ("f:a", w("a", "f")),
        ("f: a", w("a", "f")),
        ("a b", Or((A, B))),
        # &&, || and !
        ("a && b", And((A, B))),
        ("a || b", Or((A, B))),
        ("!a b", And((B, Not(A)))),
        ("a && !b", And((A, Not(B)))),
        ("a&&b", w("a&&b")),
        ('"a && b"', Phrase((), "a && b")),
        ("/a||b/", Regexp((), "a||b")),
        ("a\\!", w("a!")),
        ("a \\&& b", Or((A, w("&&"), B))),
        ("a! b", Or((w("a!"), B))),
        # operators are capitals
        ("a and b", Or((A, w("and"), B))),
        ("a or not b", Or((A, w("or"), w("not"), B))),
        # required, optional, prohibited: no tree
        ("a AND b", And((A, B))),
        ("a OR b", Or((A, B))),
        ("a OR b AND c", And((B, C))),
        ("a AND b OR c", And((A, B))),
        ("a AND b OR c AND d", And((A, B, C, D))),
        ("a b AND c", And((B, C))),
        ("NOT a", Not(A)),
        ("NOT NOT a", A),
        ("a NOT b", And((A, Not(B)))),
        ("NOT a AND b", And((B, Not(A)))),
        ("a OR NOT b", And((A, Not(B)))),
        ("+a -b c", And((A, Not(B)))),
        ("+a b c", A),
        ("-a -b", And((Not(A), Not(B)))),
        ("(a OR b) AND c", And((Or((A, B)), C))),
        ("(a b) c", Or((A, B, C))),
        ("-(a b)", Not(Or((A, B)))),
        ("+(a b) c", Or((A, B))),
        ("f:(a OR b)", Or((w("a", "f"), w("b", "f")))),
        ("f:(+a -b)", And((w("a", "f"), Not(w("b", "f"))))),
        ("f:(a g:b)", Or((w("a", "f"), w("b", "g")))),
        # ranges
        ("f:[1 TO 5]", Range(("f",), gte="1", lte="5")),
        ("f:{1 TO 5}", Range(("f",), gt="1", lt="5")),
        ("f:[1 TO 5}", Range(("f",), gte="1", lt="5")),
        ("f:[-5 TO -1]", Range(("f",), gte="-5", lte="-1")),
        ("f:[* TO 5]", Range(("f",), lte="5")),
        ("f:[5 TO *}", Range(("f",), gte="5")),
        ("f:[ a TO b ]", Range(("f",), gte="a", lte="b")),
        ('f:["a b" TO "c\\"d"]', Range(("f",), gte="a b", lte='c"d')),
        ("f:[now-1d/d TO now]", Range(("f",), gte="now-1d/d", lte="now")),
        (
            "f:[2024-01-01T00:00:00+02:00 TO 2024-01-02||/d]",
            Range(("f",), gte="2024-01-01T00:00:00+02:00", lte="2024-01-02||/d"),
        ),
        ("f:>5", Range(("f",), gt="5")),
        ("f:>=5", Range(("f",), gte="5")),
        ("f:<5", Range(("f",), lt="5")),
        ("f:<=-5", Range(("f",), lte="-5")),
        ("f:>=2024-01-01T10:11:12Z", Range(("f",), gte="2024-01-01T10:11:12Z")),
        ("f:(>=1 AND <3)", And((Range(("f",), gte="1"), Range(("f",), lt="3")))),
        ("[1 TO 5]", Range((), gte="1", lte="5")),
        ("f:-5", w("-5", "f")),
        ("f:2024-01-01T10:11:12Z", w("2024-01-01T10:11:12Z", "f")),
        # fuzzy, proximity, boosts
        ("x~", Fuzzy((), "x")),
        ("f:x~1", Fuzzy(("f",), "x", 1)),
        ("x~5", Fuzzy((), "x", 2)),
        ("longword~0.8", Fuzzy((), "longword", 1)),
        ("longword~0.1", Fuzzy((), "longword", 2)),
        ("x~0", Fuzzy((), "x", 0)),
        ('"p q"~2', Phrase((), "p q", 2)),
        ("a^2 b^0.5", Or((A, B))),
        ("(a OR b)^2", Or((A, B))),
        # wildcards, existence
        ("f:a*", Wildcard(("f",), "a*")),
        ("f:a?b*", Wildcard(("f",), "a?b*")),
        ("a\\*b\\?", w("a*b?")),
        ("a\\*b*", Wildcard((), "a\\*b*")),
        ("f:*", Exists(("f",))),
        ("_exists_:f", Exists(("f",))),
        ('_exists_:"f g"', Exists(("f g",))),
        ("*:*", All()),
        ("*", All()),
        ("*:a", A),
        ("book.\\*:a", w("a", "book.*")),
        ("f\\ g:a", w("a", "f g")),
        # regular expressions
        ("f:/a.*b/", Regexp(("f",), "a.*b")),
        ("f:/a\\/b/", Regexp(("f",), "a/b")),
        ("f:/a b/", Regexp(("f",), "a b")),
        ("f:/a/b", Or((Regexp(("f",), "a"), B))),
        ("a/b/c", w("a/b/c")),
        # phrases, escapes
        ('f:"a b"', Phrase(("f",), "a b")),
        ('f:"a*"', Phrase(("f",), "a*")),
        ('"a\\"b\\\\c"', Phrase((), 'a"b\\c')),
        ('a"b"', Or((A, Phrase((), "b")))),
        ("a\\:b\\(c\\)\\ d", w("a:b(c) d")),
        ("\\AND", w("AND")),
        ("x@y.z", w("x@y.z")),
        ("a\u3000b", Or((A, B))),
    ],
)
def test_query_string(text: str, tree: Node) -> None:
    assert lucene.parse(text) == tree


@pytest.mark.parametrize(
    ("text", "options", "tree"),
    [
        ("a b", Options(all_words=True), And((w("a", least=-1), w("b", least=-1)))),
        ("a OR b", Options(all_words=True), Or((w("a", least=-1), w("b", least=-1)))),
        ("a OR b c", Options(all_words=True), w("c", least=-1)),
        ("a -b", Options(all_words=True), And((w("a", least=-1), Not(w("b", least=-1))))),
        ("+a OR b", Options(all_words=True), w("a", least=-1)),
        ("a f:b", Options(("x", "y.*")), Or((w("a", "x", "y.*"), w("b", "f")))),
        ("*", Options(("x",)), Exists(("x",))),
        ('"a b"', Options(phrase_slop=3), Phrase((), "a b", 3)),
        ('"a b"~1', Options(phrase_slop=3), Phrase((), "a b", 1)),
        ("a~", Options(edits=1, prefix_length=2), Fuzzy((), "a", 1, 2)),
        ("a b c", Options(minimum_should_match=2), AtLeast(2, (A, B, C))),
        ("a b c", Options(minimum_should_match="-1"), AtLeast(2, (A, B, C))),
        ("a b", Options(minimum_should_match="100%"), And((A, B))),
        ("a b", Options(minimum_should_match=3), Nothing()),
        ("+a b c", Options(minimum_should_match=1), And((A, Or((B, C))))),
        ("f:[1 TO 2]", Options(time_zone="+01:00"), Range(("f",), gte="1", lte="2", time_zone="+01:00")),
        ("f:>1", Options(time_zone="+01:00"), Range(("f",), gt="1", time_zone="+01:00")),
        ("a-b", Options(words_as_phrases=True), Phrase((), "a-b")),
    ],
)
def test_options(text: str, options: Options, tree: Node) -> None:
    assert lucene.parse(text, options) == tree


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ('f:"a', 2, 'Expected a closing " for this quote'),
        ('a "b\\"', 2, 'Expected a closing "'),
        ("a AND (b", 6, "Expected a ) for this ("),
        ("a)", 1, "found `)` without its ("),
        ("()", 1, "found `)`"),
        ("f:", 2, "Expected a term, found the end"),
        ("a AND", 5, "Expected a term, found the end"),
        ("a && ", 5, "found the end"),
        ("AND a", 0, "found `AND`"),
        ("a || || b", 5, "found `OR`"),
        ("a:b:c", 2, "Expected a value after `a:`, found another field"),
        ("f:[1 TO 5", 2, "Expected a range"),
        ("f:[1 to 5]", 2, "Expected a range"),
        ("f:[1]", 2, "Expected a range"),
        ("f:5]", 3, "found `]` without its beginning"),
        ("f:/a", 2, "Expected a closing / for this regular expression"),
        ("a~1.2.3", 2, "Expected a number after ~, found `1.2.3`"),
        ("a^.", 2, "Expected a number after ^"),
        ('"a b"~1.5', 5, "Expected a whole number after ~"),
        ("a\\", 1, "Expected a character after \\"),
        ("!!! (", 4, "Expected a )"),
        ("a \\\n", 2, "Expected a term, found `\\"),
        ("(" * 10_000, MAX_DEPTH, "nested more than"),
        ("NOT " * 10_000 + "a", MAX_DEPTH * 4, "signs on one term"),
        ("a " * 1_100, MAX_CLAUSES * 2, "more than 1024 clauses"),
        ("a" * (MAX_CHARS + 1), MAX_CHARS, "longer than"),
    ],
)
def test_errors_say_where(text: str, position: int, message: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        lucene.parse(text)
    assert message in caught.value.message
    assert caught.value.position == position


def test_a_leading_wildcard_can_be_forbidden() -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        lucene.parse("b AND f:*a", Options(leading_wildcard=False))
    assert caught.value.position == 8


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("path:/var/log", "/var/ is a regular expression"),
        ("a and b", "capitals"),
        ("f:/a.c/ AND b", None),
        ("f:/a.c/^2", None),
        ("a/b/c d", None),
        ('f:"/a/b"', None),
    ],
)
def test_traps_have_hints(text: str, hint: str | None) -> None:
    lucene.parse(text)
    found = lucene.hints(text)
    assert (hint in found[0].text) if hint else (found == ())


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Nothing()),
        ("+ | - ( )", Nothing()),
        ("a b", Or((A, B))),
        ("a + b", And((A, B))),
        ("a+b", And((A, B))),
        ("a | b", Or((A, B))),
        ("a + b | c", Or((And((A, B)), C))),
        ("a | b + c", And((Or((A, B)), C))),
        ("a + (b | c)", And((A, Or((B, C))))),
        ("-a", Not(A)),
        ("a -b", Or((A, Not(B)))),
        ("a + -b", And((A, Not(B)))),
        ("a-b", w("a-b")),
        ("eg*", Prefix((), "eg", True)),
        ("eg\\*", w("eg*")),
        ("*", All()),
        ("a*b", w("a*b")),
        ("roam~1", Fuzzy((), "roam", 1)),
        ("roam~", Fuzzy((), "roam")),
        ("roam~9", Fuzzy((), "roam", 2)),
        ("a~b", w("a~b")),
        ('"a b"', Phrase((), "a b")),
        ('"a b"~2', Phrase((), "a b", 2)),
        ('"a \\" b"', Phrase((), 'a " b')),
        ('"a b', Or((A, B))),
        ("(a b", Or((A, B))),
        ("a) b", Or((A, B))),
        ("\\(a\\+b", w("(a+b")),
        ("f:a", w("f:a")),
        ("a AND b", Or((A, w("AND"), B))),
    ],
)
def test_simple_query_string(text: str, tree: Node) -> None:
    assert lucene.parse_simple(text) == tree


def test_flags_and_options_of_simple_query_string() -> None:
    assert lucene.parse_simple("a | b", flags=frozenset()) == Or((A, w("|"), B))
    assert lucene.parse_simple("eg* -b", flags=frozenset({"OR"})) == Or((w("eg*"), w("-b")))
    both = And((w("a", "f", least=-1), w("b", "f", least=-1)))
    assert lucene.parse_simple("a b", Options(("f",), all_words=True)) == both
    assert lucene.parse_simple("a b c", Options(minimum_should_match=2)) == AtLeast(2, (A, B, C))
    assert lucene.parse_simple("a b", Options(minimum_should_match="3")) == Nothing()


@pytest.mark.parametrize(
    ("spec", "optional", "count"),
    [
        (3, 5, 3),
        ("3", 2, 3),
        (-1, 5, 4),
        ("-2", 1, 0),
        ("75%", 4, 3),
        ("75%", 5, 3),
        ("75%", 1, 0),
        ("-25%", 4, 3),
        ("-25%", 5, 4),
        ("-125%", 4, 0),
        ("2<75%", 2, 2),
        ("2<75%", 4, 3),
        ("2<-25% 9<-3", 1, 1),
        ("2<-25% 9<-3", 2, 2),
        ("2<-25% 9<-3", 4, 3),
        ("2<-25% 9<-3", 9, 7),
        ("2<-25% 9<-3", 10, 7),
        ("0", 3, 0),
    ],
)
def test_minimum_should_match(spec: str | int, optional: int, count: int) -> None:
    assert minimum(spec, optional) == count


@pytest.mark.parametrize("spec", ["", "abc", "75%%", "2<", "<75%", "2<75%x", "1.5", "2<3<4"])
def test_other_forms_of_minimum_should_match_are_refused(spec: str) -> None:
    with pytest.raises(ValueError):
        minimum(spec, 3)


HOSTILE = [
    *(char * 60_000 for char in '()[]{}"/\\~^!+-:*?<>& a'),
    "a " * 1_000,
    "a AND " * 1_000 + "a",
    "(a " * 79 + ")" * 79,
    '["' * 30_000,
    "[a TO " * 10_000,
    "a~" * 1_000,
    "T00:00" * 10_000,
    'a"' * 30_000,
    "~1" * 30_000,
    "\\a" * 30_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_long_hostile_text_takes_no_time(text: str) -> None:
    start = time.thread_time()
    for read in (lucene.parse, lucene.parse_simple, lucene.hints):
        with contextlib.suppress(QuerySyntaxError):
            read(text)
    assert time.thread_time() - start < 3


@given(st.text(alphabet='ab\\:()[]{}"/ ~^!+-*?<>&|=1.TOANDR', max_size=40) | st.text(max_size=40))
def test_hostile_text_is_read_or_refused_with_a_place(text: str) -> None:
    lucene.hints(text)
    assert lucene.parse_simple(text) is not None
    refusal = None
    try:
        lucene.terms(lucene.parse(text))
    except QuerySyntaxError as error:
        refusal = error
    assert refusal is None or 0 <= refusal.position <= len(text)


def test_threads_do_not_disturb_each_other() -> None:
    wrong: list[object] = []

    def work(name: str) -> None:
        for _ in range(200):
            tree = lucene.parse(f"{name}:a AND {name}:b")
            if tree != And((w("a", name), w("b", name))):
                wrong.append(tree)

    threads = [threading.Thread(target=work, args=(f"f{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
