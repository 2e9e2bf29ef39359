"""ES|QL and the small SQL: plans, errors with line and column, hostile text."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.es.errors import EsError, error_body
from dxops.wire.esql import EsqlError, parse, parse_sql
from dxops.wire.esql.plan import (
    Aggregate,
    Call,
    Column,
    Drop,
    Eval,
    Expression,
    From,
    In,
    IsNull,
    Keep,
    Like,
    Limit,
    Literal,
    Named,
    Plan,
    Rename,
    Row,
    Search,
    Sort,
    SortBy,
    Span,
    Stats,
    Where,
)
from dxops.wire.query_tree import And, Phrase, Range, Words

A, B, X = Column("a"), Column("b"), Column("x")
ONE, TWO = Literal(1), Literal(2)


def call(name: str, *arguments: Expression) -> Call:
    return Call(name, arguments)


def only(text: str, parameters: list[Any] | None = None) -> Any:
    plan = parse(f"FROM i | {text}", parameters)
    assert plan.commands[0] == From(("i",))
    assert len(plan.commands) == 2
    return plan.commands[1]


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("FROM logs-*", From(("logs-*",))),
        ("from logs-*,metrics-2024.01.01 , .ds-x", From(("logs-*", "metrics-2024.01.01", ".ds-x"))),
        ('FROM "a b", "c,d"', From(("a b", "c", "d"))),
        ("FROM <logs-{now/d}>", From(("<logs-{now/d}>",))),
        ("FROM i METADATA _id, _index", From(("i",), ("_id", "_index"))),
        ("FROM i [METADATA _id]", From(("i",), ("_id",))),
        ("// first\n/* then */ FROM i // last", From(("i",))),
        ('ROW a = 1, b = "x"', Row((Named("a", ONE), Named("b", Literal("x"))))),
    ],
)
def test_sources(text: str, command: Any) -> None:
    assert parse(text).commands == (command,)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("a == 1", call("==", A, ONE)),
        ("a != 1", call("!=", A, ONE)),
        ("a >= -1.5e2", call(">=", A, Literal(-150.0))),
        ("a == 1 or b == 2 and x", call("or", call("==", A, ONE), call("and", call("==", B, TWO), X))),
        ("not a and b", call("and", call("not", A), B)),
        ("not not a", A),
        ("(a or b) and x", call("and", call("or", A, B), X)),
        ("a or b or x", call("or", A, B, X)),
        ("a + b * x - 1", call("-", call("+", A, call("*", B, X)), ONE)),
        ("a / b % x", call("%", call("/", A, B), X)),
        ("-a", call("neg", A)),
        ("- -a", A),
        ("a::long", call("to_long", A)),
        ('a :: STRING == "1"', call("==", call("to_string", A), Literal("1"))),
        ("a IN (1, 2)", In(A, (ONE, TWO))),
        ("a NOT IN (1)", call("not", In(A, (ONE,)))),
        ("a IS NULL", IsNull(A)),
        ("a is not null", call("not", IsNull(A))),
        ('a LIKE "x*"', Like(A, "x*")),
        ('a NOT LIKE "x?"', call("not", Like(A, "x?"))),
        ('a RLIKE "x.*"', Like(A, "x.*", True)),
        ('a LIKE ("x*", "y")', call("or", Like(A, "x*"), Like(A, "y"))),
        ("true and false and null", call("and", Literal(True), Literal(False), Literal(None))),
        ("`a b`.c == 1", call("==", Column("a b.c"), ONE)),
        ("`x``y`", Column("x`y")),
        (
            "@timestamp > now() - 15 minutes",
            call(">", Column("@timestamp"), call("-", call("now"), Span(15, "minute"))),
        ),
        ("@timestamp > NOW() - 1 d", call(">", Column("@timestamp"), call("-", call("now"), Span(1, "day")))),
        ('a == "q\\"\\\\\\n"', call("==", A, Literal('q"\\\n'))),
        ('a == """x"y\\z"""', call("==", A, Literal('x"y\\z'))),
        ('starts_with(to_lower(a), "x")', call("starts_with", call("to_lower", A), Literal("x"))),
        ("case(a, 1, b, 2, 0)", call("case", A, ONE, B, TWO, Literal(0))),
        ("to_str(a)", call("to_string", A)),
        ('message : "two words"', Search(Words(("message",), "two words"))),
        ('MATCH(message, "x") AND a', call("and", Search(Words(("message",), "x")), A)),
        ('match_phrase(m, "x y")', Search(Phrase(("m",), "x y"))),
        ('QSTR("a:1 AND b:[1 TO 2]")', Search(And((Words(("a",), "1"), Range(("b",), gte="1", lte="2"))))),
        ('KQL("a:1 and b > 2")', Search(And((Words(("a",), "1"), Range(("b",), gt="2"))))),
    ],
)
def test_expressions(text: str, expression: Expression) -> None:
    assert only(f"WHERE {text}") == Where(expression)


