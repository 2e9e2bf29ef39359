"""Signing in and out."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.enums import MediaType
from litestar.params import FromQuery
from litestar.response import Redirect

from dxops.base.clock import Clock
from dxops.base.errors import DxopsError, Forbidden, Throttled, Unauthenticated
from dxops.console.rendering import render
from dxops.console.security import local_path
from dxops.console.sessions import (
    address_of,
    cookie,
    cookie_for,
    no_session_cookie,
    page_context,
    session_cookie_name,
    session_of,
)
from dxops.rooms.accounts.service import Accounts

AnyRequest = Request[Any, Any, Any]

_MAX_FORM = 16_384


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
                ip=request.scope["client_ip"],  # type: ignore[typeddict-item]  # put there by the gate
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

    return Router("/", route_handlers=[login_page, login, logout], include_in_schema=False)


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
        "oidc_label": None,
    }
    status = 200 if error is None else 429 if isinstance(error, Throttled) else 401
    headers = {"retry-after": str(int(error.retry_after_s) + 1)} if isinstance(error, Throttled) else {}
    return Response(render("login.html", context), status_code=status, headers=headers, media_type=MediaType.HTML)


def _said(error: DxopsError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _session_secret(request: AnyRequest) -> str | None:
    header = request.headers.get("cookie")
    return cookie(header, session_cookie_name(tls=address_of(request).tls))


def _require_own_page(request: AnyRequest) -> None:
    refusal = request.scope.get("page_refusal")
    if refusal:
        raise Forbidden(str(refusal), code="foreign_origin", hint="open the login page and sign in there")
