"""Handles kept for the next request that runs as the last one did: opening one and setting its caps costs more than
many a query."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import msgspec

from dxops.engines.clickhouse.chdb import Handle


class Spare(msgspec.Struct, frozen=True, eq=False):
    """A handle with its settings made, the tag among them."""

    handle: Handle
    tag: str


class Spares:
    """`most` handles at a time, by how they are set. The longest unused goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Spare, Hashable] = OrderedDict()

    def take(self, settings: Hashable) -> Spare | None:
        """One that is set so, the last used first; nobody else gets it."""
        for spare in reversed(self._kept):
            if self._kept[spare] == settings:
                del self._kept[spare]
                return spare
        return None

    def keep(self, settings: Hashable, spare: Spare) -> Handle | None:
        """The handle to close in its place, if there is one too many."""
        self._kept[spare] = settings
        return self._kept.popitem(last=False)[0].handle if len(self._kept) > self._most else None

    def empty(self) -> list[Handle]:
        """All of them, to be closed."""
        handles = [spare.handle for spare in self._kept]
        self._kept.clear()
        return handles
