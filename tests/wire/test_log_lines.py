"""Lines that programs really write, as what they say."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxops.wire.elastic.bulk import parse_bulk
from dxops.wire.logs.line_documents import document_of, journal_document
from dxops.wire.logs.lines import level_in, read_line
from dxops.wire.logs.splitting import Record

NOW = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
BERLIN = ZoneInfo("Europe/Berlin")


def ms(*when: int, zone: object = UTC) -> int:
    return int(datetime(*when, tzinfo=zone).timestamp() * 1000)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "time_ms", "level", "message", "fields"),
    [
        (
            '203.0.113.9 - ann [24/Nov/2026:19:43:29 +0100] "GET /a?b=1 HTTP/1.1" 404 153 '
            '"http://x/y" "curl/8 \\"q\\""',
            ms(2026, 11, 24, 18, 43, 29),
            "warning",
            None,
            {
                "source.address": "203.0.113.9",
                "http.request.method": "GET",
                "url.original": "/a?b=1",
                "url.path": "/a",
                "http.version": "1.1",
                "http.response.status_code": 404,
                "http.response.body.bytes": 153,
                "http.request.referrer": "http://x/y",
                "user_agent.original": 'curl/8 "q"',
                "user.name": "ann",
            },
        ),
        (
            'example.org:443 ::1 - - [24/Nov/2026:19:43:29 +0000] "\\x16\\x03" 400 - "-" "-"',
            ms(2026, 11, 24, 19, 43, 29),
            "warning",
            None,
            {"source.address": "::1", "http.response.status_code": 400, "url.domain": "example.org"},
        ),
        (
            "Nov  4 19:43:29 web1 sshd[812]: error: kex_exchange_identification",
            ms(2026, 11, 4, 18, 43, 29),
            "error",
            "error: kex_exchange_identification",
            {"host.name": "web1", "process.name": "sshd", "process.pid": 812},
        ),
        ("Dec 31 23:59:59 a b: c", ms(2025, 12, 31, 22, 59, 59), "", "c", {"host.name": "a", "process.name": "b"}),
        (
            "2026-11-24T19:43:29.123456+01:00 web1 CRON[9]: (root) CMD (x)",
            ms(2026, 11, 24, 18, 43, 29) + 123,
            "",
            "(root) CMD (x)",
            {"host.name": "web1", "process.name": "CRON", "process.pid": 9},
        ),
        (
            '<165>1 2026-11-24T19:43:29.003Z host app 12 ID47 [ex@1 a="b"] \ufeffhello',
            ms(2026, 11, 24, 19, 43, 29) + 3,
            "notice",
            "hello",
            {
                "log.syslog.facility.code": 20,
                "host.name": "host",
                "process.name": "app",
                "process.pid": 12,
                "log.syslog.msgid": "ID47",
                "log.syslog.structured_data": '[ex@1 a="b"]',
            },
        ),
        (
            "W1124 19:43:29.123456   77 reflector.go:561] watch ended",
            ms(2026, 11, 24, 18, 43, 29) + 123,
            "warning",
            "watch ended",
            {"process.thread.id": 77, "log.origin.file.name": "reflector.go:561"},
        ),
        (
            '2026/11/24 19:43:29 [error] 12#34: *5 open() "/x" failed',
            ms(2026, 11, 24, 18, 43, 29),
            "error",
            'open() "/x" failed',
            {"process.pid": 12, "process.thread.id": 34, "nginx.error.connection_id": 5},
        ),
        (
            "[Tue Nov 24 19:43:29.120000 2026] [core:warn] [pid 7:tid 8] [client 10.0.0.1:5] AH01 no",
            ms(2026, 11, 24, 18, 43, 29) + 120,
            "warn",
            "AH01 no",
            {"apache.error.module": "core", "process.pid": 7, "source.address": "10.0.0.1:5"},
        ),
        ("2026/11/24 19:43:29 listening", ms(2026, 11, 24, 18, 43, 29), "", None, {}),
        (
            "2026-11-24T19:43:29.123456789Z stderr F panic: oh",
            ms(2026, 11, 24, 19, 43, 29) + 123,
            "panic",
            "panic: oh",
            {"stream": "stderr"},
        ),
        (
            "12:M 24 Nov 2026 19:43:29.123 # Warning: no",
            ms(2026, 11, 24, 18, 43, 29) + 123,
            "warning",
            "Warning: no",
            {"process.pid": 12},
        ),
        ("2026-11-24 19:43:29,123 INFO  [main] up", ms(2026, 11, 24, 18, 43, 29) + 123, "info", None, {}),
        ("2026-11-24 19:43:29.123 UTC [99] FATAL:  no", ms(2026, 11, 24, 19, 43, 29) + 123, "fatal", None, {}),
        ("2026-11-24 19:43:29.123 UTC [99] LOG:  ready", ms(2026, 11, 24, 19, 43, 29) + 123, "info", None, {}),
        ("2026-11-24T19:43:29Z INFO app: up", ms(2026, 11, 24, 19, 43, 29), "info", None, {}),
        (
            'ts=2026-11-24T19:43:29Z level=WARN msg="so \\"it\\" goes" n=3',
            ms(2026, 11, 24, 19, 43, 29),
            "warn",
            'so "it" goes',
            {"n": "3"},
        ),
        ("just words", None, "", None, {}),
        ("\x1b[31mERROR\x1b[0m broken", None, "error", None, {}),
    ],
)
def test_known_lines(
    text: str, time_ms: int | None, level: str, message: str | None, fields: dict[str, object]
) -> None:
    line = read_line(text, NOW_MS, BERLIN)
    assert line.message == (text if message is None else message)
    assert (line.time_ms, line.level, line.fields) == (time_ms, level, fields)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("no errors found", ""),
        ("see /var/log/ERROR.log", ""),
        ("[warn] careful", "warn"),
        ("error: no", "error"),
        ("INFORMATION", ""),
        ("main.ERROR", ""),
        ("x" * 200 + " ERROR", ""),
    ],
)
def test_levels_are_guessed_from_words_that_look_like_levels(text: str, level: str) -> None:
    assert level_in(text) == level


def document(text: bytes, **about: object) -> dict[str, object]:
    return json.loads(document_of(Record(text, len(text) + 1), about, NOW_MS, UTC))


def test_json_lines_keep_their_bytes() -> None:
    text = b'{"time":"2026-11-24T19:43:29Z","n":1.50,"a":{"b":[1, 2]},"level":"info"}'
    made = document_of(Record(text, 1), {"host.name": "h"}, NOW_MS, UTC)
    assert made == b'{"@timestamp":"2026-11-24T19:43:29.000Z","host.name":"h",' + text[1:]
    assert document(b"{}") == {"@timestamp": "2026-11-24T20:00:00.000Z"}
    own = b'{"@timestamp":"2026-01-01T00:00:00Z","host":{"name":"x"}}'
    assert document_of(Record(own, 1), {"host.name": "h"}, NOW_MS, UTC) == own


def test_what_is_no_document_is_text() -> None:
    for text in (b'{"broken": ', b"[1,2]", b'{"@timestamp":"yesterday"}', b"\xff\xfe raw"):
        assert document(text)["message"] == text.decode("utf-8", "replace")


def test_several_lines_are_one_document() -> None:
    made = document(b"2026-11-24 19:43:29 boom\nTraceback (most recent call last):\n  x\nValueError: y")
    assert made["@timestamp"] == "2026-11-24T19:43:29.000Z"
    assert made["log.level"] == "error"
    assert str(made["message"]).endswith("ValueError: y")


def test_journal_entries() -> None:
    entry = {
        "__REALTIME_TIMESTAMP": "1767225600123456",
        "PRIORITY": "3",
        "MESSAGE": [104, 105, 255],
        "_SYSTEMD_UNIT": "nginx.service",
        "_PID": "12",
        "_HOSTNAME": "web1",
        "REQUEST_ID": "r1",
        "SYSLOG_FACILITY": "3",
    }
    assert json.loads(journal_document(entry, {"host.name": "h"}, NOW_MS)) == {
        "@timestamp": "2026-01-01T00:00:00.123Z",
        "log.level": "error",
        "message": "hi\ufffd",
        "host.name": "web1",
        "systemd.unit": "nginx.service",
        "service.name": "nginx",
        "process.pid": 12,
        "journald.custom.request_id": "r1",
    }


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(-12, 12))
def test_any_bytes_become_a_document_that_bulk_takes(text: bytes, hours: int) -> None:
    made = document_of(Record(text, len(text)), {"host.name": "h"}, NOW_MS, timezone(timedelta(hours=hours)))
    assert b"\n" not in made
    bulk = parse_bulk(b'{"create":{"_index":"x"}}\n' + made + b"\n", now_ms=NOW_MS)
    assert not bulk.errors


def test_lines_cut_anywhere_never_fail() -> None:
    lines = [
        '203.0.113.9 - ann [24/Nov/2026:19:43:29 +0100] "GET /a?b=1 HTTP/1.1" 404 153 "http://x/y" "curl"',
        '<165>1 2026-11-24T19:43:29.003Z host app 12 ID47 [ex@1 a="b"] hello',
        "Feb 29 19:43:29 web1 sshd[812]: error",
        "W0231 19:43:29.123456   77 reflector.go:561] watch",
        "[Tue Nov 31 19:43:29.120000 2026] [core:warn] [pid 7:tid 8] x",
    ]
    choose = random.Random(1)
    for line in lines:
        for _ in range(200):
            at = choose.randrange(len(line))
            broken = line[:at] + choose.choice(["", "9", " ", "[", '"', "99"]) + line[at + choose.randrange(3) :]
            read_line(broken, NOW_MS, BERLIN)
