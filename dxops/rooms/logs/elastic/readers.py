"""The endpoints, put together."""

from __future__ import annotations

from collections.abc import Callable

from dxops.rooms.logs.elastic.app import Reader
from dxops.rooms.logs.elastic.catalogue import Catalogue
from dxops.rooms.logs.elastic.contexts import Contexts
from dxops.rooms.logs.elastic.gets import Gets
from dxops.rooms.logs.elastic.reading import Names
from dxops.rooms.logs.elastic.reads import Reads
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.searching import Searcher
from dxops.wire.elastic.auto_ids import AutoIds


def readers(
    store: Rows, writes: Writes, id_key: bytes, now_ms: Callable[[], int], registry: Registry | None = None
) -> tuple[Reader, ...]:
    """What reads documents. `id_key` makes the ids of documents and signs those of scrolls. `writes` knows what is not
    yet loaded."""
    searcher = Searcher(store, AutoIds(id_key), now_ms)
    names = Names(store, now_ms, registry)
    return (
        Reads(searcher, names, Contexts(id_key), now_ms),
        Gets(searcher, names),
        Catalogue(store, searcher, names, writes),
    )
