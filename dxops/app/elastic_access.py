"""Who may do what on port 9200: the installation's own credentials, and tokens of the room `accounts`."""

from __future__ import annotations

from datetime import UTC, datetime

from dxops.base.actors import SYSTEM, Actor, Scope
from dxops.base.errors import Unauthenticated
from dxops.rooms.accounts.light import PREFIX, LightTokens
from dxops.rooms.logs.elastic.access import CALLER, ApiKey, Caller, OwnCallers, Secret


class TokenCallers:
    """Implements `Callers`: a token as Bearer, as `ApiKey` with its id, or as the password of Basic with any user."""

    def __init__(self, own: OwnCallers, tokens: LightTokens) -> None:
        self._own = own
        self._tokens = tokens

    async def find(self, secret: Secret) -> Caller | None:
        """See `Callers`."""
        own = await self._own.find(secret)
        if own is not None:
            return own
        if not secret.value.startswith(PREFIX):
            return None
        try:
            actor = await self._tokens.token(secret.value)
        except Unauthenticated:
            return None
        if secret.kind == "apikey" and secret.name != actor.id:
            return None
        return caller_of(actor)


def caller_of(actor: Actor) -> Caller:
    """What a token's scopes mean here."""
    # logs are of all apps and environments: who is limited to some may send, and see none
    sees = actor.apps is None and actor.environments is None
    return Caller(
        tenant=actor.id,
        name=actor.name,
        may_write=actor.may(Scope.LOGS_WRITE),
        may_read=sees and (actor.may(Scope.LOGS_READ) or actor.may(Scope.READ)),
        may_manage=sees and actor.may(Scope.LOGS_MANAGE),
        streams=None if actor.streams is None else tuple(sorted(actor.streams)),
        key_id=actor.id,
    )


class TokenKeys:
    """Implements `ApiKeys`."""

    def __init__(self, tokens: LightTokens) -> None:
        self._tokens = tokens

    async def create(
        self, name: str, *, reads: bool, writes: bool, manages: bool, streams: tuple[str, ...] | None,
        expires_ms: int | None,
    ) -> tuple[str, str]:  # fmt: skip
        """See `ApiKeys`."""
        scopes = {Scope.LOGS_READ: reads, Scope.LOGS_WRITE: writes, Scope.LOGS_MANAGE: manages}
        return await self._tokens.create(
            acting(),
            name,
            frozenset(scope for scope, wanted in scopes.items() if wanted),
            streams=streams,
            expires_at=None if expires_ms is None else datetime.fromtimestamp(expires_ms / 1000, UTC),
        )

    async def listed(self) -> list[ApiKey]:
        """See `ApiKeys`."""
        return [
            ApiKey(
                id=row["id"], name=row["name"], created_ms=_ms(row["created_at"]),
                expires_ms=None if row["expires_at"] is None else _ms(row["expires_at"]),
                revoked=row["revoked_at"] is not None, owner=row["owner"] or "dxops",
            )
            for row in await self._tokens.listed(acting())
        ]  # fmt: skip

    async def revoke(self, ids: list[str]) -> None:
        """See `ApiKeys`."""
        await self._tokens.revoke(acting(), ids)


def acting() -> Actor:
    """The one whose request is being answered, for the audit log; the installation's own user is dxops itself."""
    caller = CALLER.get()
    if caller is None or caller.key_id is None:
        return SYSTEM
    return Actor(kind="token", id=caller.key_id, name=caller.label, scopes=frozenset())


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
