"""The application of ports 8000 and 8443: `/api` and the console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from litestar import Litestar, Request, Router
from litestar.datastructures import State
from litestar.enums import RequestEncodingType, ScopeType
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send

from dxops.app import web_docs, web_health
from dxops.app.settings import Settings
from dxops.app.web_errors import on_error
from dxops.app.web_gate import Gate
from dxops.base.clock import Clock
from dxops.base.errors import Forbidden
from dxops.base.ports import Roles
from dxops.console import auth
from dxops.console.security import SAFE_METHODS, HostRule, listen_hosts
from dxops.console.sessions import csrf_matches
from dxops.rooms.accounts import http as accounts_http
from dxops.rooms.accounts.service import Accounts

_MAX_BODY = 1_048_576  # bytes of a request body; a route that takes uploads sets its own `request_max_body_size`

_TOKENLESS = ("/login",)
"""Forms that were drawn before there was a session, like a login page left open in a second tab. The route itself
insists on our own origin."""


class House(Protocol):
    """What the application is made of. `api_routers` are the other rooms' routes, mounted below `/api`;
    `console_routes` are the pages, mounted at the root."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def api_routers(self) -> Sequence[Router]: ...
    @property
    def console_routes(self) -> Sequence[ControllerRouterHandler]: ...


def make_web_app(house: House) -> ASGIApp:
    """The whole application, for Granian's ASGI interface. Needs no lifespan."""
    settings = house.settings
    hosts = HostRule(
        [*listen_hosts((settings.listen.console, settings.listen.console_tls)), *settings.console.hosts],
        settings.console.url,
    )
    return Gate(
        make_litestar(house),
        hosts,
        house.accounts.tokens,
        house.accounts.sessions,
        settings.console.trusted_proxies,
    )


def make_litestar(house: House) -> Litestar:
    """The routes, without the gate before them."""
    routers = [
        web_docs.router(),
        web_health.router(house.roles),
        accounts_http.router(house.accounts),
        *house.api_routers,
    ]
    api = Router("/api", route_handlers=routers)
    pages = Router(
        "/",
        route_handlers=[auth.router(house.accounts, house.clock), *house.console_routes],
        include_in_schema=False,
    )
    return _Lean(
        route_handlers=[api, pages],
        middleware=[csrf_middleware],
        exception_handlers={Exception: on_error},
        openapi_config=web_docs.openapi_config(),
        request_max_body_size=_MAX_BODY,
        logging_config=None,
        state=State({"troubles": getattr(house, "troubles", tuple)}),  # for the banner of every page
    )


class _Lean(Litestar):
    """Without the plugins for pydantic and attrs, which nothing of ours is made of: importing those takes a tenth of a
    second and megabytes, only because some other package brings them."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def csrf_middleware(app: ASGIApp) -> ASGIApp:
    """A browser session's request that changes something carries its token, in `X-CSRF-Token` or a form's field
    `csrf_token`. Not a route's business: none can forget it."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        secret = None if scope["path"] in _TOKENLESS else scope.get("session_secret")
        if isinstance(secret, str) and scope["type"] == ScopeType.HTTP and scope["method"] not in SAFE_METHODS:
            request: Request[Any, Any, Any] = Request(scope, receive, send)
            sent = request.headers.get("x-csrf-token")
            if sent is None and request.content_type[0] in (
                RequestEncodingType.URL_ENCODED,
                RequestEncodingType.MULTI_PART,
            ):
                field = (await request.form()).get("csrf_token")
                sent = field if isinstance(field, str) else None
            if not csrf_matches(secret, sent):
                raise Forbidden(
                    "the form's token is missing or of another session",
                    code="csrf",
                    hint="reload the page and send the form again",
                )
        await app(scope, receive, send)

    return checked
