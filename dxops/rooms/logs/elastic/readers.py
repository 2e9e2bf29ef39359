"""The endpoints, put together."""

from __future__ import annotations

from collections.abc import Callable

from dxops.rooms.logs.changing import Changing
from dxops.rooms.logs.elastic.app import Reader
from dxops.rooms.logs.elastic.async_search import AsyncSearches
from dxops.rooms.logs.elastic.catalogue import Catalogue
from dxops.rooms.logs.elastic.changes import Changes
from dxops.rooms.logs.elastic.checking import Checking
from dxops.rooms.logs.elastic.contexts import Contexts
from dxops.rooms.logs.elastic.gets import Gets
from dxops.rooms.logs.elastic.reading import Names
from dxops.rooms.logs.elastic.reads import Reads
from dxops.rooms.logs.elastic.tabling import Tabling
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.esql.tables import Tables
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.runs import Runs
from dxops.rooms.logs.searching import Searcher
from dxops.rooms.logs.tasks import Tasks
from dxops.wire.elastic.auto_ids import AutoIds


def readers(store: Rows, names: Names, writes: Writes, id_key: bytes, now_ms: Callable[[], int]) -> tuple[Reader, ...]:
    """What reads documents, and what changes them by a query. `id_key` makes the ids of documents and signs those of
    scrolls. `writes` knows what is not yet loaded."""
    ids = AutoIds(id_key)
    searcher = Searcher(store, ids, now_ms, lambda: writes.writing.has_ended)
    changing = Changing(searcher, writes.writing, writes.piping, ids, now_ms)
    contexts, runs = Contexts(id_key), Runs(now_ms)
    reads = Reads(searcher, names, contexts, now_ms)
    return (
        reads,
        AsyncSearches(reads, runs),
        Tabling(Tables(store, ids, now_ms), searcher, names, contexts, runs, now_ms),
        Gets(searcher, names, writes.writing.current, ids.id_of),
        Changes(changing, names, writes, Tasks(now_ms)),
        Checking(store, searcher, names),
        Catalogue(store, searcher, names, writes),
    )
