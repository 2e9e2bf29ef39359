"""A release of 1,000 files and 20 MB after its build: import, preparation, release, flip; then flips and rollbacks.

Everything is the real thing in one process: PostgreSQL, the block store (durable), preparation with compression. The
peer is the least that any host must do with the files: copy them and make them durable.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from benchmarks._postgres import database_url
from dxops.app.data import DataDirectory
from dxops.app.house import House
from dxops.app.settings import Settings
from dxops.base.actors import SYSTEM
from dxops.engines.postgres.config import PostgresConfig

FILES = 1_000
BYTES = 20_000_000
FLIPS = 20
TARGET_RELEASE_S = 3.0
TARGET_FLIP_MS = 100.0

_WORDS = b"function return const export import class await value index module render state props event ".split()


def make_tree(place: Path, seed: int) -> None:
    """Like a built web app: mostly text that compresses, some images that do not, sizes from 1 to 200 KB."""
    chance = random.Random(seed)
    sizes = [chance.lognormvariate(9, 1) for _ in range(FILES)]
    scale = BYTES / sum(sizes)
    for index, weight in enumerate(sizes):
        size = int(weight * scale)
        folder = place / f"d{index % 40}"
        folder.mkdir(parents=True, exist_ok=True)
        if index % 5:
            text = b" ".join(chance.choices(_WORDS, k=size // 7 + 1))[:size]
            (folder / f"chunk-{index:08x}.js").write_bytes(text)
        else:
            (folder / f"image-{index}.png").write_bytes(chance.randbytes(size))
    (place / "index.html").write_text(f"<!doctype html><title>{seed}</title>")


@asynccontextmanager
async def _house(directory: Path, url: str) -> AsyncIterator[House]:
    data = DataDirectory.choose(directory / "data", None)
    data.prepare()
    house = House(data, Settings(postgres=PostgresConfig(url=url)))
    try:
        yield house
    finally:
        await house.close()


async def _measure(directory: Path, url: str) -> list[dict[str, object]]:
    trees = [directory / f"tree{number}" for number in range(3)]
    for number, tree in enumerate(trees):
        make_tree(tree, number)
    copies, releases, moves = [], [], []
    async with _house(directory, url) as house:
        for number, tree in enumerate(trees):
            started = time.perf_counter()
            await asyncio.to_thread(_copy, tree, directory / f"copy{number}")
            copies.append(time.perf_counter() - started)
            started = time.perf_counter()
            imported = await house.import_directory(tree)
            await house.delivery.create_release(SYSTEM, "bench", "dev", imported.cid, version=str(number))
            releases.append(time.perf_counter() - started)
        made = [release.id for release in (await house.delivery.releases("bench")).items]
        for number in range(FLIPS):
            started = time.perf_counter()
            await house.delivery.rollback(SYSTEM, "bench", "dev", made[1 + number % 2])
            moves.append((time.perf_counter() - started) * 1000)
    release, copy = statistics.median(releases), statistics.median(copies)
    slow = sorted(moves)[int(len(moves) * 0.95)]
    return [
        _row(f"release of {FILES} files, {BYTES // 1_000_000} MB", release, copy, "s", TARGET_RELEASE_S),
        _row("rollback, p50", statistics.median(moves), None, "ms", TARGET_FLIP_MS),
        _row("rollback, p95", slow, None, "ms", TARGET_FLIP_MS),
    ]


def _copy(source: Path, target: Path) -> None:
    """Copy and fsync, file by file."""
    shutil.copytree(source, target)
    for path in target.rglob("*"):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _row(name: str, ours: float, peer: float | None, unit: str, target: float) -> dict[str, object]:
    return {
        "name": name,
        "ours": round(ours, 3),
        "peer": None if peer is None else round(peer, 3),
        "unit": unit,
        "ratio": None if peer is None else round(ours / peer, 2),
        "target": target,
        "ok": ours <= target,
    }


def run() -> list[dict[str, object]]:
    """Time of a release, and of moving back and forth between releases."""
    with tempfile.TemporaryDirectory(prefix="dxops-bench-") as directory, database_url() as url:
        return uvloop.run(_measure(Path(directory), url))


if __name__ == "__main__":
    for row in run():
        print(row)