def test_parameters() -> None:
    assert only("WHERE a == ? AND b == ?", [1, "x"]) == Where(
        call("and", call("==", A, ONE), call("==", B, Literal("x")))
    )
    assert only("WHERE a == ?2", [1, 2]) == Where(call("==", A, TWO))
    assert only("WHERE a == ?n", [{"n": None}]) == Where(call("==", A, Literal(None)))
    assert only("WHERE a LIKE ?", ["x*"]) == Where(Like(A, "x*"))
    for text, values in (
        ("WHERE a == ?", []),
        ("WHERE a == ?n", [1]),
        ("WHERE a == ?", [[1]]),
        ("WHERE ??n", [{"n": 1}]),
    ):
        with pytest.raises(EsqlError):
            only(text, values)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("EVAL y = a + 1, b", Eval((Named("y", call("+", A, ONE)), Named("b", B)))),
        ("EVAL a  *  2", Eval((Named("a  *  2", call("*", A, TWO)),))),
        ("STATS COUNT(*)", Stats((Aggregate("COUNT(*)", call("count")),))),
        (
            "STATS n = count(), avg(a) BY b, x",
            Stats((Aggregate("n", call("count")), Aggregate("avg(a)", call("avg", A))), (Named("b", B), Named("x", X))),
        ),
        ("STATS BY b", Stats((), (Named("b", B),))),
        (
            "STATS r = SUM(a) / COUNT(*) BY h = BUCKET(@timestamp, 1 hour)",
            Stats(
                (Aggregate("r", call("/", call("sum", A), call("count"))),),
                (Named("h", call("bucket", Column("@timestamp"), Span(1, "hour"))),),
            ),
        ),
        (
            "STATS BY DATE_TRUNC(1 day, @timestamp)",
            Stats(
                (), (Named("DATE_TRUNC(1 day, @timestamp)", call("date_trunc", Span(1, "day"), Column("@timestamp"))),)
            ),
        ),
        (
            "STATS p = PERCENTILE(a, 95), d = COUNT_DISTINCT(b) WHERE a > 1",
            Stats(
                (
                    Aggregate("p", call("percentile", A, Literal(95))),
                    Aggregate("d", call("count_distinct", B), call(">", A, ONE)),
                )
            ),
        ),
        ("SORT a", Sort((SortBy(A),))),
        (
            "SORT a DESC, b ASC NULLS FIRST, x + 1 DESC NULLS LAST",
            Sort((SortBy(A, True, True), SortBy(B, False, True), SortBy(call("+", X, ONE), True))),
        ),
        ("KEEP a, b.*, *c, `d e`, @t*", Keep(("a", "b.*", "*c", "d e", "@t*"))),
        ("DROP a*, *", Drop(("a*", "*"))),
        ("RENAME a AS b, x = y", Rename((("a", "b"), ("y", "x")))),
        ("LIMIT 10", Limit(10)),
        ("LIMIT 99999999", Limit(10_000)),
    ],
)
def test_commands(text: str, command: Any) -> None:
    assert only(text) == command


