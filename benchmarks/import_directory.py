"""Import of a 500 MB directory, durable when it returns, beside what the same machine can do in the same rounds: the
single-thread SHA-256 rate, and the best durable write of as many bytes by throw-away writers (`_places`).

It runs where `DXOPS_BENCH_DIR` says (else in the temporary directory; needs 16 GB), and in /dev/shm, which shows our
code without a disk; with `DXOPS_BENCH_JOURNAL=1` (root; 16 GB more) also on an ext4 with a journal in an image file,
whose rates contain those of the file system that holds the image.

The source is in the page cache, each store is empty but set up. In each round hashing, writers and imports run in a
random order. On a disk everything is deleted at the end only: an ext4 without a journal walks past the inodes deleted
in the last minutes for each file it creates. Each import runs in a process of its own, whose peak memory is a row. So
is the share of the machine that other processes used meanwhile: with more than a few percent the figures mean little,
so each measurement waits some seconds for the machine to be idle.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmarks._places import Writers, file_system, journaled_image

ROUNDS = 4
MEGABYTES = 500
TARGET_RATIO = 0.5
TARGET_DISK_RATIO = 0.85
TARGET_RSS_MB = 200
PROFILES = ("v0-2015", "v1-256k", "v1-2025")
_PLACE_BYTES = 16 * 10**9

_CHILD = r"""
import json, os, re, sys, time
from pathlib import Path
from dxops.engines.blocks.files import FileBlocks
from dxops.rooms.content.importer import import_path
from dxops.wire.cid import Cid
from dxops.wire.unixfs import PROFILES
def machine():
    spent = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    return (sum(spent) - spent[3] - spent[4]) / os.sysconf("SC_CLK_TCK")
store = FileBlocks(Path(sys.argv[2]))
store.put_many([(Cid.for_block(b""), b"")])
everyone, own, started = machine(), time.process_time(), time.perf_counter()
import_path(store, sys.argv[1], PROFILES[sys.argv[3]])
took = time.perf_counter() - started
others = machine() - everyone - (time.process_time() - own)
store.close()
peak = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])  # ru_maxrss would count our parent's
print(json.dumps([took, peak / 1024, others / took / os.cpu_count()]))
"""


def run() -> list[dict[str, object]]:
    """The rows of every place."""
    rows: list[dict[str, object]] = []
    folder = os.environ.get("DXOPS_BENCH_DIR")
    with tempfile.TemporaryDirectory(prefix="dxops-bench-", dir=folder) as made, contextlib.ExitStack() as stack:
        source = Path(made) / "source"
        make_tree(source)
        places = [Path(made) / "disk"]
        if shutil.disk_usage(made).free < _PLACE_BYTES * 1.2:
            raise SystemExit(f"{made} has too little space for this benchmark: set DXOPS_BENCH_DIR")
        if os.environ.get("DXOPS_BENCH_JOURNAL"):
            places.append(stack.enter_context(journaled_image(Path(made), _PLACE_BYTES)) / "disk")
        if Path("/dev/shm").is_dir():
            memory = stack.enter_context(tempfile.TemporaryDirectory(prefix="dxops-bench-", dir="/dev/shm"))
            places.append(Path(memory) / "memory")
        for place in places:
            place.mkdir()
            rows += list(measure(source, place))
    return rows


def measure(source: Path, place: Path) -> Iterator[dict[str, object]]:
    """The rows of one place."""
    where = file_system(place)
    in_memory = where == "tmpfs"
    writers = Writers(MEGABYTES * 1_000_000, direct=not in_memory)
    rates: dict[str, list[float]] = defaultdict(list)
    peaks, others = [], []
    for index in range(ROUNDS):
        names = ["sha256", *writers.all, *PROFILES]
        random.shuffle(names)
        for name in names:
            settle()
            folder = place / f"{index}-{names.index(name)}"
            if name == "sha256":
                took = sha256_time()
            elif name in writers.all:
                took = writers.all[name](folder)
            else:
                took, rss, share = import_once(source, folder, name)
                peaks.append(rss)
                others.append(share)
            rates[name].append(MEGABYTES / took)
            if in_memory:
                shutil.rmtree(folder, ignore_errors=True)
            os.sync()
    best = max(writers.all, key=lambda name: statistics.median(rates[name]))
    for name in PROFILES:
        title = f"import 500 MB, {name}, {where}"
        yield _row(f"{title} (peer: SHA-256, one thread)", rates[name], rates["sha256"], TARGET_RATIO)
        yield _row(
            f"{title} (peer: plain writer, {best})", rates[name], rates[best], None if in_memory else TARGET_DISK_RATIO
        )
    for name in writers.all:
        yield _row(f"plain writer, {where}, {name} (peer: SHA-256)", rates[name], rates["sha256"], None)
    yield _limit(f"import 500 MB, {where}, peak memory", max(peaks), "MB", TARGET_RSS_MB)
    yield _limit(f"CPU used by others meanwhile, {where}, median", 100 * max(0.0, statistics.median(others)), "%", None)


def _row(name: str, ours: list[float], peer: list[float], target: float | None) -> dict[str, object]:
    ratio = statistics.median(ours) / statistics.median(peer)
    return {
        "name": name,
        "ours": statistics.median(ours),
        "peer": statistics.median(peer),
        "unit": "MB/s",
        "ratio": ratio,
        "best": max(ours),
        "best_ratio": max(rate / other for rate, other in zip(ours, peer, strict=True)),
        "rounds": [[round(rate) for rate in ours], [round(rate) for rate in peer]],
        "target": None if target is None else f">= {target}",
        "ok": None if target is None else ratio >= target,
    }


def _limit(name: str, value: float, unit: str, limit: int | None) -> dict[str, object]:
    return {
        "name": name,
        "ours": value,
        "peer": None,
        "unit": unit,
        "ratio": None,
        "target": None if limit is None else f"< {limit}",
        "ok": None if limit is None else value < limit,
    }


def settle() -> None:
    """Wait until the CPUs are nearly idle, ten seconds at most."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        before = _idle_s()
        time.sleep(0.3)
        if _idle_s() - before > 0.9 * 0.3 * (os.cpu_count() or 1):
            return


def _idle_s() -> float:
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def make_tree(root: Path) -> None:
    """A hundred directories with files of 1 KB to 5 MB, 500 MB of bytes that repeat nowhere."""
    chance = random.Random(7)
    left, index = MEGABYTES * 1_000_000, 0
    while left:
        size = min(left, int(chance.choice((1e3, 2e4, 2e5, 1e6, 5e6)) * chance.uniform(0.5, 1)))
        folder = root / f"d{index % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{index}").write_bytes(chance.randbytes(size))
        left -= size
        index += 1
    os.sync()


def import_once(source: Path, store: Path, profile: str) -> tuple[float, float, float]:
    """Seconds, peak megabytes, and the machine's share that others used, of an import into an empty store."""
    store.mkdir()
    command = [sys.executable, "-c", _CHILD, str(source), str(store), profile]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    took, rss, share = json.loads(done.stdout)
    return took, rss, share


def sha256_time() -> float:
    """Seconds of one thread for as many bytes, over a buffer that fits no small cache."""
    data = os.urandom(4_000_000)
    started = time.perf_counter()
    for _ in range(MEGABYTES // 4):
        hashlib.sha256(data).digest()
    return time.perf_counter() - started


if __name__ == "__main__":
    from benchmarks.__main__ import main

    sys.argv = [sys.argv[0], "import_directory", *sys.argv[1:]]
    sys.exit(main())
