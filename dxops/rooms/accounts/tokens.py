"""Access tokens: made once, shown once, kept as hashes, looked up at every call."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor, Role, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Forbidden, Missing, Refused, Unauthenticated
from dxops.base.ids import IdSource, new_secret
from dxops.base.ports import Audit
from dxops.base.web import Page, decode_cursor, page_limit, page_of
from dxops.engines.postgres.database import Database, notify
from dxops.rooms.accounts import repo, rules
from dxops.rooms.accounts.model import TOKENS_CHANGED, NewToken, Token
from dxops.rooms.accounts.rules import hashed

log = logging.getLogger(__name__)

_PREFIX = 8  # `dxo_` and four characters: enough to tell tokens apart, 24 of 256 bits
_CACHED = 2048
_CACHE_S = 5.0  # how long a revoked token may still work where the notification did not arrive
_MAX_NAME = 100


class _Known(msgspec.Struct, frozen=True):
    actor: Actor
    expires_at: datetime | None
    read_at: float


class Tokens:
    """Implements the port `Authenticator`. `watch` must run in each process that serves, so that revocation is felt
    at once; without it a token is looked up again after five seconds."""

    def __init__(self, database: Database, audit: Audit, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._changes = 0

    async def token(self, secret: str, *, ip: str | None = None) -> Actor:
        """The actor of an access token. Raises `Unauthenticated` for unknown, expired or revoked ones."""
        key = hashed(secret)
        known = self._known.get(key)
        if known is None or self._clock.monotonic() - known.read_at >= _CACHE_S:
            known = await self._read(key)
        else:
            self._known.move_to_end(key)
        if known.expires_at is not None and self._clock.now() >= known.expires_at:
            raise Unauthenticated("this token has expired", code="token_expired", hint="make a new one")
        return known.actor if ip is None else msgspec.structs.replace(known.actor, ip=ip)

    async def _read(self, key: bytes) -> _Known:
        now, changes = self._clock.now(), self._changes
        self._known.pop(key, None)
        async with self._database.begin() as tx:
            row = await repo.token_by(tx, hashed=key)
            if row is None or row.revoked_at is not None or row.owner_disabled:
                raise Unauthenticated(
                    "this token is unknown or revoked", code="token_invalid", hint="make one under Accounts, Tokens"
                )
            if rules.due_for_touch(now, row.last_used_at) and (row.expires_at is None or now < row.expires_at):
                await repo.change_token(tx, row.id, {"last_used_at": now})
        known = _Known(_actor(row), row.expires_at, self._clock.monotonic())
        if changes == self._changes:  # else: revoked while it was read
            self._known[key] = known
            while len(self._known) > _CACHED:
                self._known.popitem(last=False)
        return known

    async def create(
        self,
        actor: Actor,
        name: str,
        scopes: Iterable[Scope],
        *,
        apps: Sequence[str] | None = None,
        environments: Sequence[str] | None = None,
        streams: Sequence[str] | None = None,
        expires_at: datetime | None = None,
    ) -> NewToken:
        """A token that acts for `actor` (a token's new tokens act for that token's person) and may no more than it.

        Raises `Refused` for a bad name, no scopes or a time in the past, `Forbidden` for more than the actor may.
        """
        wanted = frozenset(scopes)
        name = _checked_name(name)
        if not wanted:
            raise Refused("a token needs at least one scope", field="scopes", hint=", ".join(Scope))
        for scope in sorted(wanted):
            actor.require(scope)
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Refused("the expiry is in the past", field="expires_at")
        limits = {
            "apps": _narrowed("apps", apps, actor.apps),
            "environments": _narrowed("environments", environments, actor.environments),
            "streams": narrowed_streams(streams, actor.streams),
        }
        secret = new_secret("dxo")
        async with self._database.begin() as tx:
            maker = None if actor.kind != "token" else await repo.token_by(tx, token_id=actor.id)
            if maker is not None and maker.expires_at is not None:
                expires_at = min(expires_at or maker.expires_at, maker.expires_at)
            person_id = actor.id if actor.kind == "person" else None if maker is None else maker.person_id
            token_id = await self._add(tx, secret, name, wanted, person_id, limits, expires_at)
            await self._audit.record(
                tx, actor, "token.created", name, {"token": token_id, "scopes": sorted(wanted), **limits}
            )
            return NewToken(token=_token(await _require(tx, token_id)), secret=secret)

    async def issue(self, actor: Actor, name: str, scopes: frozenset[Scope], *, expires_at: datetime) -> str:
        """The port `TokenIssuer`."""
        return (await self.create(actor, name, scopes, expires_at=expires_at)).secret

    async def page(self, actor: Actor, *, cursor: str | None = None, limit: int | None = None) -> Page[Token]:
        """Tokens, newest first: all of them with the scope `admin`, else the actor's own."""
        size = page_limit(limit)
        after = None if cursor is None else decode_cursor(cursor, 1)[0]
        async with self._database.begin() as tx:
            person_id = None if actor.may(Scope.ADMIN) else await _person_of(tx, actor)
            rows = await repo.list_tokens(tx, person_id=person_id, after=after, limit=size + 1)
        return page_of(rows, size, lambda row: [row.id], _token)

    async def revoke(self, actor: Actor, token_id: str) -> None:
        """End a token: one's own, or anyone's with the scope `admin`. Idempotent. Raises `Missing`."""
        async with self._database.begin() as tx:
            row = await _require(tx, token_id)
            if not actor.may(Scope.ADMIN) and row.person_id != await _person_of(tx, actor):
                raise _missing(token_id)
            if row.revoked_at is not None:
                return
            await repo.change_token(tx, token_id, {"revoked_at": self._clock.now()})
            await notify(tx, TOKENS_CHANGED, token_id)
            await self._audit.record(tx, actor, "token.revoked", row.name, {"token": token_id})
        self.forget()

    async def ensure(
        self,
        actor: Actor,
        name: str,
        secret: str,
        scopes: Iterable[Scope],
        *,
        apps: Sequence[str] | None = None,
        environments: Sequence[str] | None = None,
    ) -> bool:
        """Make `secret` dxops' own token of that name, with exactly these scopes and limits, and revoke others of its
        name. Idempotent. False if that very secret has been revoked: make a new one and call again."""
        wanted = sorted(set(scopes))
        limits = {
            "apps": None if apps is None else tuple(sorted(set(apps))),
            "environments": None if environments is None else tuple(sorted(set(environments))),
            "streams": None,
        }
        values = {"scopes": [scope.value for scope in wanted], "name": _checked_name(name)} | {
            key: None if value is None else list(value) for key, value in limits.items()
        }
        async with self._database.begin() as tx:
            await repo.lock_people(tx)  # one starting process at a time
            row = await repo.token_by(tx, hashed=hashed(secret))
            if row is not None and row.revoked_at is not None:
                return False
            for other in await repo.own_tokens(tx, name):
                if row is None or other.id != row.id:
                    await repo.change_token(tx, other.id, {"revoked_at": self._clock.now()})
                    await notify(tx, TOKENS_CHANGED, other.id)
                    await self._audit.record(tx, actor, "token.replaced", name, {"token": other.id})
            if row is None:
                token_id = await self._add(tx, secret, name, wanted, None, limits, None)
                detail: dict[str, object] = {"token": token_id, "scopes": wanted}
                await self._audit.record(tx, actor, "token.created", name, detail)
            elif any(getattr(row, key) != value for key, value in values.items()):
                await repo.change_token(tx, row.id, values)
                await notify(tx, TOKENS_CHANGED, row.id)
                await self._audit.record(tx, actor, "token.changed", name, {"token": row.id, "scopes": wanted})
        self.forget()
        return True

    def forget(self) -> None:
        """Look every token up again at its next use."""
        self._changes += 1
        self._known.clear()

    async def watch(self) -> None:
        """Forget tokens as soon as anyone changes them. Never ends by itself; run it as a task and cancel it."""
        async for _ in self._database.notifications([TOKENS_CHANGED]):
            self.forget()

    async def _add(
        self,
        tx: AsyncConnection,
        secret: str,
        name: str,
        scopes: Iterable[Scope],
        person_id: str | None,
        limits: dict[str, tuple[str, ...] | None],
        expires_at: datetime | None,
    ) -> str:
        token_id = self._ids("tok")
        values = {
            "id": token_id,
            "hash": hashed(secret),
            "prefix": secret[:_PREFIX],
            "name": name,
            "person_id": person_id,
            "scopes": sorted(scope.value for scope in scopes),
            "created_at": self._clock.now(),
            "expires_at": expires_at,
        }
        values |= {key: None if value is None else list(value) for key, value in limits.items()}
        await repo.add_token(tx, values)
        return token_id


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        raise Refused(f"a token's name must have 1 to {_MAX_NAME} printable characters", field="name")
    return name


