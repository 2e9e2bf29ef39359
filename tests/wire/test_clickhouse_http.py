"""Requests of the ClickHouse HTTP interface, cut into what they mean."""

from __future__ import annotations

import base64
import contextlib
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.clickhouse_http import (
    BadRequest,
    Credential,
    accepted_encoding,
    code_of,
    exception_trailer,
    header_size,
    parameter,
    parse_call,
    status_of,
)
from dxops.wire.clickhouse_sql import Kind, statement, tokens


@pytest.mark.parametrize(
    ("sql", "verb", "kept", "output_format", "data"),
    [
        (b"SELECT 1", "select", b"SELECT 1", None, None),
        (b"SELECT 1 FORMAT JSON", "select", b"SELECT 1", "JSON", None),
        (b"SELECT 1\nformat  JSONEachRow ; ", "select", b"SELECT 1", "JSONEachRow", None),
        (b"SELECT 1 FORMAT CSV SETTINGS a = 1", "select", b"SELECT 1 SETTINGS a = 1", "CSV", None),
        (b"SELECT 'x FORMAT CSV'", "select", b"SELECT 'x FORMAT CSV'", None, None),
        (b"SELECT format('{}', 1)", "select", b"SELECT format('{}', 1)", None, None),
        (b"SELECT 1 -- FORMAT CSV", "select", b"SELECT 1", None, None),
        (b"(SELECT 1) FORMAT TSV", "select", b"(SELECT 1)", "TSV", None),
        (b"/* c */ WITH 1 AS a SELECT a", "with", b"/* c */ WITH 1 AS a SELECT a", None, None),
        (b"INSERT INTO t FORMAT Native\n\0\1", "insert", b"INSERT INTO t", "Native", b"\0\1"),
        (b"INSERT INTO t FORMAT CSV\r\n1,2\r\n", "insert", b"INSERT INTO t", "CSV", b"1,2\r\n"),
        (b'INSERT INTO t FORMAT JSONEachRow {"a":1}', "insert", b"INSERT INTO t", "JSONEachRow", b'{"a":1}'),
        (
            b"insert into t (format, values) values (1, 2)",
            "insert",
            b"insert into t (format, values)",
            "Values",
            b" (1, 2)",
        ),
        (b"INSERT INTO t SETTINGS a = 1 FORMAT TSV\n1", "insert", b"INSERT INTO t SETTINGS a = 1", "TSV", b"1"),
        (b"INSERT INTO t SELECT 1", "insert", b"INSERT INTO t SELECT 1", None, None),
        (
            b"INSERT INTO t SELECT * FROM values('a', 1)",
            "insert",
            b"INSERT INTO t SELECT * FROM values('a', 1)",
            None,
            None,
        ),
        (b"INSERT INTO t", "insert", b"INSERT INTO t", None, None),
        (b" -- nothing", "", b"-- nothing", None, None),
    ],
)
def test_statements(sql: bytes, verb: str, kept: bytes, output_format: str | None, data: bytes | None) -> None:
    found = statement(sql)
    assert (found.verb, found.sql, found.format) == (verb, kept, output_format)
    assert (None if found.data_at is None else sql[found.data_at :]) == data


def test_tokens_know_where_texts_end() -> None:
    found = [(token.kind, token.text) for token in tokens(rb"""a 'it''s \' x' "B""c" `d\`e` 1.5e3 /* x */ -- y""")]
    assert found == [
        (Kind.WORD, "a"),
        (Kind.STRING, r"'it''s \' x'"),
        (Kind.QUOTED, 'B"c'),
        (Kind.QUOTED, "d`e"),
        (Kind.NUMBER, "1.5e3"),
    ]


@pytest.mark.parametrize(
    "sql", [b"'open", b'"open', b"`open", b"/* open", b"$$x$$", b"$a$ ' $a$", b"\xe2\x80\x98a\xe2\x80\x99"]
)
def test_what_could_mislead_is_odd(sql: bytes) -> None:
    assert Kind.ODD in {token.kind for token in tokens(sql)}


