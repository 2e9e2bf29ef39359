"""`_headers` as Netlify and Cloudflare Pages read it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.headers_file import MAX_BYTES, MAX_RULES, apply_headers, parse_headers


def headers(text: str, path: str, **given: str) -> dict[str, str]:
    found = {name.replace("_", "-"): value for name, value in given.items()}
    apply_headers(parse_headers(text.encode()).rules, path, found)
    return found


def test_paths_with_splats_and_placeholders() -> None:
    text = (
        "/*\n  X-All: 1\n/blog/:slug\n  X-Slug: :slug\n/a/*/z\n  X-Mid: :splat\n/exact\n  X-Exact: https://x.example\n"
    )
    assert headers(text, "/") == {"x-all": "1"}
    assert headers(text, "/blog/hi") == {"x-all": "1", "x-slug": "hi"}
    assert headers(text, "/blog/hi/there") == {"x-all": "1"}
    assert headers(text, "/a/b/c/z") == {"x-all": "1", "x-mid": "b/c"}
    assert headers(text, "/exact") == {"x-all": "1", "x-exact": "https://x.example"}


def test_a_file_replaces_defaults_joins_lists_and_removes() -> None:
    text = (
        "/*\n  Cache-Control: max-age=1\n  Link: </a>\n  Link: </b>\n  Vary: Cookie\n"
        "/x\n  Cache-Control: max-age=2\n  Link: </c>\n  ! Referrer-Policy\n"
    )
    found = headers(text, "/x", cache_control="no-cache", vary="Accept-Encoding", referrer_policy="same-origin")
    assert found == {"cache-control": "max-age=2", "link": "</a>, </b>, </c>", "vary": "Accept-Encoding, Cookie"}


@pytest.mark.parametrize(
    "name", ["Content-Length", "ETag", "Set-Cookie", "Transfer-Encoding", "Content-Encoding", "Date", "X-Dx-Release"]
)
def test_framing_validators_and_cookies_are_not_theirs_to_set(name: str) -> None:
    for line in (f"{name}: x", f"! {name}"):
        file = parse_headers(f"/*\n  {line}\n  X-Ok: 1\n".encode())
        assert len(file.faults) == 1
        assert name.lower() in file.faults[0]
        assert file.rules[0].sets == (("x-ok", "1"),)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("  X: 1\n", "no path precedes"),
        ("nope\n", "must be a path"),
        ("/a\n  just words\n", "Name: value"),
        ("/a\n  Bad Name: 1\n", "not a header name"),
        ("/a\n  X: \x01\n", "characters"),
        ("/a\n  X: ü\n", "characters"),
        ("/a/*/b/*\n  X: 1\n", "allowed once"),
        ("/:a/:a\n  X: 1\n", "allowed once"),
        ("x" * (MAX_BYTES + 1), "longer than"),
    ],
)
def test_faults(text: str, fault: str) -> None:
    file = parse_headers(text.encode())
    assert fault in file.faults[0]
    assert file.rules == ()


def test_hostile_files_stay_fast() -> None:
    many = parse_headers("".join(f"/{number}\n X: 1\n" for number in range(2 * MAX_RULES)).encode())
    assert len(many.rules) == MAX_RULES
    slow = parse_headers(f"/*{'/:a' * 1}/{'x' * 2000}\n X: 1\n/:a:b:c:d:e:f\n X: 1\n".encode())
    started = time.thread_time()
    for _ in range(20):
        apply_headers(slow.rules, "/" + "a/" * 2000, {})
    assert time.thread_time() - started < 5  # exponential would not end


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_bytes_parse_and_values_are_sendable(data: bytes, path: str) -> None:
    found: dict[str, str] = {}
    apply_headers(parse_headers(b"/*\n  X-Path: <:splat>\n" + data).rules, f"/{path}", found)
    for value in found.values():
        assert "\r" not in value
        assert "\n" not in value
        assert value.isascii()
