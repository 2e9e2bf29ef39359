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


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The store at a glance."""

    blocks: int
    bytes: int
    holds: int
    roots: int
    pending_replications: int
    free_bytes: int
