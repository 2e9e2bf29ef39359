"""This installation as its operator sees it: addresses, effective settings, places on disk. No secrets."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from dxops.app.data import DataDirectory
from dxops.app.endpoints import CREDENTIALS, endpoints
from dxops.app.secrets import flat, shown, without_password
from dxops.app.settings import Settings
from dxops.console.house import Setting, Storage


class LocalInstallation:
    """The port `Installation` of the console, for one data directory."""

    def __init__(self, data: DataDirectory, settings: Settings) -> None:
        self._data = data
        self._settings = settings

    def addresses(self) -> Mapping[str, str]:
        """Endpoint keys to addresses, without credentials; a password inside a URL is hidden."""
        found = endpoints(self._data, self._settings)
        return {key: without_password(value) for key, value in found.items() if key not in CREDENTIALS}

    def configuration(self) -> Sequence[Setting]:
        """Every setting, in the file's order."""
        defaults = dict(flat(Settings()))
        return [
            Setting(key=key, value=shown(key, value), changed=defaults.get(key) != value)
            for key, value in flat(self._settings)
        ]

    async def storage(self) -> Sequence[Storage]:
        """The data directory's parts. Walks the disk, in a thread."""
        return await asyncio.to_thread(self._measure)

    def _measure(self) -> list[Storage]:
        free = shutil.disk_usage(self._data.root).free
        places = [("Content", self._data.blocks), ("Logs", self._data.logs)]
        home = _postgres_home(self._data)
        if not self._settings.postgres.url:
            places.append(("PostgreSQL", home / "postgres"))
        return [
            Storage(name=name, path=str(path), used_bytes=used_bytes(path), free_bytes=free) for name, path in places
        ]


def used_bytes(path: Path) -> int | None:
    """Bytes of all files below, None where it cannot be read."""
    if not os.access(path, os.R_OK | os.X_OK):
        return None
    total = 0
    for directory, _, files in os.walk(path):
        for name in files:
            try:
                total += Path(directory, name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue  # it went while we walked
    return total


def _postgres_home(data: DataDirectory) -> Path:
    try:
        return Path((data.root / "postgres.location").read_text().strip())
    except FileNotFoundError:
        return data.root
