"""What the write path counts, as `_nodes/stats` tells it: as a queue, and in the spool's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dxops.engines.spool import StreamStats
from dxops.rooms.logs.sink import CONSUMER, STREAM


def write_counters(streams: Sequence[StreamStats]) -> dict[str, Any]:
    """`thread_pool.write` is what monitors of Elasticsearch read: `queue` is stored and not yet to be found, `rejected`
    are requests, `completed` operations. `dxops.spool` has all of it. Up to a second old."""
    logs = next((each for each in streams if each.stream == STREAM), None)
    received = logs.received if logs is not None else 0
    refused = logs.refused if logs is not None else 0
    pending = _pending(logs)
    pool = {"threads": 1, "queue": pending, "active": 0, "rejected": refused, "largest": 1, "completed": received}
    return {
        "thread_pool": {"write": pool},
        "indices": {"indexing": {"index_total": received}},
        "dxops": {"spool": {each.stream: _told(each) for each in streams}},
    }


def _pending(stream: StreamStats | None) -> int:
    consumers = () if stream is None else stream.consumers
    return next((each.pending for each in consumers if each.name == CONSUMER), stream.received if stream else 0)


def _told(stream: StreamStats) -> dict[str, int]:
    return {
        "stored": stream.received, "stored_bytes": stream.received_bytes, "queued": _pending(stream),
        "disk_bytes": stream.disk_bytes, "held": stream.held, "refused": stream.refused,
    }  # fmt: skip
