"""Who calls: Basic, ApiKey and Bearer credentials of the Elasticsearch API."""

from __future__ import annotations

import base64
import binascii
import hmac
from contextvars import ContextVar
from typing import Final, Protocol

import msgspec

from dxops.wire.elastic.errors import ElasticRefused, security


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A caller whose credential is good. `tenant` names it in the spool's accounts.

    `may_manage`: templates, policies, pipelines, aliases, deleting. `streams` are patterns of the only streams that
    there are for it; None: all. `key_id` is the id of a token, `name` what people call it.
    """

    tenant: str
    name: str = ""
    may_write: bool
    may_read: bool
    may_manage: bool = False
    streams: tuple[str, ...] | None = None
    key_id: str | None = None

    @property
    def label(self) -> str:
        """For messages and the audit log."""
        return self.name or self.tenant


def owner_of(caller: Caller) -> str:
    """Whose a result is that is kept for later: a credential's, with the limits that it has now."""
    return (
        f"{caller.tenant}/{caller.key_id or ''}/{','.join(caller.streams or ()) if caller.streams is not None else '*'}"
    )


CALLER: Final[ContextVar[Caller | None]] = ContextVar("caller", default=None)
"""Whose request is being answered. What is limited to a caller's streams asks here, not its own caller, so that no
endpoint can forget to pass it on; tasks that a request starts inherit it."""


class Secret(msgspec.Struct, frozen=True):
    """What a header carries: `basic` with user and password, `apikey` with id and key, `bearer` with "" and a token."""

    kind: str
    name: str
    value: str


class Callers(Protocol):
    """Credentials to callers."""

    async def find(self, secret: Secret) -> Caller | None:
        """None for a credential that is not good. Raises `Unavailable` where that cannot be told now."""
        ...


class OwnCallers:
    """The installation's own user and key, known without any database."""

    def __init__(self, user: str, password: str, api_key: str) -> None:
        """`api_key` is `id:key`."""
        name, _, key = api_key.partition(":")
        self._known = ((Secret("basic", user, password), user), (Secret("apikey", name, key), name))

    async def find(self, secret: Secret) -> Caller | None:
        """Compares with all of them, whichever fits, so that the time tells nothing."""
        found = None
        for known, tenant in self._known:
            same = hmac.compare_digest(known.value.encode(), secret.value.encode())
            same &= hmac.compare_digest(known.name.encode(), secret.name.encode())
            if same and known.kind == secret.kind:
                found = Caller(tenant=tenant, may_write=True, may_read=True, may_manage=True)
        return found


def secret_of(header: str | None) -> Secret:
    """The Authorization header's. Raises `ElasticRefused` (401) for none or one that cannot be read."""
    if not header:
        raise ElasticRefused(security("missing authentication credentials for REST request", status=401))
    kind, _, value = header.strip().partition(" ")
    kind, value = kind.lower(), value.strip()
    if kind == "bearer" and value:
        return Secret("bearer", "", value)
    if kind in ("basic", "apikey"):
        try:
            name, colon, rest = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name, colon, rest = "", "", ""
        if colon:
            return Secret(kind, name, rest)
    raise ElasticRefused(
        security("the Authorization header is not Basic, ApiKey (base64 of id:key) or Bearer", status=401)
    )


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A token as `_security/api_key` shows it; times in milliseconds since 1970."""

    id: str
    name: str
    created_ms: int
    expires_ms: int | None
    revoked: bool
    owner: str


class ApiKeys(Protocol):
    """Tokens as API keys. Raises `Unavailable` while they cannot be kept."""

    async def create(
        self, name: str, *, reads: bool, writes: bool, manages: bool, streams: tuple[str, ...] | None,
        expires_ms: int | None,
    ) -> tuple[str, str]:  # fmt: skip
        """(id, key) of a new one for `CALLER`, which may no less."""
        ...

    async def listed(self) -> list[ApiKey]:
        """Those that `CALLER` may see."""
        ...

    async def revoke(self, ids: list[str]) -> None:
        """End some of those."""
        ...
