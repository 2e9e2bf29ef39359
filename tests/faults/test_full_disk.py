"""A data directory whose disk fills up in the middle of a publish."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.releases import HOSTS, publish_command, served, write_release
from tests.harness import System, eventually
from tests.small_disk import filled, mounted

pytestmark = [pytest.mark.fault, pytest.mark.system]

_DISK = "700m"
_LEFT_BYTES = 40_000_000
_TOO_MUCH_BYTES = 80_000_000


@pytest.fixture
def cramped() -> Iterator[System]:
    """A system whose data directory is a small disk of its own."""
    home = Path(tempfile.mkdtemp(prefix="dxops-full-"))
    home.chmod(0o755)
    system = System(home)
    system.data.mkdir(mode=0o755)
    try:
        with mounted(_DISK, system.data):
            system.up()
            yield system
            system.try_dxops("stop")
    finally:
        system.remove()


def test_a_full_disk_is_told_and_shows_nothing_half(cramped: System, tmp_path: Path) -> None:
    cramped.dxops(*publish_command(write_release(tmp_path / "1", 1), 1))
    write_release(tmp_path / "2", 2, {"huge.bin": random.Random(2).randbytes(_TOO_MUCH_BYTES)})
    with filled(cramped.data, _LEFT_BYTES):
        refused = cramped.try_dxops(*publish_command(tmp_path / "2", 2))
        assert refused.returncode == 1
        assert "disk" in refused.stderr, refused.stderr
        assert "full" in refused.stderr or "space" in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr
        assert {served(cramped, host) for host in HOSTS} == {1}
        assert "2.0.0" not in cramped.dxops("releases", "victim", "--json")

    eventually(lambda: cramped.try_dxops("status").returncode == 0, 60)
    cramped.dxops("content", "verify")
    cramped.dxops(*publish_command(tmp_path / "2", 2))
    assert {served(cramped, host) for host in HOSTS} == {2}
    cramped.dxops("content", "verify")
