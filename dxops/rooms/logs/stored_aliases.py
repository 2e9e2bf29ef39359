"""Aliases as PostgreSQL has them, for the explorer's names of streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from dxops.base.errors import Unavailable
from dxops.engines.postgres.database import Database

_ALL: Final = sa.text(
    "SELECT alias, array_agg(stream ORDER BY stream) AS streams, bool_or(options->'filter' IS NOT NULL) AS filters "
    "FROM logs.aliases GROUP BY alias"
)


class StoredAliases:
    """The port `reach.Aliases`. While PostgreSQL is away: those that were there last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last: Mapping[str, Sequence[str]] = {}

    async def aliases(self) -> Mapping[str, Sequence[str]]:
        """By name; nothing behind one with a filter."""
        try:
            async with self._database.begin() as tx:
                rows = (await tx.execute(_ALL)).all()
        except Unavailable:
            return self._last
        self._last = {row.alias: () if row.filters else tuple(row.streams) for row in rows}
        return self._last
