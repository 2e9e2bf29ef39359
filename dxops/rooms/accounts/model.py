"""Values of the room: people, sessions, tokens, audit entries. None of them carries a hash; secrets appear once, in
`NewPerson`, `NewToken` and `SignedIn`."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from dxops.base.actors import Actor, Role, Scope

TOKENS_CHANGED: Final = "accounts_tokens"
"""Channel of NOTIFY: whoever remembers tokens looks them up again."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who may sign in. `name` is unique, in lower case. `sign_in` names the ways open to them: `password`,
    `oidc`."""

    id: str
    name: str
    email: str | None
    role: Role
    disabled: bool
    sign_in: tuple[str, ...]
    created_at: datetime
    last_login_at: datetime | None


class NewPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person just made. `password` is set when we made one up: show it once."""

    person: Person
    password: str | None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One browser's stay. `seen_at` is exact to a minute. `current` marks the session that asked."""

    id: str
    method: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    current: bool = False


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A session just opened. `secret` goes into the cookie and nowhere else."""

    person: Person
    session: Session
    secret: str


class SessionActor(msgspec.Struct, frozen=True, kw_only=True):
    """Who a session cookie stands for."""

    person: Person
    session: Session
    actor: Actor


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """An access token without its secret.

    `prefix` is its visible beginning. `owner` is the name of the person it acts for, None for dxops' own: what a
    person's token may do ends where the person's role ends. `apps`, `environments` and `streams` (patterns)
    narrow it; None means all.
    `last_used_at` is exact to a minute.
    """

    id: str
    name: str
    prefix: str
    owner: str | None
    scopes: tuple[Scope, ...]
    apps: tuple[str, ...] | None
    environments: tuple[str, ...] | None
    streams: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token just made, with its secret: show it once."""

    token: Token
    secret: str


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log: who did what to which thing, when, from where. `seq` grows."""

    seq: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str
    subject: str
    detail: dict[str, object]
    ip: str | None


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries: `actor` is a name, `action` a prefix (`release.`), `subject` a prefix, `since` <= at < `until`."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class PersonChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change about a person; what is left out stays."""

    email: str | msgspec.UnsetType | None = msgspec.UNSET
    role: Role | msgspec.UnsetType = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What an OIDC provider vouches for. `email` only when the provider says that it verified it; `role` by the
    configured mapping (None: keep what the person has)."""

    issuer: str
    subject: str
    name: str
    email: str | None
    role: Role | None
