"""One seed: a writer process, a loader process, a disk and a store, with everything going wrong, and then the promise.

Every acknowledged record is in the store or in quarantine exactly once; one that was not acknowledged is there at most
once; nothing else is there; the order of the stream is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import zlib
from collections import Counter
from collections.abc import Callable

from dxops.base.errors import DxopsError
from dxops.engines.spool.config import BatchLimits, Limits
from dxops.engines.spool.consumer import Consumer
from dxops.engines.spool.disk import Machine
from dxops.engines.spool.doubt import Patience
from dxops.engines.spool.loading import Loader
from dxops.engines.spool.quarantine import Quarantine
from dxops.engines.spool.spool import Spool
from dxops.engines.spool.stats import read_stats
from tests.engines.spool.simulated_disk import SimulatedDisk
from tests.engines.spool.simulated_store import SimulatedStore
from tests.engines.spool.simulated_time import GreenletRunner, Killed, Process, SimulatedClock, SimulatedLoop

ROOT = "/spool"
PATIENCE = Patience(tries=4, for_s=2.0, alone_tries=2, most=3)
STREAM = "logs"


class Broken(AssertionError):
    """The promise is broken."""


class World:
    """Everything of one seed. `rounds` says how many times something goes wrong."""

    def __init__(self, seed: int, *, rounds: int = 3, arrange: Callable[[World], None] | None = None) -> None:
        self.rng = random.Random(seed)
        self.loop = SimulatedLoop()
        self.clock = SimulatedClock(self.loop)
        self.disk = SimulatedDisk(self.rng)
        self.store = SimulatedStore(self.rng)
        self.rounds = rounds
        self.acknowledged: dict[bytes, int] = {}
        self.tried: set[bytes] = set()
        self.counter = 0
        self.writer: Process | None = None
        self.loader: Process | None = None
        self.spool: Spool | None = None
        self.ending = False
        self.up: set[str] = set()
        self.limits = self._limits()
        self.disk.place(f"{ROOT}/id", b"%s %08x\n" % (b"5" * 32, zlib.crc32(b"5" * 32)))
        if self.rng.random() < 0.2:
            self.disk.capacity = 400_000  # a twentieth is kept free: the loader's files and a quarantine fit into it
        if arrange is not None:
            arrange(self)

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(lambda loop, context: None)
        try:
            self.loop.run_until_complete(self._run())
        finally:
            with contextlib.suppress(Killed):
                for task in asyncio.all_tasks(self.loop):
                    task.cancel()
                self.loop.run_until_complete(asyncio.sleep(0))
            asyncio.set_event_loop(None)
            self.loop.close()

    # --- the story ----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        writer = asyncio.create_task(self._life("writer", self._write))
        loader = asyncio.create_task(self._life("loader", self._load))
        for _ in range(self.rounds):
            await self._misfortune()
        self._mend()
        try:
            async with asyncio.timeout(120):
                await self._drained(writer, loader)
        except TimeoutError:
            raise AssertionError(f"never drained: {await self._stats()}") from None
        self.ending = True
        try:
            await self._check()
        except AssertionError as error:
            raise Broken(str(error).partition("\n")[0]) from error
        writer.cancel()
        loader.cancel()

    def _machine(self, process: Process) -> Machine:
        runner = GreenletRunner(process, lambda: self.rng.random() * 0.0005)
        return Machine(self.disk.seen_by(process), runner, self.clock)

    async def _life(self, name: str, work: Callable[[Process], object]) -> None:
        """A process and its successors."""
        while True:
            process = Process(name)
            setattr(self, name, process)
            self.up.discard(name)
            task = asyncio.create_task(work(process))  # type: ignore[arg-type]
            died = asyncio.create_task(process.died.wait())
            await asyncio.wait([task, died], return_when=asyncio.FIRST_COMPLETED)
            if not process.dead and not self.ending:
                task.result()  # a process that ends by itself has a fault
                raise AssertionError(f"{name} ended")
            process.die()
            for left in sorted(asyncio.all_tasks(), key=lambda left: left.get_name()):
                if left.get_name().startswith("spool") and name == "writer":
                    left.cancel()
            task.cancel()
            died.cancel()
            await asyncio.wait([task], timeout=0.05)  # what waits for the disk of a dead process waits for ever
            await asyncio.sleep(self.rng.random() * 0.3)

    async def _write(self, process: Process) -> None:
        machine = self._machine(process)
        while True:
            try:
                spool = await Spool.open(ROOT, self.limits, machine=machine)
                break
            except DxopsError:
                await asyncio.sleep(0.1)
        self.spool = spool
        self.up.add("writer")
        await asyncio.gather(*(self._produce(spool, name) for name in range(3)))

    async def _produce(self, spool: Spool, name: int) -> None:
        rng = self.rng
        while True:
            await asyncio.sleep(rng.random() ** 3 * 0.3)
            if self.ending:
                await asyncio.sleep(3600)
            count = rng.choice((1, 1, 2, 5, 20))
            records = [self._record(name) for _ in range(count)]
            self.tried.update(records)
            payload = b"".join(record + b"\n" for record in records)
            cut = rng.randint(0, len(payload))
            try:
                seq = await spool.append(
                    STREAM, [payload[:cut], payload[cut:]], records=count, tenant=f"tenant{name}", kind=name
                )
            except DxopsError:
                continue
            for index, record in enumerate(records):
                self.acknowledged[record] = seq + index

    def _record(self, name: int) -> bytes:
        self.counter += 1
        luck = self.rng.random()
        nature = "poison" if luck < 0.01 else "odd" if luck < 0.02 else "strange" if luck < 0.024 else "good"
        return f"{name}.{self.counter:06d}.{nature}.".encode() + b"x" * self.rng.choice((0, 10, 100, 700))

    async def _load(self, process: Process) -> None:
        machine = self._machine(process)
        while True:
            try:
                consumer = await Consumer.open(machine, ROOT, STREAM, "store")
                break
            except DxopsError:
                await asyncio.sleep(0.1)
        self.up.add("loader")
        limits = BatchLimits(records=self.rng.choice((5, 30, 200)), size_bytes=4000, age_s=0.05)
        await Loader(machine, consumer, self.store, limits, most_pause_s=0.5, patience=PATIENCE).run()

    async def _misfortune(self) -> None:
        """A while of something going wrong."""
        rng, faults = self.rng, self.disk.faults
        for kind in rng.sample(("short", "full", "broken", "sync", "directory", "read"), rng.randint(0, 3)):
            setattr(faults, kind, rng.choice((0.02, 0.1, 0.3)))
        if rng.random() < 0.2:
            self.disk.others = max(0, self.disk.capacity - self.disk.used() - rng.choice((0, 0, 500, 3000)))
        self.store.trouble = rng.choice((0.0, 0.2, 0.8))
        self.store.away = rng.random() < 0.15
        self.store.sick = rng.random() < 0.15
        await asyncio.sleep(rng.random() * 0.8)
        if rng.random() < 0.5:
            faults.clear()
            self.disk.others = 0
        for process in (self.writer, self.loader):
            if process is not None and rng.random() < 0.5:
                process.dies_at_step = process.steps + rng.randint(1, 40)
        await asyncio.sleep(rng.random() * 0.3)
        end = rng.choice(("writer", "loader", "power", "power", "evict", "nothing"))
        if end in ("writer", "power") and self.writer is not None:
            self.writer.die()
        if end in ("loader", "power") and self.loader is not None:
            self.loader.die()
        if end == "power":
            self.disk.lose_power()
        if end == "evict":
            self.disk.evict()
        faults.clear()

    def _mend(self) -> None:
        self.disk.faults.clear()
        self.disk.others = 0
        self.store.trouble, self.store.away, self.store.sick = 0.0, False, False
        for process in (self.writer, self.loader):
            if process is not None:
                process.dies_at_step = -1

    # --- the promise --------------------------------------------------------------------------------------------

    async def _drained(self, *lives: asyncio.Task[None]) -> None:
        await asyncio.sleep(0.3)
        self.ending = True
        await asyncio.sleep(0.1)
        while True:
            for life in lives:
                if life.done():
                    life.result()
            if len(self.up) < 2:
                await asyncio.sleep(0.2)
                continue
            stats = await self._stats()
            if stats and stats[0].consumers and not stats[0].consumers[0].pending and stats[0].received:
                return
            if stats and not stats[0].received and not self.acknowledged:
                return
            await asyncio.sleep(0.2)

    async def _stats(self) -> list:
        return await read_stats(self._machine(Process("observer")), ROOT)

    async def _check(self) -> None:
        await asyncio.sleep(0.6)  # answers that are still on their way
        quarantine = Quarantine(self._machine(Process("observer")), ROOT, STREAM, "store")
        assert not self.store.faults, self.store.faults[0]
        aside = [
            (record.seq, line) for record in await quarantine.records(limit=10**6) for line in record.data.split(b"\n")
        ]
        stored = self.store.rows + [(seq, line) for seq, line in aside if line]
        copies = Counter(record for _, record in stored)
        doubled = [record for record, count in copies.items() if count > 1]
        assert not doubled, f"doubled: {doubled[:3]}"
        lost = [record for record in self.acknowledged if record not in copies]
        assert not lost, f"acknowledged and lost: {lost[:3]}"
        assert not copies.keys() - self.tried, "something that nobody sent"
        renumbered = [record for seq, record in stored if self.acknowledged.get(record, seq) != seq]
        assert not renumbered, f"stored under another number than was answered: {renumbered[:3]}"
        seqs = [seq for seq, _ in self.store.rows]
        assert seqs == sorted(set(seqs)), "out of order"
        for record in copies:
            refused = any(nature in record for nature in (b"poison", b"odd", b"strange"))
            assert refused == any(line == record for _, line in aside), f"in the wrong place: {record!r}"
        (stream,) = await self._stats()
        (consumer,) = stream.consumers
        assert consumer.lost == 0, "records counted as lost"
        assert consumer.loaded == len(self.store.rows), "miscounted"
        assert consumer.quarantined == consumer.in_quarantine == len({seq for seq, line in aside if line}), "miscounted"
        counted = sum(tenant.received.records for tenant in stream.tenants.values())
        assert counted <= stream.received, f"tenants add up to {counted} of {stream.received}"
        assert stream.received == consumer.loaded + consumer.quarantined, "received and not accounted for"

    def _limits(self) -> Limits:
        rng = self.rng
        return Limits(
            spool_bytes=rng.choice((30_000, 1 << 20)),
            stream_bytes=rng.choice((20_000, 1 << 20)),
            min_free_bytes=100_000_000,  # at most a twentieth of the disk, as always
            memory_bytes=rng.choice((5_000, 100_000)),
            tenant_share=0.75,
            hold_s=0.5,
            segment_bytes=rng.choice((1_000, 5_000, 50_000)),
            segment_age_ms=rng.choice((200, 100_000)),
            frame_bytes=1 << 20,
            batch_bytes=rng.choice((2_000, 100_000)),
            zstd_level=rng.choice((0, 0, 1)),
        )


def run_seed(seed: int, *, rounds: int = 3, arrange: Callable[[World], None] | None = None) -> None:
    """Raises `AssertionError` naming the seed and how to run it again."""
    logging.disable(logging.CRITICAL)
    try:
        World(seed, rounds=rounds, arrange=arrange).run()
    except Exception as error:
        replay = f"from tests.engines.spool.world import run_seed; run_seed({seed}, rounds={rounds})"
        kind = Broken if isinstance(error, Broken) else AssertionError
        raise kind(f"seed {seed}: {type(error).__name__}: {error}\nreplay: python -c '{replay}'") from error
    finally:
        logging.disable(logging.NOTSET)
