"""SQL of `logs.retention` and `logs.removals`; and what streams, policies and lifecycles say of keeping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.rooms.logs.retention import DATA_STREAM, POLICY, Limits, Rule
from dxops.wire.elastic.lifecycle import Kept, kept_by_lifecycle, kept_by_policy

_KEEP_REMOVALS = 1000


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody set for the streams that `pattern` fits."""

    pattern: str
    limits: Limits
    set_by: str
    set_at: datetime


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """Documents that were removed, from `first_day` to `last_day`. `bytes` is their share of the disk."""

    at: datetime
    stream: str
    first_day: date
    last_day: date
    documents: int
    bytes: int
    why: str


async def settings(tx: AsyncConnection) -> list[Setting]:
    """All, by pattern."""
    rows = await tx.execute(text("SELECT * FROM logs.retention ORDER BY pattern"))
    return [
        Setting(
            pattern=row.pattern,
            limits=Limits(days=row.keep_days, bytes=row.keep_bytes, documents=row.keep_documents),
            set_by=row.set_by,
            set_at=row.set_at,
        )
        for row in rows
    ]


async def put_setting(tx: AsyncConnection, setting: Setting) -> None:
    await tx.execute(
        text(
            "INSERT INTO logs.retention VALUES (:pattern, :days, :bytes, :documents, :set_by, :set_at) "
            "ON CONFLICT (pattern) DO UPDATE SET keep_days = excluded.keep_days, keep_bytes = excluded.keep_bytes, "
            "keep_documents = excluded.keep_documents, set_by = excluded.set_by, set_at = excluded.set_at"
        ),
        {
            "pattern": setting.pattern,
            "days": setting.limits.days,
            "bytes": setting.limits.bytes,
            "documents": setting.limits.documents,
            "set_by": setting.set_by,
            "set_at": setting.set_at,
        },
    )


async def delete_setting(tx: AsyncConnection, pattern: str) -> bool:
    """Whether there was one."""
    done = await tx.execute(text("DELETE FROM logs.retention WHERE pattern = :pattern"), {"pattern": pattern})
    return done.rowcount > 0


async def add_removals(tx: AsyncConnection, removals: Sequence[Removal]) -> None:
    """Told to nobody yet. Only the newest are kept."""
    for one in removals:
        await tx.execute(
            text(
                "INSERT INTO logs.removals (at, stream, first_day, last_day, documents, bytes, why) "
                "VALUES (:at, :stream, :first_day, :last_day, :documents, :bytes, :why)"
            ),
            msgspec.structs.asdict(one),
        )
    await tx.execute(
        text(
            "DELETE FROM logs.removals WHERE ids_freed IS NOT NULL "
            "AND number <= (SELECT max(number) FROM logs.removals) - :most"
        ),
        {"most": _KEEP_REMOVALS},
    )


async def removals(tx: AsyncConnection, limit: int) -> list[Removal]:
    """The newest first."""
    rows = await tx.execute(
        text(
            "SELECT at, stream, first_day, last_day, documents, bytes, why FROM logs.removals "
            "ORDER BY number DESC LIMIT :limit"
        ),
        {"limit": limit},
    )
    return [Removal(**row._mapping) for row in rows]


async def untold(tx: AsyncConnection) -> list[str]:
    """Streams from which something was removed that ingest does not know of."""
    rows = await tx.execute(text("SELECT DISTINCT stream FROM logs.removals WHERE ids_freed IS NULL ORDER BY stream"))
    return [row.stream for row in rows]


async def set_told(tx: AsyncConnection, stream: str, freed: int) -> None:
    await tx.execute(
        text("UPDATE logs.removals SET ids_freed = :freed WHERE stream = :stream AND ids_freed IS NULL"),
        {"stream": stream, "freed": freed},
    )


async def lifecycles(tx: AsyncConnection) -> dict[str, Rule]:
    """The streams that a policy or a lifecycle of their own bounds. Policies count unless ILM was stopped."""
    there = await tx.execute(text("SELECT to_regclass('logs.streams') IS NOT NULL AS there"))
    if not there.scalar_one():
        return {}
    rows = await tx.execute(
        text("SELECT kind, name, body::text AS body FROM logs.definitions WHERE kind IN ('policy', 'cluster')")
    )
    policies: dict[str, Kept] = {}
    running = True
    for row in rows:
        body: Mapping[str, Any] = orjson.loads(row.body)
        if row.kind == "cluster":
            running = running and not (row.name == "ilm" and body.get("operation_mode") == "STOPPED")
        elif (kept := kept_by_policy(body)) is not None:
            policies[row.name] = kept
    found: dict[str, Rule] = {}
    streams = await tx.execute(
        text("SELECT name, settings->>'index.lifecycle.name' AS policy, lifecycle::text AS lifecycle FROM logs.streams")
    )
    for row in streams:
        if running and row.policy in policies:
            found[row.name] = Rule(limits=_limits(policies[row.policy]), source=POLICY, name=row.policy)
        elif row.lifecycle and (own := kept_by_lifecycle(orjson.loads(row.lifecycle))) is not None:
            found[row.name] = Rule(limits=_limits(own), source=DATA_STREAM)
    return found


def _limits(kept: Kept) -> Limits:
    return Limits(days=kept.days, bytes=kept.bytes, documents=kept.documents)
