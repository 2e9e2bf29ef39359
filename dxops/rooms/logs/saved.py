"""Saved searches: everybody's own, and those shared with all. Names are unique for an owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Conflict, Forbidden, Missing, Refused
from dxops.base.ids import new_id
from dxops.base.ports import Audit
from dxops.engines.postgres.database import Database
from dxops.rooms.logs import saved_repo as repo
from dxops.rooms.logs.reach import limits_of
from dxops.rooms.logs.saved_model import MOST, Kept, Saved, SearchToSave


class SavedSearches:
    """Use cases. Every change is in the audit log. Raises `Forbidden` without the scope `read`, and for a token that
    may see no logs. One that is limited to streams has its own searches only: others' tell of other streams."""

    def __init__(self, database: Database, audit: Audit, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    async def all(self, actor: Actor) -> list[Saved]:
        """The actor's own and the shared ones, by name."""
        _check(actor)
        async with self._database.begin() as tx:
            return [_shown(kept, actor) for kept in await repo.visible(tx, actor)]

    async def one(self, actor: Actor, id: str) -> Saved:
        """Raises `Missing`, also for somebody else's own."""
        _check(actor)
        async with self._database.begin() as tx:
            return _shown(_visible(await repo.find(tx, id), actor, id), actor)

    async def save(self, actor: Actor, wanted: SearchToSave) -> Saved:
        """A new one. Raises `Conflict` for a name that the actor has used already."""
        _check(actor)
        kept = Kept(
            id=new_id("srch"),
            name=_name(wanted.name),
            params=wanted.params,
            shared=wanted.shared,
            owner_kind=actor.kind,
            owner_id=actor.id,
            owner_name=actor.name,
            at=self._clock.now(),
        )
        async with self._putting(wanted) as tx:
            if await repo.count(tx, actor) >= MOST:
                raise Refused(f"at most {MOST} saved searches", hint="delete one that you no longer need")
            await self._put(tx, actor, kept, new=True)
        return _shown(kept, actor)

    async def change(self, actor: Actor, id: str, wanted: SearchToSave) -> Saved:
        """In its place: its owner, or whoever has the scope `admin`. Raises `Missing`, `Forbidden`, `Conflict`."""
        _check(actor)
        async with self._putting(wanted) as tx:
            before = _changeable(await repo.find(tx, id, lock=True), actor, id)
            kept = msgspec.structs.replace(
                before, name=_name(wanted.name), params=wanted.params, shared=wanted.shared, at=self._clock.now()
            )
            await self._put(tx, actor, kept, new=False)
        return _shown(kept, actor)

    async def delete(self, actor: Actor, id: str) -> None:
        """Its owner, or whoever has the scope `admin`. Raises `Missing`, `Forbidden`."""
        _check(actor)
        async with self._database.begin() as tx:
            kept = _changeable(await repo.find(tx, id, lock=True), actor, id)
            await repo.delete(tx, id)
            await self._audit.record(tx, actor, "search.deleted", kept.name, {"id": id, "owner": kept.owner_name})

    @asynccontextmanager
    async def _putting(self, wanted: SearchToSave) -> AsyncIterator[AsyncConnection]:
        """A transaction in which a name may turn out to be taken."""
        try:
            async with self._database.begin() as tx:
                yield tx
        except IntegrityError as error:
            raise _taken(wanted.name) from error

    async def _put(self, tx: AsyncConnection, actor: Actor, kept: Kept, *, new: bool) -> None:
        if await repo.named(tx, kept) is not None:
            raise _taken(kept.name, None if kept.owner_kind == "person" else kept.owner_name)
        await repo.put(tx, kept, new=new)
        action = "search.saved" if new else "search.changed"
        await self._audit.record(tx, actor, action, kept.name, {"id": kept.id, "shared": kept.shared})


def _check(actor: Actor) -> None:
    actor.require(Scope.READ)
    limits_of(actor)


def _name(name: str) -> str:
    if not name.strip():
        raise Refused("a saved search has a name", field="name")
    return name.strip()


def _taken(name: str, owner: str | None = None) -> Conflict:
    whose = "you have" if owner is None else f"{owner} has"
    return Conflict(f"{whose} a search named '{name}'", field="name", hint="choose another name, or change that one")


def _mine(kept: Kept, actor: Actor) -> bool:
    return (kept.owner_kind, kept.owner_id) == (actor.kind, actor.id)


def _visible(kept: Kept | None, actor: Actor, id: str) -> Kept:
    if kept is not None:
        of_all = actor.streams is None and (kept.shared or actor.may(Scope.ADMIN))
        if of_all or _mine(kept, actor):
            return kept
    raise Missing(f"there is no saved search {id[:60]}")


def _changeable(kept: Kept | None, actor: Actor, id: str) -> Kept:
    found = _visible(kept, actor, id)
    if not _mine(found, actor) and not actor.may(Scope.ADMIN):
        raise Forbidden(f"this search is {found.owner_name}'s", hint="save it as your own under another name")
    return found


def _shown(kept: Kept, actor: Actor) -> Saved:
    mine = _mine(kept, actor)
    return Saved(
        id=kept.id,
        name=kept.name,
        params=kept.params,
        by=kept.owner_name,
        at=kept.at,
        shared=kept.shared,
        mine=mine,
        may_change=mine or actor.may(Scope.ADMIN),
    )
