"""`/api/me`, `/api/people`, `/api/tokens`, `/api/audit`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from dxops.base.actors import Role, Scope
from dxops.base.errors import Refused
from dxops.base.web import Page, actor_of
from dxops.rooms.accounts.model import (
    AuditEntry,
    AuditFilter,
    NewPerson,
    NewToken,
    Person,
    PersonChange,
    Session,
    SessionActor,
    Token,
)
from dxops.rooms.accounts.service import Accounts

Cursor = Annotated[str | None, QueryParameter(name="cursor", description="`next` of the page before")]
Limit = Annotated[int | None, QueryParameter(name="limit", description="Items per page, 1 to 200")]
AnyRequest = Request[Any, Any, Any]


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who the credential stands for, and what it may do. `role` and `email` are set for people."""

    kind: str
    id: str
    name: str
    scopes: list[Scope]
    apps: list[str] | None
    environments: list[str] | None
    streams: list[str] | None
    role: Role | None = None
    email: str | None = None


class AddPerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Someone to add. Without `password` one is made up and returned once; `oidc_only` makes none."""

    name: str
    role: Role
    email: str | None = None
    password: str | None = None
    oidc_only: bool = False


class ChangePerson(PersonChange, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""


class ChangePassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller's own password."""

    old: str
    new: str


class AddToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make. `apps`, `environments` and `streams` (patterns like `app-*`, of logs) limit it; left out, it has
    the maker's limits."""

    name: str
    scopes: list[Scope]
    apps: list[str] | None = None
    environments: list[str] | None = None
    streams: list[str] | None = None
    expires_at: datetime | None = None


def router(accounts: Accounts) -> Router:
    """The room's routes below `/api`."""

    @get("/me", summary="Who am I", tags=["accounts"])
    async def me(request: AnyRequest) -> Me:
        """The actor behind the credential, its scopes and limits."""
        actor = actor_of(request)
        person = await accounts.people.named(actor, actor.name) if actor.kind == "person" else None
        return Me(
            kind=actor.kind,
            id=actor.id,
            name=actor.name,
            scopes=sorted(actor.scopes),
            apps=None if actor.apps is None else sorted(actor.apps),
            environments=None if actor.environments is None else sorted(actor.environments),
            streams=None if actor.streams is None else sorted(actor.streams),
            role=None if person is None else person.role,
            email=None if person is None else person.email,
        )

    @get("/me/sessions", summary="My sessions", tags=["accounts"])
    async def own_sessions(request: AnyRequest) -> Page[Session]:
        """The caller's browser sessions, last used first."""
        session = request.scope.get("session_actor")
        current = session.session.id if isinstance(session, SessionActor) else None
        return Page(await accounts.sessions.own(actor_of(request), current=current))

    @delete("/me/sessions/{session_id:str}", summary="End one of my sessions", tags=["accounts"])
    async def end_session(request: AnyRequest, session_id: FromPath[str]) -> None:
        """The browser that holds it is signed out at its next request."""
        await accounts.sessions.revoke(actor_of(request), session_id)

    @get("/people", summary="People", tags=["accounts"])
    async def list_people(request: AnyRequest, cursor: Cursor = None, limit: Limit = None) -> Page[Person]:
        """Everyone who may sign in, by name."""
        return await accounts.people.page(actor_of(request), cursor=cursor, limit=limit)

    @post("/people", summary="Add a person", tags=["accounts"])
    async def add_person(request: AnyRequest, data: JSONBody[AddPerson]) -> NewPerson:
        """Needs the scope `admin`. A password that was made up is in the answer, once."""
        return await accounts.people.add(
            actor_of(request),
            data.name,
            role=data.role,
            email=data.email,
            password=data.password,
            with_password=not data.oidc_only,
        )

    @get("/people/{name:str}", summary="One person", tags=["accounts"])
    async def one_person(request: AnyRequest, name: FromPath[str]) -> Person:
        """By name."""
        return await accounts.people.named(actor_of(request), name)

    @patch("/people/{name:str}", summary="Change a person", tags=["accounts"])
    async def change_person(request: AnyRequest, name: FromPath[str], data: JSONBody[ChangePerson]) -> Person:
        """Mail address, role, disabled. Needs the scope `admin`. The last enabled owner stays one (409)."""
        return await accounts.people.change(actor_of(request), name, data)

    @delete("/people/{name:str}", summary="Remove a person", tags=["accounts"])
    async def remove_person(request: AnyRequest, name: FromPath[str]) -> None:
        """With their sessions and tokens. Needs the scope `admin`."""
        await accounts.people.remove(actor_of(request), name)

    @post("/people/{name:str}/password", summary="Reset a password", tags=["accounts"])
    async def reset_password(request: AnyRequest, name: FromPath[str]) -> NewPerson:
        """A new random password, in the answer once; ends the person's sessions. Needs the scope `admin`."""
        return await accounts.people.reset_password(actor_of(request), name)

    @get("/tokens", summary="Tokens", tags=["accounts"])
    async def list_tokens(request: AnyRequest, cursor: Cursor = None, limit: Limit = None) -> Page[Token]:
        """The caller's own; with the scope `admin` everyone's. Newest first, without their secrets."""
        return await accounts.tokens.page(actor_of(request), cursor=cursor, limit=limit)

    @post("/tokens", summary="Make a token", tags=["accounts"])
    async def add_token(request: AnyRequest, data: JSONBody[AddToken]) -> NewToken:
        """Acts for the caller and may no more than the caller. The secret is in the answer, once."""
        if data.expires_at is not None and data.expires_at.tzinfo is None:
            raise Refused("the time needs a zone, like 2030-01-01T00:00:00Z", field="expires_at")
        return await accounts.tokens.create(
            actor_of(request),
            data.name,
            data.scopes,
            apps=data.apps,
            environments=data.environments,
            streams=data.streams,
            expires_at=data.expires_at,
        )

    @delete("/tokens/{token_id:str}", summary="Revoke a token", tags=["accounts"])
    async def revoke_token(request: AnyRequest, token_id: FromPath[str]) -> None:
        """One's own; with the scope `admin` anyone's. Holds at once."""
        await accounts.tokens.revoke(actor_of(request), token_id)

    @get("/audit", summary="Audit log", tags=["accounts"])
    async def audit(
        request: AnyRequest,
        actor: Annotated[str | None, QueryParameter(description="Name of who acted")] = None,
        action: Annotated[str | None, QueryParameter(description="Beginning of the action, like `release.`")] = None,
        subject: Annotated[str | None, QueryParameter(description="Beginning of the subject, like `hello@`")] = None,
        since: Annotated[datetime | None, QueryParameter(name="from", description="RFC 3339, inclusive")] = None,
        until: Annotated[datetime | None, QueryParameter(name="to", description="RFC 3339, exclusive")] = None,
        cursor: Cursor = None,
        limit: Limit = None,
    ) -> Page[AuditEntry]:
        """Who did what, newest first."""
        wanted = AuditFilter(actor=actor, action=action, subject=subject, since=_utc(since), until=_utc(until))
        return await accounts.audit.entries(actor_of(request), wanted, cursor=cursor, limit=limit)

    return Router(
        "/",
        route_handlers=[
            me,
            own_sessions,
            end_session,
            list_people,
            add_person,
            one_person,
            change_person,
            remove_person,
            reset_password,
            list_tokens,
            add_token,
            revoke_token,
            audit,
        ],
    )


def _utc(moment: datetime | None) -> datetime | None:
    """A time without a zone is UTC, as everywhere in the API."""
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
