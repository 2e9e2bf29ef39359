"""Secrets that several processes make at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dxops.base.files import first_secret


def test_who_is_first_decides_for_all(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / "secrets" / str(number)
        with ThreadPoolExecutor(8) as makers:
            said = set(makers.map(lambda number, path=path: first_secret(path, lambda: str(number)), range(8)))
        assert said == {path.read_text()}
        assert path.stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "secrets").iterdir())) == 20
