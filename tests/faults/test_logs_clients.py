"""Clients that send slowly, or nothing at all: others are served, and memory stays where it is."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import psutil
import pytest

from dxops.app.elastic import encoded_api_key
from tests.faults.spine import Spine, running_spine
from tests.harness import eventually

pytestmark = [pytest.mark.fault, pytest.mark.system]

_PIECE = b'{"create":{"_index":"slow"}}\n{"message":"' + b"m" * 1000 + b'"}\n'
_BODY_BYTES = 80 << 20
_SENT_BYTES = 4 << 20


@pytest.fixture(scope="module")
def spine() -> Iterator[Spine]:
    with running_spine() as running:
        yield running


def resident_mb(spine: Spine) -> float:
    return float(psutil.Process(spine.processes["ingest"].pid).memory_info().rss / 1e6)


def post(spine: Spine) -> int:
    """The status of an ordinary small request on a connection of its own."""
    headers = {"authorization": f"ApiKey {encoded_api_key(spine.data)}", "content-type": "application/x-ndjson"}
    url = f"http://{spine.system.listen['elastic']}/_bulk"
    return httpx.post(url, content=_PIECE, headers=headers, timeout=15).status_code


@contextmanager
def connections(spine: Spine, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(spine.address, timeout=10)) for _ in range(count)]


def idle(spine: Spine, count: int, more_mb: float) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        pytest.skip(f"this account may open {hard} files: too few for {count} connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        assert post(spine) == 200
        before = resident_mb(spine)
        with connections(spine, count):
            assert post(spine) == 200
            assert resident_mb(spine) - before < more_mb
        assert post(spine) == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_thousand_idle_connections(spine: Spine) -> None:
    idle(spine, 2_000, 30)


@pytest.mark.slow
def test_ten_thousand_idle_connections(spine: Spine) -> None:
    idle(spine, 10_000, 100)


def test_many_slow_bodies_are_held_in_bounded_memory(spine: Spine) -> None:
    """60 senders that announce 80 MB each and stop after 4: 240 MB, of which 64 are taken."""
    before = resident_mb(spine)
    with connections(spine, 60) as opened:
        feeding = [threading.Thread(target=feed, args=(spine, one), daemon=True) for one in opened]
        for thread in feeding:
            thread.start()
        eventually(lambda: resident_mb(spine) > before + 50)
        highest = 0.0
        deadline = time.monotonic() + 4.0
        while time.monotonic() < deadline:  # watched for a while: it must not go on growing
            highest = max(highest, resident_mb(spine))
            time.sleep(0.1)
        assert highest < before + 160
        assert post(spine) == 200
    for thread in feeding:
        thread.join(20)
    assert post(spine) == 200


def feed(spine: Spine, connection: socket.socket) -> None:
    key = encoded_api_key(spine.data)
    head = (
        f"POST /_bulk HTTP/1.1\r\nhost: x\r\nauthorization: ApiKey {key}\r\n"
        f"content-type: application/x-ndjson\r\ncontent-length: {_BODY_BYTES}\r\n\r\n"
    )
    with suppress(OSError):  # refused, or cut off at the end
        connection.sendall(head.encode())
        connection.sendall(_PIECE * (_SENT_BYTES // len(_PIECE)))
