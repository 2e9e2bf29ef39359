"""The one table from errors to answers: JSON for `/api`, a page for browsers, never a traceback."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, ValidationException
from sqlalchemy.exc import DataError

from dxops.base.errors import (
    Conflict,
    DxopsError,
    Forbidden,
    Missing,
    Refused,
    Throttled,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unreadable,
)
from dxops.console.rendering import render

log = logging.getLogger(__name__)


class Misdirected(Refused):
    """The request names a host that is not ours."""

    default_code = "misdirected"


_STATUS: tuple[tuple[type[DxopsError], int], ...] = (
    (Misdirected, 421),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (TooLarge, 413),
    (Throttled, 429),
    (Refused, 400),
    (Missing, 404),
    (Conflict, 409),
    (Unavailable, 503),
)
_CODES = {400: "refused", 401: "unauthenticated", 403: "forbidden", 404: "missing", 405: "method", 413: "too_large"}
_TITLES = {404: "There is nothing here", 403: "You may not do this", 503: "Not available now", 429: "Too many tries"}


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong: `code` for programs, `message` and `hint` for people, `field` names the offending input. In a
    query that cannot be read, `position` (characters from 0) and `length` say where."""

    code: str
    message: str
    hint: str | None = None
    field: str | None = None
    position: int | msgspec.UnsetType = msgspec.UNSET
    length: int | msgspec.UnsetType = msgspec.UNSET


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class Failure(msgspec.Struct, frozen=True):
    """An error on its way out."""

    status: int
    detail: ErrorDetail
    headers: dict[str, str] = {}


def failure_of(error: Exception, request_id: str) -> Failure:
    """What to say about `error`. Anything unexpected is logged in full and told in one sentence."""
    if isinstance(error, DxopsError):
        return _expected(error)
    if isinstance(error, HTTPException):
        return _from_litestar(error)
    if isinstance(error, DataError) and "NUL" in str(error.orig):
        return Failure(400, ErrorDetail("invalid", "texts must not contain NUL characters"))
    log.error("a request failed", exc_info=error, extra={"request": request_id})
    detail = ErrorDetail("internal", "something went wrong on our side", f"the log has it under {request_id}")
    return Failure(500, detail)


class Answer(msgspec.Struct, frozen=True):
    """A whole response."""

    status: int
    media_type: MediaType
    body: bytes
    headers: dict[str, str] = {}


def answer_to(scope: Mapping[str, Any], error: Exception) -> Answer:
    """The answer to a failed request, in the form its client reads. `scope` is the ASGI scope."""
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    failure = failure_of(error, scope.get("request_id", "-"))
    if _is_api(scope["path"]) or "text/html" not in headers.get("accept", ""):
        return Answer(failure.status, MediaType.JSON, msgspec.json.encode(ErrorBody(failure.detail)), failure.headers)
    if failure.status == 401 and (scope["method"] in ("GET", "HEAD") or headers.get("hx-request") == "true"):
        return _to_login(scope, headers)
    context: dict[str, object] = {
        "status": failure.status,
        "title": _TITLES.get(failure.status) or HTTPStatus(failure.status).phrase,
        "code": failure.detail.code,
        "message": failure.detail.message,
        "hint": failure.detail.hint,
        "request_id": scope.get("request_id", "-"),
    }
    return Answer(failure.status, MediaType.HTML, render("error.html", context).encode(), failure.headers)


def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    answer = answer_to(request.scope, error)
    return Response(answer.body, status_code=answer.status, headers=answer.headers, media_type=answer.media_type)


def _expected(error: DxopsError) -> Failure:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {}
    if isinstance(error, Throttled | Unavailable):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="dxops"'
    detail = ErrorDetail(error.code, error.message, error.hint, error.field)
    if isinstance(error, Unreadable) and error.position is not None:
        detail = msgspec.structs.replace(detail, position=error.position, length=error.length or 0)
    return Failure(status, detail, headers)


def _from_litestar(error: HTTPException) -> Failure:
    status = error.status_code
    headers = {key: value for key, value in (error.headers or {}).items() if key.lower() != "content-type"}
    if isinstance(error, ValidationException):
        return Failure(400, _invalid(error), headers)
    if status == 404:
        return Failure(404, ErrorDetail("missing", "there is nothing at this address", "see /api/docs"), headers)
    if status >= 500:
        log.error("a request failed", exc_info=error)
        return Failure(status, ErrorDetail("internal", "something went wrong on our side"), headers)
    phrase = error.detail or HTTPStatus(status).phrase
    return Failure(status, ErrorDetail(_CODES.get(status, "refused"), phrase), headers)


def _invalid(error: ValidationException) -> ErrorDetail:
    """The first fault that Litestar found, with the name of the input it is about."""
    found = error.extra if isinstance(error.extra, list) else []
    first = found[0] if found and isinstance(found[0], dict) else {}
    message = str(first.get("message") or error.detail)
    field = first.get("key")
    return ErrorDetail("invalid", message, None, None if field is None else str(field))


def _is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def _to_login(scope: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    """Send a browser to the login page and back afterwards."""
    query = scope.get("query_string", b"").decode("latin-1")
    target = quote(scope["path"], safe="/") + (f"?{query}" if query else "")
    login = "/login" if target == "/" else f"/login?next={quote(target, safe='/')}"
    if headers.get("hx-request") == "true":
        return Answer(401, MediaType.HTML, b"", {"hx-redirect": "/login"})
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        # A link on someone else's page: the browser kept the strict cookie back. Ask again from a page of ours.
        return Answer(200, MediaType.HTML, render("continue.html", {"target": target}).encode())
    return Answer(303, MediaType.HTML, b"", {"location": login})
