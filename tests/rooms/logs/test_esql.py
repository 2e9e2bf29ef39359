"""ES|QL and SQL on real rows in a real ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest

from dxops.rooms.logs.esql.tables import Question, Table, Tables
from dxops.rooms.logs.searching import Target
from dxops.wire.elastic.tables import table_text
from dxops.wire.es.errors import EsError
from dxops.wire.es.zones import zone
from dxops.wire.esql import parse, parse_sql
from dxops.wire.query_tree import Term
from tests.rooms.logs.local import LocalStore
from tests.rooms.logs.serving import IDS

pytestmark = pytest.mark.engine

NOON = 1_767_268_800_000  # 2026-01-01T12:00Z


def document(n: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@timestamp": NOON + n * 60_000,
        "message": f"GET /items/{n} {'failed' if n % 5 == 0 else 'done'}",
        "status": 500 if n % 5 == 0 else 200,
        "took": n / 2,
        "host": {"name": f"h{n % 3}"},
        "ok": n % 5 != 0,
        "tags": ["web", f"t{n % 2}"] if n % 4 else ["web"],
        "mixed": n if n % 2 else f"v{n}",
        "when": "2026-02-01T00:00:00Z",
        "addr": "10.0.0.1",
    }
    if n % 2:
        found["odd"] = n
    return found


@pytest.fixture(scope="module")
def store() -> Iterator[LocalStore]:
    with TemporaryDirectory() as directory:
        made = LocalStore(Path(directory))
        made.add([orjson.dumps(document(n)) for n in range(20)], [NOON + n * 60_000 for n in range(20)], "app")
        yield made
        made.close()


async def run(store: LocalStore, text: str, parameters: list[Any] | None = None, **more: Any) -> Table:
    tables = Tables(store, IDS, lambda: NOON)
    plan = parse_sql(text, parameters) if text.lower().startswith("select") else parse(text, parameters)
    return await tables.run(Question(plan=plan, text=text, target=Target(("app",)), **more))


async def rows(store: LocalStore, text: str, parameters: list[Any] | None = None, **more: Any) -> list[list[Any]]:
    return (await run(store, text, parameters, **more)).rows


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("STATS n = COUNT(*)", [[20]]),
        ("WHERE status >= 500 | STATS n = COUNT(*) BY status", [[4, 500]]),
        ('WHERE message : "failed" | STATS COUNT(*)', [[4]]),
        ('WHERE MATCH(message, "failed") AND host.name == "h0" | KEEP took', [[0], [7.5]]),
        ('WHERE QSTR("status:500 AND took:>2") | STATS c = COUNT(*)', [[3]]),
        ('WHERE KQL("host.name: h1 and not status: 500") | STATS c = COUNT(*)', [[6]]),
        ('WHERE host.name.keyword IN ("h0", "h1") | STATS COUNT(*)', [[14]]),
        ('WHERE host.name LIKE "h?" AND NOT host.name RLIKE "h[01]" | STATS COUNT(*)', [[6]]),
        ("WHERE odd IS NULL | STATS COUNT(*)", [[10]]),
        ("WHERE odd != 3 | STATS COUNT(*)", [[9]]),
        ("WHERE NOT ok | STATS COUNT(*)", [[4]]),
        ("STATS a = AVG(took), s = SUM(took), m = MAX(took), x = COUNT_DISTINCT(host.name) BY status | SORT status",
         [[5, 80, 9.5, 3, 200], [3.75, 15, 7.5, 3, 500]]),
        ("STATS c = COUNT(*) WHERE status == 500, d = COUNT(odd), e = SUM(odd) WHERE ok", [[4, 10, 80]]),
        ("STATS r = ROUND(AVG(took) * 2 / COUNT(*), 3)", [[0.475]]),
        ("STATS c = COUNT(*) BY tags | SORT tags", [[5, "t0"], [10, "t1"], [20, "web"]]),
        ("STATS v = VALUES(host.name), n = COUNT(tags)", [[["h0", "h1", "h2"], 35]]),
        ("STATS p = PERCENTILE(took, 100), d = MEDIAN(odd)", [[9.5, 9]]),
        ("STATS lo = MIN(@timestamp), hi = MAX(@timestamp)",
         [["2026-01-01T12:00:00.000Z", "2026-01-01T12:19:00.000Z"]]),
        ("STATS c = COUNT(*) BY b = BUCKET(@timestamp, 10 minutes) | SORT b",
         [[10, "2026-01-01T12:00:00.000Z"], [10, "2026-01-01T12:10:00.000Z"]]),
        ("STATS c = COUNT(*) BY b = DATE_TRUNC(1 hour, @timestamp)", [[20, "2026-01-01T12:00:00.000Z"]]),
        ("STATS c = COUNT(*) BY b = BUCKET(took, 5) | SORT b", [[10, 0], [10, 5]]),
        ('STATS c = COUNT(*) BY b = BUCKET(@timestamp, 5, "2026-01-01T12:00Z", "2026-01-01T12:20Z") | SORT b | LIMIT 1',
         [[5, "2026-01-01T12:00:00.000Z"]]),
        ('WHERE @timestamp >= "2026-01-01T12:18:00Z" | SORT @timestamp DESC | KEEP took', [[9.5], [9]]),
        ("WHERE @timestamp > NOW() + 17 minutes | STATS COUNT(*)", [[2]]),
        ("SORT took DESC | LIMIT 3 | WHERE took < 9.5 | KEEP took", [[9], [8.5]]),
        ("SORT took | LIMIT 3 | STATS s = SUM(took)", [[1.5]]),
        ("EVAL x = took * 2, y = x + 1 | SORT y DESC | LIMIT 1 | KEEP x, y", [[19, 20]]),
        ('EVAL s = CASE(took > 9, "slow", took > 4, "so so", "fast") | STATS c = COUNT(*) BY s | SORT s',
         [[9, "fast"], [1, "slow"], [10, "so so"]]),
        ("SORT took | RENAME took AS t | KEEP t, h* | LIMIT 1", [[0, "h0"]]),
        ("SORT took | KEEP took, odd, ok | DROP ok | LIMIT 2", [[0, None], [0.5, 1]]),
        ("WHERE mixed == 3 | STATS COUNT(*)", [[1]]),
        ('WHERE mixed == "v4" | STATS COUNT(*)', [[1]]),
        ("WHERE took / 0 > 1 | STATS COUNT(*)", [[0]]),
        ("EVAL c = MV_COUNT(tags), f = MV_LAST(tags) | SORT took | LIMIT 2 | KEEP c, f, tags",
         [[1, "web", "web"], [2, "t1", ["web", "t1"]]]),
        ("WHERE COALESCE(odd, 0) == 0 | STATS COUNT(*)", [[10]]),
        ("EVAL w = TO_DATETIME(when) | EVAL d = DATE_DIFF(\"day\", @timestamp, w) | STATS MAX(d)", [[30]]),
        ("WHERE TO_STRING(status) == \"500\" | STATS COUNT(*)", [[4]]),
        ("EVAL a = TO_IP(addr) | STATS COUNT(*) BY a", [[20, "10.0.0.1"]]),
        ("STATS c = COUNT(*) BY host.name | SORT c DESC, host.name | LIMIT 2", [[7, "h0"], [7, "h1"]]),
        ("STATS c = COUNT(*) BY status, ok | WHERE c > 5 | EVAL d = c * 2 | KEEP status, d", [[200, 32]]),
        ("WHERE status == 404 | STATS c = COUNT(*), s = SUM(took), m = MIN(host.name)", [[0, None, None]]),
    ],
)  # fmt: skip
async def test_commands(store: LocalStore, command: str, expected: list[list[Any]]) -> None:
    assert await rows(store, f"FROM app | {command}") == [
        pytest.approx(row) if _numeric(row) else row for row in expected
    ]


def _numeric(row: list[Any]) -> bool:
    return all(isinstance(value, int | float) for value in row)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("5 / 2", 2),
        ("5.0 / 2", 2.5),
        ("7 % 4", 3),
        ("-3 + 1", -2),
        ("1 / 0", None),
        ("null + 1", None),
        ('CONCAT("a", "b", TO_STRING(1))', "ab1"),
        ('SUBSTRING("hällo", 2, 3)', "äll"),
        ('LENGTH("hällo")', 5),
        ('BYTE_LENGTH("hällo")', 6),
        ('TRIM("  a ")', "a"),
        ('TO_UPPER("ä")', "Ä"),
        ('REPLACE("a1b2", "[0-9]", "#")', "a#b#"),
        ('LEFT("hello", 2)', "he"),
        ('RIGHT("hello", 3)', "llo"),
        ('STARTS_WITH("ab", "a")', True),
        ('LOCATE("hello", "l")', 3),
        ('REVERSE("abc")', "cba"),
        ('REPEAT("ab", 2)', "abab"),
        ('SPLIT("a,b", ",")', ["a", "b"]),
        ('MD5("a")', "0cc175b9c0f1b6a831c399e269772661"),
        ("ABS(-2)", 2),
        ("CEIL(1.2)", 2),
        ("ROUND(2.5)", 3),
        ("ROUND(-2.45, 1)", -2.5),
        ("SQRT(-1)", None),
        ("POW(2, 3)", 8),
        ("LOG(2, 8)", 3),
        ("SIGNUM(-4)", -1),
        ("GREATEST(1, 3, 2)", 3),
        ("LEAST(1, 2.5)", 1),
        ('TO_LONG("12.7")', 12),
        ('TO_DOUBLE("x")', None),
        ('TO_BOOLEAN("TRUE")', True),
        ('"3"::long', 3),
        ("TO_LONG(3.9)", 3),
        ('DATE_EXTRACT("hour_of_day", NOW())', 12),
        ('DATE_FORMAT("yyyy-MM-dd HH:mm", NOW())', "2026-01-01 12:00"),
        ('TO_STRING(DATE_PARSE("yyyy-MM-dd", "2026-03-04"))', "2026-03-04T00:00:00.000Z"),
        ("DATE_TRUNC(1 day, NOW())", "2026-01-01T00:00:00.000Z"),
        ("NOW() - 1 month", "2025-12-01T12:00:00.000Z"),
        ("DATE_TRUNC(1 week, NOW())", "2025-12-29T00:00:00.000Z"),
        ('"2026-01-01T12:00:00Z" == NOW()', True),
        ("1 IN (1, 2)", True),
        ('"a" LIKE "A*"', False),
        ("COALESCE(null, 2)", 2),
        ("true AND null", None),
        ("false AND null", False),
        ("MV_SUM(3)", 3),
        ('MV_CONCAT(SPLIT("a,b", ","), "-")', "a-b"),
        ('MV_DEDUPE(SPLIT("a,a", ","))', "a"),
        ('MV_MAX(SPLIT("a,c,b", ","))', "c"),
        ("CASE(1 > 2, 1)", None),
    ],
)  # fmt: skip
async def test_functions(store: LocalStore, expression: str, value: Any) -> None:
    ((found,),) = await rows(store, f"ROW x = {expression}")
    assert found == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("FROM app | WHERE stauts == 1", "line 1:18: Unknown column [stauts]"),
        ("FROM app |\n KEEP took, nope", "line 2:13: Unknown column [nope]"),
        ("FROM app | WHERE took == \"x\" + 1", "must be [numeric]"),
        ("FROM app | WHERE host.name > 1", "must be [numeric]"),
        ("FROM app | STATS a = SUM(took) BY host.name | KEEP took", "Unknown column [took]"),
        ("FROM app | STATS a = took + SUM(took)", "must appear in the STATS BY clause"),
        ("FROM app | EVAL x = CONCAT(took, \"a\")", "use TO_STRING"),
        ("FROM app METADATA _wat | LIMIT 1", "METADATA"),
        ("FROM app METADATA _source | WHERE _source == \"x\"", "can only be shown"),
        ("ROW x = DATE_TRUNC(1, NOW())", "must be a span"),
        ("ROW x = 1 hour", "span of time"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked(store: LocalStore, text: str, problem: str) -> None:
    with pytest.raises(EsError) as refused:
        await rows(store, text)
    assert problem in refused.value.reason
    assert refused.value.type == "verification_exception"


async def test_all_columns_metadata_and_types(store: LocalStore) -> None:
    table = await run(store, "FROM app METADATA _id, _index, _source | SORT @timestamp | LIMIT 1")
    types = dict(table.columns)
    assert [types[name] for name in ("@timestamp", "message", "took", "ok", "host.name", "mixed", "_id")] == [
        "date", "text", "double", "boolean", "keyword", "keyword", "keyword"
    ]  # fmt: skip
    assert [name for name, _ in table.columns][:2] == ["@timestamp", "addr"]
    first = dict(zip(types, table.rows[0], strict=True))
    assert (first["_id"], first["_index"], first["odd"]) == (IDS.id_of(1), "app", None)
    assert first["_source"] == document(0)


async def test_filter_parameters_and_zone(store: LocalStore) -> None:
    text = "FROM app | WHERE status == ?s AND took > ? | STATS c = COUNT(*)"
    assert await rows(store, text, [2, {"s": 500}]) == [[3]]
    assert await rows(store, "FROM app | STATS c = COUNT(*)", query=Term(("host.name",), ("h0",))) == [[7]]
    table = await run(store, "ROW d = DATE_TRUNC(1 day, NOW())", zone=zone("Europe/Berlin"))
    assert table.rows == [["2026-01-01T00:00:00.000+01:00"]]
    table = await run(store, "ROW d = DATE_TRUNC(1 day, NOW())", zone=zone("-05:00"))
    assert table.rows == [["2026-01-01T00:00:00.000-05:00"]]


async def test_sql(store: LocalStore) -> None:
    grouped = "GROUP BY host.name HAVING n > 1 ORDER BY n DESC"
    text = f'SELECT host.name AS h, COUNT(*) AS n FROM "app" WHERE status >= ? {grouped}'
    table = await run(store, text, [500])
    assert table.columns == (("h", "keyword"), ("n", "long"))
    assert table.rows == [["h0", 2]]
    assert await rows(store, "SELECT took FROM app WHERE took BETWEEN 1 AND 2 ORDER BY took") == [[1], [1.5], [2]]


async def test_expressions_that_double_themselves_stay_small(store: LocalStore) -> None:
    doubling = " | ".join("EVAL x = x * 2 + x" for _ in range(40))
    assert len(await rows(store, f"FROM app | EVAL x = took | {doubling} | KEEP x")) == 20


def test_tables_as_text() -> None:
    made = [["a,b", None], ['q"', [1, 2]], ["x\ty", True]]
    assert table_text("csv", ["n", "v"], made) == 'n,v\r\n"a,b",\r\n"q""","[1,2]"\r\nx\ty,true\r\n'
    assert table_text("tsv", ["n", "v"], made) == 'n\tv\na,b\t\nq"\t[1,2]\nx\\ty\ttrue\n'
    assert table_text("txt", ["name"], [["a"]]) == "name\n----\na   \n"
