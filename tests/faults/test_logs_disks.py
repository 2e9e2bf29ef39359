"""A full disk under the spool, and under the store: senders are told, nothing is lost, doubled or put aside."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.spine import Shipper, Spine, check, running_spine
from tests.harness import eventually

pytestmark = [pytest.mark.fault, pytest.mark.system]


@contextmanager
def on_small_disk(directory: Path, size: str) -> Iterator[None]:
    """The directory as a disk of its own."""
    directory.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk needs root and the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="dxops-disks-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@contextmanager
def filled(directory: Path) -> Iterator[None]:
    """The disk to its last page, and what is let go is taken at once."""
    ballast, stopping = next(directory.glob("*/")) / "ballast", threading.Event()

    def fill() -> None:
        with ballast.open("wb") as file:
            while not stopping.wait(0.002):
                for size in (1 << 20, 1 << 12):
                    with suppress(OSError):
                        while True:
                            os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)

    filling = threading.Thread(target=fill)
    filling.start()
    try:
        yield
    finally:
        stopping.set()
        filling.join()
        ballast.unlink()


def quarantined(spine: Spine) -> int:
    stats = spine.stats()
    assert stats is not None
    return sum(consumer.quarantined for consumer in stats.consumers)


def test_a_full_disk_under_the_store_is_waited_for(home: Path) -> None:
    clickhouse = home / "data" / "clickhouse"
    with on_small_disk(clickhouse, "160m"), running_spine(directory=home) as spine:
        shipper = Shipper(spine, "full", "store-full", with_ids=False)
        shipper.start()
        eventually(lambda: len(spine.stored("store-full")) > 100, 60)
        with filled(clickhouse):
            eventually(lambda: "loading waits" in spine.logs.read_text(), 60)
            assert not spine.drained()
        stuck_at = len(shipper.acknowledged)  # senders may be held and refused meanwhile, whose disk is low
        eventually(lambda: len(shipper.acknowledged) > stuck_at + 500, 60)
        shipper.stop()
        spine.wait_drained()
        assert quarantined(spine) == 0
        check(spine, [shipper])


def test_a_full_disk_under_the_spool_is_told_before_anything_is_stored(home: Path) -> None:
    spool = home / "data" / "spool"
    config = "[spool]\nsegment_mb = 1\nmax_mb = 100\nmin_free_mb = 1\nhold_s = 0.2\n"
    with on_small_disk(spool, "24m"), running_spine(config, home) as spine:
        shippers = [Shipper(spine, f"full{number}", "spool-full", with_ids=number == 1) for number in range(2)]
        for shipper in shippers:
            shipper.start()
        eventually(lambda: spine.stored("spool-full"), 60)  # the loader has its place
        spine.kill("store")
        with filled(spool):
            eventually(lambda: all(shipper.refused[429] > 2 for shipper in shippers), 60)
            spine.start("store")  # the disk is as full as before, and yet what is there can be loaded
            spine.wait_drained()
        before = [len(shipper.acknowledged) for shipper in shippers]
        eventually(
            lambda: all(len(each.acknowledged) > count + 100 for each, count in zip(shippers, before, strict=True)), 60
        )
        for shipper in shippers:
            shipper.stop()
        spine.wait_drained()
        assert quarantined(spine) == 0
        check(spine, shippers)
