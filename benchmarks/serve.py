"""A hot file of 5.5 KB: nginx and our origin with one worker each, alternating, by the same load generator."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from dxops.rooms.origin.access_log import AccessFile
from dxops.rooms.origin.config import OriginConfig
from tests.harness import free_ports
from tests.rooms.origin.stage import staged

HOST = "hello.dxos.localhost"

FILE_BYTES = 5500
CONNECTIONS = 64
SECONDS = 4
ROUNDS = 3
TARGET = 0.4

Row = dict[str, object]


def run() -> list[Row]:
    """Requests per second and latencies, medians of the rounds. Without nginx or wrk there is one row that says so."""
    if not shutil.which("nginx") or not shutil.which("wrk"):
        return [_row("hot file 5.5 KB: nginx or wrk is not installed", None, None, "requests/s", TARGET)]
    body = os.urandom(FILE_BYTES)
    with tempfile.TemporaryDirectory(prefix="dxops-bench-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        with _nginx(place / "nginx", body) as peer, _served(place / "origin", body) as ours:
            rounds = [(_wrk(ours), _wrk(peer)) for _ in range(ROUNDS)]
    ours_s, peer_s = ([pair[side] for pair in rounds] for side in (0, 1))
    rows = [_row("hot file 5.5 KB", _median(ours_s, 0), _median(peer_s, 0), "requests/s", TARGET)]
    for name, index in (("p50", 1), ("p99", 2)):
        mine, theirs = _median(ours_s, index), _median(peer_s, index)
        rows.append(
            {
                "name": f"hot file 5.5 KB, {name}",
                "ours": round(mine, 2),
                "peer": round(theirs, 2),
                "unit": "ms",
                "ratio": round(mine / theirs, 2),
                "target": None,
                "ok": True,
            }
        )
    return rows


def _row(name: str, ours: float | None, peer: float | None, unit: str, target: float) -> Row:
    ratio = round(ours / peer, 2) if ours is not None and peer else None
    return {
        "name": name,
        "ours": round(ours) if ours is not None else None,
        "peer": round(peer) if peer is not None else None,
        "unit": unit,
        "ratio": ratio,
        "target": target,
        "ok": ratio is not None and ratio >= target,
    }


def _median(results: list[tuple[float, float, float]], index: int) -> float:
    return statistics.median(result[index] for result in results)


def _wrk(url: str) -> tuple[float, float, float]:
    """(requests/s, p50 ms, p99 ms) with one thread of load."""
    text = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "--latency", "-H", f"Host: {HOST}", url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Non-2xx" not in text, text
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate, text
    return float(rate[1]), _latency(text, "50"), _latency(text, "99")


def _latency(text: str, percentile: str) -> float:
    found = re.search(rf"^\s+{percentile}%\s+([\d.]+)(us|ms|s)$", text, re.MULTILINE)
    assert found, text
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


@contextmanager
def _nginx(place: Path, body: bytes) -> Iterator[str]:
    (place / "www").mkdir(parents=True)
    (place / "www" / "file.bin").write_bytes(body)
    for each in (place, place / "www"):
        each.chmod(0o755)
    port = free_ports(1)[0]
    (place / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100;\n"
        f"  server {{ listen 127.0.0.1:{port}; root {place}/www; }} }}\n"
    )
    process = subprocess.Popen(["nginx", "-c", str(place / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        yield _until_up(f"http://127.0.0.1:{port}/file.bin")
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def _served(place: Path, body: bytes, *how: str) -> Iterator[str]:
    """Our origin in a process of its own, as the role `edge` runs it; `silent` for no access log."""
    place.mkdir()
    (place / "file.bin").write_bytes(body)
    port = free_ports(1)[0]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.serve", "--origin", str(place), str(port), *how])
    try:
        yield _until_up(f"http://127.0.0.1:{port}/file.bin")
    finally:
        process.terminate()
        process.wait(10)


def _until_up(url: str) -> str:
    import time

    import httpx

    for _ in range(400):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, headers={"host": HOST}).status_code == 200:
                return url
        time.sleep(0.025)
    raise RuntimeError(f"{url} does not answer")


@asynccontextmanager
async def _one_file(place: Path, port: int, silent: bool) -> AsyncIterator[None]:
    access_log = None if silent else AccessFile(place / "access.log", OriginConfig())
    if access_log is not None:
        access_log.start()
    async with staged(place, port=port, access_log=access_log, logged=not silent) as stage:
        await stage.publish({"index.html": b"<h1>bench</h1>", "file.bin": (place / "file.bin").read_bytes()})
        yield
    if access_log is not None:
        access_log.stop()


def _serve(place: Path, port: int, silent: bool) -> None:
    import signal

    import uvloop

    async def main() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with _one_file(place, port, silent):
            await stop.wait()

    uvloop.run(main())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--origin"]:
        _serve(Path(sys.argv[2]), int(sys.argv[3]), "silent" in sys.argv)
    else:
        for row in run():
            print(row)
