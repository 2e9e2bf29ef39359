"""Who may sign in, and as what."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import SYSTEM, Actor, Role, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Conflict, Forbidden, Missing, Refused
from dxops.base.ids import IdSource
from dxops.base.ports import Audit
from dxops.base.web import Page, decode_cursor, page_limit, page_of
from dxops.engines.postgres.database import Database, notify
from dxops.rooms.accounts import repo, rules
from dxops.rooms.accounts.model import TOKENS_CHANGED, Identity, NewPerson, Person, PersonChange
from dxops.rooms.accounts.names import name_fault
from dxops.rooms.accounts.passwords import Passwords

"""NOTIFY channel: the id of a token to forget, or nothing for all of them."""


class People:
    """People and their passwords. Everything but reading needs the scope `admin`."""

    def __init__(self, database: Database, audit: Audit, passwords: Passwords, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._audit = audit
        self._passwords = passwords
        self._clock = clock
        self._ids = ids

    async def page(self, actor: Actor, *, cursor: str | None = None, limit: int | None = None) -> Page[Person]:
        """People by name. Needs the scope `read`."""
        actor.require(Scope.READ)
        size = page_limit(limit)
        after = None if cursor is None else decode_cursor(cursor, 1)[0]
        async with self._database.begin() as tx:
            rows = await repo.list_people(tx, after, size + 1)
        return page_of(rows, size, lambda row: [row.name], person_of)

    async def named(self, actor: Actor, name: str) -> Person:
        """One person. Needs the scope `read`, or to be them. Raises `Missing`."""
        if actor.kind != "person" or actor.name != name:
            actor.require(Scope.READ)
        async with self._database.begin() as tx:
            return person_of(await _require(tx, name))

    async def add(
        self,
        actor: Actor,
        name: str,
        *,
        role: Role,
        email: str | None = None,
        password: str | None = None,
        with_password: bool = True,
    ) -> NewPerson:
        """Add a person. Without `password` a random one is made and returned, once; `with_password=False` makes
        someone who can only sign in through OIDC (by their mail address).

        Raises `Refused` for a bad name, mail address or password, `Conflict` for one that is taken.
        """
        actor.require(Scope.ADMIN)
        name = name.strip().lower()
        email = _checked_email(email)
        if fault := name_fault(name):
            raise Refused(f"the name '{name[:80]}' {fault}", field="name")
        made = None
        if password is None and with_password:
            password = made = new_password()
        elif password is not None and (fault := rules.password_fault(password, name)):
            raise Refused(f"the password {fault}", field="password")
        hashed = None if password is None else await self._passwords.hash(password)
        async with self._database.begin() as tx:
            await repo.lock_people(tx)
            if await repo.person_by(tx, name=name):
                raise Conflict(f"there is already someone named {name}", field="name")
            if email is not None:
                await _require_free_email(tx, email, None)
            person_id = self._ids("per")
            await repo.add_person(
                tx,
                {
                    "id": person_id,
                    "name": name,
                    "email": email,
                    "role": role.value,
                    "disabled": False,
                    "password_hash": hashed,
                    "created_at": self._clock.now(),
                },
            )
            await self._audit.record(tx, actor, "person.added", name, {"role": role.value})
            return NewPerson(person=person_of(await _require(tx, name)), password=made)

    async def change(self, actor: Actor, name: str, change: PersonChange) -> Person:
        """Change mail address, role or whether they may sign in; a disabled person's sessions end at once and their
        tokens stop working.

        Raises `Conflict` where it would leave no enabled owner, or for a mail address that is taken.
        """
        actor.require(Scope.ADMIN)
        values: dict[str, object] = {}
        if isinstance(change.email, str) or change.email is None:
            values["email"] = _checked_email(change.email)
        if isinstance(change.role, Role):
            values["role"] = change.role.value
        if isinstance(change.disabled, bool):
            values["disabled"] = change.disabled
        async with self._database.begin() as tx:
            await repo.lock_people(tx)
            before = await _require(tx, name)
            values = {key: value for key, value in values.items() if getattr(before, key) != value}
            if not values:
                return person_of(before)
            if values.get("disabled") or values.get("role", "owner") != "owner":
                await _keep_an_owner(tx, before)
            if values.get("email") is not None:
                await _require_free_email(tx, str(values["email"]), before.id)
            await repo.change_person(tx, before.id, values)
            if values.get("disabled"):
                await repo.remove_sessions(tx, person_id=before.id)
            await notify(tx, TOKENS_CHANGED)
            await self._audit.record(tx, actor, "person.changed", name, values)
            return person_of(await _require(tx, name))

    async def remove(self, actor: Actor, name: str) -> None:
        """Remove a person with their sessions and tokens; what they did stays in the audit log. Raises `Conflict` for
        the last enabled owner."""
        actor.require(Scope.ADMIN)
        async with self._database.begin() as tx:
            await repo.lock_people(tx)
            person = await _require(tx, name)
            await _keep_an_owner(tx, person)
            await repo.remove_person(tx, person.id)
            await notify(tx, TOKENS_CHANGED)
            await self._audit.record(tx, actor, "person.removed", name)

    async def reset_password(self, actor: Actor, name: str) -> NewPerson:
        """Give someone a new random password, returned once, and end all their sessions."""
        actor.require(Scope.ADMIN)
        password = new_password()
        hashed = await self._passwords.hash(password)
        async with self._database.begin() as tx:
            person = await _require(tx, name)
            await repo.change_person(tx, person.id, {"password_hash": hashed})
            await repo.remove_sessions(tx, person_id=person.id)
            await self._audit.record(tx, actor, "person.password_reset", name)
            return NewPerson(person=person_of(await _require(tx, name)), password=password)

    async def vouched(self, identity: Identity, *, create_as: Role | None) -> Person:
        """The person an OIDC provider vouches for: the one linked to that identity, else the one with the same
        verified mail address (linked from now on), else a new one with role `create_as`.

        `identity.role`, where set, becomes their role, unless that would leave no enabled owner.
        Raises `Forbidden` where nobody fits and none may be made.
        """
        async with self._database.begin() as tx:
            await repo.lock_people(tx)
            row = await repo.person_by(tx, oidc_issuer=identity.issuer, oidc_subject=identity.subject)
            if row is None and identity.email is not None:
                row = await repo.person_by_email(tx, identity.email)
                if row is not None and row.oidc_subject is not None:
                    raise Forbidden(
                        f"{identity.email} is linked to another identity",
                        hint="ask an owner to remove and add you again",
                    )
            if row is None:
                return await self._make_vouched(tx, identity, create_as)
            values: dict[str, object] = {}
            if row.oidc_subject is None:
                values |= {"oidc_issuer": identity.issuer, "oidc_subject": identity.subject}
                await self._audit.record(tx, SYSTEM, "person.linked", row.name, {"issuer": identity.issuer})
            if identity.role is not None and identity.role.value != row.role:
                others = await repo.other_owners(tx, row.id)
                if row.role != "owner" or row.disabled or others:
                    values["role"] = identity.role.value
                    await self._audit.record(
                        tx, SYSTEM, "person.changed", row.name, {"role": identity.role.value, "by": "oidc"}
                    )
                    await notify(tx, TOKENS_CHANGED)
            if values:
                await repo.change_person(tx, row.id, values)
            return person_of(await _require(tx, row.name))

    async def _make_vouched(self, tx: AsyncConnection, identity: Identity, create_as: Role | None) -> Person:
        if create_as is None:
            raise Forbidden("nobody here has that identity", hint="ask an owner to add you with your mail address")
        stem = identity.name or "person"
        name, number = stem, 1
        while await repo.person_by(tx, name=name):
            number += 1
            name = f"{stem[:58]}-{number}"
        await repo.add_person(
            tx,
            {
                "id": self._ids("per"),
                "name": name,
                "email": identity.email,
                "role": (identity.role or create_as).value,
                "disabled": False,
                "oidc_issuer": identity.issuer,
                "oidc_subject": identity.subject,
                "created_at": self._clock.now(),
            },
        )
        await self._audit.record(
            tx, SYSTEM, "person.added", name, {"role": (identity.role or create_as).value, "by": "oidc"}
        )
        return person_of(await _require(tx, name))


def person_of(row: repo.Found) -> Person:
    """A row of `people` as a value."""
    created_at: datetime = row.created_at
    ways = [("password", row.password_hash), ("oidc", row.oidc_subject)]
    return Person(
        id=row.id,
        name=row.name,
        email=row.email,
        role=Role(row.role),
        disabled=row.disabled,
        sign_in=tuple(way for way, held in ways if held is not None),
        created_at=created_at,
        last_login_at=row.last_login_at,
    )


def new_password() -> str:
    """Random, 120 bits, to be typed: groups of lower-case letters and digits without look-alikes."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(6)) for _ in range(4))


def _checked_email(email: str | None) -> str | None:
    if email is None or not email.strip():
        return None
    email = email.strip()
    if fault := rules.email_fault(email):
        raise Refused(f"'{email[:80]}' {fault}", field="email")
    return email


async def _require(tx: AsyncConnection, name: str) -> repo.Found:
    row = await repo.person_by(tx, name=name)
    if row is None:
        raise Missing(f"there is no one named {name[:80]}")
    return row


async def _require_free_email(tx: AsyncConnection, email: str, person_id: str | None) -> None:
    row = await repo.person_by_email(tx, email)
    if row is not None and row.id != person_id:
        raise Conflict(f"{email} already belongs to someone", field="email")


async def _keep_an_owner(tx: AsyncConnection, person: repo.Found) -> None:
    if person.role == "owner" and not person.disabled and not await repo.other_owners(tx, person.id):
        raise Conflict(f"{person.name} is the last owner", code="last_owner", hint="make someone else an owner first")
