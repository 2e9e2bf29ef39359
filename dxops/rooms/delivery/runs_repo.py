"""SQL of runs and their lines. Every function takes an open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor
from dxops.rooms.delivery.model import Run, RunLine, RunStatus, Via
from dxops.rooms.delivery.repo import metadata

_TIME = sa.DateTime(timezone=True)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True)),
    *(sa.Column(name, sa.Text) for name in ("environment", "status", "via", "commit", "branch", "author", "summary")),
    *(sa.Column(name, sa.Text) for name in ("actor_kind", "actor_id", "actor_name")),
    sa.Column("apps", ARRAY(sa.Text)),
    sa.Column("lines", sa.Integer),
    *(sa.Column(name, _TIME) for name in ("started_at", "seen_at", "finished_at")),
)
run_lines = sa.Table(
    "run_lines",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", _TIME),
    *(sa.Column(name, sa.Text) for name in ("stream", "app", "text")),
)


def _run(row: RowMapping) -> Run:
    made = {name: row[name] for name in Run.__struct_fields__ if name not in ("apps", "status", "via", "actor")}
    return Run(
        **made,
        apps=tuple(row["apps"]),
        status=RunStatus(row["status"]),
        via=Via(row["via"]),
        actor=row["actor_name"],
    )


async def add(tx: AsyncConnection, run: Run, actor: Actor) -> Run:
    """Store it; the answer has its number."""
    values = {name: getattr(run, name) for name in ("id", "environment", "commit", "branch", "author", "started_at")}
    values |= {"apps": list(run.apps), "status": run.status.value, "via": run.via.value, "lines": 0}
    values |= {"seen_at": run.started_at, "actor_kind": actor.kind, "actor_id": actor.id, "actor_name": actor.name}
    row = (await tx.execute(runs.insert().values(values).returning(runs))).mappings().one()
    return _run(row)


async def find(tx: AsyncConnection, run_id: str, *, lock: bool = False) -> Run | None:
    query = sa.select(runs).where(runs.c.id == run_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).mappings().first()
    return None if row is None else _run(row)


async def listed(tx: AsyncConnection, app: str | None, before: int | None, limit: int) -> list[tuple[int, Run]]:
    """Newest first."""
    query = sa.select(runs).order_by(runs.c.number.desc()).limit(limit)
    if app is not None:
        query = query.where(runs.c.apps.contains([app]))
    if before is not None:
        query = query.where(runs.c.number < before)
    return [(row["number"], _run(row)) for row in (await tx.execute(query)).mappings()]


async def add_lines(tx: AsyncConnection, run_id: str, lines: Sequence[RunLine], now: datetime) -> None:
    """Append to a run that is locked."""
    if lines:
        rows = [
            {"run_id": run_id} | {name: getattr(line, name) for name in RunLine.__struct_fields__} for line in lines
        ]
        await tx.execute(run_lines.insert(), rows)
    values: dict[str, object] = {"seen_at": now}
    if lines:
        values["lines"] = lines[-1].seq
    await tx.execute(runs.update().where(runs.c.id == run_id).values(values))


async def lines_after(tx: AsyncConnection, run_id: str, after: int, limit: int) -> list[RunLine]:
    query = sa.select(run_lines).where(run_lines.c.run_id == run_id, run_lines.c.seq > after)
    rows = (await tx.execute(query.order_by(run_lines.c.seq).limit(limit))).mappings()
    return [RunLine(**{name: row[name] for name in RunLine.__struct_fields__}) for row in rows]


async def finish(tx: AsyncConnection, run_id: str, status: RunStatus, summary: str | None, now: datetime) -> None:
    changed = {"status": status.value, "summary": summary, "finished_at": now, "seen_at": now}
    await tx.execute(runs.update().where(runs.c.id == run_id).values(changed))


async def silent(tx: AsyncConnection, since: datetime) -> list[str]:
    """Open runs that nobody has written to since then, locked."""
    query = sa.select(runs.c.id).where(runs.c.finished_at.is_(None), runs.c.seen_at < since)
    return list((await tx.execute(query.with_for_update(skip_locked=True))).scalars())
