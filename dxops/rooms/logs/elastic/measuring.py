"""How old, how many and how large: what the conditions of rolling over are about."""

from __future__ import annotations

from dxops.rooms.logs.catalog import Stream
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.rolling import Measured
from dxops.rooms.logs.sizes import documents_since, sizes


async def measured(store: Rows, stream: Stream, now_ms: int) -> Measured:
    """An index, or of a data stream its write index."""
    found = (await sizes(store, [stream.name])).of(stream.name)
    if not stream.backing:
        return Measured(now_ms - stream.created_ms, found.documents, found.size_bytes)
    newest = stream.backing[-1]
    if stream.generation == 1:  # else some of what was told of the stream may be deleted
        return Measured(now_ms - newest.created_ms, found.documents, found.size_bytes)
    documents = await documents_since(store, stream.name, newest.created_ms)
    each = found.size_bytes / found.documents if found.documents else 0.0
    return Measured(now_ms - newest.created_ms, documents, round(documents * each))
