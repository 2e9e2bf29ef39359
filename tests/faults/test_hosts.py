"""Hostile `Host` headers, byte for byte, on every plain listener: refused in order, and the listener lives on."""

from __future__ import annotations

import socket

import pytest

from tests.harness import System

pytestmark = [pytest.mark.fault, pytest.mark.system]

FOREIGN = [
    b"evil.example",
    b"localhost.evil.example",
    b"127.0.0.1.evil.example",
    b"xn--lcalhost-54a",
    b"hello.localhost.evil",
]
MALFORMED = [
    b"",
    b"..",
    b"../../etc/passwd",
    b"hello..dev.dxos.localhost",
    b"hello.localhost:99999",
    b"hello.localhost:80:80",
    b"hello.localhost@evil.example",
    b"evil.example#hello.localhost",
    b"<script>alert(1)</script>.localhost",
    b"[::1",
    b"a" * 5000 + b".localhost",
    b"." * 300,
    b"\xff\xfe.localhost",
    b"hello\x00.localhost",
    b"hel lo.localhost",
]
TARGETS = {"apps": b"/", "console": b"/api/apps", "kubo": b"/api/v0/id"}


def ask(system: System, listener: str, host_lines: bytes) -> bytes:
    """The raw answer to a request with these header lines; empty where the server only hung up."""
    host, _, port = system.listen[listener].rpartition(":")
    method = b"POST" if listener == "kubo" else b"GET"
    request = method + b" " + TARGETS[listener] + b" HTTP/1.1\r\n" + host_lines
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request + b"content-length: 0\r\nconnection: close\r\n\r\n")
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        return received


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("listener", list(TARGETS))
@pytest.mark.parametrize("host", FOREIGN + MALFORMED, ids=lambda host: repr(host[:24]))
def test_a_hostile_host_is_refused(system: System, listener: str, host: bytes) -> None:
    answer = ask(system, listener, b"host: " + host + b"\r\n")
    if answer:  # what is no HTTP at all may be hung up on
        assert 400 <= status_of(answer) < 500, answer[:300]
        assert b"Traceback" not in answer
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert b"<script>alert" not in answer or b"content-type: application/json" in head  # quoted to programs only
        assert b"access-control-allow-origin" not in answer.lower()
    assert ask(system, listener, b"host: localhost\r\n"), "the listener is gone"


@pytest.mark.parametrize("listener", list(TARGETS))
def test_no_host_and_two_hosts(system: System, listener: str) -> None:
    for lines in (b"", b"host: localhost\r\nhost: evil.example\r\n", b"host: evil.example\r\nhost: localhost\r\n"):
        answer = ask(system, listener, lines)
        assert not answer or 400 <= status_of(answer) < 500, (lines, answer[:300])
