"""The port `SpoolView` on the spool's files; only giving records back asks the role that writes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from dxops.app.data import DataDirectory
from dxops.app.disks import spool_disk, store_disk
from dxops.app.inside import Inside, Redrive, chosen
from dxops.app.settings import Settings
from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import DxopsError, Missing, Unavailable
from dxops.base.ports import Audit, Roles, RoleState
from dxops.base.spooled import (
    DiskSpace,
    Minute,
    QuarantinedRecord,
    SpoolState,
    StreamAmounts,
    TenantAmounts,
    Totals,
)
from dxops.base.web import Page, decode_cursor, encode_cursor, page_limit
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.postgres.database import Database
from dxops.engines.spool import (
    ConsumerStats,
    Machine,
    Quarantine,
    Quarantined,
    StreamStats,
    read_stats,
    this_machine,
)

log = logging.getLogger(__name__)

STORE: Final = "store"
"""The consumer whose place says what is loaded. Others only follow."""

_SAMPLE_S: Final = 5.0
_MINUTES: Final = 60
_TEXT_BYTES: Final = 64_000
_REMOTE_DISK_S: Final = 15.0


class SpoolWatch:
    """`SpoolView`, and `watch`, which counts by the minute and keeps `last` fresh."""

    def __init__(
        self,
        data: DataDirectory,
        settings: Settings,
        roles: Roles,
        clock: Clock,
        *,
        database: Database,
        audit: Audit,
        inside: Inside,
        clickhouse: ClickHouse | None = None,
    ) -> None:
        """`clickhouse` is asked for its disks, where it is not ours."""
        self._data = data
        self._settings = settings
        self._roles = roles
        self._clock = clock
        self._database = database
        self._audit = audit
        self._inside = inside
        self._clickhouse = clickhouse
        self._machine = this_machine(1)
        self._counts: deque[tuple[datetime, int, int]] = deque(maxlen=int((_MINUTES + 2) * 60 / _SAMPLE_S))
        self._remote: tuple[float, DiskSpace | None] = (float("-inf"), None)
        self.last: SpoolState | None = None

    async def look(self) -> SpoolState:
        """See `SpoolView`."""
        return await read_state(
            self._machine,
            self._data,
            self._settings,
            await self._roles.states(),
            self._clock.now(),
            await self._store_disk(),
        )

    async def watch(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            with contextlib.suppress(DxopsError):
                self.last = await self.look()
                self._counts.append((self.last.at, self.last.totals.received, self.last.totals.loaded))
            await asyncio.sleep(_SAMPLE_S)

    def minutes(self) -> Sequence[Minute]:
        """See `SpoolView`."""
        return by_minute(list(self._counts), self._clock.now())

    async def quarantined(
        self, stream: str | None = None, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[QuarantinedRecord]:
        """See `SpoolView`."""
        size = page_limit(limit)
        from_stream, after = "", -1
        if cursor:
            from_stream, number = decode_cursor(cursor, 2)
            after = int(number) if number.isascii() and number.isdecimal() and len(number) < 20 else -1
        found: list[QuarantinedRecord] = []
        for name in await self._streams():
            if (stream is not None and name != stream) or name < from_stream:
                continue
            after_seq = after if name == from_stream else -1
            records = await self._place(name).records(after_seq=after_seq, limit=size + 1 - len(found))
            found += [_record(name, record) for record in records]
            if len(found) > size:
                break
        last = found[size - 1] if len(found) > size else None
        return Page(found[:size], None if last is None else encode_cursor(last.stream, str(last.seq)))

    async def record(self, stream: str, seq: int) -> QuarantinedRecord:
        """See `SpoolView`."""
        if stream in await self._streams():
            records = await self._place(stream).records(after_seq=seq - 1, limit=1)
            if records and records[0].seq == seq:
                return _record(stream, records[0])
        raise Missing(
            f"no record {seq} of '{stream}' is in quarantine", hint="it may have been given back or discarded"
        )

    async def redrive(
        self, actor: Actor, stream: str, seqs: Sequence[int] | None, *, also_in_doubt: bool = False
    ) -> int:
        """See `SpoolView`."""
        actor.require(Scope.OPERATE)
        await self._require_stream(stream)
        wish = Redrive(stream=stream, consumer=STORE, seqs=chosen(seqs), also_in_doubt=also_in_doubt)
        count = await self._inside.redrive(wish)
        await self._told(actor, "spool.redriven", stream, count, seqs)
        return count

    async def discard(self, actor: Actor, stream: str, seqs: Sequence[int] | None) -> int:
        """See `SpoolView`. The audit log is told first: where it cannot be, nothing is deleted."""
        actor.require(Scope.OPERATE)
        await self._require_stream(stream)
        place = self._place(stream)
        there = await place.counts() if seqs is None else None
        expected = there.present if there is not None else len(chosen(seqs) or ())
        await self._told(actor, "spool.discarded", stream, expected, seqs)
        return await place.discard(chosen(seqs))

    async def _told(self, actor: Actor, action: str, stream: str, count: int, seqs: Sequence[int] | None) -> None:
        detail: dict[str, object] = {"records": count}
        if seqs is not None:
            detail["numbers"] = ", ".join(map(str, sorted(set(seqs))[:20])) + (" …" if len(set(seqs)) > 20 else "")
        async with self._database.begin() as tx:
            await self._audit.record(tx, actor, action, stream, detail)

    def _place(self, stream: str) -> Quarantine:
        return Quarantine(self._machine, str(self._data.spool), stream, STORE)

    async def _streams(self) -> list[str]:
        return [found.stream for found in await read_stats(self._machine, str(self._data.spool))]

    async def _require_stream(self, stream: str) -> None:
        known = await self._streams()
        if stream not in known:
            raise Missing(
                f"the spool has no stream '{stream[:80]}'", hint=f"there are {', '.join(known) or 'none yet'}"
            )

    async def _store_disk(self) -> DiskSpace | None:
        """Of servers that are not ours: asked at most every 15 s, and as last known while they do not answer."""
        if not self._settings.clickhouse.url:
            return await store_disk(self._data, self._settings, None)
        now, (asked_at, known) = self._clock.monotonic(), self._remote
        if now - asked_at >= _REMOTE_DISK_S:
            with contextlib.suppress(Unavailable):
                known = await store_disk(self._data, self._settings, self._clickhouse)
            self._remote = (now, known)
        return known


async def read_state(
    machine: Machine,
    data: DataDirectory,
    settings: Settings,
    roles: Mapping[str, RoleState],
    now: datetime,
    store_space: DiskSpace | None,
) -> SpoolState:
    """All of it, from the files alone. Raises `Unavailable` where they cannot be read."""
    stats = await read_stats(machine, str(data.spool))
    disks = {"spool": spool_disk(data, settings), STORE: store_space}
    streams = {found.stream: _amounts(found) for found in stats}
    return SpoolState(
        at=now,
        streams=streams,
        totals=_totals(list(streams.values())),
        ingest=_status(roles, "ingest"),
        loader=_status(roles, "loader"),
        store="elsewhere" if settings.clickhouse.url else _status(roles, "store"),
        disks={name: space for name, space in disks.items() if space is not None},
        max_bytes=settings.spool.max_mb << 20,
    )


def by_minute(counts: Sequence[tuple[datetime, int, int]], now: datetime) -> list[Minute]:
    """Sums as counters were seen (when, received, loaded) to what each of the last 60 whole minutes brought."""
    end = now.replace(second=0, microsecond=0)
    at_start: dict[datetime, tuple[int, int]] = {}
    for moment, received, loaded in counts:  # the first of a minute stands for its beginning, if it is near that
        if moment.second > 2 * _SAMPLE_S:
            continue
        at_start.setdefault(moment.replace(second=0, microsecond=0), (received, loaded))
    found = []
    for back in range(_MINUTES, 0, -1):
        start = end - timedelta(minutes=back)
        first, second = at_start.get(start), at_start.get(start + timedelta(minutes=1))
        known = first is not None and second is not None
        found.append(
            Minute(
                at=start,
                received=max(0, second[0] - first[0]) if known and first and second else None,
                loaded=max(0, second[1] - first[1]) if known and first and second else None,
            )
        )
    return found


def _amounts(found: StreamStats) -> StreamAmounts:
    by_name = {consumer.name: consumer for consumer in found.consumers}
    store = by_name.get(STORE) or _nobody(found)
    return StreamAmounts(
        received=found.received,
        loaded=store.loaded,
        pending=store.pending,
        quarantined=store.quarantined,
        in_quarantine=store.in_quarantine,
        dropped=store.quarantine_dropped,
        lost=store.lost,
        bytes=found.received_bytes,
        disk_bytes=found.disk_bytes,
        lag_s=round(store.oldest_pending_s or 0.0, 3) if store.pending else 0.0,
        held=found.held,
        refused=found.refused,
        loaded_at=datetime.fromtimestamp(store.updated_at_ms / 1000, UTC) if store.updated_at_ms else None,
        tenants={
            name: TenantAmounts(
                received=tenant.received.records,
                bytes=tenant.received.payload_bytes,
                on_disk_bytes=tenant.on_disk.payload_bytes,
                held=tenant.held,
                refused=tenant.refused,
            )
            for name, tenant in sorted(found.tenants.items())
        },
    )


def _nobody(found: StreamStats) -> ConsumerStats:
    """A stream that no loader has looked at yet."""
    return ConsumerStats(
        name=STORE, loaded=0, loaded_bytes=0, pending=found.received, quarantined=0, in_quarantine=0,
        quarantine_dropped=0, lost=0, oldest_pending_s=None, updated_at_ms=0,
    )  # fmt: skip


def _totals(streams: Sequence[StreamAmounts]) -> Totals:
    return Totals(
        received=sum(one.received for one in streams),
        loaded=sum(one.loaded for one in streams),
        pending=sum(one.pending for one in streams),
        quarantined=sum(one.quarantined for one in streams),
        in_quarantine=sum(one.in_quarantine for one in streams),
        lost=sum(one.lost for one in streams),
        bytes=sum(one.bytes for one in streams),
        disk_bytes=sum(one.disk_bytes for one in streams),
        lag_s=max((one.lag_s for one in streams), default=0.0),
        held=sum(one.held for one in streams),
        refused=sum(one.refused for one in streams),
    )


def _record(stream: str, found: Quarantined) -> QuarantinedRecord:
    return QuarantinedRecord(
        stream=stream,
        seq=found.seq,
        at=datetime.fromtimestamp(found.at_ms / 1000, UTC),
        received_at=datetime.fromtimestamp(found.received_at_ms / 1000, UTC),
        reason=found.reason,
        tenant=found.tenant,
        bytes=len(found.data),
        text=found.data[:_TEXT_BYTES].decode("utf-8", "replace").replace("\0", "\N{SYMBOL FOR NULL}"),
        in_doubt=found.in_doubt,
    )


def _status(roles: Mapping[str, RoleState], role: str) -> str:
    return roles[role].status if role in roles else "unknown"
