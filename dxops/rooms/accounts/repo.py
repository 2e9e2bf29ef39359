"""SQL of schema `accounts`. Every function takes an open transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.rooms.accounts.model import AuditFilter

_meta = MetaData(schema="accounts")
_moment = DateTime(timezone=True)

people = Table(
    "people",
    _meta,
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("email", Text),
    Column("role", Text),
    Column("disabled", Boolean),
    Column("password_hash", Text),
    Column("oidc_issuer", Text),
    Column("oidc_subject", Text),
    Column("created_at", _moment),
    Column("last_login_at", _moment),
)
sessions = Table(
    "sessions",
    _meta,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary),
    Column("person_id", Text),
    Column("method", Text),
    Column("created_at", _moment),
    Column("seen_at", _moment),
    Column("expires_at", _moment),
    Column("ip", Text),
    Column("user_agent", Text),
)
tokens = Table(
    "tokens",
    _meta,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary),
    Column("prefix", Text),
    Column("name", Text),
    Column("person_id", Text),
    Column("scopes", ARRAY(Text)),
    Column("apps", ARRAY(Text)),
    Column("environments", ARRAY(Text)),
    Column("streams", ARRAY(Text)),
    Column("created_at", _moment),
    Column("expires_at", _moment),
    Column("last_used_at", _moment),
    Column("revoked_at", _moment),
)
login_attempts = Table(
    "login_attempts",
    _meta,
    Column("key", Text, primary_key=True),
    Column("failures", Integer),
    Column("last_at", _moment),
    Column("blocked_until", _moment),
)
audit = Table(
    "audit",
    _meta,
    Column("seq", Integer, primary_key=True),
    Column("at", _moment),
    Column("actor_kind", Text),
    Column("actor_id", Text),
    Column("actor_name", Text),
    Column("action", Text),
    Column("subject", Text),
    Column("detail", JSONB),
    Column("ip", Text),
)

Found = Row[Any]  # a row's columns are typed by its table, which SQLAlchemy's typing cannot follow


async def lock_people(tx: AsyncConnection) -> None:
    """Let no other transaction change people until this one ends: rules about all of them hold only then."""
    await tx.execute(text("LOCK TABLE accounts.people IN SHARE ROW EXCLUSIVE MODE"))


async def count_people(tx: AsyncConnection) -> int:
    return (await tx.execute(select(func.count()).select_from(people))).scalar_one()


async def add_person(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    await tx.execute(insert(people).values(dict(values)))


async def person_by(tx: AsyncConnection, **keys: object) -> Found | None:
    """The person whose columns equal `keys` (`name=…`, or `oidc_issuer=…, oidc_subject=…`)."""
    query = select(people)
    for column, value in keys.items():
        query = query.where(people.c[column] == value)
    return (await tx.execute(query)).one_or_none()


async def person_by_email(tx: AsyncConnection, email: str) -> Found | None:
    return (await tx.execute(select(people).where(func.lower(people.c.email) == email.lower()))).one_or_none()


async def change_person(tx: AsyncConnection, person_id: str, values: Mapping[str, object]) -> None:
    await tx.execute(update(people).where(people.c.id == person_id).values(dict(values)))


async def remove_person(tx: AsyncConnection, person_id: str) -> None:
    """Also removes their sessions and tokens (foreign keys cascade)."""
    await tx.execute(delete(people).where(people.c.id == person_id))


async def list_people(tx: AsyncConnection, after: str | None, limit: int) -> Sequence[Found]:
    """By name, from the one after `after`."""
    query = select(people).order_by(people.c.name).limit(limit)
    if after is not None:
        query = query.where(people.c.name > after)
    return (await tx.execute(query)).all()


async def other_owners(tx: AsyncConnection, person_id: str) -> int:
    """How many enabled owners there are besides this person."""
    query = select(func.count()).where(people.c.role == "owner", ~people.c.disabled, people.c.id != person_id)
    return (await tx.execute(query)).scalar_one()


async def add_session(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    await tx.execute(insert(sessions).values(dict(values)))


async def session_by_hash(tx: AsyncConnection, hashed: bytes) -> tuple[Found, Found] | None:
    """(session, person) of a cookie's hash."""
    session = (await tx.execute(select(sessions).where(sessions.c.hash == hashed))).one_or_none()
    if session is None:
        return None
    person = await person_by(tx, id=session.person_id)
    return None if person is None else (session, person)


async def touch_session(tx: AsyncConnection, session_id: str, now: datetime, ip: str | None) -> None:
    await tx.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=now, ip=ip))


async def list_sessions(tx: AsyncConnection, person_id: str, now: datetime, idle_since: datetime) -> Sequence[Found]:
    """The live ones, last used first."""
    query = (
        select(sessions)
        .where(sessions.c.person_id == person_id, sessions.c.expires_at > now, sessions.c.seen_at > idle_since)
        .order_by(sessions.c.seen_at.desc(), sessions.c.id)
    )
    return (await tx.execute(query)).all()


