"""Signing in with a password, and the sessions of browsers."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import ROLE_SCOPES, Actor, Role
from dxops.base.clock import Clock
from dxops.base.errors import Forbidden, Missing, Refused, Throttled, Unauthenticated
from dxops.base.ids import IdSource, new_secret
from dxops.base.ports import Audit
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts import repo, rules
from dxops.rooms.accounts.config import AccountsConfig
from dxops.rooms.accounts.model import Person, Session, SessionActor, SignedIn
from dxops.rooms.accounts.names import name_fault
from dxops.rooms.accounts.passwords import Passwords
from dxops.rooms.accounts.people import person_of
from dxops.rooms.accounts.rules import hashed


class Sessions:
    """Sessions live in PostgreSQL and are read at every request: ending one holds from the next request on."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        passwords: Passwords,
        config: AccountsConfig,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._database = database
        self._audit = audit
        self._passwords = passwords
        self._idle = timedelta(hours=config.session_idle_hours)
        self._longest = timedelta(days=config.session_days)
        self._clock = clock
        self._ids = ids

    async def login(
        self, name: str, password: str, *, ip: str | None, user_agent: str | None, replaces: str | None = None
    ) -> SignedIn:
        """Open a session. `replaces` is the cookie that came with the request; its session ends.

        Raises `Unauthenticated` for an unknown name, a wrong password or a disabled person, all alike and after the
        same work; `Throttled` after too many tries for that name or from that address.
        """
        name = name.strip().lower()
        if name_fault(name):
            name = ""  # no one's; all such tries count as one name
        await self._charge(name, ip)
        async with self._database.begin() as tx:
            row = await repo.person_by(tx, name=name)
        good = len(password) <= rules.MAX_PASSWORD and await self._passwords.matches(
            None if row is None else row.password_hash, password
        )
        if row is None or not good or row.disabled:
            await self._note_failure(name, ip, known=row is not None)
            raise Unauthenticated("name or password is wrong", code="login_failed")
        rehashed = await self._passwords.hash(password) if self._passwords.outdated(row.password_hash) else None
        async with self._database.begin() as tx:
            if rehashed:
                await repo.change_person(tx, row.id, {"password_hash": rehashed})
            for key, limit in rules.throttle_keys(name, ip).items():
                if limit is rules.NAME_LIMIT:
                    await repo.clear_attempts(tx, key)
                else:
                    await repo.refund_attempt(tx, key)
            return await self._open(tx, row.id, "password", ip, user_agent, replaces)

    async def open_for(
        self, person: Person, *, method: str, ip: str | None, user_agent: str | None, replaces: str | None = None
    ) -> SignedIn:
        """Open a session for someone whose identity is proven by other means. Raises `Forbidden` if disabled."""
        async with self._database.begin() as tx:
            return await self._open(tx, person.id, method, ip, user_agent, replaces)

    async def resume(self, secret: str, *, ip: str | None = None) -> SessionActor:
        """Who a cookie stands for. Raises `Unauthenticated` for an unknown, ended or expired session."""
        now = self._clock.now()
        async with self._database.begin() as tx:
            found = await repo.session_by_hash(tx, hashed(secret))
            if found is None:
                raise Unauthenticated("the session has ended", code="session_ended", hint="sign in again")
            session, row = found
            over = rules.session_over(
                now, seen_at=session.seen_at, expires_at=session.expires_at, idle_s=self._idle.total_seconds()
            )
            if over or row.disabled:
                raise Unauthenticated("the session has ended", code="session_ended", hint="sign in again")
            if rules.due_for_touch(now, session.seen_at):
                await repo.touch_session(tx, session.id, now, ip)
        person = person_of(row)
        return SessionActor(person=person, session=_session(session, session.id), actor=person_actor(person, ip))

    async def logout(self, secret: str) -> None:
        """End the session of a cookie. Idempotent."""
        async with self._database.begin() as tx:
            found = await repo.session_by_hash(tx, hashed(secret))
            if found is None:
                return
            session, row = found
            await repo.remove_sessions(tx, session_id=session.id)
            await self._audit.record(tx, person_actor(person_of(row), session.ip), "session.closed", row.name)

    async def own(self, actor: Actor, *, current: str | None = None) -> list[Session]:
        """The actor's live sessions, last used first; `current` is the id of the asking one."""
        person_id = _person_id(actor)
        now = self._clock.now()
        async with self._database.begin() as tx:
            rows = await repo.list_sessions(tx, person_id, now, now - self._idle)
        return [_session(row, current) for row in rows]

    async def revoke(self, actor: Actor, session_id: str) -> None:
        """End one of the actor's own sessions. Raises `Missing`."""
        async with self._database.begin() as tx:
            if not await repo.remove_sessions(tx, person_id=_person_id(actor), session_id=session_id):
                raise Missing(f"you have no session {session_id[:60]}")
            await self._audit.record(tx, actor, "session.revoked", actor.name, {"session": session_id})

    async def change_password(
        self, actor: Actor, old: str, new: str, *, ip: str | None, user_agent: str | None
    ) -> SignedIn:
        """Change the actor's own password. Ends all their sessions and opens a new one for the caller.

        Raises `Refused` for a wrong old one or a weak new one; `Throttled` as `login`.
        """
        person_id = _person_id(actor)
        if fault := rules.password_fault(new, actor.name):
            raise Refused(f"the new password {fault}", field="new")
        await self._charge(actor.name, ip)
        async with self._database.begin() as tx:
            row = await repo.person_by(tx, id=person_id)
        stored = None if row is None else row.password_hash
        if len(old) > rules.MAX_PASSWORD or not await self._passwords.matches(stored, old):
            await self._note_failure(actor.name, ip, known=True)
            raise Refused("the old password is wrong", code="login_failed", field="old")
        fresh = await self._passwords.hash(new)
        async with self._database.begin() as tx:
            for key, limit in rules.throttle_keys(actor.name, ip).items():
                if limit is rules.NAME_LIMIT:
                    await repo.clear_attempts(tx, key)
                else:
                    await repo.refund_attempt(tx, key)
            await repo.change_person(tx, person_id, {"password_hash": fresh})
            await repo.remove_sessions(tx, person_id=person_id)
            await self._audit.record(tx, actor, "person.password_changed", actor.name)
            return await self._open(tx, person_id, "password", ip, user_agent, None)

    async def forget_stale(self) -> int:
        """Remove ended sessions and old login failures; how many rows. For a daily job."""
        now = self._clock.now()
        async with self._database.begin() as tx:
            return await repo.remove_stale(tx, now, now - self._idle, now - timedelta(seconds=rules.FORGET_S))

    async def _charge(self, name: str, ip: str | None) -> None:
        """Count the try as a failure before the password is looked at, so that tries side by side count too.

        Raises `Throttled`, counting nothing, while an earlier failure still makes this name or address wait.
        """
        now = self._clock.now()
        limits = rules.throttle_keys(name, ip)
        async with self._database.begin() as tx:
            rows = await repo.attempts(tx, list(limits))
            wait = max((row.blocked_until - now).total_seconds() for row in rows.values())
            if wait > 0:
                raise Throttled(
                    "too many failed logins",
                    retry_after_s=wait,
                    hint=f"try again in {_in_words(wait)}",
                )
            for key, row in rows.items():
                old = (now - row.last_at).total_seconds() > rules.FORGET_S
                failures = 1 if old else row.failures + 1
                until = now + timedelta(seconds=rules.wait_s(failures, limits[key]))
                await repo.set_attempts(tx, key, failures, now, until)

    async def _note_failure(self, name: str, ip: str | None, *, known: bool) -> None:
        """In the audit log. Names that nobody has are not kept: people type passwords there."""
        nobody = Actor(kind="person", id="", name=name if known else "(unknown)", scopes=frozenset(), ip=ip)
        async with self._database.begin() as tx:
            await self._audit.record(tx, nobody, "session.refused", nobody.name)

    async def _open(
        self,
        tx: AsyncConnection,
        person_id: str,
        method: str,
        ip: str | None,
        user_agent: str | None,
        replaces: str | None,
    ) -> SignedIn:
        now = self._clock.now()
        # First the person, then the session that refers to them: the order in which a removal locks them.
        await repo.change_person(tx, person_id, {"last_login_at": now})
        row = await repo.person_by(tx, id=person_id)
        if row is None or row.disabled:
            raise Forbidden("this account is disabled", code="account_disabled", hint="ask an owner")
        if replaces:
            await repo.remove_sessions(tx, hashed=hashed(replaces))
        secret = new_secret("dxs")
        values = {
            "id": self._ids("ses"),
            "hash": hashed(secret),
            "person_id": person_id,
            "method": method,
            "created_at": now,
            "seen_at": now,
            "expires_at": now + self._longest,
            "ip": ip,
            "user_agent": None if user_agent is None else user_agent[:300],
        }
        await repo.add_session(tx, values)
        await self._audit.record(tx, person_actor(person_of(row), ip), "session.opened", row.name, {"method": method})
        found = await repo.session_by_hash(tx, hashed(secret))
        assert found is not None
        session, row = found
        return SignedIn(person=person_of(row), session=_session(session, session.id), secret=secret)


def person_actor(person: Person, ip: str | None) -> Actor:
    """A person as the one who acts."""
    return Actor(kind="person", id=person.id, name=person.name, scopes=ROLE_SCOPES[Role(person.role)], ip=ip)


def _person_id(actor: Actor) -> str:
    if actor.kind != "person":
        raise Forbidden("only a person has sessions and a password", hint="sign in to the console")
    return actor.id


def _session(row: repo.Found, current: str | None) -> Session:
    return Session(
        id=row.id,
        method=row.method,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        ip=row.ip,
        user_agent=row.user_agent,
        current=row.id == current,
    )


def _in_words(seconds: float) -> str:
    return f"{int(seconds) + 1} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"
