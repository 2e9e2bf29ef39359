"""Records that a sink refused: kept with the reason, to be looked at, given back through the spool, or discarded.

A directory per stream and consumer, of files `<first seq>.ndjson`, each replaced as a whole. The loader adds, other
processes list and take away; a lock keeps them apart.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import msgspec

from dxops.engines.spool.disk import Buffer, Machine, read_whole, run_to_end, write_whole
from dxops.engines.spool.model import SpoolPaths, failed
from dxops.engines.spool.slots import Slots, read_slots

log = logging.getLogger(__name__)
T = TypeVar("T")

_FILE_BYTES = 256 << 10
_LOCK_POLL_S = 0.01
_COUNTS = struct.Struct("<4Q")


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """One refused record. `data` is what would be the payload of a frame with this record alone; base64 in the file.

    `in_doubt`: a redrive was cut off, so the record may have gone back into the spool already.
    """

    seq: int
    at_ms: int
    reason: str
    tenant: str
    kind: int
    received_at_ms: int
    data: bytes
    in_doubt: bool = False


class QuarantineCounts(msgspec.Struct, frozen=True):
    """Through all restarts: records ever added, and those dropped because the quarantine was full or they too old."""

    through_seq: int = 0
    added: int = 0
    dropped: int = 0
    resolved: int = 0

    @property
    def present(self) -> int:
        return self.added - self.dropped - self.resolved


class Appender(Protocol):
    """The part of a spool's writer that `redrive` needs."""

    async def append(
        self, stream: str, parts: Sequence[Buffer], *, records: int, tenant: str, kind: int = 0
    ) -> int: ...


