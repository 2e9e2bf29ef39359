"""SQL of upkeep runs and of the last count. Every function takes an open transaction."""

from __future__ import annotations

from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.rooms.content import rules
from dxops.rooms.content.model import Collected, Counted, Progress, Upkeep, UpkeepKind, UpkeepState, Verified
from dxops.rooms.content.repo import metadata

_LOCK = 7_246_004  # the first half of the advisory locks; the second is the kind
_KEPT = 20  # finished runs of a kind
_TIME = sa.DateTime(timezone=True)

upkeep = sa.Table(
    "upkeep",
    metadata,
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("id", "kind", "state", "actor", "error")),
    *(sa.Column(name, _TIME) for name in ("asked_at", "started_at", "finished_at")),
    sa.Column("attempts", sa.Integer),
    sa.Column("progress", JSONB),
    sa.Column("report", JSONB),
)
store_counts = sa.Table(
    "store_counts",
    metadata,
    sa.Column("one", sa.Boolean, primary_key=True),
    sa.Column("blocks", sa.BigInteger),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("counted_at", _TIME),
)


async def open_run(tx: AsyncConnection, run: Upkeep) -> bool:
    """Add it, unless one of its kind is unfinished."""
    values = {name: getattr(run, name) for name in ("id", "actor", "asked_at")}
    values |= {"kind": run.kind.value, "state": run.state.value, "attempts": 0}
    values |= {"progress": msgspec.to_builtins(run.progress)}
    row = upsert(upkeep).values(values)
    row = row.on_conflict_do_nothing(index_elements=[upkeep.c.kind], index_where=upkeep.c.finished_at.is_(None))
    return (await tx.execute(row.returning(upkeep.c.number))).first() is not None


async def find(tx: AsyncConnection, run_id: str) -> Upkeep | None:
    row = (await tx.execute(sa.select(upkeep).where(upkeep.c.id == run_id))).mappings().first()
    return None if row is None else _run(row)


async def unfinished(tx: AsyncConnection) -> list[Upkeep]:
    """In the order they were asked for."""
    query = sa.select(upkeep).where(upkeep.c.finished_at.is_(None)).order_by(upkeep.c.number)
    return [_run(row) for row in (await tx.execute(query)).mappings()]


async def newest(tx: AsyncConnection) -> list[Upkeep]:
    """The newest run of each kind, newest first."""
    each = sa.select(sa.func.max(upkeep.c.number)).group_by(upkeep.c.kind)
    query = sa.select(upkeep).where(upkeep.c.number.in_(each)).order_by(upkeep.c.number.desc())
    return [_run(row) for row in (await tx.execute(query)).mappings()]


async def lock(tx: AsyncConnection, kind: UpkeepKind) -> bool:
    """Be the one who works on this kind while `tx` is open; False where another is."""
    which = list(UpkeepKind).index(kind)
    found = await tx.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK, which)))
    return bool(found.scalar())


async def begin(tx: AsyncConnection, run_id: str, now: datetime) -> int:
    """It is running (again); how many times it was begun, 0 when it is finished meanwhile."""
    changed = {"state": UpkeepState.RUNNING.value, "started_at": now, "attempts": upkeep.c.attempts + 1}
    query = upkeep.update().where(upkeep.c.id == run_id, upkeep.c.finished_at.is_(None)).values(changed)
    return (await tx.execute(query.returning(upkeep.c.attempts))).scalar() or 0


async def tell(tx: AsyncConnection, run_id: str, progress: Progress) -> None:
    """How far it is."""
    await tx.execute(upkeep.update().where(upkeep.c.id == run_id).values(progress=msgspec.to_builtins(progress)))


async def put_back(tx: AsyncConnection, run_id: str) -> None:
    """It was stopped by us: it waits again, and that beginning does not count."""
    changed = {"state": UpkeepState.WAITING.value, "started_at": None, "attempts": upkeep.c.attempts - 1}
    changed |= {"progress": msgspec.to_builtins(Progress())}
    await tx.execute(upkeep.update().where(upkeep.c.id == run_id).values(changed))


async def finish(
    tx: AsyncConnection, run: Upkeep, now: datetime, *, report: Verified | Collected | Counted | None, error: str | None
) -> None:
    """Done with a report, or failed with an error. Old runs of its kind are forgotten."""
    state = UpkeepState.FAILED if report is None else UpkeepState.DONE
    changed = {"state": state.value, "finished_at": now, "error": error}
    changed |= {"report": None if report is None else msgspec.to_builtins(report)}
    changed |= {"progress": msgspec.to_builtins(run.progress)}
    await tx.execute(upkeep.update().where(upkeep.c.id == run.id).values(changed))
    of_kind = sa.select(upkeep.c.number).where(upkeep.c.kind == run.kind.value).order_by(upkeep.c.number.desc())
    oldest = of_kind.offset(_KEPT).limit(1).scalar_subquery()
    await tx.execute(upkeep.delete().where(upkeep.c.kind == run.kind.value, upkeep.c.number <= oldest))


async def put_counted(tx: AsyncConnection, counted: Counted, now: datetime) -> None:
    """Keep the newest count."""
    values = {"blocks": counted.blocks, "bytes": counted.bytes, "counted_at": now}
    row = upsert(store_counts).values(one=True, **values)
    await tx.execute(row.on_conflict_do_update(index_elements=[store_counts.c.one], set_=values))


async def last_counted(tx: AsyncConnection) -> tuple[Counted, datetime] | None:
    """The newest count and its time."""
    row = (await tx.execute(sa.select(store_counts))).first()
    return None if row is None else (Counted(blocks=row.blocks, bytes=row.bytes), row.counted_at)


def _run(row: RowMapping) -> Upkeep:
    kind, state, report = UpkeepKind(row["kind"]), UpkeepState(row["state"]), row["report"]
    progress = msgspec.convert(row["progress"], Progress)
    collects = kind in (UpkeepKind.COLLECT, UpkeepKind.PREVIEW)
    return Upkeep(
        id=row["id"],
        kind=kind,
        state=state,
        actor=row["actor"],
        asked_at=row["asked_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        progress=progress,
        percent=100 if state is UpkeepState.DONE else rules.percent(kind, progress),
        error=row["error"],
        verified=msgspec.convert(report, Verified) if report and kind is UpkeepKind.VERIFY else None,
        collected=msgspec.convert(report, Collected) if report and collects else None,
        counted=msgspec.convert(report, Counted) if report and kind is UpkeepKind.COUNT else None,
    )
