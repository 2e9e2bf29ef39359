"""Port 9200 as a whole, for tests that ask for `house`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.rooms.logs.elastic_house import ElasticHouse, Times, elastic_house
from tests.rooms.logs.local import LocalStore


@pytest.fixture(scope="module")
def house_store() -> Iterator[LocalStore]:
    with TemporaryDirectory() as directory:
        made = LocalStore(Path(directory))
        yield made
        made.close()


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
async def house(
    house_store: LocalStore, tmp_path: Path, database_url: str, times: Times
) -> AsyncIterator[ElasticHouse]:
    """Empty."""
    for table in ("log_events", "log_shapes", "log_sizes", "log_dead"):
        await house_store.execute(f"TRUNCATE TABLE {table}")
    async with elastic_house(tmp_path, database_url, house_store, times=times) as made:
        yield made
