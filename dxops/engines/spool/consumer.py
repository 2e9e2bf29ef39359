"""A named reader whose place outlives it, and that gives a batch out again, exactly the same, until it is committed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from dxops.base.errors import Conflict
from dxops.engines.spool.config import BatchLimits
from dxops.engines.spool.disk import Lock, Machine, read_whole, run_to_end, write_whole
from dxops.engines.spool.doubt import Board
from dxops.engines.spool.frames import NO_SEGMENT
from dxops.engines.spool.identity import read_id
from dxops.engines.spool.model import (
    ConsumerState,
    DamagedState,
    Mark,
    Position,
    SpoolPaths,
    checked_name,
    decode_state,
    encode_state,
    failed,
)
from dxops.engines.spool.quarantine import Quarantine
from dxops.engines.spool.reader import Damage, Piece, Read, StreamReader, damaged_bytes
from dxops.engines.spool.slots import Slots, read_slots
from dxops.engines.spool.stats import read_seen, write_seen

log = logging.getLogger(__name__)
T = TypeVar("T")

_POLL_LEAST_S = 0.002
_POLL_MOST_S = 0.015
_FIRST_POLL_S = 0.1
_DAMAGE_KEPT_BYTES = 64 << 20


class Batch(msgspec.Struct, frozen=True):
    """Consecutive records: `from_seq` up to, not including, `to_seq` (numbers may be missing in between).

    `token` is the same whenever the same records are given again, and never that of others.
    """

    stream: str
    token: str
    from_seq: int
    to_seq: int
    pieces: list[Piece]
    after: Position

    @property
    def span(self) -> tuple[int, int]:
        return self.from_seq, self.to_seq

    @property
    def records(self) -> int:
        return sum(piece.records for piece in self.pieces)

    @property
    def payload_bytes(self) -> int:
        return sum(len(piece.frame.payload) for piece in self.pieces if piece.stop == piece.frame.records)


class Consumer:
    """One process at a time per stream and name. Before a batch is given out, its bounds are on disk.

    Not for several tasks at once.
    """

    def __init__(
        self,
        machine: Machine,
        root: str,
        stream: str,
        name: str,
        spool_id: str,
        lock: Lock,
        kinds: frozenset[int] | None = None,
    ) -> None:
        self.stream = stream
        self.name = name
        self.quarantine = Quarantine(machine, root, stream, name)
        self._machine = machine
        self._paths = SpoolPaths(root, stream)
        self.board = Board(machine, self._paths, name)
        self._spool_id = spool_id
        self._lock = lock
        self._reader = StreamReader(machine.disk, root, stream, spool_id, kinds=kinds)
        self._slots = Slots(machine.disk, f"{self._paths.consumers}/{name}")
        self._state = ConsumerState()
        self._whole = True
        self._ahead: tuple[Position, Read] | None = None

    @classmethod
    async def open(
        cls,
        machine: Machine,
        root: str,
        stream: str,
        name: str,
        *,
        start: Literal["oldest", "newest"] = "oldest",
        kinds: frozenset[int] | None = None,
    ) -> Consumer:
        """Take the consumer's place. A new one begins at `start` and from now on keeps segments from being deleted.
        `kinds`: the payloads of other kinds of frames are of no interest, come as b"" and are not counted as bytes.

        Waits until a writer has opened the spool once. Raises `Conflict` while another process has it, `SpoolFailed`
        when the disk does not answer, `DamagedState`.
        """
        checked_name("stream", stream)
        checked_name("consumer", name)
        spool_id = await _spool_id(machine, root)

        def prepare() -> Consumer:
            paths = SpoolPaths(root, stream)
            machine.disk.make_directory(paths.consumers)
            lock = machine.disk.lock(f"{paths.directory}/{name}.lock")
            if lock is None:
                raise Conflict(
                    f"consumer '{name}' of stream '{stream}' is in use by another process",
                    hint="there may be one loader per spool; stop the other one",
                )
            consumer = cls(machine, root, stream, name, spool_id, lock, kinds)
            try:
                consumer._take_up(start)
            except BaseException:
                consumer._shut()
                raise
            return consumer

        try:
            return await machine.runner.run(prepare)
        except OSError as error:
            raise failed(error, f"opening consumer '{name}' of stream '{stream}'") from error

    @property
    def state(self) -> ConsumerState:
        """As last written."""
        return self._state

    async def next_batch(self, limits: BatchLimits, *, suspect_records: int | None = None) -> Batch:
        """Wait for records, and give out the next batch; the same one again while it is not committed.

        With `suspect_records`, a new batch has at most so many records, even if a frame must be cut. Raises
        `SpoolFailed`; then nothing was given out and the call may be repeated.
        """
        while True:
            read = await self._disk(lambda: self._formed(limits, suspect_records))
            if read is not None:
                return read
            try:
                await self._wait(limits)
            except OSError as error:
                raise failed(error, f"reading stream '{self.stream}'") from error

    async def look_ahead(self, batch: Batch, limits: BatchLimits) -> Batch | None:
        """What comes after `batch`, the one that is out, if that is half a batch or more: so that it can be prepared
        meanwhile. It is not given out; that happens once `batch` is committed, by `next_batch`, with the same token.

        No other call may be under way. Raises nothing: None also where the disk does not answer.
        """
        try:
            return await run_to_end(self._machine.runner, lambda: self._looked(batch.after, limits))
        except OSError:
            return None

    async def commit(self, batch: Batch, *, quarantined: int = 0) -> None:
        """The batch is where it belongs, `quarantined` records of it in quarantine: never give it out again.

        Raises `SpoolFailed`: then repeat the call.
        """
        state = self._state
        if batch.from_seq != state.position.seq or batch.to_seq != state.intent:
            raise ValueError(f"batch {batch.token} is not the one that was given out last")
        count = batch.records - quarantined
        await self._write(
            msgspec.structs.replace(
                state,
                position=batch.after,
                intent=0,
                loaded=state.loaded + count,
                quarantined=state.quarantined + quarantined,
                loaded_bytes=state.loaded_bytes + batch.payload_bytes,
            )
        )

    async def narrow(self, records: int) -> None:
        """The batch that is out was refused as a whole and nothing of it is stored: next comes one of only its first
        `records` records. Raises `SpoolFailed`: then repeat the call."""
        at = self._state.position
        read = await self._disk(lambda: self._read(at, self._state.intent))
        left, until = records, at.seq
        for piece in read.pieces:
            taken = min(left, piece.records)
            until = piece.frame.seq + piece.start + taken
            left -= taken
            if not left:
                break
        await self._write(msgspec.structs.replace(self._state, intent=until))

    async def close(self) -> None:
        """Let another process have it. No other call may be under way."""
        await self._machine.runner.run(self._shut)

    # --- inside -----------------------------------------------------------------------------------------------

    def _take_up(self, start: str) -> None:
        path = f"{self._paths.consumers}/{self.name}"
        data = read_slots(self._machine.disk, path)
        state = decode_state(data)
        if state is None:
            if read_whole(self._machine.disk, path) is not None:
                raise DamagedState(
                    f"the place of consumer '{self.name}' of stream '{self.stream}' cannot be read",
                    hint=f"move {path} away; the stream is then loaded again from its oldest segment",
                )
            mark = self._reader.mark() if start == "newest" else None
            state = ConsumerState(mark.position if mark is not None else Position())
            write_seen(self._machine.disk, self._paths, self.name, state, spare=self._paths.spare_seen)
        seen = read_seen(self._machine.disk, self._paths, self.name)
        if seen is not None and seen.position.seq > state.position.seq:
            state = seen
        # What was read may never have been synced; a batch may only be given out again if it surely was.
        self._settle(encode_state(state), there=data is not None)
        self._state = state

    def _settle(self, payload: bytes, *, there: bool) -> None:
        """In place if the file is there, so that a full disk keeps nobody from emptying the spool."""
        if there:
            try:
                self._slots.read()
                self._slots.write(payload, sync=True)
                self._machine.disk.sync_directory(self._paths.consumers)
            except OSError:
                log.info("a consumer's file is made anew", extra={"stream": self.stream, "consumer": self.name})
            else:
                return
        self._slots.renew(payload, spare="" if there else self._paths.spare_place)

    def _formed(self, limits: BatchLimits, suspect_records: int | None) -> Batch | None:
        """Form a batch, write it down, give it out; None while there is nothing or too little."""
        ahead, self._ahead = self._ahead, None
        state = self._state
        mark = self._reader.mark()
        if mark is None or mark.next_seq < state.intent:
            return None  # after a power loss, until the writer has recovered what was given out
        if state.intent:
            read = self._read(state.position, state.intent)
            if not read.pieces:  # damaged meanwhile
                self._pass(read)
                return None
            return self._batch(state.position, read)
        if self._at_end(state.position, mark):
            return None
        if ahead is not None and ahead[0] == state.position and suspect_records is None:
            read = ahead[1]
        elif suspect_records is None and self._wait_s(mark, limits) > 0:
            return None
        else:
            read = self._reader.read(state.position, mark, records=limits.records, size_bytes=limits.size_bytes)
        if not read.pieces:
            if read.after != state.position:
                self._pass(read)
            return None
        if suspect_records is not None and sum(piece.records for piece in read.pieces) > suspect_records:
            read = self._read(state.position, _nth(read.pieces, suspect_records))
        self._note(read)
        self._store(msgspec.structs.replace(state, intent=read.after.seq, lost=state.lost + read.lost))
        return self._batch(state.position, read)

    def _looked(self, at: Position, limits: BatchLimits) -> Batch | None:
        mark = self._reader.mark()
        if mark is None or self._at_end(at, mark) or mark.records - at.passed < limits.records // 2:
            return None
        read = self._reader.read(at, mark, records=limits.records, size_bytes=limits.size_bytes)
        if not read.pieces or read.lost or read.damages:
            return None
        self._ahead = at, read
        return self._batch(at, read)

    def _wait_s(self, mark: Mark, limits: BatchLimits) -> float:
        """How long the oldest record may still wait for others; 0 when the batch would be full."""
        at = self._state.position
        near = at.segment == mark.segment and mark.offset - at.offset < limits.size_bytes
        if not near or mark.records - at.passed >= limits.records:
            return 0
        received_at_ms = self._reader.oldest_received_at_ms(at, mark)
        age_s = (self._machine.now_ms() - received_at_ms) / 1000 if received_at_ms is not None else limits.age_s
        return limits.age_s - age_s if 0 <= age_s < limits.age_s else 0

    def _read(self, at: Position, until: int) -> Read:
        mark = self._reader.mark()
        if mark is None:
            return Read([], at)
        return self._reader.read(at, mark, records=0, size_bytes=0, until=until)

    def _batch(self, at: Position, read: Read) -> Batch:
        from_seq, to_seq = at.seq, read.after.seq
        token = f"{self._spool_id}.{self.stream}.{from_seq}-{to_seq}"
        return Batch(self.stream, token, from_seq, to_seq, read.pieces, read.after)

    def _pass(self, read: Read) -> None:
        """Go on behind what cannot be read."""
        self._note(read)
        self._store(
            msgspec.structs.replace(self._state, position=read.after, intent=0, lost=self._state.lost + read.lost)
        )

    def _note(self, read: Read) -> None:
        """Put aside and report what could not be read."""
        for damage in read.damages:
            self._put_aside(damage)
        if read.lost or read.damages:
            log.error(
                "records of a stream are damaged or missing; the loader goes on behind them",
                extra={"stream": self.stream, "consumer": self.name, "records": read.lost, "seq": read.after.seq},
            )

    def _put_aside(self, damage: Damage) -> None:
        disk = self._machine.disk
        disk.make_directory(self._paths.damaged)
        path = f"{self._paths.damaged}/{damage.segment:020d}-{damage.offset}-{damage.end}.bin"
        write_whole(disk, path, b"".join(damaged_bytes(self._reader, damage, _DAMAGE_KEPT_BYTES)))

    @staticmethod
    def _at_end(at: Position, mark: Mark) -> bool:
        if mark.segment == NO_SEGMENT:
            return True
        if at.segment == mark.segment:
            return at.offset >= mark.offset
        return mark.segment < at.segment != NO_SEGMENT

    async def _wait(self, limits: BatchLimits) -> None:
        """Until the mark moves, or until the batch is full or old enough. Looks every 15 ms when idle: 0.3 %
        of a processor, and no channel between the processes that could fail by itself."""
        pause = _POLL_LEAST_S
        while True:
            await asyncio.sleep(pause)
            mark = self._reader.mark()
            pause = min(pause * 1.25, _POLL_MOST_S)
            if mark is None or mark.next_seq < self._state.intent or self._at_end(self._state.position, mark):
                continue
            wait_s = self._wait_s(mark, limits)
            if wait_s <= 0:
                return
            pause = min(pause, wait_s)

    async def _write(self, state: ConsumerState) -> None:
        await self._disk(lambda: self._store(state))

    def _store(self, state: ConsumerState) -> None:
        state = msgspec.structs.replace(state, updated_at_ms=self._machine.now_ms())
        try:
            if self._whole:
                self._slots.write(encode_state(state), sync=True)
            else:
                self._slots.renew(encode_state(state))
        except OSError:
            self._whole = False
            raise
        self._whole = True
        self._state = state

    async def _disk(self, work: Callable[[], T]) -> T:
        try:
            return await run_to_end(self._machine.runner, work)
        except OSError as error:
            raise failed(error, f"reading stream '{self.stream}'") from error

    def _shut(self) -> None:
        self._reader.close()
        self._slots.close()
        self._lock.close()


async def _spool_id(machine: Machine, root: str) -> str:
    """The id that the first writer makes."""
    while True:
        try:
            spool_id = await machine.runner.run(lambda: read_id(machine.disk, root))
        except OSError as error:
            raise failed(error, f"the spool in {root} cannot be read") from error
        if spool_id is not None:
            return spool_id
        await asyncio.sleep(_FIRST_POLL_S)


def _nth(pieces: list[Piece], count: int) -> int:
    """The number behind the first `count` records."""
    for piece in pieces:
        if piece.records >= count:
            return piece.frame.seq + piece.start + count
        count -= piece.records
    return pieces[-1].frame.seq + pieces[-1].stop
