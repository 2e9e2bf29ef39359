"""Who acts, and what they may do. Decided here so that every room asks the same question the same way."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from dxops.base.errors import Forbidden


class Role(StrEnum):
    """A person's role. An owner may do everything; a developer publishes and operates; a viewer looks."""

    OWNER = "owner"
    DEVELOPER = "developer"
    VIEWER = "viewer"


class Scope(StrEnum):
    """What a credential may do. A token names its scopes; a person's come from the role."""

    READ = "read"  # see everything but secrets
    PUBLISH = "publish"  # upload content, create releases, flip environments forward
    OPERATE = "operate"  # promote, roll back, tunnels, garbage collection
    CONTENT = "content"  # add, pin, unpin and remove content
    ADMIN = "admin"  # people, tokens, settings
    LOGS_WRITE = "logs:write"  # send documents to port 9200
    LOGS_READ = "logs:read"  # search logs, without seeing anything else
    LOGS_MANAGE = "logs:manage"  # templates, policies, pipelines and aliases of logs; delete them


ROLE_SCOPES: Final[dict[Role, frozenset[Scope]]] = {
    Role.OWNER: frozenset(Scope),
    Role.DEVELOPER: frozenset(Scope) - {Scope.ADMIN},
    Role.VIEWER: frozenset({Scope.READ, Scope.LOGS_READ}),
}


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The one who acts, as recorded in the audit log.

    `kind` is `person`, `token` or `system`; `id` is the person's or token's id (`system` for ours); `name` is for
    people to read. `apps` and `environments` narrow a token, `streams` (patterns like `app-*`) what it sees of logs:
    None means all.
    """

    kind: str
    id: str
    name: str
    scopes: frozenset[Scope]
    apps: frozenset[str] | None = None
    environments: frozenset[str] | None = None
    streams: frozenset[str] | None = None
    ip: str | None = None

    @property
    def is_limited(self) -> bool:
        """Whether it is for some apps, environments or log streams only: it must not see what is of all of them."""
        return self.apps is not None or self.environments is not None or self.streams is not None

    def may(self, scope: Scope, *, app: str | None = None, environment: str | None = None) -> bool:
        """True if this actor holds `scope` for that app and environment."""
        return (
            scope in self.scopes
            and (app is None or self.apps is None or app in self.apps)
            and (environment is None or self.environments is None or environment in self.environments)
        )

    def require(self, scope: Scope, *, app: str | None = None, environment: str | None = None) -> None:
        """Raise `Forbidden`, naming the scope and the thing, unless `may`."""
        if self.may(scope, app=app, environment=environment):
            return
        thing = " of ".join(part for part in (environment, app) if part)
        raise Forbidden(
            f"{self.name} may not {scope.value}{f' {thing}' if thing else ''}",
            hint=f"use a credential with the scope '{scope.value}'"
            + (" for this app and environment" if thing else ""),
        )


SYSTEM: Final = Actor(kind="system", id="system", name="dxops", scopes=frozenset(Scope))
