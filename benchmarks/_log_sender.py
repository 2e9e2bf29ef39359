"""A shipper that costs next to nothing: bodies of `_bulk` made beforehand, plain sockets, answers hardly looked at.

`python -m benchmarks._log_sender '{…}'` (the fields of `Order`): says `ready`, waits for a line, sends, then prints
what was measured as one line of JSON. Times are CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from benchmarks.realistic_logs import RealisticLogs

_PATH = "/_bulk?filter_path=errors,items.*.error,items.*.status"  # as Beats ask


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. `rate` documents a second, 0 for as fast as it goes; `made_before` keeps all bodies in memory."""

    host: str
    port: int
    api_key: str
    documents: int
    start_ms: int
    end_ms: int
    batch: int = 2500
    connections: int = 8
    rate: int = 0
    seed: int = 1
    stream: str = ""
    made_before: bool = True


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`requests` are (when it was due to be sent, when it was answered, documents); all were answered 200 without
    errors, except `refused`."""

    requests: list[tuple[float, float, int]]
    refused: list[str]
    body_bytes: int
    cpu_s: float

    @property
    def documents(self) -> int:
        return sum(count for _, _, count in self.requests)

    @property
    def began(self) -> float:
        return min(begun for begun, _, _ in self.requests)

    @property
    def ended(self) -> float:
        return max(done for _, done, _ in self.requests)

    def answer_ms(self, quantile: float) -> float:
        took = sorted(done - begun for begun, done, _ in self.requests)
        return took[min(int(len(took) * quantile), len(took) - 1)] * 1000


class Sender:
    """A sender process, its bodies made. `go`, then `report`; or `with` it."""

    def __init__(self, order: Order) -> None:
        command = [sys.executable, "-m", "benchmarks._log_sender", msgspec.json.encode(order).decode()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != b"ready":
            raise RuntimeError("the sender did not come up")

    def go(self) -> None:
        """Begin to send."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def report(self) -> Report:
        """Wait for the end."""
        output, _ = self._process.communicate(timeout=900)
        return msgspec.json.decode(output, type=Report)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


class _Sending:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.requests: list[tuple[float, float, int]] = []
        self.refused: list[str] = []
        self.size = 0
        self._turn = threading.Lock()
        self._number = 0
        self._begun = 0.0
        made = RealisticLogs(order.seed).bodies(
            order.documents, start_ms=order.start_ms, end_ms=order.end_ms, batch=order.batch, stream=order.stream
        )
        self._bodies: Iterator[tuple[bytes, int]] = iter(list(made)) if order.made_before else made

    def run(self) -> None:
        self._begun = time.monotonic()
        threads = [threading.Thread(target=self._work) for _ in range(self.order.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _next(self) -> tuple[float, bytes, int] | None:
        """When it is due, the body, and how many documents it has."""
        with self._turn:
            found = next(self._bodies, None)
            if found is None:
                return None
            now = time.monotonic()
            due = self._begun + self._number * self.order.batch / self.order.rate if self.order.rate else now
            self._number += 1
            return due, *found

    def _work(self) -> None:
        order = self.order
        with socket.create_connection((order.host, order.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = (
                f"POST {_PATH} HTTP/1.1\r\nhost: {order.host}\r\nauthorization: ApiKey {order.api_key}\r\n"
                "content-type: application/x-ndjson\r\ncontent-length: "
            )
            while (found := self._next()) is not None:
                due, body, count = found
                if (early := due - time.monotonic()) > 0:
                    time.sleep(early)
                connection.sendall(f"{head}{len(body)}\r\n\r\n".encode())
                connection.sendall(body)
                status, answer = _answer(connection)
                done = time.monotonic()
                if status == 200 and answer.startswith(b'{"errors":false'):
                    self.requests.append((due, done, count))
                    self.size += len(body)
                else:
                    self.refused.append(f"{status} {answer[:200].decode('utf-8', 'replace')}")


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    data = b""
    while (at := data.find(b"\r\n\r\n")) < 0:
        data += _received(connection)
    head = data[:at].lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    parts, left = [data[at + 4 :]], length - (len(data) - at - 4)
    while left > 0:
        parts.append(_received(connection))
        left -= len(parts[-1])
    return int(head.split()[1]), b"".join(parts)


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 18)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def main() -> None:
    sending = _Sending(msgspec.json.decode(sys.argv[1], type=Order))
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.process_time()
    sending.run()
    report: dict[str, Any] = {
        "requests": sending.requests,
        "refused": sending.refused,
        "body_bytes": sending.size,
        "cpu_s": time.process_time() - begun,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
