"""The command line's way to a running system: its own JSON API, with the data directory's token.

`DXOPS_URL` and `DXOPS_TOKEN` reach a system on another machine instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from dxops.app.data import DataDirectory
from dxops.app.endpoints import endpoints
from dxops.base.errors import (
    Conflict,
    DxopsError,
    Forbidden,
    Missing,
    Refused,
    Unauthenticated,
    Unavailable,
    Unreadable,
)

_KINDS: dict[int, type[DxopsError]] = {401: Unauthenticated, 403: Forbidden, 404: Missing, 409: Conflict}
_TIMEOUT = httpx.Timeout(30.0, read=600.0, write=600.0)


class ApiClient:
    """Calls to `/api`. Every method raises the same errors as the service behind it, rebuilt from the answer, and
    `Unavailable` where nothing answers."""

    def __init__(self, client: httpx.Client) -> None:
        self.http = client

    def get(self, path: str, **query: Any) -> Any:  # Any: decoded JSON
        """GET `/api<path>`; parameters that are None are left out."""
        return self.request("GET", path, params={key: value for key, value in query.items() if value is not None})

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        """POST JSON."""
        return self.request("POST", path, json=body, params={k: v for k, v in query.items() if v is not None})

    def delete(self, path: str) -> Any:
        """DELETE."""
        return self.request("DELETE", path)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Any call; `options` as `httpx.Client.request`. The decoded JSON answer, None for an empty one."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.TransportError as error:
            raise _unreachable(self.http, error) from error
        raise_for_error(answer)
        return answer.json() if answer.content else None

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """An answer read as it comes."""
        try:
            with self.http.stream(method, path, **options) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise_for_error(answer)
                yield answer
        except httpx.TransportError as error:
            raise _unreachable(self.http, error) from error

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Every item of a cursor-paged list."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return


@contextmanager
def open_client(data: DataDirectory) -> Iterator[ApiClient]:
    """A client for `$DXOPS_URL` with `$DXOPS_TOKEN`, else for the system of `data`. Raises `Missing` before its first
    start."""
    url, token = os.environ.get("DXOPS_URL"), os.environ.get("DXOPS_TOKEN")
    if not url:
        found = endpoints(data, data.settings())
        url, token = found["api_url"], token or found["api_token"]
    elif not url.rstrip("/").endswith("/api"):
        url = f"{url.rstrip('/')}/api"
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT, follow_redirects=False) as client:
        yield ApiClient(client)


def raise_for_error(answer: httpx.Response) -> None:
    """Rebuild the error of an answer of 400 or more."""
    if answer.status_code < 400:
        return
    try:
        told = answer.json()["error"]
        message, code, hint, field = (told.get(key) for key in ("message", "code", "hint", "field"))
        position = told.get("position")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code, hint, field = f"{answer.request.url} answered {answer.status_code}", None, None, None
        position = None
    if isinstance(position, int):
        raise Unreadable(message, code=code, hint=hint, field=field, position=position, length=told.get("length"))
    kind = _KINDS.get(answer.status_code, Unavailable if answer.status_code >= 500 else Refused)
    raise kind(message, code=code, hint=hint, field=field)


def _unreachable(client: httpx.Client, error: httpx.TransportError) -> Unavailable:
    return Unavailable(
        f"{client.base_url} does not answer: {error or type(error).__name__}",
        hint="is the system up? see `dxops status`, start it with `dxops up`",
    )
