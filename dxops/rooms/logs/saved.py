"""Saved searches: everybody's own, and those shared with all. Names are unique for an owner."""

from __future__ import annotations

import msgspec
from sqlalchemy.exc import IntegrityError

from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Conflict, Forbidden, Missing, Refused
from dxops.base.ids import new_id
from dxops.base.ports import Audit
from dxops.engines.postgres.database import Database
from dxops.rooms.logs import saved_repo as repo
from dxops.rooms.logs.saved_model import MOST, Kept, Saved, SearchToSave


class SavedSearches:
    """Use cases. Every change is in the audit log. Raises `Forbidden` without the scope `read`."""

    def __init__(self, database: Database, audit: Audit, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    async def all(self, actor: Actor) -> list[Saved]:
        """The actor's own and the shared ones, by name."""
        actor.require(Scope.READ)
        async with self._database.begin() as tx:
            return [_shown(kept, actor) for kept in await repo.visible(tx, actor)]

    async def one(self, actor: Actor, id: str) -> Saved:
        """Raises `Missing`, also for somebody else's own."""
        actor.require(Scope.READ)
        async with self._database.begin() as tx:
            return _shown(_visible(await repo.find(tx, id), actor, id), actor)

    async def save(self, actor: Actor, wanted: SearchToSave) -> Saved:
        """A new one. Raises `Conflict` for a name that the actor has used already."""
        actor.require(Scope.READ)
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
        return await self._put(actor, kept, new=True)

    async def change(self, actor: Actor, id: str, wanted: SearchToSave) -> Saved:
        """In its place: its owner, or whoever has the scope `admin`. Raises `Missing`, `Forbidden`, `Conflict`."""
        actor.require(Scope.READ)
        async with self._database.begin() as tx:
            before = _changeable(await repo.find(tx, id), actor, id)
        kept = msgspec.structs.replace(
            before, name=_name(wanted.name), params=wanted.params, shared=wanted.shared, at=self._clock.now()
        )
        return await self._put(actor, kept, new=False)

    async def delete(self, actor: Actor, id: str) -> None:
        """Its owner, or whoever has the scope `admin`. Raises `Missing`, `Forbidden`."""
        actor.require(Scope.READ)
        async with self._database.begin() as tx:
            kept = _changeable(await repo.find(tx, id, lock=True), actor, id)
            await repo.delete(tx, id)
            await self._audit.record(tx, actor, "search.deleted", kept.name, {"id": id, "owner": kept.owner_name})

    async def _put(self, actor: Actor, kept: Kept, *, new: bool) -> Saved:
        try:
            async with self._database.begin() as tx:
                if await repo.named(tx, kept) is not None:
                    raise _taken(kept)
                if new and await repo.count(tx, actor) >= MOST:
                    raise Refused(f"at most {MOST} saved searches", hint="delete one that you no longer need")
                await repo.put(tx, kept, new=new)
                action = "search.saved" if new else "search.changed"
                await self._audit.record(tx, actor, action, kept.name, {"id": kept.id, "shared": kept.shared})
        except IntegrityError as error:
            raise _taken(kept) from error
        return _shown(kept, actor)


def _name(name: str) -> str:
    if not name.strip():
        raise Refused("a saved search has a name", field="name")
    return name.strip()


def _taken(kept: Kept) -> Conflict:
    whose = "you have" if kept.owner_kind == "person" else f"{kept.owner_name} has"
    return Conflict(
        f"{whose} a search named '{kept.name}'", field="name", hint="choose another name, or change that one"
    )


def _mine(kept: Kept, actor: Actor) -> bool:
    return (kept.owner_kind, kept.owner_id) == (actor.kind, actor.id)


def _visible(kept: Kept | None, actor: Actor, id: str) -> Kept:
    if kept is None or not (kept.shared or _mine(kept, actor) or actor.may(Scope.ADMIN)):
        raise Missing(f"there is no saved search {id[:60]}")
    return kept


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
