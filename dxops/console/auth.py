"""Signing in and out."""

from __future__ import annotations

import base64
import math
from typing import Any, Final

from litestar import Request, Response, Router, get, post
from litestar.enums import MediaType
from litestar.params import FromQuery
from litestar.response import Redirect

from dxops.base.clock import Clock
from dxops.base.errors import DxopsError, Forbidden, Missing, Throttled, Unauthenticated, Unavailable
from dxops.base.ids import new_secret
from dxops.console.rendering import render
from dxops.console.security import local_path
from dxops.console.sessions import (
    address_of,
    cookie,
    cookie_for,
    no_session_cookie,
    oidc_cookie,
    oidc_cookie_name,
    page_context,
    session_cookie_name,
    session_of,
)
from dxops.rooms.accounts.oidc import Oidc
from dxops.rooms.accounts.service import Accounts

AnyRequest = Request[Any, Any, Any]

_OIDC_S = 600  # how long someone may take at the provider
_MAX_FORM = 16_384
_STATUS: Final = ((Unauthenticated, 401), (Throttled, 429), (Unavailable, 503), (DxopsError, 403))


def router(accounts: Accounts, clock: Clock) -> Router:
    """`/login`, `/logout`, `/login/oidc` and the way back from the provider."""

    @get("/login")
    async def login_page(request: AnyRequest, next: FromQuery[str] = "/") -> Response[Any]:
        """The form; someone who is signed in goes on at once."""
        if session_of(request) is not None:
            return Redirect(local_path(next), status_code=303)
        return _form(accounts, request, next=next)

    @post("/login", request_max_body_size=_MAX_FORM)
    async def login(request: AnyRequest) -> Response[Any]:
        """Name and password. Takes forms of our own page only, so that no one is signed in as someone else unawares."""
        _require_own_page(request)
        form = await request.form()
        name, password, target = (str(form.get(key) or "") for key in ("name", "password", "next"))
        try:
            signed_in = await accounts.sessions.login(
                name,
                password,
                ip=_client_ip(request),
                user_agent=request.headers.get("user-agent"),
                replaces=_session_secret(request),
            )
        except (Unauthenticated, Throttled) as error:
            return _form(accounts, request, next=target, name=name, error=error)
        response: Response[Any] = Redirect(local_path(target), status_code=303)
        response.set_cookie(cookie_for(request, signed_in, clock.now()))
        return response

    @post("/logout", request_max_body_size=_MAX_FORM)
    async def logout(request: AnyRequest) -> Response[Any]:
        """Ends the session, not only the cookie."""
        _require_own_page(request)
        if secret := _session_secret(request):
            await accounts.sessions.logout(secret)
        response: Response[Any] = Redirect("/login", status_code=303)
        response.set_cookie(no_session_cookie(address_of(request)))
        return response

    @get("/login/oidc")
    async def to_provider(request: AnyRequest, next: FromQuery[str] = "/") -> Response[Any]:
        """On to the identity provider. The cookie holds what ties its answer to this browser."""
        oidc = _configured(accounts)
        secret = new_secret("oid")
        try:
            url = await oidc.start_url(secret, _redirect_uri(request))
        except Unavailable as error:
            return _form(accounts, request, next=next, error=error)
        response: Response[Any] = Redirect(url, status_code=303)
        value = f"{secret}.{_packed(local_path(next))}"
        response.set_cookie(oidc_cookie(value, address_of(request), max_age_s=_OIDC_S))
        return response

    @get("/login/oidc/callback")
    async def from_provider(request: AnyRequest) -> Response[Any]:
        """Back from the provider. Goes on through a page of ours: a redirect would still count as started by the
        provider's site, and the strict session cookie would stay behind."""
        oidc = _configured(accounts)
        address = address_of(request)
        held = cookie(request.headers.get("cookie"), oidc_cookie_name(tls=address.tls)) or ""
        secret, _, packed = held.partition(".")
        target = local_path(_unpacked(packed))
        try:
            if not secret:
                raise Unauthenticated("the sign-in took too long or began in another browser", hint="try again")
            person = await oidc.person(secret, _redirect_uri(request), dict(request.query_params))
            signed_in = await accounts.sessions.open_for(
                person,
                method="oidc",
                ip=_client_ip(request),
                user_agent=request.headers.get("user-agent"),
                replaces=_session_secret(request),
            )
        except (Unauthenticated, Forbidden, Unavailable) as error:
            response = _form(accounts, request, next=target, error=error)
        else:
            response = Response(render("continue.html", {"target": target}), media_type=MediaType.HTML)
            response.set_cookie(cookie_for(request, signed_in, clock.now()))
        response.set_cookie(oidc_cookie("", address, max_age_s=0))
        return response

    return Router("/", route_handlers=[login_page, login, logout, to_provider, from_provider], include_in_schema=False)


def _configured(accounts: Accounts) -> Oidc:
    if accounts.oidc is None:
        raise Missing("no identity provider is configured", hint="set accounts.oidc in dxops.toml")
    return accounts.oidc


def _redirect_uri(request: AnyRequest) -> str:
    return f"{address_of(request).origin}/login/oidc/callback"


def _client_ip(request: AnyRequest) -> str | None:
    found = request.scope.get("client_ip")
    return found if isinstance(found, str) else None


def _packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _unpacked(packed: str) -> str:
    try:
        return base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
    except ValueError:
        return ""


def _form(
    accounts: Accounts,
    request: AnyRequest,
    *,
    next: str,
    name: str = "",
    error: DxopsError | None = None,
) -> Response[Any]:
    context = page_context(request) | {
        "next": local_path(next),
        "name": name[:200],
        "error": None if error is None else _said(error),
        "oidc_label": None if accounts.oidc is None else accounts.oidc.label,
    }
    status = 200 if error is None else _status_of(error)
    wait = error.retry_after_s if isinstance(error, Throttled | Unavailable) else None
    headers = {} if wait is None else {"retry-after": str(math.ceil(wait))}
    return Response(render("login.html", context), status_code=status, headers=headers, media_type=MediaType.HTML)


def _status_of(error: DxopsError) -> int:
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def _said(error: DxopsError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _session_secret(request: AnyRequest) -> str | None:
    header = request.headers.get("cookie")
    return cookie(header, session_cookie_name(tls=address_of(request).tls))


def _require_own_page(request: AnyRequest) -> None:
    refusal = request.scope.get("page_refusal")
    if refusal:
        raise Forbidden(str(refusal), code="foreign_origin", hint="open the login page and sign in there")
