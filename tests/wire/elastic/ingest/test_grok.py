"""The pattern library against lines that programs write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxops.wire.elastic.ingest.dissect import BadDissect, read_dissect
from dxops.wire.elastic.ingest.grok import BadGrok, Grok
from dxops.wire.elastic.ingest.grok_patterns import ECS_V1, LEGACY
from dxops.wire.elastic.ingest.patterns import BadPattern, compile_bounded, unrolled_size

APACHE = (
    '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326 "http://e.com/s" "Mozilla/4.08 [en]"'
)
LARGEST = Grok(["^%{COMBINEDAPACHELOG}$", "^%{SYSLOGLINE}$", "^%{SYSLOG5424LINE}$", "^%{URI:u}$", "^%{IPV6:i}$"], {})


def read(pattern: str, text: str, **options: bool) -> dict[str, Any] | None:
    found = Grok([pattern], {}, **options).read(text)
    return None if found is None else found[0]


@pytest.mark.parametrize("ecs", [False, True])
def test_every_name_of_the_library_compiles(ecs: bool) -> None:
    for name in ECS_V1 if ecs else LEGACY:
        Grok([f"%{{{name}:field}}"], {}, ecs=ecs)


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("IPV4", ["10.0.0.1", "255.255.255.255"], ["256.1.1.1", "1.2.3", "1.2.3.4.5"]),
        (
            "IPV6",
            ["::1", "fe80::1%eth0", "2001:db8::ff00:42:8329", "::ffff:10.0.0.1", "1:2:3:4:5:6:7:8", "::"],
            ["1::2::3", "12345::", ":::"],
        ),
        ("NUMBER", ["1", "-1.5", "+.5"], ["x", "1.2.3"]),
        ("USERNAME", ["joe.b-c_d"], ["a b"]),
        ("UUID", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
        (
            "TIMESTAMP_ISO8601",
            ["2026-01-01T00:00:00.123Z", "2026-01-01 00:00", "2026-01-01T00:00:00,5+01:00"],
            ["2026-13-01T00:00"],
        ),
        ("HTTPDATE", ["10/Oct/2000:13:55:36 -0700"], ["10/13/2000:13:55:36 -0700"]),
        ("SYSLOGTIMESTAMP", ["Mar  7 00:00:01", "Dec 31 23:59:60"], ["Mars 7 00:00:01"]),
        ("LOGLEVEL", ["INFO", "warn", "Warning", "ERROR", "fatal", "SEVERE"], ["loud"]),
        ("PATH", ["/var/log/a.log", "C:\\a\\b"], ["var"]),
        ("URI", ["https://u:p@example.com:8080/a/b?x=1#f", "ftp://h"], ["http:/x"]),
        ("QS", ['"a \\" b"', "'x'"], ['"open']),
        ("HOSTNAME", ["web-01.example.com", "localhost"], ["-x"]),
        ("MAC", ["00:1a:2B:3c:4d:5e", "001a.2b3c.4d5e", "00-1A-2B-3C-4D-5E"], ["00:1a"]),
        ("EMAILADDRESS", ["joe+x@example.com"], ["joe@"]),
        ("JAVACLASS", ["com.example.A$B"], ["1a"]),
        ("TIME", ["23:59:59.123", "7:05"], ["24:00:00"]),
        ("DATE", ["12/31/2026", "31.12.2026"], ["2026"]),
        ("BASE16NUM", ["0xfF", "12ab"], ["xyz"]),
        ("UNIX_TIMESTAMP", ["1767225600", "1767225600.5"], ["17"]),
    ],
)
def test_names(name: str, yes: list[str], no: list[str]) -> None:
    for text in yes:
        assert read(f"^%{{{name}:f}}$", text) == {"f": text}
    for text in no:
        assert read(f"^%{{{name}:f}}$", text) is None


def test_lines() -> None:
    assert read("%{COMBINEDAPACHELOG}", APACHE) == {
        "clientip": "127.0.0.1", "ident": "-", "auth": "frank", "timestamp": "10/Oct/2000:13:55:36 -0700",
        "verb": "GET", "request": "/a.gif", "httpversion": "1.0", "response": "200", "bytes": "2326", "referrer": '"http://e.com/s"',
        "agent": '"Mozilla/4.08 [en]"',
    }  # fmt: skip
    found = read("%{COMBINEDAPACHELOG}", APACHE, ecs=True)
    assert found is not None
    assert (found["http.response.status_code"], found["user.name"], found["source.address"]) == (
        200,
        "frank",
        "127.0.0.1",
    )
    assert read("%{SYSLOGLINE}", "Mar  7 00:00:01 web-01 sshd[123]: Accepted key") == {
        "timestamp": "Mar  7 00:00:01", "logsource": "web-01", "program": "sshd", "pid": "123",
        "message": "Accepted key",
    }  # fmt: skip
    assert read("%{SYSLOG5424LINE}", "<34>1 2003-10-11T22:14:15.003Z h su - ID47 - failed") == {
        "syslog5424_pri": "34", "syslog5424_ver": "1", "syslog5424_ts": "2003-10-11T22:14:15.003Z",
        "syslog5424_host": "h", "syslog5424_app": "su", "syslog5424_proc": "-", "syslog5424_msgid": "ID47",
        "syslog5424_msg": "failed",
    }  # fmt: skip
    assert read("%{JAVASTACKTRACEPART}", "  at com.x.Y$Z.run(Y.java:12)") == {
        "class": "com.x.Y$Z", "method": "run", "file": "Y.java", "line": "12",
    }  # fmt: skip


def test_types() -> None:
    assert read("%{INT:a:int} %{NUMBER:b:float} %{WORD:c:boolean} %{INT:d:long}", "1 2.5 true 7") == {
        "a": 1, "b": 2.5, "c": True, "d": 7,
    }  # fmt: skip
    with pytest.raises(BadGrok, match="is no int"):
        read("%{WORD:a:int}", "x")
    for bad in ("%{INT:a:number}", "%{INT:a..b}", "%{INT:a", r"\h+", "%{}"):
        with pytest.raises(BadGrok):
            Grok([bad], {})


@settings(deadline=None)
@given(st.text(max_size=200) | st.text(' "[]/:-.0123456789abcGET', max_size=300))
def test_any_text_against_the_largest_patterns(text: str) -> None:
    found = LARGEST.read(text)
    assert found is None or found[0]


@given(st.text("%{}abc+?*&/->1 ", max_size=30), st.text("abc 1", max_size=20))
def test_hostile_dissects(pattern: str, text: str) -> None:
    try:
        found = read_dissect(pattern).read(text)
    except BadDissect:
        return
    assert all(len(value) <= len(text) for value in found.values())


@pytest.mark.parametrize(
    ("pattern", "size"),
    [("abc", 3), ("a{5}", 5), ("(ab){3}", 9), ("[a-z]{2}x", 3), (r"\{4}", 3), ("[]{3}]", 1), ("a{,3}", 1)],
)
def test_the_size_of_patterns(pattern: str, size: int) -> None:
    assert unrolled_size(pattern) == size


def test_patterns_that_would_fill_the_memory_are_refused() -> None:
    for pattern in ("(a{1000}){1000}", "a{9999999}", "((((a{100}){100}){100}){100}){100}"):
        with pytest.raises(BadPattern, match="too large"):
            compile_bounded(pattern)
