"""SQL of apps, releases, pointers, deployments and link checks. Every function takes an open transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor
from dxops.rooms.delivery.model import App, Deployment, LinkCheck, Outcome, Pointer, Reason, Release, Via

_LABEL_LOCK = 7_246_003  # any number; taken while a new app chooses its label

metadata = sa.MetaData(schema="delivery")

_arrivals = sa.Sequence("arrivals", schema="delivery")

apps = sa.Table(
    "apps",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("label", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)
_TIME = sa.DateTime(timezone=True)
releases = sa.Table(
    "releases",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True)),
    *(
        sa.Column(name, sa.Text)
        for name in ("app", "environment", "version", "cid", "manifest", "commit", "branch", "author", "via", "run_id")
    ),
    *(sa.Column(name, sa.Text) for name in ("actor_kind", "actor_id", "actor_name", "promoted_from")),
    sa.Column("created_at", _TIME),
    sa.Column("duration_s", sa.Double),
    *(sa.Column(name, sa.BigInteger) for name in ("files", "size_bytes", "prepared_bytes")),
    sa.Column("record", JSONB),
    sa.Column("retired_at", _TIME),
)
pointers = sa.Table(
    "pointers",
    metadata,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("release_id", sa.Text),
    sa.Column("generation", sa.BigInteger),
    sa.Column("arrival", sa.BigInteger),
    sa.Column("changed_at", _TIME),
)
deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True)),
    *(sa.Column(name, sa.Text) for name in ("app", "environment", "from_release", "to_release", "reason", "outcome")),
    *(sa.Column(name, sa.Text) for name in ("actor_kind", "actor_id", "actor_name", "message")),
    sa.Column("generation", sa.BigInteger),
    sa.Column("started_at", _TIME),
    sa.Column("finished_at", _TIME),
)
checks = sa.Table(
    "checks",
    metadata,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("app", "environment", "via")),
    sa.Column("url", sa.Text),
    sa.Column("generation", sa.BigInteger),
    sa.Column("ok", sa.Boolean),
    sa.Column("status", sa.Integer),
    sa.Column("latency_ms", sa.Double),
    sa.Column("error", sa.Text),
    sa.Column("checked_at", _TIME),
)


# --- apps -------------------------------------------------------------------------------------------------------


async def list_apps(tx: AsyncConnection) -> list[App]:
    """All, by name."""
    rows = await tx.execute(sa.select(apps).order_by(apps.c.name))
    return [App(**row) for row in rows.mappings()]


async def find_app(tx: AsyncConnection, name: str) -> App | None:
    """By name, else by label."""
    query = sa.select(apps).where(sa.or_(apps.c.name == name, apps.c.label == name))
    row = (await tx.execute(query.order_by((apps.c.name == name).desc()).limit(1))).mappings().first()
    return None if row is None else App(**row)


async def lock_labels(tx: AsyncConnection) -> set[str]:
    """The labels in use; no other transaction adds one before this one ends."""
    await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_LABEL_LOCK)))
    return set((await tx.execute(sa.select(apps.c.label))).scalars())


async def add_app(tx: AsyncConnection, app: App) -> None:
    await tx.execute(apps.insert().values(name=app.name, label=app.label, created_at=app.created_at))


# --- releases ---------------------------------------------------------------------------------------------------


def _release_query() -> sa.Select[Any]:
    live = sa.and_(
        pointers.c.app == releases.c.app,
        pointers.c.environment == releases.c.environment,
        pointers.c.release_id == releases.c.id,
    )
    return (
        sa.select(releases, apps.c.label, pointers.c.release_id.is_not(None).label("live"))
        .join(apps, apps.c.name == releases.c.app)
        .outerjoin(pointers, live)
    )


def _release(row: RowMapping) -> Release:
    return Release(
        **{name: row[name] for name in Release.__struct_fields__ if name not in ("actor", "via", "urls")},
        actor=row["actor_name"],
        via=Via(row["via"]),
    )


async def add_release(tx: AsyncConnection, release: Release, actor: Actor) -> None:
    values = {name: getattr(release, name) for name in Release.__struct_fields__ if name in releases.c}
    values |= {"via": release.via.value, "record": _storable(release.record)} | _by(actor)
    await tx.execute(releases.insert().values(values))


async def find_release(tx: AsyncConnection, release_id: str) -> Release | None:
    row = (await tx.execute(_release_query().where(releases.c.id == release_id))).mappings().first()
    return None if row is None else _release(row)


async def list_releases(
    tx: AsyncConnection, app: str, environment: str | None, before: int | None, limit: int
) -> list[tuple[int, Release]]:
    """Newest first, with their sequence numbers."""
    query = _release_query().where(releases.c.app == app)
    if environment is not None:
        query = query.where(releases.c.environment == environment)
    if before is not None:
        query = query.where(releases.c.seq < before)
    rows = await tx.execute(query.order_by(releases.c.seq.desc()).limit(limit))
    return [(row["seq"], _release(row)) for row in rows.mappings()]


async def find_version(tx: AsyncConnection, app: str, environment: str, version: str) -> Release | None:
    """The newest release of that version that still has its content."""
    query = _release_query().where(
        releases.c.app == app,
        releases.c.environment == environment,
        releases.c.version == version,
        releases.c.retired_at.is_(None),
    )
    row = (await tx.execute(query.order_by(releases.c.seq.desc()).limit(1))).mappings().first()
    return None if row is None else _release(row)


async def live_releases(
    tx: AsyncConnection, environment: str | None = None, app: str | None = None
) -> list[tuple[Release, Pointer]]:
    """What is live, by app."""
    query = _release_query().add_columns(
        pointers.c.generation, pointers.c.arrival, pointers.c.changed_at, pointers.c.release_id
    )
    query = query.where(pointers.c.release_id.is_not(None))
    if environment is not None:
        query = query.where(releases.c.environment == environment)
    if app is not None:
        query = query.where(releases.c.app == app)
    rows = (await tx.execute(query.order_by(releases.c.app, releases.c.environment))).mappings()
    return [(_release(row), _pointer(row)) for row in rows]


async def kept_ids(tx: AsyncConnection, app: str, environment: str) -> set[str]:
    """The releases of one pair whose content is still held."""
    query = sa.select(releases.c.id).where(
        releases.c.app == app, releases.c.environment == environment, releases.c.retired_at.is_(None)
    )
    return set((await tx.execute(query)).scalars())


async def lock_retirable(tx: AsyncConnection, keep: int, assets_since: datetime, limit: int) -> list[Release]:
    """Releases past the newest `keep` of their pair that no pointer names and that were not live after
    `assets_since`. Locked, oldest first."""
    rank = sa.func.row_number().over(
        partition_by=(releases.c.app, releases.c.environment), order_by=releases.c.seq.desc()
    )
    ranked = sa.select(releases.c.id, rank.label("rank")).where(releases.c.retired_at.is_(None)).subquery()
    recent = sa.select(deployments.c.from_release).where(
        deployments.c.finished_at > assets_since, deployments.c.from_release.is_not(None)
    )
    query = (
        sa.select(releases, apps.c.label, sa.false().label("live"))
        .join(ranked, ranked.c.id == releases.c.id)
        .join(apps, apps.c.name == releases.c.app)
        .where(
            ranked.c.rank > keep,
            releases.c.id.not_in(recent),
            ~sa.exists().where(pointers.c.release_id == releases.c.id),
        )
    )
    query = query.order_by(releases.c.seq).limit(limit).with_for_update(of=releases, skip_locked=True)
    found = [_release(row) for row in (await tx.execute(query)).mappings()]
    # a rollback may have committed between the first statement's snapshot and our locks
    named = sa.select(pointers.c.release_id).where(pointers.c.release_id.in_([release.id for release in found]))
    live = set((await tx.execute(named)).scalars())
    return [release for release in found if release.id not in live]


async def retire(tx: AsyncConnection, ids: Collection[str], now: datetime) -> None:
    await tx.execute(releases.update().where(releases.c.id.in_(ids)).values(retired_at=now))


async def lock_release(tx: AsyncConnection, release_id: str) -> bool:
    """Keep a release from being retired until `tx` ends. False if it already is."""
    query = sa.select(releases.c.retired_at).where(releases.c.id == release_id).with_for_update(key_share=True)
    row = (await tx.execute(query)).first()
    return row is not None and row[0] is None


# --- pointers ---------------------------------------------------------------------------------------------------


def _pointer(row: RowMapping) -> Pointer:
    return Pointer(**{name: row[name] for name in Pointer.__struct_fields__})


async def next_arrival(tx: AsyncConnection) -> int:
    return int((await tx.execute(sa.select(_arrivals.next_value()))).scalar_one())


async def find_pointer(tx: AsyncConnection, app: str, environment: str) -> Pointer | None:
    query = sa.select(pointers).where(pointers.c.app == app, pointers.c.environment == environment)
    row = (await tx.execute(query)).mappings().first()
    return None if row is None else _pointer(row)


async def lock_pointer(tx: AsyncConnection, app: str, environment: str, now: datetime) -> Pointer:
    """The pointer, made where there was none (generation 0), locked until `tx` ends."""
    blank = {"app": app, "environment": environment, "generation": 0, "arrival": 0, "changed_at": now}
    await tx.execute(insert(pointers).values(blank).on_conflict_do_nothing())
    query = sa.select(pointers).where(pointers.c.app == app, pointers.c.environment == environment).with_for_update()
    return _pointer((await tx.execute(query)).mappings().one())


async def flip(tx: AsyncConnection, held: Pointer, release_id: str | None, arrival: int, now: datetime) -> int:
    """Compare and set: move a pointer that is as `held` says. The new generation."""
    statement = (
        pointers.update()
        .where(
            pointers.c.app == held.app,
            pointers.c.environment == held.environment,
            pointers.c.generation == held.generation,
        )
        .values(release_id=release_id, generation=held.generation + 1, arrival=arrival, changed_at=now)
        .returning(pointers.c.generation)
    )
    return int((await tx.execute(statement)).scalar_one())


async def list_pointers(tx: AsyncConnection) -> list[Pointer]:
    rows = await tx.execute(sa.select(pointers).where(pointers.c.generation > 0))
    return [_pointer(row) for row in rows.mappings()]


# --- deployments ------------------------------------------------------------------------------------------------


def _deployment_query() -> sa.Select[Any]:
    old, new = releases.alias("old"), releases.alias("new")
    return (
        sa.select(
            deployments,
            old.c.version.label("from_version"),
            old.c.cid.label("from_cid"),
            new.c.version.label("to_version"),
            new.c.cid.label("to_cid"),
        )
        .outerjoin(old, old.c.id == deployments.c.from_release)
        .outerjoin(new, new.c.id == deployments.c.to_release)
    )


def _deployment(row: RowMapping) -> Deployment:
    plain = {name: row[name] for name in Deployment.__struct_fields__ if name not in ("actor", "reason", "outcome")}
    return Deployment(**plain, actor=row["actor_name"], reason=Reason(row["reason"]), outcome=Outcome(row["outcome"]))


async def add_deployment(tx: AsyncConnection, deployment: Deployment, actor: Actor) -> None:
    values: dict[str, object] = {
        name: getattr(deployment, name) for name in Deployment.__struct_fields__ if name in deployments.c
    }
    values |= {"reason": deployment.reason.value, "outcome": deployment.outcome.value} | _by(actor)
    await tx.execute(deployments.insert().values(values))


async def list_deployments(
    tx: AsyncConnection, app: str, environment: str | None, before: int | None, limit: int
) -> list[tuple[int, Deployment]]:
    """Newest first, with their sequence numbers."""
    query = _deployment_query().where(deployments.c.app == app)
    if environment is not None:
        query = query.where(deployments.c.environment == environment)
    if before is not None:
        query = query.where(deployments.c.seq < before)
    rows = await tx.execute(query.order_by(deployments.c.seq.desc()).limit(limit))
    return [(row["seq"], _deployment(row)) for row in rows.mappings()]


async def last_publishes(tx: AsyncConnection) -> dict[str, Deployment]:
    """By environment, the last publish or promotion into it that flipped."""
    newest = (
        sa.select(sa.func.max(deployments.c.seq))
        .where(deployments.c.reason.in_(["publish", "promote"]), deployments.c.outcome == "done")
        .group_by(deployments.c.environment)
    )
    rows = await tx.execute(_deployment_query().where(deployments.c.seq.in_(newest)))
    return {row["environment"]: _deployment(row) for row in rows.mappings()}


async def recently_live(tx: AsyncConnection, since: datetime) -> dict[tuple[str, str], list[str]]:
    """By pair, the manifests of releases that a flip replaced after `since`, newest first."""
    query = (
        sa.select(deployments.c.app, deployments.c.environment, releases.c.manifest)
        .join(releases, releases.c.id == deployments.c.from_release)
        .where(deployments.c.finished_at > since, deployments.c.outcome == "done")
        .order_by(deployments.c.seq.desc())
    )
    found: dict[tuple[str, str], list[str]] = {}
    for app, environment, manifest in await tx.execute(query):
        manifests = found.setdefault((app, environment), [])
        if manifest not in manifests:
            manifests.append(manifest)
    return found


# --- checks -----------------------------------------------------------------------------------------------------


async def put_checks(tx: AsyncConnection, found: Sequence[tuple[LinkCheck, int]]) -> None:
    """Store the newest result of each link, with the generation of the pointer that was checked."""
    if not found:
        return
    rows = [msgspec.structs.asdict(check) | {"generation": generation} for check, generation in found]
    statement = insert(checks).values(rows)
    keys = ("app", "environment", "via")
    changed = {column.name: statement.excluded[column.name] for column in checks.c if column.name not in keys}
    await tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


async def list_checks(tx: AsyncConnection, app: str | None = None) -> list[tuple[LinkCheck, int]]:
    query = sa.select(checks).order_by(checks.c.app, checks.c.environment, checks.c.via)
    if app is not None:
        query = query.where(checks.c.app == app)
    rows = (await tx.execute(query)).mappings()
    return [(LinkCheck(**{name: row[name] for name in LinkCheck.__struct_fields__}), row["generation"]) for row in rows]


def _by(actor: Actor) -> dict[str, str]:
    return {"actor_kind": actor.kind, "actor_id": actor.id, "actor_name": actor.name}


def _storable(value: object) -> object:
    """jsonb refuses U+0000."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, Mapping):
        return {str(_storable(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value
