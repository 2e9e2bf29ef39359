"""SQL of the kube room."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Column, DateTime, LargeBinary, MetaData, Table, Text, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.rooms.kube.model import Tunnel

_metadata = MetaData(schema="kube")

node = Table(
    "node",
    _metadata,
    Column("id", Boolean, primary_key=True),
    Column("private_key", LargeBinary, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
)

tunnels = Table(
    "tunnels",
    _metadata,
    Column("environment", Text, primary_key=True),
    Column("app", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("url", Text),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)


async def node_key(tx: AsyncConnection, proposed: bytes, now: datetime) -> bytes:
    """The node's private key: the stored one, else `proposed`, which is stored then."""
    await tx.execute(insert(node).values(id=True, private_key=proposed, made_at=now).on_conflict_do_nothing())
    return bytes((await tx.execute(select(node.c.private_key))).scalar_one())


async def list_tunnels(tx: AsyncConnection, environment: str | None = None) -> list[Tunnel]:
    """By environment and app, disabled ones too."""
    statement = select(tunnels).order_by(tunnels.c.environment, tunnels.c.app)
    if environment is not None:
        statement = statement.where(tunnels.c.environment == environment)
    return [Tunnel(**row) for row in (await tx.execute(statement)).mappings()]


async def set_tunnel(tx: AsyncConnection, environment: str, app: str, enabled: bool, now: datetime) -> Tunnel:
    """Turn it on or off. Off forgets the URL; on keeps the one it has."""
    values = {"enabled": enabled, "changed_at": now} | ({} if enabled else {"url": None})
    statement = (
        insert(tunnels)
        .values(environment=environment, app=app, url=None, enabled=enabled, changed_at=now)
        .on_conflict_do_update(index_elements=["environment", "app"], set_=values)
        .returning(tunnels)
    )
    return Tunnel(**(await tx.execute(statement)).mappings().one())


async def tunnel_url(tx: AsyncConnection, environment: str, app: str) -> str | None:
    """The public URL of a tunnel that is on, as far as known."""
    statement = select(tunnels.c.url).where(
        tunnels.c.environment == environment, tunnels.c.app == app, tunnels.c.enabled
    )
    found: str | None = (await tx.execute(statement)).scalar()
    return found


async def set_url(tx: AsyncConnection, environment: str, app: str, url: str | None) -> None:
    """Remember (or forget) the public URL of a tunnel that is still on."""
    await tx.execute(
        update(tunnels)
        .where(tunnels.c.environment == environment, tunnels.c.app == app, tunnels.c.enabled)
        .values(url=url)
    )
