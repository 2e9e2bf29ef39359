"""Reading browser requests: who asks, what a form holds, where to go afterwards."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response

from dxops.base.actors import Actor, Scope
from dxops.base.errors import DxopsError, Forbidden, Missing, Throttled, Unavailable
from dxops.base.web import actor_of

AnyRequest = Request[Any, Any, Any]

DONE: Final = {
    "promoted": "Promoted. The same content is live there now.",
    "rolled-back": "Rolled back. The earlier release is live again.",
    "person-changed": "Saved.",
    "person-removed": "Removed. What they did stays in the audit log.",
    "session-ended": "That session is signed out.",
    "password-changed": "Your password is changed; your other sessions are signed out.",
    "token-revoked": "Revoked. The token stops working at once.",
    "pinned": "Pinned. The content stays until it is unpinned.",
    "unpinned": "Unpinned.",
    "redriven": "Given back. The records are loaded like fresh ones; those that are refused again come back here.",
    "retention-set": "Saved. What is over the limits goes ten minutes from now; until then it can be taken back.",
    "retention-unset": "Taken back. The policy or the default holds again.",
    "discarded": "Discarded. The audit log says how many and by whom.",
}
"""What a page says after a redirect, by the code in `?done=`: an address can choose a sentence, not write one."""


def reader(request: AnyRequest) -> Actor:
    """The one who asks, who may look. Raises `Unauthenticated`, `Forbidden`."""
    actor = actor_of(request)
    actor.require(Scope.READ)
    return actor


def done_of(request: AnyRequest) -> str:
    """What to confirm on this page, or nothing."""
    return DONE.get(request.query_params.get("done", ""), "")


async def fields_of(request: AnyRequest) -> dict[str, list[str]]:
    """A form's text fields; a field that is there several times keeps every value."""
    form = await request.form()
    found: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found


async def form_of(request: AnyRequest) -> dict[str, str]:
    """A form's text fields, the last value of each, stripped."""
    return {name: values[-1].strip() for name, values in (await fields_of(request)).items()}


def see(path: str, **query: str | None) -> Response[str]:
    """Go there next."""
    chosen = {key: value for key, value in query.items() if value}
    location = f"{path}?{urlencode(chosen)}" if chosen else path
    return Response("", status_code=303, headers={"Location": location, "Cache-Control": "no-store"})


def status_of(error: DxopsError) -> int:
    """The status of a page that shows a form again, with what was wrong with it."""
    if isinstance(error, Forbidden):
        return 403
    if isinstance(error, Missing):
        return 404
    if isinstance(error, Throttled):
        return 429
    return 503 if isinstance(error, Unavailable) else 422


def limit_text(text: str | None, limit: int = 200) -> str | None:
    """A query parameter as used in a filter; None when empty."""
    return text.strip()[:limit] or None if text else None
