"""From a stream into a sink: batches, retries for ever while the sink is away, and a way around records it refuses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

import msgspec

from dxops.base.errors import Refused, Unavailable
from dxops.engines.spool.config import BatchLimits
from dxops.engines.spool.consumer import Batch, Consumer
from dxops.engines.spool.disk import Machine
from dxops.engines.spool.doubt import Doubtful, Doubts, Patience, Refusal
from dxops.engines.spool.quarantine import Quarantined
from dxops.engines.spool.reader import Frame, Piece

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.1
_UNEXPECTED_TRIES = 20


class PoisonBatch(Refused):
    """The sink will never take this batch as it is: the same would be refused again. `message` is the reason.

    Means that nothing of it is stored, also not by an earlier attempt whose answer got lost.
    """

    default_code = "poison_batch"


class BadRecord(msgspec.Struct, frozen=True):
    """A record that the sink left out of a batch that it took otherwise."""

    seq: int
    reason: str


class LoadResult(msgspec.Struct, frozen=True):
    """The batch is durable in the sink, without `bad` (ascending by number)."""

    bad: tuple[BadRecord, ...] = ()


class Sink(Protocol):
    """Where records go."""

    async def load(self, batch: Batch) -> LoadResult:
        """Store the batch, durable, in order. Must keep a batch whose `token` it stored before from being stored twice.

        Raises `Unavailable` when it may work later (then the outcome may be unknown; the same batch comes again, at
        once or after a restart), `PoisonBatch` when it never will, `Doubtful` when that cannot be told.
        """
        ...

    def extract(self, frame: Frame, index: int) -> bytes:
        """The bytes of one record, such that a frame with this payload, the frame's kind and one record means the
        same. For the quarantine."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """A sink that can begin with a batch before it is asked to store it."""

    def prepare(self, batch: Batch) -> None:
        """This batch will probably be the next one to `load`, known by its token. Returns at once, stores nothing."""
        ...


@runtime_checkable
class Vouches(Protocol):
    """A sink that can tell whether a refusal may be its own fault; others' doubtful refusals are borne for ever."""

    async def vouches(self) -> bool:
        """Whether the sink takes data in general now: something was just stored where batches go. Raises nothing."""
        ...


