"""Tokens for the role `ingest`: by psycopg alone, and good while PostgreSQL is away.

What was verified is remembered, in memory and in a private file (hashes, never secrets), so that shippers go on while
PostgreSQL is down, also across a restart. A revocation is felt at once where its notification arrives, else at the next
look, half a minute later; while PostgreSQL is away nobody can revoke anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from dxops.base.actors import Actor, Role, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Unauthenticated, Unavailable
from dxops.base.files import write_atomic
from dxops.base.ids import IdSource, new_secret
from dxops.engines.postgres.plain import PlainDatabase, Transaction, tell
from dxops.rooms.accounts import rules
from dxops.rooms.accounts.model import TOKENS_CHANGED
from dxops.rooms.accounts.rules import hashed

log = logging.getLogger(__name__)

_FRESH_S: Final = 30.0
_PAUSE_S: Final = 5.0
_PATIENCE_S: Final = 1.0
_KNOWN: Final = 4096
_UNKNOWN: Final = 1024
_PREFIX: Final = 8
PREFIX: Final = "dxo_"
"""How every token begins: what begins otherwise is none."""
_COLUMNS: Final = (
    "t.id, t.name, t.person_id, t.scopes, t.apps, t.environments, t.streams, t.created_at, t.expires_at, "
    "t.last_used_at, t.revoked_at, p.name AS owner, p.role AS owner_role, p.disabled AS owner_disabled"
)
_FROM: Final = "accounts.tokens t LEFT JOIN accounts.people p ON p.id = t.person_id"


class KnownToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was good when it was looked up."""

    actor: Actor
    expires_at: datetime | None = None


