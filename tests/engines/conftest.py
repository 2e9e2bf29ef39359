"""One store for the tests that only add to it; those that stop or kill one start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.store_process import StoreProcess


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A running store with a small query memory."""
    made = StoreProcess(tmp_path_factory.mktemp("store"), "[clickhouse]\nquery_memory_mb = 100\nresult_mb = 20\n")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[StoreProcess]:
    """A store that a test may stop and kill; not started."""
    made = StoreProcess(tmp_path)
    yield made
    made.kill()