def _narrowed(field: str, asked: Sequence[str] | None, allowed: frozenset[str] | None) -> tuple[str, ...] | None:
    try:
        return rules.narrowed(asked, allowed)
    except ValueError as error:
        raise Forbidden(f"you may not give away {field} that you may not use: {error}", field=field) from None


def narrowed_streams(asked: Sequence[str] | None, allowed: frozenset[str] | None) -> tuple[str, ...] | None:
    """Patterns for a token made by someone limited to `allowed`. Raises `Refused`, `Forbidden`."""
    for pattern in asked or ():
        if (why := rules.stream_pattern_fault(pattern)) is not None:
            raise Refused(f"the pattern '{pattern[:60]}' {why}", field="streams", hint="like app-* or logs-app-default")
    try:
        return rules.narrowed_streams(asked, allowed)
    except ValueError as error:
        message = f"you may not give away streams that you may not use: {error}"
        raise Forbidden(message, field="streams") from None


async def _person_of(tx: AsyncConnection, actor: Actor) -> str:
    """The id of the person behind an actor; one that nobody has for dxops' own."""
    if actor.kind != "token":
        return actor.id
    row = await repo.token_by(tx, token_id=actor.id)
    return "" if row is None or row.person_id is None else str(row.person_id)


async def _require(tx: AsyncConnection, token_id: str) -> repo.Found:
    row = await repo.token_by(tx, token_id=token_id)
    if row is None:
        raise _missing(token_id)
    return row


def _missing(token_id: str) -> Missing:
    return Missing(f"there is no token {token_id[:60]}")


def _actor(row: repo.Found) -> Actor:
    role = None if row.owner_role is None else Role(row.owner_role)
    return Actor(
        kind="token",
        id=row.id,
        name=row.name if row.owner is None else f"{row.name} ({row.owner})",
        scopes=rules.token_scopes([Scope(scope) for scope in row.scopes], role),
        apps=None if row.apps is None else frozenset(row.apps),
        environments=None if row.environments is None else frozenset(row.environments),
        streams=None if row.streams is None else frozenset(row.streams),
    )


def _token(row: repo.Found) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        owner=row.owner,
        scopes=tuple(Scope(scope) for scope in row.scopes),
        apps=None if row.apps is None else tuple(row.apps),
        environments=None if row.environments is None else tuple(row.environments),
        streams=None if row.streams is None else tuple(row.streams),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
