"""Flips under load: requests that fail, and how long until both hosts answer with the new release.

PostgreSQL, delivery, preparation and the origin are the real ones; a client that keeps its connections asks for the
page, checks that it is one whole release, and then for the asset that the page names, which may be a release behind.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

REQUESTS = 10_000
FLIPS = 50
WORKERS = 8
TARGET_MS = 100.0

Flip = Callable[[int], Awaitable[str]]

_ASSET = re.compile(rb'src="(/assets/app-[0-9a-f]{8}\.js)"')


def page_files(number: int) -> dict[str, bytes]:
    """A release whose page and asset both say its number; the asset's name is made from it."""
    name = f"assets/app-{0xA1B2C300 + number:08x}.js"
    page = f'<!doctype html><title>{number}</title><script type="module" src="/{name}"></script>'
    return {"index.html": page.encode() + b" " * 2000, name: f"export default {number};".encode() * 100}


class Connection:
    """A kept HTTP/1.1 connection, small enough not to be what is measured."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, host: str, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split(" ")[1]), headers, body

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()


@dataclass
class Report:
    """What happened. `visible_ms` is per flip, from its start until the last host shows it."""

    requests: int = 0
    old_assets: int = 0
    failures: list[str] = field(default_factory=list)
    visible_ms: list[float] = field(default_factory=list)


async def hammer(port: int, hosts: Sequence[str], flip: Flip, *, flips: int, requests: int, workers: int) -> Report:
    """Send `requests` while `flip(number)` runs `flips` times; it returns the release id that must then be served."""
    report = Report()
    todo = iter(range(requests))
    done = asyncio.Event()

    async def visit(connection: Connection, host: str, live: str) -> str:
        status, headers, page = await connection.get(host, "/")
        report.requests += 1
        asset = _ASSET.search(page)
        if status != 200 or asset is None:
            report.failures.append(f"{host}/ {status}")
            return live
        number = page[page.index(b"<title>") + 7 : page.index(b"</title>")]
        await asyncio.sleep(0)  # a page's own request comes later than the page; let a flip come between
        path = asset[1].decode()
        status, again, script = await connection.get(host, path)
        report.requests += 1
        if status != 200 or not script.startswith(b"export default " + number + b";"):
            report.failures.append(f"{host}{path} {status}")
        report.old_assets += again.get("x-dx-release") != headers["x-dx-release"]
        return headers["x-dx-release"]

    async def work(index: int) -> None:
        connection = Connection(port)
        live = ""
        try:
            for turn in todo:
                if turn % 2:
                    continue  # a visit is two requests
                try:
                    live = await visit(connection, hosts[index % len(hosts)], live)
                except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                    report.failures.append(f"{type(error).__name__}: {error}")
                    connection.close()
                    connection = Connection(port)
        finally:
            connection.close()

    async def turn() -> None:
        watchers = [Connection(port) for _ in hosts]
        for number in range(flips):
            while report.requests < requests * (number + 0.5) / flips and not done.is_set():
                await asyncio.sleep(0.001)
            started = time.perf_counter()
            expected = await flip(number)
            for watcher, host in zip(watchers, hosts, strict=True):
                while (await watcher.get(host, "/"))[1].get("x-dx-release") != expected:
                    if time.perf_counter() - started > 10:
                        report.failures.append(f"{host} never showed {expected}")
                        break
                    await asyncio.sleep(0.0005)
            report.visible_ms.append((time.perf_counter() - started) * 1000)
        for watcher in watchers:
            watcher.close()

    turning = asyncio.create_task(turn())
    await asyncio.gather(*(work(index) for index in range(workers)))
    done.set()
    await turning
    return report


@asynccontextmanager
async def _stage() -> AsyncIterator[tuple[int, Sequence[str], Flip]]:
    from benchmarks._postgres import database_url
    from tests.rooms.origin.full import delivered

    with tempfile.TemporaryDirectory(prefix="dxops-bench-") as directory, database_url() as url:
        async with delivered(Path(directory), url) as full:
            releases = [await full.publish("hello", "prod", page_files(number)) for number in range(4)]

            async def flip(number: int) -> str:
                return await full.roll_back("hello", "prod", releases[number % 4])

            yield full.port, ["hello.dxos.localhost", "hello.kube.dxos.localhost"], flip


def run() -> list[dict[str, object]]:
    """Failed requests of 10,000 during 50 flips, and the time until a flip is visible on both hosts."""

    async def main() -> Report:
        async with _stage() as (port, hosts, flip):
            return await hammer(port, hosts, flip, flips=FLIPS, requests=REQUESTS, workers=WORKERS)

    report = uvloop.run(main())
    for failure in report.failures[:5]:
        print(f"  failed: {failure}")
    slow = sorted(report.visible_ms)[int(len(report.visible_ms) * 0.99)]
    middle = statistics.median(report.visible_ms)
    return [
        _row(f"failed requests of {report.requests}, {FLIPS} flips", len(report.failures), "requests", 0),
        _row("flip visible on both hosts, p50", round(middle, 1), "ms", TARGET_MS),
        _row("flip visible on both hosts, p99", round(slow, 1), "ms", TARGET_MS),
    ]


def _row(name: str, ours: float, unit: str, target: float) -> dict[str, object]:
    return {
        "name": name,
        "ours": ours,
        "peer": None,
        "unit": unit,
        "ratio": None,
        "target": target,
        "ok": ours <= target,
    }


if __name__ == "__main__":
    for row in run():
        print(row)
