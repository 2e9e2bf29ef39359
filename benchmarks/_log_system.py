"""A started system as a benchmark of logs sees it: its processes' CPU and memory, its store, its Elasticsearch API."""

from __future__ import annotations

import json
import threading
import time
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import psutil

from benchmarks._log_sender import Order
from tests.harness import System

SPINE = ("ingest", "loader", "store")


class Spent(msgspec.Struct, frozen=True):
    """Seconds of CPU by role."""

    seconds: dict[str, float]

    def since(self, before: Spent) -> dict[str, float]:
        return {role: spent - before.seconds[role] for role, spent in self.seconds.items()}


class LogSystem:
    """Use with `with`. Addresses and credentials come from `dxops endpoints`, as for anybody."""

    def __init__(self, system: System) -> None:
        found = system.endpoints()
        self.host, _, port = found["elastic_url"].rpartition("://")[2].partition(":")
        self.port = int(port)
        self.api_key = found["elastic_api_key"]
        headers = {"authorization": f"ApiKey {self.api_key}"}
        self._elastic = httpx.Client(base_url=found["elastic_url"], headers=headers, timeout=60)
        store = urlsplit(found["clickhouse_url"])
        self._store = httpx.Client(base_url=f"http://{store.netloc}/", params={"database": "dxops"}, timeout=300)
        status = json.loads((system.data / "state" / "status.json").read_text())
        self.processes = {role: psutil.Process(entry["pid"]) for role, entry in status["roles"].items()}

    def __enter__(self) -> LogSystem:
        return self

    def __exit__(self, *_: object) -> None:
        self._elastic.close()
        self._store.close()

    def sql(self, statement: str) -> list[list[str]]:
        """Rows of texts."""
        answer = self._store.post("", content=statement)
        if answer.status_code != 200:
            raise RuntimeError(answer.text)
        return [line.split("\t") for line in answer.text.splitlines()]

    def count(self) -> int:
        return int(self.sql("SELECT count() FROM log_events")[0][0])

    def search(self, body: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Milliseconds, and the answer."""
        begun = time.perf_counter()
        answer = self._elastic.post("/logs-*/_search", json=body)
        took_ms = (time.perf_counter() - begun) * 1000
        if answer.status_code != 200:
            raise RuntimeError(answer.text)
        return took_ms, answer.json()

    def order(self, documents: int, start_ms: int, end_ms: int, **more: Any) -> Order:
        return Order(
            host=self.host, port=self.port, api_key=self.api_key, documents=documents, start_ms=start_ms,
            end_ms=end_ms, **more,
        )  # fmt: skip

    def spent(self) -> Spent:
        times = {role: process.cpu_times() for role, process in self.processes.items()}
        return Spent({role: found.user + found.system for role, found in times.items()})

    def wait(self, count: int, timeout_s: float = 600) -> float:
        """Until so many documents can be found; when that was, on the monotonic clock."""
        deadline = time.monotonic() + timeout_s
        while self.count() < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.count()} of {count} documents can be found")
            time.sleep(0.05)
        return time.monotonic()


class Watch(threading.Thread):
    """While it runs: how many documents can be found, by time, and the most memory that the spine's roles had."""

    def __init__(self, system: LogSystem) -> None:
        super().__init__(daemon=True)
        self._system = system
        self._stopping = threading.Event()
        self.found: list[tuple[float, int]] = []
        self.resident_mb: dict[str, float] = {}
        self.most_resident_mb = 0.0
        self.most_proportional_mb = 0.0

    def run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            self.found.append((time.monotonic(), self._system.count()))
            if number % 10 == 0:
                self._look()
            number += 1
            self._stopping.wait(0.1)

    def _look(self) -> None:
        infos = {role: self._system.processes[role].memory_full_info() for role in SPINE}
        for role, info in infos.items():
            self.resident_mb[role] = max(self.resident_mb.get(role, 0), info.rss / 1e6)
        self.most_resident_mb = max(self.most_resident_mb, sum(info.rss for info in infos.values()) / 1e6)
        self.most_proportional_mb = max(self.most_proportional_mb, sum(info.pss for info in infos.values()) / 1e6)

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self.join()
