"""Values of the room. CIDs are text: base58 for v0, base32 for v1."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

UPLOAD = "upload"
PIN = "pin"
RELEASE_PREFIX = "release:"


class HoldKind(StrEnum):
    """Whether the whole DAG is kept, or the root block alone."""

    RECURSIVE = "recursive"
    DIRECT = "direct"


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Someone needs `root`. `owner` is `upload`, `pin` or `<kind>:<id>`; `until` None means until dropped."""

    root: str
    owner: str
    kind: HoldKind
    name: str
    created_at: datetime
    until: datetime | None


class ImportRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A finished import. `source` is `kubo`, `car` or `api`; sizes as in `Imported`."""

    id: str
    root: str
    profile: str
    source: str
    files: int
    size_bytes: int
    dag_bytes: int
    actor: str
    created_at: datetime


class Replication(msgspec.Struct, frozen=True, kw_only=True):
    """What the other Kubo node is to do with `root`. `state` is `pending` or `done`; `error` is the last failure."""

    root: str
    wanted: str
    state: str
    attempts: int
    next_at: datetime
    error: str
    created_at: datetime
    done_at: datetime | None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link of a node as it stands in the block; `tsize_bytes` is the writer's claim, None where it has none."""

    name: str
    cid: str
    tsize_bytes: int | None = None


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What one CID is, for people. `kind` is `file`, `directory`, `symlink`, `shard` or `node`.

    `size_bytes` is a file's content (None for the rest); `block_bytes` this block alone. `entries` lists a directory
    (shards joined), at most 1000, `more` tells of the rest. `preview` is the start of a text file, at most 4 KiB.
    """

    cid: str
    codec: str
    kind: str
    block_bytes: int
    size_bytes: int | None
    links: tuple[Link, ...]
    entries: tuple[Entry, ...]
    more: bool
    preview: str | None
    target: str | None
    data: object | None
    holds: tuple[Hold, ...]
    imports: tuple[ImportRecord, ...]
    cid_v1: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One name in a directory. `kind` as in `Inspection`, or `unknown` where only the claim of the link was read."""

    name: str
    cid: str
    size_bytes: int | None
    kind: str = "unknown"


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A collection's report. `removed*` is what went (or would go, in a dry run); `young*` is unneeded but within the
    grace period; `missing` are the first 20 absent blocks that holds need."""

    dry_run: bool
    expired_holds: int
    kept_blocks: int
    removed_blocks: int
    removed_bytes: int
    young_blocks: int
    young_bytes: int
    missing: tuple[str, ...]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A verification's report. `corrupt` are CIDs whose bytes do not match, `incomplete` maps held roots to their
    first missing block."""

    blocks: int
    bytes: int
    roots: int
    corrupt: tuple[str, ...]
    incomplete: dict[str, str]

    @property
    def ok(self) -> bool:
        return not self.corrupt and not self.incomplete


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What the store has: blocks, and their bytes."""

    blocks: int
    bytes: int


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The store at a glance. Blocks and bytes are as they were at `counted_at`; all None before the first count."""

    blocks: int | None
    bytes: int | None
    counted_at: datetime | None
    holds: int
    roots: int
    pending_replications: int
    free_bytes: int


class UpkeepKind(StrEnum):
    """What can be done for the store. `preview` is a collection that removes nothing."""

    VERIFY = "verify"
    COLLECT = "collect"
    PREVIEW = "preview"
    COUNT = "count"


class UpkeepState(StrEnum):
    """`waiting` for a worker, `running`, `done` with a report, or `failed` with an error."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Step(StrEnum):
    """Where in its work upkeep is. A verification counts, reads, walks; a collection marks, sweeps; a count counts."""

    WAITING = "waiting"
    COUNTING = "counting"
    READING = "reading"
    WALKING = "walking"
    MARKING = "marking"
    SWEEPING = "sweeping"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a step is: `done` of `total` blocks (roots while walking and marking; 0: unknown), the blocks and bytes
    it saw, and the faults of all steps so far."""

    step: Step = Step.WAITING
    done: int = 0
    total: int = 0
    blocks: int = 0
    bytes: int = 0
    faults: int = 0


class Upkeep(msgspec.Struct, frozen=True, kw_only=True):
    """One run of upkeep. Of each kind at most one is unfinished. `percent` is of the whole run, None while unknown;
    the report of its kind is there once it is done (a count's is `counted`)."""

    id: str
    kind: UpkeepKind
    state: UpkeepState
    actor: str
    asked_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress = Progress()
    percent: int | None = None
    error: str | None = None
    verified: Verified | None = None
    collected: Collected | None = None
    counted: Counted | None = None

    @property
    def active(self) -> bool:
        return self.state in (UpkeepState.WAITING, UpkeepState.RUNNING)

    @property
    def took_s(self) -> float | None:
        """From the first block to the report."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()
