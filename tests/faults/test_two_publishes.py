"""Two `dxops publish` of one app at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.releases import HOSTS, served, start_publish, write_release
from tests.harness import System

pytestmark = [pytest.mark.fault, pytest.mark.system]


def test_one_whole_release_is_live_whoever_wins(system: System, tmp_path: Path) -> None:
    for first in (101, 103):
        numbers = (first, first + 1)
        both = [start_publish(system, write_release(tmp_path / str(number), number), number) for number in numbers]
        said = ["".join(publish.communicate(timeout=120)) for publish in both]
        for publish, text in zip(both, said, strict=True):
            assert "Traceback" not in text
            refused = any(word in text for word in ("later publish is live", "superseded", "conflict"))
            assert publish.returncode == 0 or refused, text
        assert any(publish.returncode == 0 for publish in both), said
        live = {served(system, host) for host in HOSTS}
        assert len(live) == 1
        assert live <= set(numbers)
    system.dxops("content", "verify")