class Loader:
    """Loads one stream into one sink. `run` never ends by itself; cancel it, then `Consumer.close`.

    After a refused batch the next one is half as large, down to one record, which then goes into quarantine; after a
    good one it may be twice as large again. Each batch is written down before it is tried, so a crash changes nothing.
    """

    def __init__(
        self,
        machine: Machine,
        consumer: Consumer,
        sink: Sink,
        limits: BatchLimits | None = None,
        *,
        most_pause_s: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        self._machine = machine
        self._consumer = consumer
        self._sink = sink
        self._limits = limits or BatchLimits()
        self._most_pause_s = most_pause_s
        self._suspect: int | None = None
        self._pause_s = 0.0
        self._surprises = 0
        self._patience = patience or Patience()
        self._doubts = Doubts(self._patience)
        self.trouble: str | None = None
        """Why the last attempt failed; None while all is well. For people to read."""

    async def run(self) -> None:
        """Load for ever. Raises only what is a fault of this program or of the consumer's file."""
        while True:
            try:
                batch = await self._consumer.next_batch(self._limits, suspect_records=self._suspect)
                await self._load(batch)
                self._pause_s, self._surprises, self.trouble = 0.0, 0, None
                await self._consumer.board.clear()
            except Doubtful as error:
                await self._back_off(error, refused=batch)
            except Unavailable as error:
                self._doubts.cleared()  # whether the batch is in is not known
                await self._back_off(error)

    async def _load(self, batch: Batch) -> None:
        loading = asyncio.ensure_future(self._sink.load(batch))
        try:
            await self._look_ahead(batch)
            result = await loading
        except PoisonBatch as error:
            await self._refused(batch, error.message)
            return
        except Doubtful as error:
            await self._doubted(batch, error)
            return
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a sink does wrong, the stream must not stand still
            await self._surprised(batch, error)
            return
        finally:
            loading.cancel()  # only does anything where this task was cancelled
        bad = {record.seq: record.reason for record in result.bad}
        await self._put_away(batch, bad)
        self._doubts.stored(batch.span)
        if self._suspect is not None:
            self._suspect = self._suspect * 2 if self._suspect < self._limits.records else None

    async def _look_ahead(self, batch: Batch) -> None:
        """What is behind the batch is read, and prepared where the sink can, while the batch is loaded."""
        if self._suspect is not None:
            return
        coming = await self._consumer.look_ahead(batch, self._limits)
        if coming is not None and isinstance(self._sink, Prepares):
            self._sink.prepare(coming)

    async def _refused(self, batch: Batch, reason: str) -> None:
        if batch.records == 1:
            await self._put_away(batch, {batch.pieces[0].frame.seq + batch.pieces[0].start: reason})
            return
        half = batch.records // 2
        log.warning(
            "a batch was refused; trying smaller ones",
            extra={"stream": batch.stream, "token": batch.token, "records": batch.records, "reason": reason},
        )
        await self._until_done(lambda: self._consumer.narrow(half))
        self._suspect = half

    async def _doubted(self, batch: Batch, error: Doubtful) -> None:
        """Borne until the patience is over and the sink takes other data; then as any refused batch."""
        now_s = asyncio.get_running_loop().time()
        self._doubts.refused(batch.span, error.code, now_s)
        if not isinstance(self._sink, Vouches) or not self._doubts.over(batch.records, now_s):
            raise error
        if not await self._sink.vouches():
            self._doubts.cleared()
            self._doubts.refused(batch.span, error.code, now_s)
            raise error
        self._doubts.settled(batch.records, now_s)
        await self._refused(batch, f"{error.message} ({error.code}, {self._doubts.tries} tries)")

    async def _surprised(self, batch: Batch, error: Exception) -> None:
        """A fault of the sink's code. It may have stored the batch, so the batch is only taken apart after many tries:
        a stream that stands still for ever is the greater harm."""
        self._surprises += 1
        log.error("a sink failed unexpectedly", exc_info=error, extra={"stream": batch.stream, "token": batch.token})
        if self._surprises < _UNEXPECTED_TRIES:
            raise Unavailable(f"the sink failed: {type(error).__name__}: {error}") from error
        await self._refused(batch, f"{type(error).__name__}: {error}")

    async def _put_away(self, batch: Batch, bad: dict[int, str]) -> None:
        """Quarantine first, then commit. Repeated until both are done: the sink has the batch."""
        if bad:
            records = [self._quarantined(piece, seq, bad[seq]) for seq in sorted(bad) for piece in _holding(batch, seq)]
            await self._until_done(lambda: self._consumer.quarantine.add(records))
        await self._until_done(lambda: self._consumer.commit(batch, quarantined=len(bad)))

    def _quarantined(self, piece: Piece, seq: int, reason: str) -> Quarantined:
        frame = piece.frame
        return Quarantined(
            seq=seq,
            at_ms=self._machine.now_ms(),
            reason=reason,
            tenant=frame.tenant,
            kind=frame.kind,
            received_at_ms=frame.received_at_ms,
            data=self._sink.extract(frame, seq - frame.seq),
        )

    async def _until_done(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except Unavailable as error:
                await self._back_off(error)
            else:
                return

    async def _back_off(self, error: Unavailable, *, refused: Batch | None = None) -> None:
        if self.trouble != error.message:
            log.warning("loading waits", extra={"stream": self._consumer.stream, "reason": error.message})
        self.trouble = error.message
        self._pause_s = min(max(self._pause_s * 2, _FIRST_PAUSE_S), self._most_pause_s)
        if refused is None:
            await self._consumer.board.clear()
        else:
            await self._consumer.board.tell(self._refusal(refused, error))
        await asyncio.sleep(self._pause_s)

    def _refusal(self, batch: Batch, error: Unavailable) -> Refusal:
        now_ms, now_s = self._machine.now_ms(), asyncio.get_running_loop().time()
        since_ms = now_ms - int((now_s - self._doubts.since_s) * 1000)
        return Refusal(
            code=error.code,
            reason=error.message,
            records=batch.records,
            from_seq=batch.from_seq,
            tries=self._doubts.tries,
            since_ms=since_ms,
            next_try_ms=now_ms + int(self._pause_s * 1000),
            decided_at_ms=since_ms + int(self._patience.for_s * 1000),
        )


def _holding(batch: Batch, seq: int) -> list[Piece]:
    return [piece for piece in batch.pieces if piece.frame.seq + piece.start <= seq < piece.frame.seq + piece.stop]