class LightTokens:
    """Implements the port `Authenticator`. Secrets are found by their hash, so the time tells nothing.

    `watch` must run as a task. `file` is private to this user."""

    def __init__(self, database: PlainDatabase, clock: Clock, file: Path | None, ids: IdSource) -> None:
        self._database = database
        self._clock = clock
        self._file = file
        self._ids = ids
        self._known = _read(file)
        self._read_at: dict[bytes, float] = {}
        self._unknown: dict[bytes, float] = {}
        self._looking: dict[bytes, asyncio.Task[KnownToken | None]] = {}
        self._away_until = 0.0

    async def token(self, secret: str, *, ip: str | None = None) -> Actor:
        """The actor. Raises `Unauthenticated` for unknown, expired or revoked ones; `Unavailable` for one that was
        never seen while PostgreSQL is away."""
        key = hashed(secret)
        now = self._clock.monotonic()
        known = self._known.get(key)
        if known is None and now - self._unknown.get(key, -_PAUSE_S) < _PAUSE_S:
            raise _unauthenticated()  # guessing must not become work for PostgreSQL
        if known is None or now - self._read_at.get(key, -_FRESH_S) >= _FRESH_S:
            known = await self._look(key, known, now)
        if known is None:
            raise _unauthenticated()
        if known.expires_at is not None and self._clock.now() >= known.expires_at:
            raise Unauthenticated("this token has expired", code="token_expired", hint="make a new one")
        return known.actor if ip is None else msgspec.structs.replace(known.actor, ip=ip)

    async def _look(self, key: bytes, known: KnownToken | None, now: float) -> KnownToken | None:
        """One look-up for all who ask at the same time; what is known already when there is no PostgreSQL."""
        if now < self._away_until:
            if known is None:
                raise Unavailable("PostgreSQL does not answer, and this token was not seen before")
            return known
        task = self._looking.get(key)
        if task is None:
            task = self._looking[key] = asyncio.create_task(self._read(key))
            task.add_done_callback(lambda _: self._looking.pop(key, None))
        try:
            return await asyncio.wait_for(asyncio.shield(task), None if known is None else _PATIENCE_S)
        except (Unavailable, TimeoutError):
            self._away_until = self._clock.monotonic() + _PAUSE_S
            if known is None:
                raise
            return known

    async def _read(self, key: bytes) -> KnownToken | None:
        now = self._clock.now()
        async with self._database.begin() as tx:
            found = await tx.execute(f"SELECT {_COLUMNS} FROM {_FROM} WHERE t.hash = %s", [key])  # noqa: S608 - constants
            row = await found.fetchone()
            good = row is not None and row["revoked_at"] is None and not row["owner_disabled"]
            if good and row is not None and rules.due_for_touch(now, row["last_used_at"]):
                await tx.execute("UPDATE accounts.tokens SET last_used_at = %s WHERE id = %s", [now, row["id"]])
        if row is None or not good:
            self._forget(key)
            if len(self._unknown) >= _UNKNOWN:
                self._unknown.clear()
            self._unknown[key] = self._clock.monotonic()
            return None
        known = KnownToken(actor=_actor(row), expires_at=row["expires_at"])
        if len(self._known) >= _KNOWN and key not in self._known:
            self._forget(next(iter(self._known)))
        changed = self._known.get(key) != known
        self._known[key] = known
        self._read_at[key] = self._clock.monotonic()
        if changed:
            self._write()
        return known

    def _forget(self, key: bytes) -> None:
        self._read_at.pop(key, None)
        if self._known.pop(key, None) is not None:
            self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        kept = {key.hex(): msgspec.to_builtins(known) for key, known in self._known.items()}
        try:
            write_atomic(self._file, orjson.dumps(kept), mode=0o600)
        except OSError as error:
            log.warning("verified tokens cannot be written down", extra={"reason": str(error)})

    def look_again(self) -> None:
        """Look every token up at its next use."""
        self._read_at.clear()
        self._unknown.clear()
        self._away_until = 0.0

    async def watch(self) -> None:
        """Look again as soon as anyone changes tokens. Never ends by itself; run it as a task and cancel it."""
        async for _ in self._database.notifications([TOKENS_CHANGED]):
            self.look_again()

    async def create(
        self,
        maker: Actor,
        name: str,
        scopes: frozenset[Scope],
        *,
        streams: Sequence[str] | None,
        expires_at: datetime | None,
    ) -> tuple[str, str]:
        """(id, secret) of a new token that acts for the maker's person, if it has one. The caller has checked that the
        maker may no less. Raises `Unavailable`."""
        token_id, secret, now = self._ids("tok"), new_secret(PREFIX.rstrip("_")), self._clock.now()
        async with self._database.begin() as tx:
            person_id = None
            if maker.kind == "token":
                found = await tx.execute("SELECT person_id, expires_at FROM accounts.tokens WHERE id = %s", [maker.id])
                row = await found.fetchone()
                if row is not None:
                    person_id = row["person_id"]
                    ends = [each for each in (row["expires_at"], expires_at) if each is not None]
                    expires_at = min(ends, default=None)
            values = {
                "id": token_id, "hash": hashed(secret), "prefix": secret[:_PREFIX], "name": name,
                "person_id": person_id, "scopes": sorted(scope.value for scope in scopes),
                "streams": None if streams is None else list(streams), "created_at": now, "expires_at": expires_at,
            }  # fmt: skip
            await tx.execute(
                "INSERT INTO accounts.tokens (id, hash, prefix, name, person_id, scopes, streams, created_at, "
                "expires_at) VALUES (%(id)s, %(hash)s, %(prefix)s, %(name)s, %(person_id)s, %(scopes)s, %(streams)s, "
                "%(created_at)s, %(expires_at)s)",
                values,
            )
            detail = {"token": token_id, "scopes": values["scopes"], "streams": values["streams"]}
            await self.record(tx, maker, "token.created", name, detail)
        return token_id, secret

    async def listed(self, actor: Actor) -> list[dict[str, Any]]:
        """Rows of the tokens that the actor may see: all with the scope `admin`, else those of its person."""
        async with self._database.begin() as tx:
            found = await tx.execute(
                f"SELECT {_COLUMNS} FROM {_FROM} WHERE %(all)s OR t.id = %(id)s "  # noqa: S608 - constants
                "OR t.person_id = (SELECT person_id FROM accounts.tokens WHERE id = %(id)s) "
                "ORDER BY t.id DESC LIMIT 1000",
                {"all": actor.may(Scope.ADMIN), "id": actor.id},
            )
            return [dict(row) for row in await found.fetchall()]

    async def revoke(self, actor: Actor, ids: Sequence[str]) -> None:
        """End these tokens, which the actor was shown by `listed`."""
        async with self._database.begin() as tx:
            found = await tx.execute(
                "UPDATE accounts.tokens SET revoked_at = %s WHERE id = ANY(%s) AND revoked_at IS NULL "
                "RETURNING id, name",
                [self._clock.now(), list(ids)],
            )
            for row in await found.fetchall():
                await tell(tx, TOKENS_CHANGED, row["id"])
                await self.record(tx, actor, "token.revoked", row["name"], {"token": row["id"]})
        self.look_again()

    async def record(
        self, tx: Transaction, actor: Actor, action: str, subject: str, detail: Mapping[str, object] | None = None
    ) -> None:
        """A line of the audit log. No secrets in `detail`."""
        await tx.execute(
            "INSERT INTO accounts.audit (at, actor_kind, actor_id, actor_name, action, subject, detail, ip) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                self._clock.now(), actor.kind, actor.id, actor.name, action, subject,
                orjson.dumps(dict(detail or {})).decode(), actor.ip,
            ],
        )  # fmt: skip


def _actor(row: Mapping[str, Any]) -> Actor:
    role = None if row["owner_role"] is None else Role(row["owner_role"])
    known = set(Scope)
    scopes = [Scope(scope) for scope in row["scopes"] if scope in known]

    def limit(name: str) -> frozenset[str] | None:
        return None if row[name] is None else frozenset(row[name])

    return Actor(
        kind="token",
        id=row["id"],
        name=row["name"] if row["owner"] is None else f"{row['name']} ({row['owner']})",
        scopes=rules.token_scopes(scopes, role),
        apps=limit("apps"),
        environments=limit("environments"),
        streams=limit("streams"),
    )


def _unauthenticated() -> Unauthenticated:
    hint = "make one under Accounts, Tokens"
    return Unauthenticated("this token is unknown or revoked", code="token_invalid", hint=hint)


def _read(file: Path | None) -> dict[bytes, KnownToken]:
    if file is None:
        return {}
    with suppress(FileNotFoundError):
        try:
            kept = msgspec.json.decode(file.read_bytes(), type=dict[str, KnownToken])
            return {bytes.fromhex(key): known for key, known in kept.items()}
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            log.warning("verified tokens cannot be read", extra={"path": str(file), "reason": str(error)})
    return {}
