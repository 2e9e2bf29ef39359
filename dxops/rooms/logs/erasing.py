"""Deleting a stream's rows, and what is known of its ids."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from dxops.rooms.logs.fields import literals
from dxops.rooms.logs.identities import Identities

_TIMEOUT_S: Final = 300.0


class Statements(Protocol):
    """The column store, as far as it runs statements. `cluster` is "" for a single server."""

    @property
    def cluster(self) -> str: ...

    async def execute(self, sql: str, *, timeout_s: float | None = None) -> None:
        """Raises `Unavailable` while the store is away, `Refused` for SQL that it does not take."""
        ...


class Eraser:
    """Erases whole streams. Only for the process that decides about ids (`identities`)."""

    def __init__(self, store: Statements, identities: Identities) -> None:
        self._store = store
        self._identities = identities

    @property
    def end(self) -> int:
        """The number behind the newest operation that ids are known of: after a start, everything in the spool."""
        return self._identities.next_seq

    async def erase(self, streams: Sequence[str], before_seq: int) -> None:
        """Every document of these streams with a number below `before_seq`; they cannot be found on return. The disk
        gets its space back as ClickHouse merges. Raises what `Statements.execute` raises; again is harmless."""
        if not streams:
            return
        those = f"stream IN ({literals(tuple(streams))})"
        conditions = {"log_events": f"{those} AND seq < {int(before_seq)}", "log_shapes": those, "log_sizes": those}
        for table, condition in conditions.items():
            await self._store.execute(f"DELETE FROM {self._local(table)} WHERE {condition}", timeout_s=_TIMEOUT_S)  # noqa: S608
        for stream in streams:
            await asyncio.to_thread(self._identities.forget, stream, before_seq)

    async def erase_numbers(self, stream: str, from_seq: int, before_seq: int) -> None:
        """A stream's documents with these numbers. Raises what `Statements.execute` raises; again is harmless."""
        condition = f"stream IN ({literals((stream,))}) AND seq >= {int(from_seq)} AND seq < {int(before_seq)}"
        await self._store.execute(f"DELETE FROM {self._local('log_events')} WHERE {condition}", timeout_s=_TIMEOUT_S)  # noqa: S608
        await asyncio.to_thread(self._identities.forget, stream, before_seq, from_seq)

    def _local(self, table: str) -> str:
        return f"{table}_local ON CLUSTER `{self._store.cluster}`" if self._store.cluster else table
