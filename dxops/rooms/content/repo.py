"""SQL of schema `content`. Every function takes an open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.rooms.content.model import RELEASE_PREFIX, Hold, HoldKind, ImportRecord, Replication

metadata = MetaData(schema="content")
_moment = DateTime(timezone=True)

holds = Table(
    "holds",
    metadata,
    Column("root", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("kind", Text),
    Column("name", Text),
    Column("created_at", _moment),
    Column("until", _moment),
)
imports = Table(
    "imports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("root", Text),
    Column("profile", Text),
    Column("source", Text),
    Column("files", BigInteger),
    Column("size_bytes", BigInteger),
    Column("dag_bytes", BigInteger),
    Column("actor", Text),
    Column("created_at", _moment),
)
replications = Table(
    "replications",
    metadata,
    Column("root", Text, primary_key=True),
    Column("wanted", Text),
    Column("state", Text),
    Column("attempts", Integer),
    Column("next_at", _moment),
    Column("error", Text),
    Column("created_at", _moment),
    Column("done_at", _moment),
)

node = Table("node", metadata, Column("one", Boolean, primary_key=True), Column("key", LargeBinary))


async def node_key(tx: AsyncConnection, fresh: bytes) -> bytes:
    """The node's 32 bytes, `fresh` the first time."""
    await tx.execute(upsert(node).values(one=True, key=fresh).on_conflict_do_nothing())
    return bytes((await tx.execute(select(node.c.key))).scalar_one())


async def put_hold(tx: AsyncConnection, hold: Hold) -> None:
    """Add or renew. A renewal never shortens `until`, and a recursive hold stays recursive."""
    row = upsert(holds).values(
        root=hold.root,
        owner=hold.owner,
        kind=hold.kind.value,
        name=hold.name,
        created_at=hold.created_at,
        until=hold.until,
    )
    new = row.excluded
    # until None is "until dropped": it beats every date
    later = case(
        (or_(holds.c.until.is_(None), new.until.is_(None)), None), else_=func.greatest(holds.c.until, new.until)
    )
    await tx.execute(
        row.on_conflict_do_update(
            index_elements=[holds.c.root, holds.c.owner],
            set_={
                "until": later,
                "kind": func.greatest(holds.c.kind, new.kind),  # "recursive" > "direct"
                "name": func.coalesce(func.nullif(new.name, ""), holds.c.name),
            },
        )
    )


async def drop_hold(tx: AsyncConnection, roots: Sequence[str], owner: str) -> int:
    """How many there were."""
    done = await tx.execute(delete(holds).where(holds.c.root.in_(roots), holds.c.owner == owner))
    return done.rowcount


async def drop_expired(tx: AsyncConnection, now: datetime) -> int:
    """End the holds whose time is over; how many."""
    return (await tx.execute(delete(holds).where(holds.c.until <= now))).rowcount


async def count_expired(tx: AsyncConnection, now: datetime) -> int:
    """How many `drop_expired` would end."""
    found = await tx.execute(select(func.count()).select_from(holds).where(holds.c.until <= now))
    return int(found.scalar_one())


def _valid(now: datetime) -> Any:
    return or_(holds.c.until.is_(None), holds.c.until > now)


async def needed(tx: AsyncConnection, now: datetime) -> list[tuple[str, HoldKind]]:
    """Every root that some hold still needs, with the widest kind."""
    found = await tx.execute(
        select(holds.c.root, func.max(holds.c.kind)).where(_valid(now)).group_by(holds.c.root).order_by(holds.c.root)
    )
    return [(root, HoldKind(kind)) for root, kind in found]


async def names(tx: AsyncConnection, now: datetime) -> dict[str, str]:
    """The names of held roots that have one; of several the oldest hold's."""
    found = await tx.execute(
        select(holds.c.root, holds.c.name)
        .where(_valid(now), holds.c.name != "")
        .order_by(holds.c.created_at.desc(), holds.c.owner.desc())
    )
    return {root: name for root, name in found}


async def holds_of(tx: AsyncConnection, roots: Sequence[str], now: datetime) -> list[Hold]:
    """Valid holds on any of `roots`, by age."""
    found = await tx.execute(
        select(holds).where(holds.c.root.in_(roots), _valid(now)).order_by(holds.c.created_at, holds.c.owner)
    )
    return [_hold(row) for row in found]


async def list_holds(
    tx: AsyncConnection, now: datetime, *, owners: Sequence[str] = (), after: tuple[str, str] | None = None, limit: int
) -> list[Hold]:
    """Valid holds by (root, owner)."""
    query = select(holds).where(_valid(now)).order_by(holds.c.root, holds.c.owner).limit(limit)
    if owners:
        query = query.where(holds.c.owner.in_(owners))
    if after:
        query = query.where(tuple_(holds.c.root, holds.c.owner) > after)
    return [_hold(row) for row in await tx.execute(query)]