async def remove_sessions(
    tx: AsyncConnection, *, person_id: str | None = None, session_id: str | None = None, hashed: bytes | None = None
) -> int:
    """Remove the sessions that match everything given, which must be something; how many there were."""
    query = delete(sessions)
    for column, value in ((sessions.c.person_id, person_id), (sessions.c.id, session_id), (sessions.c.hash, hashed)):
        if value is not None:
            query = query.where(column == value)
    assert query.whereclause is not None
    return (await tx.execute(query)).rowcount


async def remove_stale(tx: AsyncConnection, now: datetime, idle_since: datetime, forget_before: datetime) -> int:
    """Remove ended sessions and forgotten login failures; how many rows."""
    ended = delete(sessions).where(or_(sessions.c.expires_at <= now, sessions.c.seen_at <= idle_since))
    forgotten = delete(login_attempts).where(
        login_attempts.c.last_at < forget_before, login_attempts.c.blocked_until < now
    )
    return (await tx.execute(ended)).rowcount + (await tx.execute(forgotten)).rowcount


async def attempts(tx: AsyncConnection, keys: Sequence[str]) -> dict[str, Found]:
    """The counters of `keys`, locked until the transaction ends; missing ones are made, in one order for all, so that
    two logins cannot wait for each other."""
    found = {}
    epoch = datetime.fromtimestamp(0, UTC)
    for key in sorted(keys):
        fresh = upsert(login_attempts).values(key=key, failures=0, last_at=epoch, blocked_until=epoch)
        locked = fresh.on_conflict_do_update(index_elements=["key"], set_={"key": key}).returning(login_attempts)
        found[key] = (await tx.execute(locked)).one()
    return found


async def set_attempts(tx: AsyncConnection, key: str, failures: int, now: datetime, blocked_until: datetime) -> None:
    await tx.execute(
        update(login_attempts)
        .where(login_attempts.c.key == key)
        .values(failures=failures, last_at=now, blocked_until=blocked_until)
    )


async def refund_attempt(tx: AsyncConnection, key: str) -> None:
    """Take one failure back: the try was a good one."""
    await tx.execute(
        update(login_attempts)
        .where(login_attempts.c.key == key)
        .values(failures=func.greatest(login_attempts.c.failures - 1, 0), blocked_until=login_attempts.c.last_at)
    )


async def clear_attempts(tx: AsyncConnection, key: str) -> None:
    await tx.execute(delete(login_attempts).where(login_attempts.c.key == key))


async def add_token(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    await tx.execute(insert(tokens).values(dict(values)))


def _with_owner() -> Select[tuple[Any, ...]]:
    joined = tokens.outerjoin(people, people.c.id == tokens.c.person_id)
    return select(
        tokens,
        people.c.name.label("owner"),
        people.c.role.label("owner_role"),
        people.c.disabled.label("owner_disabled"),
    ).select_from(joined)


async def token_by(tx: AsyncConnection, *, hashed: bytes | None = None, token_id: str | None = None) -> Found | None:
    """The token, with `owner`, `owner_role` and `owner_disabled` of its person."""
    query = _with_owner()
    query = query.where(tokens.c.hash == hashed) if hashed is not None else query.where(tokens.c.id == token_id)
    row: Found | None = (await tx.execute(query)).one_or_none()
    return row


async def own_tokens(tx: AsyncConnection, name: str) -> Sequence[Found]:
    """dxops' own unrevoked tokens of that name."""
    query = select(tokens).where(tokens.c.person_id.is_(None), tokens.c.name == name, tokens.c.revoked_at.is_(None))
    return (await tx.execute(query)).all()


async def list_tokens(tx: AsyncConnection, *, person_id: str | None, after: str | None, limit: int) -> Sequence[Found]:
    """Newest first, of one person or of all; `after` is the last id of the page before."""
    query = _with_owner().order_by(tokens.c.id.desc()).limit(limit)
    if person_id is not None:
        query = query.where(tokens.c.person_id == person_id)
    if after is not None:
        query = query.where(tokens.c.id < after)
    rows: Sequence[Found] = (await tx.execute(query)).all()
    return rows


async def change_token(tx: AsyncConnection, token_id: str, values: Mapping[str, object]) -> None:
    await tx.execute(update(tokens).where(tokens.c.id == token_id).values(dict(values)))


async def add_audit(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    await tx.execute(insert(audit).values(dict(values)))


async def list_audit(tx: AsyncConnection, wanted: AuditFilter, before: int | None, limit: int) -> Sequence[Found]:
    """Newest first, from the one before `before`."""
    query = select(audit).order_by(audit.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.seq < before)
    if wanted.actor is not None:
        query = query.where(audit.c.actor_name == wanted.actor)
    if wanted.action is not None:
        query = query.where(audit.c.action.startswith(wanted.action, autoescape=True))
    if wanted.subject is not None:
        query = query.where(audit.c.subject.startswith(wanted.subject, autoescape=True))
    if wanted.since is not None:
        query = query.where(audit.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit.c.at < wanted.until)
    return (await tx.execute(query)).all()
