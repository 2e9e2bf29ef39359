"""The writer's side of a spool: `append` returns once the records are durable. One process per directory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dxops.base.errors import Conflict, TooLarge
from dxops.engines.spool.config import Limits, SpoolConfig
from dxops.engines.spool.disk import Buffer, Lock, Machine
from dxops.engines.spool.frames import TENANT_MOST_BYTES, ZSTD
from dxops.engines.spool.gate import Gate, Request
from dxops.engines.spool.identity import list_streams, settle_id
from dxops.engines.spool.ledger import Amount, read_totals, write_totals
from dxops.engines.spool.model import ConsumerState, SpoolFailed, SpoolFull, SpoolPaths, checked_name, failed
from dxops.engines.spool.real_disk import this_machine
from dxops.engines.spool.recovery import Recovered, recover
from dxops.engines.spool.segment_writer import Outgoing, SegmentWriter
from dxops.engines.spool.segments import segment_path
from dxops.engines.spool.stats import (
    TenantStats,
    WriterSnapshot,
    consumer_states,
    read_snapshot,
    write_seen,
    write_snapshot,
)
from dxops.engines.spool.writer_stream import WriterStream

if TYPE_CHECKING:
    from zstandard import ZstdCompressor

log = logging.getLogger(__name__)

_SURVEY_S = 0.1
_HURRIED_SURVEY_S = 0.008
_SNAPSHOT_S = 1.0
_MANY_PARTS = 64
_JOINED_BYTES = 4 << 20


class Spool:
    """Appends to streams. All methods belong to one event loop."""

    def __init__(self, machine: Machine, root: str, limits: Limits, spool_id: str, lock: Lock) -> None:
        self.root = root
        self.id = spool_id
        self._machine = machine
        self._limits = limits
        self._lock = lock
        self._gate = Gate(limits)
        self._streams: dict[str, WriterStream] = {}
        self._opening: dict[str, asyncio.Task[WriterStream]] = {}
        self._snapshots: dict[str, WriterSnapshot] = {}
        self._snapshot_at = 0.0
        self._unopened: set[str] = set()
        self._nudge = asyncio.Event()
        self._closed = False
        self._owns_machine = False
        self._compressor: ZstdCompressor | None = None
        self._keeping: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, root: str, config: SpoolConfig | Limits | None = None, *, machine: Machine | None = None
    ) -> Spool:
        """Recover every stream in `root` (made if absent) and begin to take records.

        Raises `Conflict` while another process writes there, `SpoolFailed` when the disk does not answer.
        """
        owns_machine = machine is None
        machine = machine or this_machine()
        limits = config if isinstance(config, Limits) else Limits.of(config or SpoolConfig())

        def prepare() -> tuple[Lock, str, list[str]]:
            machine.disk.make_directory(root)
            lock = machine.disk.lock(f"{root}/lock")
            if lock is None:
                raise Conflict(f"another process writes to the spool in {root}", hint="stop the other `ingest` role")
            try:
                return lock, settle_id(machine.disk, root), list_streams(machine.disk, root)
            except BaseException:
                lock.close()
                raise

        try:
            lock, spool_id, names = await machine.runner.run(prepare)
        except OSError as error:
            raise failed(error, f"the spool in {root} cannot be opened") from error
        spool = cls(machine, root, limits, spool_id, lock)
        spool._owns_machine = owns_machine
        try:
            spool._unopened.update(names)
            await spool._open_rest()
            await spool._survey()
        except BaseException:
            await spool.close()
            raise
        spool._keeping = asyncio.get_running_loop().create_task(spool._keep(), name="spool-keeping")
        return spool

    async def append(
        self,
        stream: str,
        parts: Sequence[Buffer],
        *,
        records: int,
        tenant: str = "",
        kind: int = 0,
    ) -> int:
        """Store one batch of `records` records, whose payload is `parts` one after the other; the number of the first.

        Durable on return; the others have the numbers behind it. The parts must not change before. Raises, having
        stored nothing, `SpoolFull` or `Throttled` (with `retry_after_s`; after holding the caller for `hold_s`),
        `TooLarge`, `Refused` for a bad stream name; and `SpoolFailed` when the disk failed: then the records may yet
        appear, at most once. The same holds for a caller that is cancelled.
        """
        state = self._streams.get(stream) or await self._stream(stream)
        if self._closed:
            raise SpoolFailed("the spool is closing", hint="send it again in a moment")
        length = sum(map(len, parts))
        _check_frame(records, kind, tenant)
        if length > self._limits.frame_bytes:
            raise TooLarge(
                f"{length} bytes in one request; at most {self._limits.frame_bytes} are taken",
                hint="send smaller batches",
            )
        request = Request(stream, tenant, length)
        if not self._gate.try_enter(request):
            await self._gate.enter(request)
        try:
            frame = self._outgoing(parts, records, length, tenant, kind)
            future = state.put(frame, request)
        except BaseException:
            self._gate.leave(request)
            raise
        return await future

    def check(self, stream: str, *, tenant: str = "", size: int = 0) -> None:
        """Raise `SpoolFull`, `Throttled` or `TooLarge` if `append` would not take `size` bytes now.

        For receivers, before they read a body; holds nobody, so call it only to refuse what is hopeless.
        """
        if size > self._limits.frame_bytes:
            raise TooLarge(f"{size} bytes; at most {self._limits.frame_bytes} are taken", hint="send smaller batches")
        self._gate.check(Request(stream, tenant, size))

    def shut(self, reason: SpoolFull | None) -> None:
        """From now on nothing is taken in, for this reason; senders are held, then refused with it. None: go on."""
        self._gate.closed = reason
        if reason is None:
            self._gate.let_in()

    async def admit(self, stream: str, *, tenant: str = "", size: int = 0) -> None:
        """Hold the caller, as `append` would, until there is room for `size` bytes; takes none of it.

        For receivers, before they read a body: what waits in the sender's memory fills none of ours. Raises the same.
        """
        if size > self._limits.frame_bytes:
            raise TooLarge(f"{size} bytes; at most {self._limits.frame_bytes} are taken", hint="send smaller batches")
        await self._gate.admit(Request(stream, tenant, size))

    async def loaded(self, stream: str, seq: int, *, consumer: str | None = None) -> None:
        """Wait until record `seq` is committed by `consumer`, or by every consumer there is (one at least).

        Takes a moment (some 10 ms) longer than the commit. Never raises by itself: set a timeout.
        """
        state = self._streams.get(stream) or await self._stream(stream)
        future = state.await_load(seq, consumer)
        if not future.done():
            self._nudge.set()
        await future

    def loaded_before(self, stream: str, consumer: str) -> int:
        """Every record before this number is committed by `consumer`, as of 0.1 s ago; 0 where it is not known."""
        state = self._streams.get(stream)
        found = state.consumers.get(consumer) if state is not None else None
        return found.position.seq if found is not None else 0

    async def close(self) -> None:
        """Take no more, write what waits, let another process have the directory."""
        self._closed = True
        self._nudge.set()
        if self._keeping is not None:
            await asyncio.wait([self._keeping])  # not cancelled: it may be deleting segments
        for opening in list(self._opening.values()):
            with contextlib.suppress(Exception):
                await opening
        for state in self._streams.values():
            await state.close()
        with contextlib.suppress(SpoolFailed):
            await self._snapshot(force=True)
        self._lock.close()
        if self._owns_machine:
            self._machine.runner.close()

    # --- streams ------------------------------------------------------------------------------------------------

    async def _stream(self, name: str) -> WriterStream:
        known = self._streams.get(name)
        if known is not None:
            return known
        checked_name("stream", name)
        opening = self._opening.get(name)
        if opening is None:
            opening = asyncio.get_running_loop().create_task(self._opened(name))
            self._opening[name] = opening
            opening.add_done_callback(lambda _: self._opening.pop(name, None))
        return await asyncio.shield(opening)

    async def _opened(self, name: str) -> WriterStream:
        machine, limits, paths = self._machine, self._limits, SpoolPaths(self.root, name)

        def prepare() -> tuple[Recovered, SegmentWriter]:
            found = recover(machine.disk, self.root, name, self.id)
            writer = SegmentWriter(
                machine.disk,
                self.root,
                name,
                self.id,
                found.mark,
                segment_bytes=limits.segment_bytes,
                segment_age_ms=limits.segment_age_ms,
            )
            writer.publish()
            return found, writer

        try:
            found, writer = await machine.runner.run(prepare)
            totals = await machine.runner.run(lambda: read_totals(machine.disk, paths))
            self._snapshots[name] = await machine.runner.run(lambda: read_snapshot(machine.disk, paths))
        except OSError as error:
            raise failed(error, f"stream '{name}' cannot be opened") from error
        if found.torn_bytes:
            log.info("a torn tail was dropped", extra={"stream": name, "bytes": found.torn_bytes})
        state = WriterStream(machine, limits, self._gate, name, writer, found.mark, found.segments, totals)
        self._streams[name] = state
        return state

    def _outgoing(self, parts: Sequence[Buffer], records: int, length: int, tenant: str, kind: int) -> Outgoing:
        flags = 0
        if self._limits.zstd_level:
            packed = self._packed(b"".join(parts))
            if len(packed) < length:
                parts, length, flags = [packed], len(packed), ZSTD
        if len(parts) > _MANY_PARTS and length <= _JOINED_BYTES:
            parts = [b"".join(parts)]  # one copy costs less than to name each part to zlib and to the system
        crc = 0
        for part in parts:
            crc = zlib.crc32(part, crc)
        return Outgoing(parts, records, length, crc, tenant, kind, flags, self._machine.now_ms())

    def _packed(self, payload: bytes) -> bytes:
        if self._compressor is None:
            import zstandard

            self._compressor = zstandard.ZstdCompressor(level=self._limits.zstd_level)
        return self._compressor.compress(payload)

    # --- housekeeping -------------------------------------------------------------------------------------------

    async def _open_rest(self) -> None:
        """Open the streams that could not be opened: one that fails does not stop the others."""
        for name in sorted(self._unopened):
            try:
                await self._stream(name)
            except SpoolFailed as error:
                log.error("a stream cannot be opened; it is tried again", extra={"stream": name, "reason": str(error)})
            else:
                self._unopened.discard(name)

    async def _keep(self) -> None:
        while not self._closed:
            hurried = self._gate.holding or any(state.awaited for state in self._streams.values())
            if hurried:
                await asyncio.sleep(_HURRIED_SURVEY_S)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SURVEY_S):
                        await self._nudge.wait()
            self._nudge.clear()
            try:
                await self._open_rest()
                await self._survey()
                await self._snapshot()
            except SpoolFailed as error:
                log.warning("the spool cannot look after itself", extra={"reason": error.message})
            except Exception:
                log.exception("the spool's housekeeping failed")

    async def _survey(self) -> None:
        """See how far the consumers are; delete what all have passed; let in who waits for room."""
        disk, root = self._machine.disk, self.root
        names = list(self._streams)

        def look() -> tuple[tuple[int, int], dict[str, dict[str, ConsumerState]]]:
            return disk.space(root), {name: consumer_states(disk, SpoolPaths(root, name)) for name in names}

        try:
            space, consumers = await self._machine.runner.run(look)
            self._gate.set_space(*space)
            for name in names:
                state = self._streams[name]
                await state.publish()
                state.surveyed(consumers[name])
                await self._delete_passed(state)
                if self._gate.holding:
                    await state.make_room()
        except OSError as error:
            raise failed(error, "the spool's directory does not answer") from error
        self._gate.let_in()

    async def _delete_passed(self, state: WriterStream) -> None:
        passed = state.passed_segments()
        if not passed:
            return
        disk, paths, totals = self._machine.disk, SpoolPaths(self.root, state.name), state.forgotten(passed)

        consumers = dict(state.consumers)

        def delete() -> None:
            for name, seen in consumers.items():
                write_seen(disk, paths, name, seen)
            write_totals(disk, paths, totals)
            for segment in passed:
                disk.remove(segment_path(paths, segment.base))
                disk.remove(paths.segment(f"{segment.base:020d}.sum"))

        await self._machine.runner.run(delete)
        state.forget(passed, totals)

    async def _snapshot(self, *, force: bool = False) -> None:
        now = self._machine.clock.monotonic()
        if now - self._snapshot_at < _SNAPSHOT_S and not force:
            return
        self._snapshot_at = now
        made = {name: self._snapshot_of(name, state) for name, state in self._streams.items()}
        changed = {name: snapshot for name, snapshot in made.items() if snapshot != self._snapshots[name]}
        self._snapshots |= changed
        if not changed:
            return

        def write() -> None:
            for name, snapshot in changed.items():
                write_snapshot(self._machine.disk, SpoolPaths(self.root, name), snapshot)

        await self._machine.runner.run(write)

    def _snapshot_of(self, name: str, state: WriterStream) -> WriterSnapshot:
        before, gate, on_disk = self._snapshots[name].tenants, self._gate, state.on_disk()
        received = state.received()
        turned_away = {tenant for stream, tenant in (*gate.refused, *gate.held) if stream == name}
        tenants = {}
        for tenant in received.keys() | before.keys() | turned_away:
            old = before.get(tenant, TenantStats())
            tenants[tenant] = TenantStats(
                received=received.get(tenant, Amount()),
                on_disk=on_disk.get(tenant, Amount()),
                refused=old.refused + gate.refused.pop((name, tenant), 0),
                held=old.held + gate.held.pop((name, tenant), 0),
            )
        return WriterSnapshot(tenants)


def _check_frame(records: int, kind: int, tenant: str) -> None:
    if not 0 < records < 2**32:
        raise ValueError(f"records is {records}")
    if not 0 <= kind < 256:
        raise ValueError(f"kind is {kind}")
    if not tenant.isascii() or len(tenant) > TENANT_MOST_BYTES:
        raise ValueError(f"the tenant's name must be ASCII and at most {TENANT_MOST_BYTES} long")