def test_a_whole_query() -> None:
    text = """
        FROM logs-*
        | WHERE @timestamp > NOW() - 1 hour AND http.status >= 500
        | EVAL slow = ms > 1000
        | STATS n = COUNT(*), worst = MAX(ms) BY host.name, slow
        | SORT n DESC | LIMIT 5 | KEEP host.name, n
    """
    kinds = [type(each).__name__ for each in parse(text).commands]
    assert kinds == ["From", "Where", "Eval", "Stats", "Sort", "Limit", "Keep"]


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("", 1, 1, "mismatched input '<EOF>' expecting FROM or ROW"),
        ("SELECT 1", 1, 1, "mismatched input 'SELECT' expecting FROM or ROW"),
        ("FROM", 1, 5, "expecting an index name"),
        ("FROM i |", 1, 9, "mismatched input '<EOF>' expecting one of WHERE"),
        ("FROM i\n| FOO a", 2, 3, "mismatched input 'FOO'"),
        ("FROM i | WHERE a =", 1, 18, "expecting '==' to compare"),
        ("FROM i | WHERE a ==", 1, 20, "expecting an expression"),
        ("FROM i | WHERE (a", 1, 18, "expecting ')'"),
        ("FROM i | WHERE a b", 1, 18, "mismatched input 'b' expecting '|' or the end"),
        ("FROM i | WHERE foo(a)", 1, 16, "Unknown function [foo]"),
        ("FROM i | WHERE abs(a, b)", 1, 16, "error building [abs]: expects 1 arguments, found 2"),
        ("FROM i | WHERE count(a) > 1", 1, 16, "cannot use aggregate functions in WHERE"),
        ("FROM i | EVAL y = sum(a)", 1, 15, "cannot use aggregate functions in EVAL"),
        ("FROM i | STATS a", 1, 16, "expected an aggregate function but found [a]"),
        ("FROM i | STATS count() BY sum(a)", 1, 16, "cannot use an aggregate for grouping"),
        ("FROM i | SORT a NULLS", 1, 22, "expecting LAST"),
        ("FROM i | LIMIT x", 1, 16, "expecting a whole number"),
        ("FROM i | LIMIT 1.5", 1, 16, "expecting a whole number"),
        ("FROM i | RENAME a b", 1, 19, "expecting AS"),
        ("FROM i | KEEP", 1, 14, "expecting a field name or pattern"),
        ('FROM i | WHERE a == "x', 1, 21, "token recognition error at: '\"x'"),
        ("FROM i | WHERE a == 'x'", 1, 21, "token recognition error"),
        ("FROM i /* x", 1, 8, "expected */ for this comment"),
        ("FROM i | WHERE a LIKE b", 1, 23, "expecting a quoted pattern"),
        ("FROM i | WHERE a NOT 1", 1, 22, "expecting IN, LIKE or RLIKE"),
        ("FROM i | WHERE a::foo", 1, 19, "Unknown data type named [foo]"),
        ("FROM i | WHERE a == 99999999999999999999", 1, 21, "does not fit a long"),
        ('FROM i | WHERE 1 : "x"', 1, 18, "[:] operator takes a field"),
        ('FROM i | WHERE QSTR("(")', 1, 16, "[QSTR] Expected a )"),
        ('FROM i | STATS n = count() | WHERE a : "x"', 1, 36, "can only be used in WHERE, before STATS"),
        ('FROM i | EVAL y = match(a, "x")', 1, 15, "can only be used in WHERE"),
        ('FROM i | GROK a "x"', 1, 10, "[GROK] is not supported: use an ingest pipeline"),
        ("SHOW INFO", 1, 1, "[SHOW] is not supported"),
        ("FROM i | WHERE " + "(" * 5_000, 1, 56, "nested more than 40 deep"),
        ("FROM i | WHERE " + " + ".join(["a"] * 300), 1, 816, "more than 200 parts"),
    ],
)
def test_errors_have_line_and_column(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(EsqlError) as caught:
        parse(text)
    assert problem in caught.value.problem
    assert (caught.value.line, caught.value.column) == (line, column)
    assert f"line {line}:{column}: " in error_body(caught.value)["error"]["reason"]


def test_errors_have_elasticsearch_s_types() -> None:
    with pytest.raises(EsError) as syntax:
        parse("FROM i | WHERE")
    with pytest.raises(EsError) as meaning:
        parse("FROM i | WHERE foo(a)")
    assert (syntax.value.type, meaning.value.type) == ("parsing_exception", "verification_exception")
    assert meaning.value.reason == "Found 1 problem\nline 1:16: Unknown function [foo]"


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("SELECT * FROM logs", (From(("logs",)),)),
        ('SELECT * FROM "logs-*,x" LIMIT 5;', (From(("logs-*", "x")), Limit(5))),
        ("select a, b AS c from i", (From(("i",)), Eval((Named("c", B),)), Keep(("a", "c")))),
        (
            "SELECT a FROM i WHERE a = 'x''y' AND b <> 2",
            (From(("i",)), Where(call("and", call("==", A, Literal("x'y")), call("!=", B, TWO))), Keep(("a",))),
        ),
        ("SELECT a FROM i WHERE a LIKE 'x%y_*'", (From(("i",)), Where(Like(A, "x*y?\\*")), Keep(("a",)))),
        (
            "SELECT a FROM i WHERE a NOT BETWEEN 1 AND 2 AND b",
            (
                From(("i",)),
                Where(call("and", call("not", call("and", call(">=", A, ONE), call("<=", A, TWO))), B)),
                Keep(("a",)),
            ),
        ),
        (
            "SELECT a FROM i WHERE b IN (?, ?) ORDER BY a DESC",
            (From(("i",)), Where(In(B, (ONE, TWO))), Sort((SortBy(A, True),)), Keep(("a",))),
        ),
        ("SELECT COUNT(*) FROM i", (From(("i",)), Stats((Aggregate("COUNT(*)", call("count")),)), Keep(("COUNT(*)",)))),
        (
            "SELECT a, COUNT(*) AS n, COUNT(DISTINCT b) d FROM i "
            "GROUP BY a HAVING COUNT(*) > 1 ORDER BY 2 DESC, a LIMIT 3",
            (
                From(("i",)),
                Stats((Aggregate("n", call("count")), Aggregate("d", call("count_distinct", B))), (Named("a", A),)),
                Where(call(">", Column("n"), ONE)),
                Sort((SortBy(Column("n"), True), SortBy(A))),
                Limit(3),
                Keep(("a", "n", "d")),
            ),
        ),
        (
            "SELECT upper(a) u, sum(x) FROM i GROUP BY 1",
            (
                From(("i",)),
                Stats((Aggregate("sum(x)", call("sum", X)),), (Named("u", call("to_upper", A)),)),
                Keep(("u", "sum(x)")),
            ),
        ),
    ],
)
def test_sql(text: str, commands: tuple[Any, ...]) -> None:
    assert parse_sql(text, [1, 2]) == Plan(commands)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expecting SELECT"),
        ("SELECT", "expecting an expression"),
        ("SELECT a", "expecting FROM"),
        ("SELECT a FROM i JOIN j", "expecting the end"),
        ("SELECT DISTINCT a FROM i", "use GROUP BY"),
        ("SELECT a, count(*) FROM i", "non-grouped column [a]"),
        ("SELECT * FROM i GROUP BY a", "non-grouped column [*]"),
        ("SELECT a FROM i HAVING a > 1", "HAVING needs"),
        ("SELECT a FROM i ORDER BY 2", "Ordinal [2]"),
        ("DELETE FROM i", "[DELETE] is not supported"),
        ("SELECT a FROM i WHERE a = 'x", "token recognition error"),
    ],
)
def test_sql_errors(text: str, problem: str) -> None:
    with pytest.raises(EsqlError) as caught:
        parse_sql(text)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    "text",
    [
        "FROM i " + " " * 60_000 + "?",
        " " * 60_000 + "1",
        "/*" * 30_000,
        "FROM i /*a" + "/*a" * 15_000,
        '"' * 60_000,
        "FROM " + "a," * 30_000,
        "FROM i | WHERE " + "not " * 15_000 + "a",
        "FROM i | WHERE a" + "::long" * 9_000,
        "FROM i | WHERE " + "-" * 60_000 + "a",
        "FROM i | KEEP " + "*" * 60_000,
        "FROM i | WHERE a IN (" + "1," * 30_000,
        "FROM i" + " | LIMIT 1" * 6_000,
        "`" * 60_000,
        "//" * 30_000,
    ],
    ids=range(14),
)
def test_long_hostile_text_takes_no_time(text: str) -> None:
    start = time.thread_time()
    for read in (parse, parse_sql):
        with contextlib.suppress(EsqlError):
            read(text)
    assert time.thread_time() - start < 3


WORDS = 'FROM i | WHERE STATS BY SORT KEEP EVAL LIMIT a b.c 1 2.5 "x" == = : , ( ) + - * / :: and or not in like count('
words = st.sampled_from(re.split(" ", WORDS))


@given(st.lists(words, max_size=20).map(" ".join) | st.text(max_size=30), st.booleans())
def test_hostile_text_is_read_or_refused_with_a_place(text: str, with_source: bool) -> None:
    text = f"FROM i | WHERE {text}" if with_source else text
    refusals: list[EsqlError] = []
    for read in (parse, parse_sql):
        try:
            assert read(text, [1]).commands
        except EsqlError as error:
            refusals.append(error)
    assert all(1 <= each.line <= text.count("\n") + 1 and each.column >= 1 for each in refusals)
