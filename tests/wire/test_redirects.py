"""`_redirects` by the IPFS specification."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.redirects import MAX_BYTES, Match, match_redirect, parse_redirects


def matched(text: str, path: str, query: str = "") -> tuple[int, str] | None:
    file = parse_redirects(text.encode())
    assert file.faults == ()
    found = match_redirect(file.rules, path, query)
    return (found.status, found.target) if found else None


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("/a /b", "/a", (301, "/b")),
        ("/a /b", "/a/", None),
        ("/a /b", "/A", None),
        ("/a /b 302\n/a /c", "/a", (302, "/b")),
        ("/a   \t /b \t 308   ", "/a", (308, "/b")),
        ("\r\n# all\r\n/a /b 307\r\n", "/a", (307, "/b")),
        ("/a /b 303 # why", "/a", (303, "/b")),
        ("/* /index.html 200", "/any/where", (200, "/index.html")),
        ("/* /index.html 200", "/", (200, "/index.html")),
        ("/old/* /new/:splat", "/old/x/y", (301, "/new/x/y")),
        ("/old/* /new/:splat", "/old", (301, "/new/")),
        ("/old/* /new/:splat", "/older", None),
        ("/post-* /p/:splat", "/post-1", (301, "/p/1")),
        ("/:year/:month/:name /a/:name/:year 302", "/2024/05/x", (302, "/a/x/2024")),
        ("/:year/:month /a", "/2024/", None),
        ("/u/:id /index.html 200", "/u/7", (200, "/index.html")),
        ("/x /lost.html 404", "/x", (404, "/lost.html")),
        ("/x /gone.html 410", "/x", (410, "/gone.html")),
        ("/x /law.html 451", "/x", (451, "/law.html")),
        ("/x https://other.example/y?z=1#f 301", "/x", (301, "https://other.example/y?z=1#f")),
        ("/x/* https://other.example/:splat", "/x/ä b", (301, "https://other.example/%C3%A4%20b")),
        ("/x /y#part", "/x", (301, "/y#part")),
        ("/a:b /c", "/a:b", (301, "/c")),
        ("/* /:splat", "//evil.example/x", (301, "/evil.example/x")),
        ("/go/* /:splat", "/go//evil.example", (301, "/evil.example")),
        ("/go/* /:splat", "/go/\\evil.example", (301, "/%5Cevil.example")),
        ("/go/* /x?u=:splat", "/go/a\r\nSet-Cookie: x", (301, "/x?u=a%0D%0ASet-Cookie:%20x")),
    ],
)
def test_matching(text: str, path: str, expected: tuple[int, str] | None) -> None:
    assert matched(text, path) == expected


@pytest.mark.parametrize(
    ("to", "query", "expected"),
    [
        ("/b", "x=1&y=%20", "/b?x=1&y=%20"),
        ("/b?z=1", "", "/b?z=1"),
        ("/b?z=1&q=2", "z=9", "/b?q=2&z=9"),
        ("/b?z=1#f", "x=1", "/b?z=1&x=1#f"),
        ("/b", 'a"b<c>', "/b?a%22b%3Cc%3E"),
    ],
)
def test_the_request_s_query_is_kept_and_wins(to: str, query: str, expected: str) -> None:
    assert matched(f"/a {to}", "/a", query) == (301, expected)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("/a", "needs 'from to [status]'"),
        ("a /b", "must start with /"),
        ("/a /b 299", "status 299 is not supported"),
        ("/a /b 500", "status 500"),
        ("/a /b abc", "is not a status"),
        ("/a /b 200!", "never shadowed"),
        ("/a /b 302 Country=de", "no conditions"),
        ("/a/*/b /c", "at the end"),
        ("/:x/:x /c", "used twice"),
        ("/:splat /c", "use another name"),
        ("/a?x=1 /c", "without query"),
        ("/a b", "must start with / or be a URL"),
        ("/a //evil.example", "no scheme"),
        ("/a https://other.example/ 200", "elsewhere"),
        ("/a javascript:alert(1)", "not an http or https URL"),
        ("/a data:text/html,x 301", "not an http or https URL"),
        ("/a /:b", "is not in 'from'"),
        ("/a /:splat", "is not in 'from'"),
    ],
)
def test_faults_name_their_line(line: str, fault: str) -> None:
    (found,) = parse_redirects(f"# first\n{line}\n".encode()).faults
    assert found.line == 2
    assert fault in str(found)


def test_files_that_are_too_long_or_not_text() -> None:
    assert parse_redirects(b"/a /b\n" * (MAX_BYTES // 6)).faults == ()
    assert "longer than" in str(parse_redirects(b"#" * (MAX_BYTES + 1)).faults[0])
    assert "line 2: is not UTF-8" in str(parse_redirects(b"/a /b\n/\xff /c\n").faults[0])


@given(st.binary(max_size=300))
def test_any_bytes_parse(data: bytes) -> None:
    parse_redirects(data)


@given(st.text(max_size=80), st.text(max_size=40))
def test_locations_are_safe_whatever_is_asked(path: str, query: str) -> None:
    rules = parse_redirects(b"/go/:a/* /:splat/:a?from=:splat 301\n/* https://other.example/:splat").rules
    for asked in (f"/{path}", f"/go/{path}"):
        found = match_redirect(rules, asked, query)
        assert isinstance(found, Match)
        assert found.target.isascii()
        assert found.target.isprintable()
        assert " " not in found.target
        host = urlsplit(found.target).netloc
        assert host in ("", "other.example")
        if not host:
            assert not found.target.startswith(("//", "/\\"))


@given(st.text(max_size=60))
def test_a_splat_survives_its_quoting(path: str) -> None:
    found = match_redirect(parse_redirects(b"/x/* /y/:splat").rules, f"/x/{path}", "")
    assert found is not None
    assert unquote(found.target, errors="surrogatepass") == f"/y/{path}"