async def released(tx: AsyncConnection, root: str, now: datetime) -> bool:
    """Whether any release holds `root`."""
    query = select(holds.c.root).where(holds.c.root == root, holds.c.owner.startswith(RELEASE_PREFIX), _valid(now))
    return (await tx.execute(query.limit(1))).first() is not None


async def add_import(tx: AsyncConnection, record: ImportRecord) -> None:
    await tx.execute(
        insert(imports).values(
            id=record.id,
            root=record.root,
            profile=record.profile,
            source=record.source,
            files=record.files,
            size_bytes=record.size_bytes,
            dag_bytes=record.dag_bytes,
            actor=record.actor,
            created_at=record.created_at,
        )
    )


async def imports_of(tx: AsyncConnection, roots: Sequence[str], limit: int = 5) -> list[ImportRecord]:
    """The newest imports of any of `roots`."""
    found = await tx.execute(
        select(imports).where(imports.c.root.in_(roots)).order_by(imports.c.created_at.desc()).limit(limit)
    )
    return [ImportRecord(**row._mapping) for row in found]


async def list_imports(
    tx: AsyncConnection, *, before: tuple[datetime, str] | None = None, limit: int
) -> list[ImportRecord]:
    """Imports, newest first."""
    query = select(imports).order_by(imports.c.created_at.desc(), imports.c.id.desc()).limit(limit)
    if before:
        query = query.where(tuple_(imports.c.created_at, imports.c.id) < before)
    return [ImportRecord(**row._mapping) for row in await tx.execute(query)]


async def want_replication(tx: AsyncConnection, root: str, wanted: str, now: datetime) -> None:
    """Queue a pin or unpin, unless the same one is queued or done already."""
    row = upsert(replications).values(
        root=root, wanted=wanted, state="pending", attempts=0, next_at=now, error="", created_at=now
    )
    await tx.execute(
        row.on_conflict_do_update(
            index_elements=[replications.c.root],
            set_={"wanted": wanted, "state": "pending", "attempts": 0, "next_at": now, "error": "", "done_at": None},
            where=replications.c.wanted != wanted,
        )
    )


async def unpin_replica(tx: AsyncConnection, root: str, now: datetime) -> None:
    """Queue an unpin of what was to be pinned; nothing where nothing was queued."""
    await tx.execute(
        update(replications)
        .where(replications.c.root == root, replications.c.wanted == "pin")
        .values(wanted="unpin", state="pending", attempts=0, next_at=now, error="", done_at=None)
    )


async def due_replications(tx: AsyncConnection, now: datetime, limit: int) -> list[Replication]:
    """Pending ones whose time has come, oldest first."""
    found = await tx.execute(
        select(replications)
        .where(replications.c.state == "pending", replications.c.next_at <= now)
        .order_by(replications.c.next_at)
        .limit(limit)
    )
    return [Replication(**row._mapping) for row in found]


async def list_replications(tx: AsyncConnection, limit: int) -> list[Replication]:
    """Pending first, then the newest."""
    found = await tx.execute(
        select(replications)
        .order_by(replications.c.state.desc(), replications.c.created_at.desc(), replications.c.root)
        .limit(limit)
    )
    return [Replication(**row._mapping) for row in found]


async def settle_replication(tx: AsyncConnection, done: Replication, now: datetime) -> None:
    """The wish was fulfilled, unless it has changed meanwhile."""
    same = and_(replications.c.root == done.root, replications.c.wanted == done.wanted)
    if done.wanted == "unpin":
        await tx.execute(delete(replications).where(same))
    else:
        await tx.execute(update(replications).where(same).values(state="done", done_at=now, error=""))


async def postpone_replication(tx: AsyncConnection, root: str, error: str, next_at: datetime) -> None:
    """It failed; try again at `next_at`."""
    await tx.execute(
        update(replications)
        .where(replications.c.root == root)
        .values(attempts=replications.c.attempts + 1, error=error[:1000], next_at=next_at)
    )


async def counts(tx: AsyncConnection, now: datetime) -> tuple[int, int, int]:
    """(holds, distinct roots, pending replications)."""
    row = (await tx.execute(select(func.count(), func.count(holds.c.root.distinct())).where(_valid(now)))).one()
    pending = await tx.execute(select(func.count()).select_from(replications).where(replications.c.state == "pending"))
    return int(row[0]), int(row[1]), int(pending.scalar_one())


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        root=row.root,
        owner=row.owner,
        kind=HoldKind(row.kind),
        name=row.name,
        created_at=row.created_at,
        until=row.until,
    )
