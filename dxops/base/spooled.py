"""The spool as operators see it: values that the API and the console show, and the port that gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from dxops.base.actors import Actor
from dxops.base.web import Page


class TenantAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """One sender in one stream: records and payload bytes since the stream began, bytes on disk now, requests that
    had to wait (`held`) or were refused."""

    received: int
    bytes: int
    on_disk_bytes: int
    held: int
    refused: int


class RefusedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream waits for: the store refused its next `records`, from number `from_seq` on, `tries` times in a row,
    and whether they or the store are at fault is not clear.

    From `decided_at` on, if the store takes other data, they are tried one by one, and those that it still refuses go
    into quarantine.
    """

    code: str
    reason: str
    records: int
    from_seq: int
    tries: int
    since: datetime
    next_try_at: datetime
    decided_at: datetime


class StreamAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """One stream, counted since it began: `received = loaded + pending + quarantined + lost`.

    `in_quarantine` are those that are there now, `dropped` those that left it because it was full or they were too old.
    `lag_s` is how long the next record has waited for the store, 0 when none waits. `held` and `refused` are requests.
    `refused_batch` is None unless the store refuses what comes next.
    """

    received: int
    loaded: int
    pending: int
    quarantined: int
    in_quarantine: int
    dropped: int
    lost: int
    bytes: int
    disk_bytes: int
    lag_s: float
    held: int
    refused: int
    loaded_at: datetime | None
    tenants: dict[str, TenantAmounts]
    refused_batch: RefusedBatch | None = None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over all streams; `lag_s` is the longest."""

    received: int = 0
    loaded: int = 0
    pending: int = 0
    quarantined: int = 0
    in_quarantine: int = 0
    lost: int = 0
    bytes: int = 0
    disk_bytes: int = 0
    lag_s: float = 0.0
    held: int = 0
    refused: int = 0


class DiskSpace(msgspec.Struct, frozen=True, kw_only=True):
    """A disk that is written to. Below `least_bytes` free nothing is taken in any more."""

    free_bytes: int
    total_bytes: int
    least_bytes: int

    @property
    def low(self) -> bool:
        """Whether senders are refused now."""
        return self.free_bytes < self.least_bytes

    @property
    def near(self) -> bool:
        """Whether it soon comes to that: less than twice as much is free."""
        return self.free_bytes < 2 * self.least_bytes


class SpoolState(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `ingest`, `loader` and `store` are states of the roles; `disks` by what is on them: `spool`, `store`.
    `max_bytes` is what the spool may take."""

    at: datetime
    streams: dict[str, StreamAmounts]
    totals: Totals
    ingest: str
    loader: str
    store: str
    disks: dict[str, DiskSpace]
    max_bytes: int


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """What came in and was loaded in one minute; None where nobody counted."""

    at: datetime
    received: int | None
    loaded: int | None


class QuarantinedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that the store refused. `text` is its payload as far as it is text. `in_doubt`: giving it back was cut
    off, so it may be in the stream again already."""

    stream: str
    seq: int
    at: datetime
    received_at: datetime
    reason: str
    tenant: str
    bytes: int
    text: str
    in_doubt: bool


class SpoolView(Protocol):
    """Looking at the spool, and deciding about what was refused. Works while every store is away.

    Every call may raise `Unavailable` when the disk cannot be read.
    """

    async def look(self) -> SpoolState: ...

    def minutes(self) -> Sequence[Minute]:
        """The last hour, oldest first."""
        ...

    async def quarantined(
        self, stream: str | None = None, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[QuarantinedRecord]:
        """By stream and number. Raises `Refused` for a cursor that is none."""
        ...

    async def record(self, stream: str, seq: int) -> QuarantinedRecord:
        """Raises `Missing`."""
        ...

    async def redrive(
        self, actor: Actor, stream: str, seqs: Sequence[int] | None, *, also_in_doubt: bool = False
    ) -> int:
        """Give these, or all, back to the stream, each with a new number; how many. Needs the scope `operate`; told to
        the audit log."""
        ...

    async def discard(self, actor: Actor, stream: str, seqs: Sequence[int] | None) -> int:
        """Delete these, or all, for good; how many. Needs the scope `operate`; told to the audit log."""
        ...
