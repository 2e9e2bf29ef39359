"""One stream inside the writer process: the queue of its group commit, its segments, its consumers as last seen."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping

import msgspec

from dxops.engines.spool.config import Limits
from dxops.engines.spool.disk import Machine
from dxops.engines.spool.frames import NO_SEGMENT, SEGMENT_BYTES
from dxops.engines.spool.gate import Gate, Request
from dxops.engines.spool.ledger import Amount, Segment, TenantTotals
from dxops.engines.spool.model import ConsumerState, Mark, failed
from dxops.engines.spool.segment_writer import Outgoing, SegmentWriter, Written

log = logging.getLogger(__name__)


class _Waiting(msgspec.Struct, frozen=True):
    frame: Outgoing
    request: Request
    future: asyncio.Future[int]


class _Loaded(msgspec.Struct, frozen=True):
    seq: int
    consumer: str | None
    future: asyncio.Future[None]


class WriterStream:
    """Frames wait here while the batch before them is written and synced beside the loop."""

    def __init__(
        self,
        machine: Machine,
        limits: Limits,
        gate: Gate,
        name: str,
        writer: SegmentWriter,
        mark: Mark,
        segments: list[Segment],
        totals: TenantTotals,
    ) -> None:
        self.name = name
        self.mark = mark
        self.consumers: Mapping[str, ConsumerState] = {}
        self._machine = machine
        self._limits = limits
        self._gate = gate
        self._writer = writer
        self._segments = deque(segments)
        self._gone = totals
        self._active: dict[str, list[int]] = {}
        self._queue: deque[_Waiting] = deque()
        self._awaiting_load: list[_Loaded] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._turn = asyncio.Lock()
        for segment in segments:
            for tenant, amount in segment.summary.tenants.items():
                gate.stored(name, tenant, amount.payload_bytes)
        self._task = asyncio.get_running_loop().create_task(self._commit(), name=f"spool-{name}")

    # --- appending ----------------------------------------------------------------------------------------------

    def put(self, frame: Outgoing, request: Request) -> asyncio.Future[int]:
        """Queue a frame that the gate let in; the future has its number once it is durable."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(frame, request, future))
        self._idle.clear()
        self._wake.set()
        return future

    async def drained(self) -> None:
        """Until nothing is queued or under way."""
        await self._idle.wait()

    async def close(self) -> None:
        """Write what is queued, then end."""
        await self.drained()
        self._task.cancel()
        await asyncio.wait([self._task])
        for waiter in self._awaiting_load:
            waiter.future.cancel()
        await self._machine.runner.run(self._writer.close)

    async def _commit(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                batch = self._taken()
                try:
                    async with self._turn:
                        await self._write(batch)
                finally:
                    for waiting in batch:
                        self._gate.leave(waiting.request)
                    self._gate.let_in()
            self._idle.set()

    def _taken(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + self._queue[0].frame.length <= self._limits.batch_bytes):
            waiting = self._queue.popleft()
            size += waiting.frame.length
            batch.append(waiting)
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        frames = [waiting.frame for waiting in batch]
        now_ms = self._machine.now_ms()
        try:
            written = await self._machine.runner.run(lambda: self._writer.append(frames, now_ms))
            self._acknowledge(batch, written)
        except OSError as error:
            log.error(
                "a batch could not be made durable and was refused",
                extra={"stream": self.name, "frames": len(batch), "reason": str(error)},
            )
            self._fail(batch, failed(error, f"stream '{self.name}' could not be written"))
        except Exception as error:
            log.exception("the spool's writer failed", extra={"stream": self.name})
            self._fail(batch, error)

    @staticmethod
    def _fail(batch: list[_Waiting], error: Exception) -> None:
        for waiting in batch:
            if not waiting.future.done():
                waiting.future.set_exception(error)

    def _acknowledge(self, batch: list[_Waiting], written: Written) -> None:
        self._took_over(written)
        for waiting, seq in zip(batch, written.seqs, strict=True):
            frame = waiting.frame
            sums = self._active.setdefault(frame.tenant, [0, 0])
            sums[0] += frame.records
            sums[1] += frame.length
            self._gate.stored(self.name, frame.tenant, frame.length)
            if not waiting.future.done():
                waiting.future.set_result(seq)

    def _took_over(self, written: Written) -> None:
        self.mark = written.mark
        if written.sealed is not None:
            self._segments.append(written.sealed)
            self._active = {}

    # --- deleting -----------------------------------------------------------------------------------------------

    def passed_segments(self) -> list[Segment]:
        """Those that every consumer is through with, oldest first. None while no consumer is registered."""
        if not self.consumers:
            return []
        found: list[Segment] = []
        for segment in self._segments:
            if segment.base == self.mark.segment or not all(
                state.position.segment != NO_SEGMENT
                and (
                    state.position.segment > segment.base
                    or (state.position.segment == segment.base and state.position.offset >= segment.end)
                )
                for state in self.consumers.values()
            ):
                break
            found.append(segment)
        return found

    def forgotten(self, segments: list[Segment]) -> TenantTotals:
        """What the totals are once these are gone."""
        return self._gone.with_segments(segments)

    def forget(self, segments: list[Segment], totals: TenantTotals) -> None:
        """These are gone."""
        self._gone = totals
        for segment in segments:
            assert self._segments[0] is segment
            self._segments.popleft()
            for tenant, amount in segment.summary.tenants.items():
                self._gate.stored(self.name, tenant, -amount.payload_bytes)

    async def publish(self) -> None:
        """Write the mark again if that failed."""
        if self._writer.unpublished and not self._turn.locked():
            async with self._turn:
                await self._machine.runner.run(self._writer.publish)

    async def make_room(self) -> None:
        """Begin a new segment when the current one is loaded to its end, so that it can be deleted."""
        loaded = self.consumers and all(
            state.position.segment == self.mark.segment and state.position.offset >= self.mark.offset
            for state in self.consumers.values()
        )
        if not loaded or self.mark.offset <= SEGMENT_BYTES or self._queue or self._turn.locked():
            return
        now_ms = self._machine.now_ms()
        async with self._turn:
            try:
                written = await self._machine.runner.run(lambda: self._writer.begin_next(now_ms))
            except OSError as error:
                log.warning("no new segment", extra={"stream": self.name, "reason": str(error)})
            else:
                self._took_over(written)

    # --- knowing ------------------------------------------------------------------------------------------------

    def on_disk(self) -> dict[str, Amount]:
        """By tenant, what is in segments now."""
        return self._counted(TenantTotals())

    def received(self) -> dict[str, Amount]:
        """By tenant, all that ever came in."""
        return self._counted(self._gone)

    def _counted(self, before: TenantTotals) -> dict[str, Amount]:
        active = {tenant: Amount(*sums) for tenant, sums in self._active.items()}
        return before.with_segments(list(self._segments)).plus(active)

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for a consumer."""
        return bool(self._awaiting_load)

    def await_load(self, seq: int, consumer: str | None) -> asyncio.Future[None]:
        """A future that is done once record `seq` is committed by the consumer, or by every one there is."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = _Loaded(seq, consumer, future)
        if self._is_loaded(waiter):
            future.set_result(None)
        else:
            self._awaiting_load.append(waiter)
        return future

    def surveyed(self, consumers: Mapping[str, ConsumerState]) -> None:
        """The consumers' files say this now."""
        self.consumers = consumers
        rest: list[_Loaded] = []
        for waiter in self._awaiting_load:
            if waiter.future.done():
                continue
            if self._is_loaded(waiter):
                waiter.future.set_result(None)
            else:
                rest.append(waiter)
        self._awaiting_load = rest

    def _is_loaded(self, waiter: _Loaded) -> bool:
        if waiter.consumer is not None:
            state = self.consumers.get(waiter.consumer)
            return state is not None and state.position.seq > waiter.seq
        return bool(self.consumers) and all(state.position.seq > waiter.seq for state in self.consumers.values())
