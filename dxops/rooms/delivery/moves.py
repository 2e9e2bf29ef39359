"""Moving pointers inside one transaction: new releases, flips, holds, history, audit, notifications.

Every function takes the open transaction; what it does happens if and only if that commits. Order of locks, to keep
two publishes of the same apps from waiting for each other: labels, then pointers by app name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor
from dxops.base.clock import Clock
from dxops.base.errors import Conflict
from dxops.base.ids import IdSource
from dxops.base.ports import Audit, Content, Prepared
from dxops.engines.postgres.database import notify
from dxops.rooms.delivery import repo, rules
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.model import App, Deployment, Flipped, ModuleInput, Outcome, Pointer, Reason, Release, Source
from dxops.rooms.delivery.wakeups import FLIP

_ACTIONS = {
    Reason.PUBLISH: "release.published",
    Reason.PROMOTE: "release.promoted",
    Reason.ROLLBACK: "release.rolled_back",
    Reason.RESET: "app.taken_offline",
}


class ReadyModule(msgspec.Struct, frozen=True, kw_only=True):
    """A module whose content is complete and prepared."""

    module: ModuleInput
    version: str
    prepared: Prepared


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One use case under way: who, where, why, since when, and its place in the order of arrival."""

    actor: Actor
    environment: str
    reason: Reason
    arrival: int
    started_at: datetime


class Moves:
    """The writing half of delivery."""

    def __init__(self, content: Content, audit: Audit, settings: DeliverySettings, clock: Clock, ids: IdSource) -> None:
        self._content = content
        self._audit = audit
        self._settings = settings
        self._clock = clock
        self._ids = ids

    async def ensure_apps(self, tx: AsyncConnection, names: Sequence[str]) -> dict[str, App]:
        """The apps of these names, made where new. Labels are given in the order of names."""
        found = {
            name: app for name in sorted(set(names)) if (app := await repo.find_app(tx, name)) and app.name == name
        }
        new = [name for name in names if name not in found]
        if not new:
            return found
        taken = await repo.lock_labels(tx)
        reserved = rules.reserved_labels(self._settings)
        for name in new:
            known = await repo.find_app(tx, name)
            if known is None or known.name != name:
                label = rules.host_label(name, taken, reserved)
                known = App(name=name, label=label, created_at=self._clock.now())
                await repo.add_app(tx, known)
                taken.add(label)
            found[name] = known
        return found

    async def lock_pointers(self, tx: AsyncConnection, names: Sequence[str], environment: str) -> dict[str, Pointer]:
        """The pointers of these apps, locked."""
        now = self._clock.now()
        return {name: await repo.lock_pointer(tx, name, environment, now) for name in sorted(set(names))}

    async def add_release(
        self, tx: AsyncConnection, app: App, ready: ReadyModule, attempt: Attempt, source: Source
    ) -> Release:
        """A new release with its holds, not yet live."""
        release = Release(
            id=self._ids("rel"),
            app=app.name,
            label=app.label,
            environment=attempt.environment,
            version=ready.version,
            cid=ready.module.cid,
            manifest=ready.prepared.manifest,
            via=source.via,
            actor=attempt.actor.name,
            created_at=self._clock.now(),
            files=ready.prepared.files,
            size_bytes=ready.prepared.size_bytes,
            prepared_bytes=ready.prepared.prepared_bytes,
            commit=source.commit,
            branch=source.branch,
            author=source.author,
            duration_s=source.duration_s if ready.module.duration_s is None else ready.module.duration_s,
            run_id=source.run_id,
            record=ready.module.record,
        )
        await self._keep(tx, release, attempt.actor)
        return release

    async def copy_release(self, tx: AsyncConnection, origin: Release, attempt: Attempt) -> Release:
        """The same content as a release of another environment: same CID, same manifest, same source."""
        release = msgspec.structs.replace(
            origin,
            id=self._ids("rel"),
            environment=attempt.environment,
            actor=attempt.actor.name,
            created_at=self._clock.now(),
            promoted_from=origin.id,
            retired_at=None,
            live=False,
        )
        await self._keep(tx, release, attempt.actor)
        return release

    async def _keep(self, tx: AsyncConnection, release: Release, actor: Actor) -> None:
        await repo.add_release(tx, release, actor)
        owner = hold_owner(release.id)
        await self._content.hold(tx, release.cid, owner)
        await self._content.hold(tx, release.manifest, owner)

    async def flip(
        self, tx: AsyncConnection, pointer: Pointer, release: Release | None, attempt: Attempt
    ) -> Flipped | None:
        """Move a locked pointer, with history, audit and notification. None where something that arrived later has
        already moved it: then only the history says so."""
        now = self._clock.now()
        superseded = pointer.arrival > attempt.arrival
        generation = None
        if not superseded:
            generation = await repo.flip(tx, pointer, release.id if release else None, attempt.arrival, now)
        deployment = Deployment(
            id=self._ids("dep"),
            app=pointer.app,
            environment=pointer.environment,
            reason=attempt.reason,
            outcome=Outcome.SUPERSEDED if superseded else Outcome.DONE,
            actor=attempt.actor.name,
            started_at=attempt.started_at,
            finished_at=now,
            generation=generation,
            from_release=pointer.release_id,
            to_release=release.id if release else None,
            message="a publish that arrived later is live" if superseded else None,
        )
        await repo.add_deployment(tx, deployment, attempt.actor)
        detail: dict[str, object] = {"deployment": deployment.id, "from": pointer.release_id}
        if release:
            detail |= {"release": release.id, "version": release.version, "cid": release.cid}
        if superseded:
            detail["superseded"] = True
        await self._audit.record(
            tx, attempt.actor, _ACTIONS[attempt.reason], f"{pointer.app}@{pointer.environment}", detail
        )
        if generation is None:
            return None
        await notify(tx, FLIP, f"{pointer.environment}/{pointer.app}")
        return Flipped(
            app=pointer.app,
            environment=pointer.environment,
            reason=attempt.reason,
            generation=generation,
            actor=attempt.actor.name,
            release_id=release.id if release else None,
            version=release.version if release else None,
            cid=release.cid if release else None,
            manifest=release.manifest if release else None,
        )

    async def refuse(
        self, tx: AsyncConnection, attempt: Attempt, app: str, current: str | None, target: str, message: str
    ) -> None:
        """Put an attempt that was refused into the history."""
        now = self._clock.now()
        deployment = Deployment(
            id=self._ids("dep"),
            app=app,
            environment=attempt.environment,
            reason=attempt.reason,
            outcome=Outcome.REFUSED,
            actor=attempt.actor.name,
            started_at=attempt.started_at,
            finished_at=now,
            from_release=current,
            to_release=target,
            message=message,
        )
        await repo.add_deployment(tx, deployment, attempt.actor)


def hold_owner(release_id: str) -> str:
    """The owner of a release's holds."""
    return f"release:{release_id}"


def moved_on(app: str, environment: str) -> Conflict:
    """Somebody else flipped the pointer between looking and moving."""
    return Conflict(
        f"{app} in {environment} was moved by someone else meanwhile",
        code="moved_on",
        hint="look at what is live now, then decide again",
    )
