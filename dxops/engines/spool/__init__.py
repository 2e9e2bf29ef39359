"""The spool: what every ingest stands on. A record is on disk before anybody answers 2xx for it.

A spool is a directory with one writer process (role `ingest`) and one process per consumer (role `loader`). Its streams
(`logs`, `errors`, `usage`, `metrics`) are made by the first append. Records are numbered per stream, upwards, and no
number is ever used twice; numbers may be missing. Payloads are opaque: a room's receiver and its sink agree on them.

A receiver, in the writer process:

    spool = await Spool.open(f"{data}/spool", config.spool)
    await spool.admit("logs", tenant=key.name, size=content_length)  # before the body is read: held, then refused
    seq = await spool.append("logs", [head, body], records=120, tenant=key.name, kind=ES_BULK)   # durable now: answer
    await asyncio.wait_for(spool.loaded("logs", seq + 119), 30)      # only for `refresh=wait_for`
    await spool.close()

`SpoolFull` (an `Unavailable`: 503, or 429 where a protocol wants that) and `Throttled` (429) have `retry_after_s` and
mean that nothing was stored. `SpoolFailed` means that the disk failed: the records may yet appear, at most once.

A loader, in its own process:

    consumer = await Consumer.open(machine, f"{data}/spool", "logs", "store")
    await Loader(machine, consumer, sink).run()                      # until cancelled; then `await consumer.close()`

A `Sink` has `load(batch) -> LoadResult` and `extract(frame, index) -> bytes`. The batch's `token` comes back unchanged
whenever the same records do, and never with others: as ClickHouse's `insert_deduplication_token` it makes loading
exactly once. A sink raises `Unavailable` to be asked again, `PoisonBatch` when it never will take the batch, `Doubtful`
when it cannot tell (minutes later that is poison too, if the sink `vouches`); records
that it left out it names in `LoadResult.bad`. Both end in the `Quarantine`: to be listed, discarded or given back.

Anybody: `await read_stats(machine, root)` for counts, lag and tenants, from the files alone.

docs/inside/spool.md has the bytes, the promises and how to look at them by hand.
"""

from dxops.engines.spool.config import BatchLimits, Limits, SpoolConfig
from dxops.engines.spool.consumer import Batch, Consumer
from dxops.engines.spool.disk import Buffer, Machine
from dxops.engines.spool.doubt import Doubtful, Patience, Refusal
from dxops.engines.spool.ledger import Amount
from dxops.engines.spool.loading import BadRecord, Loader, LoadResult, PoisonBatch, Sink
from dxops.engines.spool.model import ConsumerState, DamagedState, Position, SpoolFailed, SpoolFull
from dxops.engines.spool.quarantine import Quarantine, QuarantineCounts, Quarantined
from dxops.engines.spool.reader import Frame, Piece
from dxops.engines.spool.real_disk import this_machine
from dxops.engines.spool.spool import Spool
from dxops.engines.spool.stats import ConsumerStats, StreamStats, TenantStats, read_stats

__all__ = [
    "Amount",
    "BadRecord",
    "Batch",
    "BatchLimits",
    "Buffer",
    "Consumer",
    "ConsumerState",
    "ConsumerStats",
    "DamagedState",
    "Doubtful",
    "Frame",
    "Limits",
    "LoadResult",
    "Loader",
    "Machine",
    "Patience",
    "Piece",
    "PoisonBatch",
    "Position",
    "Quarantine",
    "QuarantineCounts",
    "Quarantined",
    "Refusal",
    "Sink",
    "Spool",
    "SpoolConfig",
    "SpoolFailed",
    "SpoolFull",
    "StreamStats",
    "TenantStats",
    "read_stats",
    "this_machine",
]
