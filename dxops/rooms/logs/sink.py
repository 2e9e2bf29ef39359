"""The stream `logs` of the spool into `log_events`, `log_shapes` and `log_dead`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from dxops.base.errors import Refused
from dxops.engines.spool.consumer import Batch
from dxops.engines.spool.loading import BadRecord, LoadResult, PoisonBatch
from dxops.engines.spool.reader import Frame, Piece
from dxops.rooms.logs.model import Inserts
from dxops.rooms.logs.rows import RowMaker, Rows
from dxops.rooms.logs.schema import DEAD_COLUMNS, EVENT_COLUMNS, SHAPE_COLUMNS
from dxops.wire.logs.frame import LogFrame, decode_frame, encode_frame, part_of, settled

STREAM: Final = "logs"
CONSUMER: Final = "store"
"""Who loads the stream: a document can be found once this one has committed it."""

_SETTINGS: Final = {"max_partitions_per_insert_block": 0}  # senders' clocks may be anywhere


class LogSink:
    """`loaded` is told of every batch that is in: documents and bytes by stream."""

    def __init__(self, store: Inserts, loaded: Callable[[dict[str, tuple[int, int]]], None] | None = None) -> None:
        self._store = store
        self._maker = RowMaker()
        self._making = asyncio.Lock()
        self._made: dict[str, asyncio.Task[tuple[Rows, list[BadRecord]]]] = {}
        self._loaded = loaded

    async def load(self, batch: Batch) -> LoadResult:
        """See `loading.Sink`. Documents first: an overwritten one is hidden once its successor is there."""
        for token in [token for token in self._made if token != batch.token]:
            del self._made[token]  # runs to its end: a thread cannot be stopped, and makes rows alone
        self.prepare(batch)
        rows, bad = await asyncio.shield(self._made[batch.token])
        try:
            for table, columns, block in (
                ("log_events", EVENT_COLUMNS, rows.events),
                ("log_dead", DEAD_COLUMNS, rows.dead),
                ("log_shapes", SHAPE_COLUMNS, rows.shapes),
            ):
                if block:
                    token = f"{batch.token}/{table}"
                    await self._store.insert_native(table, block, token=token, columns=columns, settings=_SETTINGS)
        except Refused as error:
            raise PoisonBatch(f"the store refuses it: {error.message}") from error
        self._made.pop(batch.token, None)
        if self._loaded is not None:
            self._loaded(rows.by_stream)
        return LoadResult(tuple(bad))

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

        def good() -> Iterator[tuple[int, int, LogFrame]]:
            for piece in batch.pieces:
                try:
                    yield _taken(piece)
                except ValueError as error:
                    first = piece.frame.seq + piece.start
                    bad.extend(BadRecord(seq, str(error)) for seq in range(first, first + piece.records))

        return self._maker.rows(good()), bad


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