@given(st.binary(max_size=300))
def test_no_bytes_break_the_lexer(sql: bytes) -> None:
    places = [(token.start, token.end) for token in tokens(sql)]
    assert all(start < end for start, end in places)
    assert places == sorted(places)
    found = statement(sql)
    assert found.data_at is None or 0 < found.data_at <= len(sql)


@given(st.binary(max_size=100))
def test_data_behind_an_insert_is_untouched(data: bytes) -> None:
    sql = b"INSERT INTO t (a) FORMAT Native\n" + data
    at = statement(sql).data_at
    assert at is not None
    assert sql[at:] == data


NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=10).map(lambda name: f"x_{name}")


@given(st.dictionaries(NAMES, st.text(max_size=30)), st.dictionaries(NAMES, st.text(max_size=30)), st.binary())
def test_settings_and_parameters_survive_the_url(settings: dict[str, str], params: dict[str, str], sql: bytes) -> None:
    fields = {**settings, **{f"param_{key}": value for key, value in params.items()}, "session_id": "s", "role": "r"}
    call = parse_call(f"{urlencode(fields)}&query={quote(sql, safe='')}".encode(), {})
    assert (call.settings, call.params, call.query or b"") == (settings, params, sql)


@given(st.binary(max_size=200))
def test_hostile_urls_are_read_or_refused(query: bytes) -> None:
    with contextlib.suppress(BadRequest):
        parse_call(query, {})


def test_credentials() -> None:
    basic = "Basic " + base64.b64encode(b"me:a:b").decode()
    assert parse_call(b"", {"authorization": basic}).credential == Credential("me", "a:b")
    assert parse_call(b"password=p", {}).credential == Credential("default", "p")
    assert parse_call(b"", {"x-clickhouse-user": "u", "x-clickhouse-key": "k"}).credential == Credential("u", "k")
    assert parse_call(b"", {}).credential is None
    for query, headers in (
        (b"user=u", {"authorization": basic}),
        (b"", {"authorization": basic, "x-clickhouse-user": "u"}),
        (b"", {"authorization": "Bearer x"}),
        (b"", {"authorization": "Basic !"}),
        (b"user=a&user=b", {}),
    ):
        with pytest.raises(BadRequest):
            parse_call(query, headers)


def test_encodings() -> None:
    assert accepted_encoding("gzip, deflate, lz4;q=0.5") == "lz4"
    assert accepted_encoding("gzip;q=0, deflate") == "deflate"
    assert accepted_encoding("br, identity") is None
    assert accepted_encoding("") is None


def test_errors() -> None:
    assert code_of("Code: 60. DB::Exception: x. (UNKNOWN_TABLE)") == 60
    assert code_of("no code") == 1002
    assert [status_of(code) for code in (60, 81, 62, 516, 241, 159, 1002)] == [404, 404, 400, 403, 503, 408, 500]
    assert exception_trailer("tag", "Code: 1. x") == (
        b"__exception__\r\ntag\r\nCode: 1. x\n11 tag\r\n__exception__\r\n"
    )


@pytest.mark.parametrize(
    ("output_format", "answer", "size"),
    [
        ("Native", b"\x01\x01", 0),
        ("CSVWithNames", b'"a","b"\n1,2\n', 8),
        ("CSVWithNames", b'"a\nb"\n1\n', 6),
        ("TSVWithNamesAndTypes", b"a\nUInt8\n1\n", 8),
        ("RowBinaryWithNamesAndTypes", b"\x01\x01a\x05UInt8\x07", 9),
        ("RowBinaryWithNames", b"\x01\x01a\x07", 3),
    ],
)
def test_the_header_of_a_part(output_format: str, answer: bytes, size: int) -> None:
    assert header_size(output_format, answer) == size


def test_parameters_as_texts() -> None:
    assert parameter("a\tb\\") == "a\\tb\\\\"
    assert parameter(["a'b", 1, None, True]) == r"['a\'b',1,NULL,true]"
    assert parameter({"k": [1.5]}) == "{'k':[1.5]}"
    assert parameter(None) == "\\N"
    with pytest.raises(TypeError):
        parameter(object())
