"""The stream `logs` of the spool into `log_events`, `log_shapes`, `log_sizes` and `log_dead`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from dxops.base.errors import DxopsError, Refused, Unavailable
from dxops.engines.spool.consumer import Batch
from dxops.engines.spool.doubt import Doubtful, Doubts, Patience
from dxops.engines.spool.loading import BadRecord, LoadResult, PoisonBatch
from dxops.engines.spool.reader import Frame, Piece
from dxops.rooms.logs.model import Inserts
from dxops.rooms.logs.model import Rows as Reads
from dxops.rooms.logs.refusals import Blame, blame
from dxops.rooms.logs.rows import RowMaker, Rows
from dxops.rooms.logs.schema import DEAD_COLUMNS, EVENT_COLUMNS, SHAPE_COLUMNS, SIZE_COLUMNS
from dxops.wire.clickhouse_native import Column, block, numbers, strings
from dxops.wire.logs.frame import LogFrame, decode_frame, encode_frame, part_of, settled

log = logging.getLogger(__name__)

STREAM: Final = "logs"
CONSUMER: Final = "store"
"""Who loads the stream: a document can be found once this one has committed it."""

_LARGE_BYTES: Final = 1 << 20
"""A single document of this size may need more memory than there ever is; a smaller one waits for it."""

_NO_EVENTS: Final = block([Column("seq", "UInt64", []), Column("message", "String", [])], 0)
_ZEROS: Final = block(
    [
        Column("stream", "String", strings([b""])),
        Column("day", "Date", numbers("Date", [0])),
        Column("documents", "UInt64", numbers("UInt64", [0])),
        Column("bytes", "UInt64", numbers("UInt64", [0])),
    ],
    1,
)
"""A row that says nothing, and goes at the next merge."""

_SETTINGS: Final = {"max_partitions_per_insert_block": 0}  # senders' clocks may be anywhere


class Store(Inserts, Reads, Protocol):
    """What the sink needs of the column store."""


class LogSink:
    """`loaded` is told of every batch that is in: documents and bytes by stream.

    Says `PoisonBatch` only where nothing of the batch is stored: of a refusal that is about the data, once the store
    was asked; `Doubtful` of one that may be about the data. All else that goes wrong is `Unavailable`, so that a batch
    is never taken apart that is there already.
    """

    def __init__(
        self,
        store: Store,
        loaded: Callable[[dict[str, tuple[int, int]]], None] | None = None,
        *,
        patience: Patience | None = None,
    ) -> None:
        self._store = store
        self._maker = RowMaker()
        self._making = asyncio.Lock()
        self._made: dict[str, asyncio.Task[tuple[Rows, list[BadRecord]]]] = {}
        self._loaded = loaded
        self._doubts = {table: Doubts(patience or Patience()) for table in ("log_shapes", "log_sizes")}

    async def load(self, batch: Batch) -> LoadResult:
        """See `loading.Sink`. Documents first: an overwritten one is hidden once its successor is there."""
        for token in [token for token in self._made if token != batch.token]:
            del self._made[token]  # runs to its end: a thread cannot be stopped, and makes rows alone
        self.prepare(batch)
        try:
            rows, bad = await asyncio.shield(self._made[batch.token])
            await self._insert_events(batch, rows)
            await self._insert(batch, "log_dead", DEAD_COLUMNS, rows.dead)
            await asyncio.gather(
                self._tell(batch, "log_shapes", SHAPE_COLUMNS, rows.shapes),
                self._tell(batch, "log_sizes", SIZE_COLUMNS, rows.sizes),
            )
        except (PoisonBatch, Unavailable) as error:
            if not isinstance(error, Doubtful):
                for doubts in self._doubts.values():
                    doubts.cleared()
            raise
        except Exception as error:
            log.warning("storing a batch failed", exc_info=error, extra={"token": batch.token})
            raise Unavailable(f"storing a batch failed: {error}") from error
        self._made.pop(batch.token, None)
        if self._loaded is not None:
            self._loaded(rows.by_stream)
        return LoadResult(tuple(bad))

    async def _insert_events(self, batch: Batch, rows: Rows) -> None:
        try:
            await self._insert(batch, "log_events", EVENT_COLUMNS, rows.events)
        except Refused as error:
            fault = blame(error)
            if fault == "store":
                raise
            stored = await self._stored(batch)
            if not stored:
                raise _refusal(batch, fault, error) from error
            if stored < rows.documents:
                raise

    async def _insert(self, batch: Batch, table: str, columns: tuple[str, ...], block: bytes) -> None:
        if block:
            token = f"{batch.token}/{table}"
            await self._store.insert_native(table, block, token=token, columns=columns, settings=_SETTINGS)

    async def _tell(self, batch: Batch, table: str, columns: tuple[str, ...], block: bytes) -> None:
        """What is told of streams beside their documents, which are in by now. Rows that the store refuses, and not for
        a reason of its own, are left out once patience is over: documents are not held up by them."""
        doubts, now_s = self._doubts[table], asyncio.get_running_loop().time()
        try:
            await self._insert(batch, table, columns, block)
        except Refused as error:
            if blame(error) in ("store", "memory"):
                doubts.cleared()
                raise
            doubts.refused(batch.span, error.code, now_s)
            if not doubts.over(2, now_s) or not await self.vouches():
                raise
            doubts.settled(2, now_s)
            log.error(
                "documents are stored, but what is told of their streams is not: the store refuses it",
                extra={"table": table, "token": batch.token, "reason": error.message, "code": error.code},
            )
        else:
            doubts.stored(batch.span)

    async def _stored(self, batch: Batch) -> int:
        """How many of the batch's documents an attempt before this one stored, whose answer got lost."""
        within = {"from": batch.from_seq, "to": batch.to_seq}
        sql = "SELECT count() FROM log_events WHERE seq >= {from:UInt64} AND seq < {to:UInt64}"
        return int((await self._store.query(sql, within)).rows[0][0])

    async def vouches(self) -> bool:
        """See `loading.Vouches`: the table of documents takes inserts, and rows reach the disk."""
        try:
            await self._store.insert_native("log_events", _NO_EVENTS, token=None, columns=("seq", "message"))
            await self._store.insert_native("log_sizes", _ZEROS, token=None, columns=SIZE_COLUMNS)
        except DxopsError as error:
            log.warning("the store does not take other data either", extra={"reason": error.message})
            return False
        return True

    def prepare(self, batch: Batch) -> None:
        """See `loading.Prepares`. Rows that are made stay until they are stored, however often that fails."""
        made = self._made.get(batch.token)
        if made is None or (made.done() and (made.cancelled() or made.exception() is not None)):
            making = self._made[batch.token] = asyncio.create_task(self._in_turn(batch), name="rows")
            making.add_done_callback(_seen)

    async def _in_turn(self, batch: Batch) -> tuple[Rows, list[BadRecord]]:
        async with self._making:
            return await asyncio.to_thread(self._rows, batch)

    def extract(self, frame: Frame, index: int) -> bytes:
        """One operation as a frame of its own; of a payload that is no frame of logs, all of it."""
        try:
            whole = settled(decode_frame(frame.payload), frame.seq)
        except ValueError:
            return frame.payload
        return b"".join(encode_frame(part_of(whole, index, index + 1)))

    def _rows(self, batch: Batch) -> tuple[Rows, list[BadRecord]]:
        bad: list[BadRecord] = []
        try:
            return self._maker.rows(_frames(batch, bad)), bad
        except Exception as error:  # one document must not stop the stream, whatever is wrong with it
            log.warning("a batch has documents that no rows can be made of", exc_info=error)
        bad.clear()
        good: list[tuple[int, int, LogFrame]] = []
        for base, received_ms, frame in _frames(batch, bad):
            self._keep_good(base, received_ms, frame, good, bad)
        bad.sort(key=lambda record: record.seq)
        return self._maker.rows(good), bad

    def _keep_good(
        self, base: int, received_ms: int, frame: LogFrame, good: list[tuple[int, int, LogFrame]], bad: list[BadRecord]
    ) -> None:
        """The parts of a frame that rows can be made of; the others by number."""
        try:
            self._maker.rows([(base, received_ms, frame)])
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            count = len(frame.documents)
            if count == 1:
                bad.append(BadRecord(base, f"{type(error).__name__}: {error}"))
                return
            for start, stop in ((0, count // 2), (count // 2, count)):
                self._keep_good(base + start, received_ms, part_of(frame, start, stop), good, bad)
        else:
            good.append((base, received_ms, frame))


def _refusal(batch: Batch, fault: Blame, error: Refused) -> PoisonBatch | Unavailable:
    """Of a batch of which nothing is stored."""
    message = f"the store refuses it: {error.message}"
    if fault == "data" or (fault == "memory" and batch.records > 1):
        return PoisonBatch(message)
    if fault == "memory" and sum(len(piece.frame.payload) for piece in batch.pieces) < _LARGE_BYTES:
        return Unavailable(message, code=error.code)
    return Doubtful(message, code=error.code)


def _frames(batch: Batch, bad: list[BadRecord]) -> Iterator[tuple[int, int, LogFrame]]:
    for piece in batch.pieces:
        try:
            yield _taken(piece)
        except ValueError as error:
            first = piece.frame.seq + piece.start
            bad.extend(BadRecord(seq, str(error)) for seq in range(first, first + piece.records))


def _seen(task: asyncio.Task[tuple[Rows, list[BadRecord]]]) -> None:
    """Nobody may ever ask for these rows, nor for what was wrong with them."""
    if not task.cancelled():
        task.exception()


def _taken(piece: Piece) -> tuple[int, int, LogFrame]:
    frame = piece.frame
    found = settled(decode_frame(frame.payload), frame.seq)
    if len(found.documents) != frame.records:
        raise ValueError(f"{frame.records} operations announced, {len(found.documents)} found")
    if not piece.whole:
        found = part_of(found, piece.start, piece.stop)
    return frame.seq + piece.start, frame.received_at_ms, found
