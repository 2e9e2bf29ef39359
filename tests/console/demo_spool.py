"""A `SpoolView` with something to show: an hour of logs, a loader that is a little behind, three refused records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dxops.app.troubles import troubles_of
from dxops.base.actors import Actor, Scope
from dxops.base.errors import Missing
from dxops.base.spooled import (
    DiskSpace,
    Minute,
    QuarantinedRecord,
    RefusedBatch,
    SpoolState,
    StreamAmounts,
    TenantAmounts,
    Totals,
)
from dxops.base.trouble import Trouble
from dxops.base.web import Page

_GB = 1_000_000_000


class DemoSpool:
    """Keeps what was decided in `decided`; `free_bytes` of the disk can be set."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self.free_bytes = 70 * _GB
        self.empty = False
        self.refused: RefusedBatch | None = None
        self.decided: list[tuple[str, list[int] | None]] = []
        self.records = [
            QuarantinedRecord(
                stream="logs", seq=seq, at=now - timedelta(minutes=9),
                received_at=now - timedelta(minutes=9, seconds=2), reason=reason,
                tenant="filebeat", bytes=214, in_doubt=seq == 48_112, text=text,
            )
            for seq, reason, text in (
                (48_110, "not a frame of logs: input data was truncated", "\x13{"),
                (48_112, "the store refuses it: value is out of range for DateTime64", '{"message":"GET /", "n": 1}'),
                (51_007, "1 operations announced, 2 found", '{"message":"a longer one <b>with markup</b>"}'),
            )
        ]  # fmt: skip

    async def look(self) -> SpoolState:
        held = {"filebeat": (1_180_000, 512_000_000), "kube": (804_211, 98_400_000)}
        logs = StreamAmounts(
            received=1_984_211, loaded=1_983_008, pending=1_200, quarantined=3, in_quarantine=len(self.records),
            dropped=0, lost=0, bytes=610_400_000, disk_bytes=50_300_000, lag_s=0.4, held=12, refused=0,
            loaded_at=datetime.now(UTC), refused_batch=self.refused,
            tenants={
                name: TenantAmounts(received=count, bytes=size, on_disk_bytes=size // 20, held=6, refused=0)
                for name, (count, size) in held.items()
            },
        )  # fmt: skip
        space = DiskSpace(free_bytes=self.free_bytes, total_bytes=270 * _GB, least_bytes=3 * _GB)
        return SpoolState(
            at=datetime.now(UTC),
            streams={} if self.empty else {"logs": logs},
            totals=Totals()
            if self.empty
            else Totals(
                received=logs.received,
                loaded=logs.loaded,
                pending=logs.pending,
                quarantined=3,
                in_quarantine=len(self.records),
                bytes=logs.bytes,
                disk_bytes=logs.disk_bytes,
                lag_s=0.4,
                held=12,
            ),
            ingest="healthy",
            loader="healthy",
            store="healthy",
            disks={"spool": space, "store": space},
            max_bytes=8192 << 20,
        )

    def minutes(self) -> Sequence[Minute]:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        known = 0 if self.empty else 47
        return [
            Minute(
                at=now - timedelta(minutes=back),
                received=900 + back * back * 7919 % 1300 if back <= known else None,
                loaded=880 + back * back * 7919 % 1290 if back <= known else None,
            )
            for back in range(60, 0, -1)
        ]

    async def quarantined(
        self, stream: str | None = None, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[QuarantinedRecord]:
        return Page([] if self.empty else list(self.records))

    async def record(self, stream: str, seq: int) -> QuarantinedRecord:
        found = [one for one in self.records if (one.stream, one.seq) == (stream, seq)]
        if not found:
            raise Missing(f"no record {seq} of '{stream}' is in quarantine")
        return found[0]

    async def redrive(
        self, actor: Actor, stream: str, seqs: Sequence[int] | None, *, also_in_doubt: bool = False
    ) -> int:
        actor.require(Scope.OPERATE)
        return self._decide("redrive" + (" all" if also_in_doubt else ""), seqs)

    async def discard(self, actor: Actor, stream: str, seqs: Sequence[int] | None) -> int:
        actor.require(Scope.OPERATE)
        return self._decide("discard", seqs)

    def _decide(self, what: str, seqs: Sequence[int] | None) -> int:
        before = len(self.records)
        self.records = [one for one in self.records if seqs is not None and one.seq not in seqs]
        self.decided.append((what, None if seqs is None else list(seqs)))
        return before - len(self.records)

    def troubles(self) -> tuple[Trouble, ...]:
        """Of the disk alone."""
        space = DiskSpace(free_bytes=self.free_bytes, total_bytes=270 * _GB, least_bytes=3 * _GB)
        return troubles_of(
            SpoolState(
                at=datetime.now(UTC),
                streams={},
                totals=Totals(),
                ingest="healthy",
                loader="healthy",
                store="healthy",
                disks={"store": space},
                max_bytes=1,
            )
        )
