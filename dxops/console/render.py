"""Templates to responses. One Jinja environment for the whole console: everything escaped, nothing undefined."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from markupsafe import Markup

from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock, rfc3339
from dxops.console import words
from dxops.console.assets import Assets

TEMPLATES: Final = Path(__file__).parent / "templates"
THEME_COOKIE: Final = "dx_theme"

NAVIGATION: Final = (
    ("Operate", (("/", "layout-grid", "Operations", "o"), ("/runs", "rocket", "Publishes", "r"))),
    ("Content", (("/content", "boxes", "Content", "c"),)),
    (
        "Accounts",
        (
            ("/people", "users", "People", "p"),
            ("/tokens", "key-round", "Tokens", "t"),
            ("/audit", "scroll-text", "Audit log", "a"),
        ),
    ),
    ("Installation", (("/system", "server", "System", "s"),)),
)


class Renderer:
    """Makes pages. Thread-safe; `csrf_of` gives the token that forms of this request must send back."""

    def __init__(self, assets: Assets, clock: Clock, *, version: str = "") -> None:
        self.assets = assets
        self._clock = clock
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {
            "asset": assets.url,
            "icon": self._icon,
            "navigation": NAVIGATION,
            "product_version": version,
            "plural": words.plural,
            "Scope": Scope,
            "assets_missing": assets.missing,
        }
        self._environment.filters |= {
            "size": words.size,
            "signed_size": words.signed_size,
            "lasting": words.lasting,
            "short_cid": words.short_cid,
            "short_commit": words.short_commit,
            "host": words.host_of,
            "initials": words.initials,
            "rfc3339": lambda moment: "" if moment is None else rfc3339(moment),
            "age": self._age,
        }

    def page(
        self,
        request: Request[Any, Any, Any],
        template: str,
        context: Mapping[str, object] | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response[str]:
        """A page, or a fragment of one, as HTML. Never stored by caches: it is made for one person."""
        body = self.text(request, template, context)
        return Response(
            body,
            status_code=status,
            media_type="text/html; charset=utf-8",
            headers={"Cache-Control": "no-store", "Vary": "HX-Request, Cookie"} | dict(headers or {}),
        )

    def text(
        self, request: Request[Any, Any, Any], template: str, context: Mapping[str, object] | None = None
    ) -> str:
        """The HTML alone."""
        actor = request.scope.get("actor")
        common: dict[str, object] = {
            "actor": actor if isinstance(actor, Actor) else None,
            "path": request.url.path,
            "theme": _theme(request),
            "csrf_token": str(request.scope.get("csrf_token") or ""),
            "partial": request.headers.get("HX-Request") == "true",
            "now": self._clock.now(),
        }
        return self._environment.get_template(template).render({**common, **(context or {})})

    def _icon(self, name: str, extra: str = "") -> Markup:
        # Both arguments are written in our templates; the drawing is our build's own output.
        return Markup(  # noqa: S704
            f'<svg class="icon{" " + extra if extra else ""}" viewBox="0 0 24 24" aria-hidden="true">'
            f"{self.assets.drawing(name)}</svg>"
        )

    def _age(self, moment: datetime | None) -> str:
        return words.age(moment, self._clock.now())


def _theme(request: Request[Any, Any, Any]) -> str:
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in ("light", "dark") else "system"
