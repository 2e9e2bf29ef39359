"""Litestar's next version is not to break us: making every application must not use what it is about to remove."""

from __future__ import annotations

import warnings
from pathlib import Path

from dxops.app.data import DataDirectory
from dxops.app.house import House
from dxops.app.settings import Settings
from dxops.app.web import make_litestar
from dxops.app.web_docs import document
from dxops.engines.postgres.config import PostgresConfig


def test_nothing_that_litestar_is_about_to_remove_is_used(tmp_path: Path) -> None:
    nowhere = PostgresConfig(url="postgresql://nobody@127.0.0.1:1/none")  # making the routes opens nothing
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        house = House(DataDirectory(tmp_path), Settings(postgres=nowhere))
        document(make_litestar(house))
        house.make_kubo_rpc()
        house.make_gateway()
    found = [str(one.message) for one in told if issubclass(one.category, DeprecationWarning)]
    assert found == []
