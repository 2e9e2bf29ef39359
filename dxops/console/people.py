"""People, one's own profile, tokens and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from dxops.base.actors import Role, Scope
from dxops.base.errors import DxopsError, Refused
from dxops.base.web import actor_of
from dxops.console.house import ConsoleHouse
from dxops.console.rendering import page
from dxops.console.requests import AnyRequest, done_of, fields_of, form_of, limit_text, reader, see, status_of
from dxops.console.sessions import cookie_for, session_of
from dxops.rooms.accounts.model import AuditFilter, NewPerson, NewToken, PersonChange

EXPIRIES = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "Never"))
SCOPES = (
    (Scope.READ, "see everything but secrets"),
    (Scope.PUBLISH, "upload content and release it"),
    (Scope.OPERATE, "promote, roll back, tunnels, collection"),
    (Scope.CONTENT, "add, pin and remove content"),
    (Scope.ADMIN, "people, tokens, settings"),
    (Scope.LOGS_WRITE, "send logs to port 9200"),
    (Scope.LOGS_READ, "search logs, and see nothing else"),
    (Scope.LOGS_MANAGE, "templates, policies, pipelines; delete logs"),
)
ROLES = (
    (Role.OWNER, "everything"),
    (Role.DEVELOPER, "publishes and operates"),
    (Role.VIEWER, "looks"),
)


def router(house: ConsoleHouse) -> Router:
    """`/people`, `/tokens`, `/audit`."""
    people, tokens = house.accounts.people, house.accounts.tokens

    async def people_page(
        request: AnyRequest, *, made: NewPerson | None = None, error: DxopsError | None = None
    ) -> Response[str]:
        actor = reader(request)
        found = await people.page(actor, cursor=limit_text(request.query_params.get("cursor")))
        form = await form_of(request) if error is not None else {}
        context = {
            "people": found,
            "made": made,
            "error": error,
            "form": form,
            "roles": ROLES,
            "done": done_of(request),
        }
        return page(request, "people/people.html", context, status=200 if error is None else status_of(error))

    @get("/people")
    async def list_people(request: AnyRequest) -> Response[str]:
        return await people_page(request)

    @post("/people")
    async def add_person(request: AnyRequest) -> Response[str]:
        form = await form_of(request)
        try:
            made = await people.add(
                actor_of(request),
                form.get("name", ""),
                role=_role(form.get("role", "")),
                email=form.get("email") or None,
                with_password=form.get("oidc") != "1",
            )
        except DxopsError as error:
            return await people_page(request, error=error)
        return await people_page(request, made=made)

    @post("/people/{name:str}")
    async def change_person(request: AnyRequest, name: FromPath[str]) -> Response[str]:
        actor, form = actor_of(request), await form_of(request)
        try:
            match form.get("do"):
                case "role":
                    await people.change(actor, name, PersonChange(role=_role(form.get("role", ""))))
                case "disable" | "enable":
                    await people.change(actor, name, PersonChange(disabled=form["do"] == "disable"))
                case "remove":
                    await people.remove(actor, name)
                    return see("/people", done="person-removed")
                case "reset":
                    return await people_page(request, made=await people.reset_password(actor, name))
                case _:
                    raise Refused("nothing to do", field="do")
        except DxopsError as error:
            return await people_page(request, error=error)
        return see("/people", done="person-changed")

    async def tokens_page(
        request: AnyRequest, *, made: NewToken | None = None, error: DxopsError | None = None
    ) -> Response[str]:
        actor = reader(request)
        found = await tokens.page(actor, cursor=limit_text(request.query_params.get("cursor")))
        form = await fields_of(request) if error is not None else {}
        context = {
            "tokens": found,
            "made": made,
            "error": error,
            "form": form,
            "scopes": [(scope, text) for scope, text in SCOPES if actor.may(scope)],
            "apps": await house.delivery.list_apps(),
            "environments": await house.delivery.environments(),
            "expiries": EXPIRIES,
            "done": done_of(request),
        }
        return page(request, "people/tokens.html", context, status=200 if error is None else status_of(error))

    @get("/tokens")
    async def list_tokens(request: AnyRequest) -> Response[str]:
        return await tokens_page(request)

    @post("/tokens")
    async def create_token(request: AnyRequest) -> Response[str]:
        fields = await fields_of(request)
        try:
            made = await tokens.create(
                actor_of(request),
                fields.get("name", [""])[-1].strip(),
                [_scope(text) for text in fields.get("scopes", [])],
                apps=fields.get("apps") or None,
                environments=fields.get("environments") or None,
                streams=fields.get("streams", [""])[-1].replace(",", " ").split() or None,
                expires_at=_expiry(fields.get("days", [""])[-1], house.clock.now()),
            )
        except DxopsError as error:
            return await tokens_page(request, error=error)
        return await tokens_page(request, made=made)

    @post("/tokens/{token_id:str}/revoke")
    async def revoke_token(request: AnyRequest, token_id: FromPath[str]) -> Response[str]:
        await tokens.revoke(actor_of(request), token_id)
        return see("/tokens", done="token-revoked")

    @get("/audit")
    async def audit(request: AnyRequest) -> Response[str]:
        actor, query = reader(request), request.query_params
        wanted = {key: limit_text(query.get(key)) for key in ("actor", "action", "subject", "since")}
        since = _day(wanted["since"])
        entries = await house.accounts.audit.entries(
            actor,
            AuditFilter(actor=wanted["actor"], action=wanted["action"], subject=wanted["subject"], since=since),
            cursor=limit_text(query.get("cursor")),
        )
        return page(request, "people/audit.html", {"entries": entries, "wanted": wanted})

    handlers = [list_people, add_person, change_person, list_tokens, create_token, revoke_token, audit]
    return Router("/", route_handlers=[*handlers, *_profile(house)])


def _profile(house: ConsoleHouse) -> list[HTTPRouteHandler]:
    sessions = house.accounts.sessions

    async def profile_page(request: AnyRequest, error: DxopsError | None = None) -> Response[str]:
        actor, stay = actor_of(request), session_of(request)
        own = await sessions.own(actor, current=stay.session.id) if stay is not None else []
        context = {"sessions": own, "error": error, "done": done_of(request)}
        return page(request, "people/profile.html", context, status=200 if error is None else status_of(error))

    @get("/profile")
    async def profile(request: AnyRequest) -> Response[str]:
        return await profile_page(request)

    @post("/profile/password")
    async def change_password(request: AnyRequest) -> Response[str]:
        fields = await fields_of(request)
        old, new, again = (fields.get(name, [""])[-1] for name in ("old", "new", "again"))
        try:
            if new != again:
                raise Refused("the two new passwords differ", field="again")
            agent = request.headers.get("User-Agent", "")[:300] or None
            ip = request.scope.get("client_ip")
            signed = await sessions.change_password(
                actor_of(request), old, new, ip=ip if isinstance(ip, str) else None, user_agent=agent
            )
        except DxopsError as error:
            return await profile_page(request, error)
        answer = see("/profile", done="password-changed")
        answer.set_cookie(cookie_for(request, signed, house.clock.now()))
        return answer

    @post("/profile/sessions/{session_id:str}")
    async def end_session(request: AnyRequest, session_id: FromPath[str]) -> Response[str]:
        await sessions.revoke(actor_of(request), session_id)
        return see("/profile", done="session-ended")

    return [profile, change_password, end_session]


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise Refused(f"there is no role '{text[:40]}'", field="role", hint=", ".join(Role)) from error


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError as error:
        raise Refused(f"there is no scope '{text[:40]}'", field="scopes", hint=", ".join(Scope)) from error


def _expiry(days: str, now: datetime) -> datetime | None:
    if not days:
        return None
    if not days.isdigit() or not 0 < int(days[:6]) <= 3650:
        raise Refused("the expiry must be 1 to 3650 days", field="days")
    return now + timedelta(days=int(days))


def _day(text: str | None) -> datetime | None:
    """The start of a day, in UTC; nonsense filters nothing."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None
