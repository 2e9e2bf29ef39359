"""What a role without rooms stands on: the data directory and the settings, and little else in memory."""

from __future__ import annotations

from dxops.app.data import DataDirectory
from dxops.app.settings import Settings


class Foundation:
    """For roles that only run an engine. The others get a `House`."""

    def __init__(self, data: DataDirectory, settings: Settings) -> None:
        self.data = data
        self.settings = settings

    async def close(self) -> None:
        """Nothing was opened."""
