"""Templates to responses. One Jinja environment for the whole console: everything escaped, nothing undefined."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from markupsafe import Markup

from dxops import __version__
from dxops.base.actors import Actor, Scope
from dxops.base.clock import SystemClock, rfc3339
from dxops.console import words
from dxops.console.assets import Assets
from dxops.console.sessions import page_context

TEMPLATES: Final = Path(__file__).parent / "templates"
THEME_COOKIE: Final = "dx_theme"

NAVIGATION: Final = (
    ("Operate", (("/", "layout-grid", "Operations", "o"), ("/runs", "rocket", "Publishes", "r"))),
    ("Observe", (("/logs", "logs", "Logs", "l"), ("/logs/retention", "hard-drive", "Retention", "e"))),
    ("Content", (("/content", "boxes", "Content", "c"),)),
    (
        "Accounts",
        (
            ("/people", "users", "People", "p"),
            ("/tokens", "key-round", "Tokens", "t"),
            ("/audit", "scroll-text", "Audit log", "a"),
        ),
    ),
    (
        "Installation",
        (("/system", "server", "System", "s"),),
    ),
)
_CLOCK: Final = SystemClock()
_NOBODY: Final[dict[str, object]] = {
    "person": None, "actor": None, "csrf": "", "path": "", "theme": "system", "troubles": ()
}  # fmt: skip


@cache
def assets() -> Assets:
    """The built front end."""
    return Assets()


@cache
def environment() -> Environment:
    """The environment of all pages. A name that a page's context lacks is an error, not an empty place."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {
        "asset": assets().url,
        "icon": _icon,
        "navigation": NAVIGATION,
        "product_version": __version__,
        "plural": words.plural,
        "Scope": Scope,
        "assets_missing": assets().missing,
    }
    made.filters |= {
        "size": words.size,
        "signed_size": words.signed_size,
        "lasting": words.lasting,
        "short_cid": words.short_cid,
        "short_commit": words.short_commit,
        "host": words.host_of,
        "initials": words.initials,
        "rfc3339": lambda moment: "" if moment is None else rfc3339(moment),
        "age": lambda moment: words.age(moment, _CLOCK.now()),
        "passed": lambda moment: words.lasting((_CLOCK.now() - moment).total_seconds()),
        "urlencode_present": _urlencode_present,
        "urlsegment": lambda text: quote(text, safe=""),
        "detail": words.detail,
        "sparkline": words.sparkline,
        "sentence": words.sentence,
        "commands": _commands,
        "json_text": words.json_text,
        "due": lambda moment: moment is not None and moment <= _CLOCK.now(),
    }
    return made


def render(template: str, context: Mapping[str, object]) -> str:
    """A page as text, for nobody in particular: sign-in, errors."""
    return environment().get_template(template).render({**_NOBODY, **context})


def page(
    request: Request[Any, Any, Any],
    template: str,
    context: Mapping[str, object] | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response[str]:
    """A page, or a fragment of one, for the one who asks. Not for caches."""
    actor = request.scope.get("actor")
    theme = request.cookies.get(THEME_COOKIE, "")
    common = {
        **page_context(request),
        "actor": actor if isinstance(actor, Actor) else None,
        "theme": theme if theme in ("light", "dark") else "system",
        "troubles": [one for one in request.app.state.get("troubles", tuple)() if one.severity != "note"],
    }
    body = environment().get_template(template).render({**common, **(context or {})})
    return Response(
        body,
        status_code=status,
        media_type="text/html; charset=utf-8",
        headers={"Cache-Control": "no-store", "Vary": "HX-Request, Cookie"} | dict(headers or {}),
    )


def is_partial(request: Request[Any, Any, Any]) -> bool:
    """True where htmx asks for a piece of a page, not a browser for a whole one."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"


def _urlencode_present(values: Mapping[str, str | None]) -> str:
    """`a=1&b=2&` of what is set, to be continued."""
    present = {key: value for key, value in values.items() if value}
    return urlencode(present) + "&" if present else ""


def _commands(text: str | None) -> Markup:
    """`words in backticks` as code, everything escaped."""
    pieces = re.split(r"`([^`]+)`", text or "")
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else piece for place, piece in enumerate(pieces)
    )


def _icon(name: str, extra: str = "") -> Markup:
    # Both arguments are written in our templates; the drawing is our build's own output.
    return Markup(  # noqa: S704
        f'<svg class="icon{" " + extra if extra else ""}" viewBox="0 0 24 24" aria-hidden="true">'
        f"{assets().drawing(name)}</svg>"
    )
