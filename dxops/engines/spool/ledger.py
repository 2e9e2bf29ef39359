"""Who has how much in the spool: sums per segment and tenant, which outlive the process beside their segment."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from dxops.engines.spool.disk import Disk, read_whole, write_whole
from dxops.engines.spool.model import SpoolPaths


class Amount(msgspec.Struct, frozen=True, array_like=True):
    """Records and their payload bytes as stored."""

    records: int = 0
    payload_bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.records + other.records, self.payload_bytes + other.payload_bytes)


class Summary(msgspec.Struct, frozen=True):
    """What a segment holds, by tenant, and when its first and last frame came."""

    tenants: dict[str, Amount] = {}
    first_at_ms: int = 0
    last_at_ms: int = 0


class Segment(msgspec.Struct, frozen=True):
    """A segment that nobody appends to any more. Its valid bytes are those before `end`."""

    base: int
    end: int
    summary: Summary


class TenantTotals(msgspec.Struct, frozen=True):
    """What came in with segments that are deleted: those up to and including `through`."""

    through: int = -1
    tenants: dict[str, Amount] = {}

    def with_segments(self, segments: Sequence[Segment]) -> TenantTotals:
        """These segments counted too, unless they are already."""
        tenants, through = dict(self.tenants), self.through
        for segment in segments:
            if segment.base > self.through:
                through = segment.base
                for tenant, amount in segment.summary.tenants.items():
                    tenants[tenant] = tenants.get(tenant, Amount()) + amount
        return TenantTotals(through, tenants)

    def plus(self, more: Mapping[str, Amount]) -> dict[str, Amount]:
        """By tenant, together with these."""
        return {
            tenant: self.tenants.get(tenant, Amount()) + more.get(tenant, Amount())
            for tenant in self.tenants.keys() | more.keys()
        }


class SummaryBuilder:
    """Sums up frames."""

    def __init__(self) -> None:
        self._tenants: dict[str, list[int]] = {}
        self._first_at_ms = 0
        self._last_at_ms = 0

    def add(self, tenant: str, records: int, payload_bytes: int, received_at_ms: int) -> None:
        sums = self._tenants.setdefault(tenant, [0, 0])
        sums[0] += records
        sums[1] += payload_bytes
        self._first_at_ms = self._first_at_ms or received_at_ms
        self._last_at_ms = received_at_ms

    def done(self) -> Summary:
        tenants = {tenant: Amount(*sums) for tenant, sums in self._tenants.items()}
        return Summary(tenants, self._first_at_ms, self._last_at_ms)


def summary_path(paths: SpoolPaths, base: int) -> str:
    return paths.segment(f"{base:020d}.sum")


def write_summary(disk: Disk, paths: SpoolPaths, base: int, summary: Summary) -> None:
    """Beside its segment. Not durable: it is made again from the frames where it is missing."""
    with contextlib.suppress(OSError):
        write_whole(disk, summary_path(paths, base), msgspec.json.encode(summary), durable=False)


def read_summary(disk: Disk, paths: SpoolPaths, base: int) -> Summary | None:
    """None when there is none or it is damaged."""
    data = read_whole(disk, summary_path(paths, base))
    try:
        return msgspec.json.decode(data, type=Summary) if data else None
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def write_totals(disk: Disk, paths: SpoolPaths, totals: TenantTotals) -> None:
    """Before the segments go, so that none is counted twice or not at all when the process ends in between. On a disk
    that fails they go nevertheless: room is worth more than a count, and the next write has all of it."""
    with contextlib.suppress(OSError):
        write_whole(disk, f"{paths.directory}/totals.json", msgspec.json.encode(totals))


def read_totals(disk: Disk, paths: SpoolPaths) -> TenantTotals:
    data = read_whole(disk, f"{paths.directory}/totals.json")
    try:
        return msgspec.json.decode(data, type=TenantTotals) if data else TenantTotals()
    except (msgspec.DecodeError, msgspec.ValidationError):
        return TenantTotals()
