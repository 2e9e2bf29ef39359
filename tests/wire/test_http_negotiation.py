"""RFC 9110, the parts of a file server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.http_negotiation import (
    UNSATISFIABLE,
    ByteRange,
    choose_encoding,
    if_range_holds,
    none_match_hits,
    parse_host,
    parse_range,
)

SIZES = [("br", 10), ("zstd", 12), ("gzip", 15)]


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br;q=0.5, gzip;q=0.9", "gzip"),
        ("br;q=0, *", "zstd"),
        ("*;q=0", None),
        ("*", "br"),
        ("identity, br;q=0.5", None),
        ("identity;q=0.5, br", "br"),
        ("identity;q=0", None),
        ("br;q=2", None),
        ("br;q=", None),
        ("br ; q=0.5", "br"),
        (",,br,,", "br"),
        ("brotli", None),
    ],
)
def test_encodings(header: str | None, coding: str | None) -> None:
    assert choose_encoding(header, SIZES) == coding


@given(st.text(max_size=100))
def test_any_accept_encoding_gives_an_offered_one(header: str) -> None:
    assert choose_encoding(header, SIZES) in (None, "br", "zstd", "gzip")


@pytest.mark.parametrize(
    ("header", "hits"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", W/"a"', True),
        ('"b","a"', True),
        ("*", True),
        (" * ", True),
        ('"b"', False),
        ("a", False),
        ("", False),
        ('"b" "a"', False),
        ('"a', False),
        ('"b", *', False),
    ],
)
def test_if_none_match(header: str, hits: bool) -> None:
    assert none_match_hits(header, '"a"') is hits


def test_if_range_compares_strongly() -> None:
    assert if_range_holds(None, '"a"')
    assert if_range_holds('"a"', '"a"')
    assert not if_range_holds('W/"a"', '"a"')
    assert not if_range_holds("Tue, 24 Nov 2026 00:00:00 GMT", '"a"')


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=0-99", ByteRange(0, 10)),
        ("bytes=3-", ByteRange(3, 10)),
        ("bytes=-3", ByteRange(7, 10)),
        ("bytes=-99", ByteRange(0, 10)),
        ("Bytes = 1 - 2", ByteRange(1, 3)),
        ("bytes=10-", UNSATISFIABLE),
        ("bytes=-0", UNSATISFIABLE),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=1.5-2", None),
        ("bytes=٣-٤", None),
        ("bytes=" + "9" * 100 + "-", None),
    ],
)
def test_ranges(header: str, expected: ByteRange | None) -> None:
    assert parse_range(header, 10) == expected


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_is_what_a_slice_says(size: int, start: int, last: int) -> None:
    data = bytes(range(size))
    found = parse_range(f"bytes={start}-{last}", size)
    if last < start:
        assert found is None
    elif start >= size:
        assert found is UNSATISFIABLE
    else:
        assert found is not None
        assert data[found.start : found.end] == data[start : last + 1]


@given(st.text(max_size=40), st.integers(0, 1000))
def test_any_range_is_inside(header: str, size: int) -> None:
    for text in (header, f"bytes={header}"):
        found = parse_range(text, size)
        assert found is None or 0 <= found.start <= found.end <= size


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("hello.dxos.localhost:8080", "hello.dxos.localhost"),
        ("HELLO.Example.", "hello.example"),
        ("localhost", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:8080", "[::1]"),
        ("[0:0::1]", "[::1]"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("bücher.example", None),
        ("user@host", None),
        ("a,b", None),
        ("a b", None),
        ("a/b", None),
        ("", None),
        (".", None),
        ("a..b", None),
        ("-a", None),
        ("a:port", None),
        ("a:70000", None),
        ("a:1:2", None),
        ("[::1", None),
        ("[::1]x", None),
        ("[fe80::1%eth0]", None),
        ("a" * 254, None),
        ("ﬁ.example", None),
        ("a\x00b", None),
    ],
)
def test_hosts(value: str, name: str | None) -> None:
    found = parse_host(value)
    assert (found.name if found else None) == name


@given(st.text(max_size=300))
def test_any_host_is_plain_or_none(value: str) -> None:
    found = parse_host(value)
    assert found is None or (found.name.isascii() and not set(found.name) & set("<>\"'/@, \r\n"))
