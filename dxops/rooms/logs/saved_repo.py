"""SQL of saved searches. Every function takes an open transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor
from dxops.rooms.logs.saved_model import Kept

_searches = sa.Table(
    "saved_searches",
    sa.MetaData(schema="logs"),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("params", JSONB),
    sa.Column("shared", sa.Boolean),
    *(sa.Column(name, sa.Text) for name in ("owner_kind", "owner_id", "owner_name")),
    sa.Column("at", sa.DateTime(timezone=True)),
)
_name = sa.func.lower(_searches.c.name)


def _of(actor: Actor) -> sa.ColumnElement[bool]:
    return sa.and_(_searches.c.owner_kind == actor.kind, _searches.c.owner_id == actor.id)


async def visible(tx: AsyncConnection, actor: Actor) -> list[Kept]:
    """The actor's own and, where it sees every stream, the shared ones, by name."""
    seen = _of(actor) if actor.streams is not None else sa.or_(_of(actor), _searches.c.shared)
    query = sa.select(_searches).where(seen).order_by(_name, _searches.c.id)
    return [_kept(row) for row in (await tx.execute(query)).mappings()]


async def count(tx: AsyncConnection, actor: Actor) -> int:
    """How many the actor has."""
    return (await tx.execute(sa.select(sa.func.count()).select_from(_searches).where(_of(actor)))).scalar_one()


async def find(tx: AsyncConnection, id: str, *, lock: bool = False) -> Kept | None:
    query = sa.select(_searches).where(_searches.c.id == id)
    row = (await tx.execute(query.with_for_update() if lock else query)).mappings().first()
    return None if row is None else _kept(row)


async def named(tx: AsyncConnection, kept: Kept) -> str | None:
    """The id of another one of the same owner and name."""
    same = (kept.owner_kind, kept.owner_id, kept.name)
    columns = (_searches.c.owner_kind, _searches.c.owner_id, _searches.c.name)
    query = sa.select(_searches.c.id).where(*(column == value for column, value in zip(columns, same, strict=True)))
    found: str | None = (await tx.execute(query.where(_searches.c.id != kept.id))).scalar()
    return found


async def put(tx: AsyncConnection, kept: Kept, *, new: bool) -> None:
    """Raises sqlalchemy's IntegrityError where the name was taken meanwhile."""
    values = {name: getattr(kept, name) for name in kept.__struct_fields__}
    if new:
        await tx.execute(sa.insert(_searches).values(values))
    else:
        await tx.execute(sa.update(_searches).where(_searches.c.id == kept.id).values(values))


async def delete(tx: AsyncConnection, id: str) -> None:
    await tx.execute(sa.delete(_searches).where(_searches.c.id == id))


def _kept(row: RowMapping) -> Kept:
    return Kept(**{name: row[name] for name in Kept.__struct_fields__})
