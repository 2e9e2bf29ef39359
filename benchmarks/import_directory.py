"""Import of a 500 MB directory, durable when it returns, beside the machine's single-thread SHA-256 rate.

The source is in the page cache, the store is empty but set up. Rates are medians of rounds in which peer and import
alternate; the raw disk row is a plain write of as many bytes with one fdatasync. Each import runs in a process of its
own, whose peak memory is a row.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
MEGABYTES = 500
TARGET_RATIO = 0.5
TARGET_RSS_MB = 200

_CHILD = """
import json, resource, sys, time
from pathlib import Path
from dxops.engines.blocks.files import FileBlocks
from dxops.rooms.content.importer import import_path
from dxops.wire.cid import Cid
from dxops.wire.unixfs import PROFILES
store = FileBlocks(Path(sys.argv[2]))
store.put_many([(Cid.for_block(b""), b"")])
started = time.perf_counter()
import_path(store, sys.argv[1], PROFILES[sys.argv[3]])
took = time.perf_counter() - started
store.close()
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def run() -> list[dict[str, object]]:
    """The rows: one for each profile, the disk, and memory."""
    with tempfile.TemporaryDirectory(prefix="dxops-bench-", dir=os.environ.get("DXOPS_BENCH_DIR")) as place:
        source = Path(place) / "source"
        make_tree(source)
        rows: list[dict[str, object]] = []
        peak = 0.0
        for profile in ("v0-2015", "v1-256k", "v1-2025"):
            ours, hashing = [], []
            for index in range(ROUNDS):
                hashing.append(sha256_rate())
                took, rss = import_once(source, Path(place) / f"store-{profile}-{index}", profile)
                ours.append(MEGABYTES / took)
                peak = max(peak, rss)
            ratio = statistics.median(rate / peer for rate, peer in zip(ours, hashing, strict=True))
            rows.append(
                {
                    "name": f"import 500 MB, {profile} (peer: SHA-256, one thread)",
                    "ours": statistics.median(ours),
                    "peer": statistics.median(hashing),
                    "unit": "MB/s",
                    "ratio": ratio,
                    "best_ratio": max(rate / peer for rate, peer in zip(ours, hashing, strict=True)),
                    "target": f">= {TARGET_RATIO}",
                    "ok": ratio >= TARGET_RATIO,
                }
            )
        disk = statistics.median(disk_rate(Path(place) / "raw") for _ in range(ROUNDS))
        rate = statistics.median(float(str(row["ours"])) for row in rows)
        rows.append(
            {
                "name": "import 500 MB (peer: plain write and fdatasync)",
                "ours": rate,
                "peer": disk,
                "unit": "MB/s",
                "ratio": rate / disk,
                "target": None,
                "ok": None,
            }
        )
        rows.append(
            {
                "name": "import 500 MB, peak memory",
                "ours": peak,
                "peer": None,
                "unit": "MB",
                "ratio": None,
                "target": f"< {TARGET_RSS_MB}",
                "ok": peak < TARGET_RSS_MB,
            }
        )
        return rows


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


def import_once(source: Path, store: Path, profile: str) -> tuple[float, float]:
    """Seconds and peak megabytes of an import into an empty store."""
    store.mkdir()
    command = [sys.executable, "-c", _CHILD, str(source), str(store), profile]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    subprocess.run(["rm", "-rf", str(store)], check=True)
    os.sync()
    took, rss = json.loads(done.stdout)
    return took, rss


def sha256_rate() -> float:
    """MB/s of one thread over a buffer that fits no small cache."""
    data = os.urandom(4_000_000)
    started = time.perf_counter()
    for _ in range(MEGABYTES // 4):
        hashlib.sha256(data).digest()
    return MEGABYTES / (time.perf_counter() - started)


def disk_rate(path: Path) -> float:
    """MB/s of one file written in pieces of a megabyte and synced."""
    data = os.urandom(1_000_000)
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(MEGABYTES):
            file.write(data)
        os.fdatasync(file.fileno())
    took = time.perf_counter() - started
    path.unlink()
    return MEGABYTES / took


if __name__ == "__main__":
    from benchmarks.__main__ import main

    sys.argv = [sys.argv[0], "import_directory", *sys.argv[1:]]
    sys.exit(main())