class Quarantine:
    """The refused records of one stream and consumer. Every call may raise `SpoolFailed`."""

    def __init__(
        self,
        machine: Machine,
        root: str,
        stream: str,
        consumer: str,
        *,
        most_bytes: int = 256 << 20,
        most_age_s: float = 30 * 86400,
    ) -> None:
        self._machine = machine
        self._stream = stream
        self._parent = SpoolPaths(root, stream).quarantine
        self._directory = f"{self._parent}/{consumer}"
        self._most_bytes = most_bytes
        self._most_age_ms = int(most_age_s * 1000)

    async def add(self, records: Sequence[Quarantined]) -> None:
        """Keep them, durable on return. Those that are there already, from before a crash, are not doubled; numbers
        must ascend from call to call."""
        async with self._locked():
            await self._run(lambda: self._add(records))

    async def counts(self) -> QuarantineCounts:
        return await self._run(self._counts)

    async def records(self, *, after_seq: int = -1, limit: int = 100) -> list[Quarantined]:
        """By number, from `after_seq` (exclusive) on."""
        return await self._run(lambda: self._list(after_seq, limit))

    async def discard(self, seqs: Collection[int] | None = None) -> int:
        """Delete these, or all; how many there were."""
        async with self._locked():
            return await self._run(lambda: self._take_away(seqs))

    async def redrive(
        self, spool: Appender, seqs: Collection[int] | None = None, *, also_in_doubt: bool = False
    ) -> int:
        """Append these (or all) to the spool again and take them out of here; how many.

        Each gets a new number. Records whose earlier redrive was cut off are left alone unless `also_in_doubt`. Raises
        what `append` raises; what went back before that is taken out.
        """
        done: list[int] = []
        async with self._locked():
            chosen = [
                record
                for record in await self._run(lambda: self._list(-1, None))
                if (seqs is None or record.seq in seqs) and (also_in_doubt or not record.in_doubt)
            ]
            await self._run(lambda: self._set_doubt({record.seq for record in chosen}))
            try:
                for record in chosen:
                    await spool.append(self._stream, [record.data], records=1, tenant=record.tenant, kind=record.kind)
                    done.append(record.seq)
            finally:
                await self._run(lambda: self._settle(set(done), {record.seq for record in chosen}))
        return len(done)

    # --- inside, beside the loop --------------------------------------------------------------------------------

    def _add(self, records: Sequence[Quarantined]) -> None:
        disk = self._machine.disk
        names = self._names()
        counts = self._counts()
        newest = self._file(names[-1]) if names else []
        there_already = {record.seq for name in names[-2:] for record in self._file(name)}
        fresh = [record for record in records if record.seq not in there_already]
        through = max([counts.through_seq, *(record.seq + 1 for record in [*newest, *fresh])])
        if fresh:
            lines = b"".join(msgspec.json.encode(record) + b"\n" for record in fresh)
            path = f"{self._directory}/{fresh[0].seq:020d}.ndjson"
            if names:
                there = read_whole(disk, f"{self._directory}/{names[-1]}") or b""
                if len(there) + len(lines) <= _FILE_BYTES:
                    path, lines = f"{self._directory}/{names[-1]}", there + lines
            write_whole(disk, path, lines)
        # Records that a crash left in the file but not in the counts are counted now.
        uncounted = len(fresh) + sum(record.seq >= counts.through_seq for record in newest)
        self._count(msgspec.structs.replace(counts, through_seq=through, added=counts.added + uncounted))
        self._bound()

    def _bound(self) -> None:
        names = self._names()
        sizes = [len(read_whole(self._machine.disk, f"{self._directory}/{name}") or b"") for name in names[:-1]]
        spare = sum(sizes) - self._most_bytes
        oldest_ms = self._machine.now_ms() - self._most_age_ms
        dropped = 0
        for name, size in zip(names[:-1], sizes, strict=True):
            records = self._file(name)
            if spare <= 0 and records and records[-1].at_ms >= oldest_ms:
                break
            self._machine.disk.remove(f"{self._directory}/{name}")
            dropped += len(records)
            spare -= size
        if dropped:
            log.error(
                "quarantined records were dropped for good: the quarantine is full or they were too old",
                extra={"stream": self._stream, "records": dropped},
            )
            counts = self._counts()
            self._count(msgspec.structs.replace(counts, dropped=counts.dropped + dropped))

    def _take_away(self, seqs: Collection[int] | None) -> int:
        disk = self._machine.disk
        taken = 0
        for name in self._names():
            records = self._file(name)
            rest = [] if seqs is None else [record for record in records if record.seq not in seqs]
            if len(rest) == len(records):
                continue
            path = f"{self._directory}/{name}"
            if rest:
                write_whole(disk, path, b"".join(msgspec.json.encode(record) + b"\n" for record in rest))
            else:
                disk.remove(path)
                disk.sync_directory(self._directory)
            taken += len(records) - len(rest)
        if taken:
            counts = self._counts()
            self._count(msgspec.structs.replace(counts, resolved=counts.resolved + taken))
        return taken

    def _list(self, after_seq: int, limit: int | None) -> list[Quarantined]:
        doubt = self._doubt()
        found: list[Quarantined] = []
        for name in self._names():
            for record in self._file(name):
                if record.seq > after_seq:
                    found.append(msgspec.structs.replace(record, in_doubt=record.seq in doubt))
                    if limit is not None and len(found) >= limit:
                        return found
        return found

    def _doubt(self) -> set[int]:
        data = read_whole(self._machine.disk, f"{self._directory}/redriving")
        return set(msgspec.json.decode(data, type=list[int])) if data else set()

    def _set_doubt(self, seqs: set[int]) -> None:
        if seqs:
            data = msgspec.json.encode(sorted(self._doubt() | seqs))
            write_whole(self._machine.disk, f"{self._directory}/redriving", data)

    def _settle(self, done: set[int], tried: set[int]) -> None:
        """What went back leaves; what was not tried to the end is in doubt only if its append was cut off."""
        if done:
            self._take_away(done)
        rest = self._doubt() - done
        first_open = min(tried - done, default=None)
        still = {seq for seq in rest if seq not in tried or seq == first_open}
        if still:
            data = msgspec.json.encode(sorted(still))
            write_whole(self._machine.disk, f"{self._directory}/redriving", data)
        else:
            self._machine.disk.remove(f"{self._directory}/redriving")

    def _names(self) -> list[str]:
        return sorted(name for name in self._machine.disk.names(self._directory) if name.endswith(".ndjson"))

    def _file(self, name: str) -> list[Quarantined]:
        data = read_whole(self._machine.disk, f"{self._directory}/{name}") or b""
        found: list[Quarantined] = []
        for line in data.splitlines():
            try:
                found.append(msgspec.json.decode(line, type=Quarantined))
            except (msgspec.DecodeError, msgspec.ValidationError):
                log.exception("a line of the quarantine cannot be read", extra={"file": f"{self._directory}/{name}"})
        return found

    def _counts(self) -> QuarantineCounts:
        return read_counts(self._machine, self._directory)

    def _count(self, counts: QuarantineCounts) -> None:
        data = _COUNTS.pack(counts.through_seq, counts.added, counts.dropped, counts.resolved)
        Slots(self._machine.disk, f"{self._directory}/counts").renew(data)

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        disk = self._machine.disk
        await self._run(lambda: disk.make_directory(self._directory))
        while True:
            lock = await self._run(lambda: disk.lock(f"{self._directory}/lock"))
            if lock is not None:
                break
            await asyncio.sleep(_LOCK_POLL_S)
        try:
            yield
        finally:
            lock.close()

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await run_to_end(self._machine.runner, work)
        except OSError as error:
            raise failed(error, f"the quarantine of stream '{self._stream}'") from error


def read_counts(machine: Machine, directory: str) -> QuarantineCounts:
    """The counts of one quarantine directory."""
    data = read_slots(machine.disk, f"{directory}/counts")
    return (
        QuarantineCounts(*_COUNTS.unpack(data))
        if data is not None and len(data) == _COUNTS.size
        else (QuarantineCounts())
    )
