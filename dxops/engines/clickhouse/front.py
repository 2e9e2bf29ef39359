"""The ClickHouse HTTP protocol over `Store`, for Granian's ASGI interface (which waits for slow clients).

What is different from a server of ClickHouse: no sessions, no external tables, no block compression of its own
(`compress=1`), one statement a request, `dxops` and `reader` as the only users. See docs/inside/store.md.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from dxops.base.asgi import Gone, Receive
from dxops.engines.clickhouse.access import OWNER, READER
from dxops.engines.clickhouse.chdb import EngineError
from dxops.engines.clickhouse.exchange import Asked, Exchange
from dxops.engines.clickhouse.lanes import Busy
from dxops.engines.clickhouse.requests import answer
from dxops.engines.clickhouse.store import Store
from dxops.wire.clickhouse_http import BadRequest, Call, error_text, parse_call, status_of

log = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]

_NAMES = {36: "BAD_ARGUMENTS", 48: "NOT_IMPLEMENTED", 62: "SYNTAX_ERROR", 115: "UNKNOWN_SETTING", 164: "READONLY",
          202: "TOO_MANY_SIMULTANEOUS_QUERIES", 307: "TOO_MANY_BYTES", 516: "AUTHENTICATION_FAILED",
          33: "CANNOT_READ_ALL_DATA", 354: "ZLIB_INFLATE_FAILED"}  # fmt: skip


class Front:
    """`passwords` by user, `dxops` and `reader`."""

    def __init__(self, store: Store, passwords: Mapping[str, str]) -> None:
        self._store = store
        self._passwords = {user: passwords[user].encode() for user in (OWNER, READER)}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(send)
        try:
            await self._route(scope, receive, exchange)
        except Gone:
            return
        except BadRequest as error:
            await exchange.fail(status_of(error.code), error.code, _worded(error.code, str(error)))
        except Busy as error:
            text = _worded(202, f"Too many simultaneous queries: {error}")
            await exchange.fail(503, 202, text, [(b"retry-after", str(error.retry_after_s).encode())])
        except EngineError as error:
            headers = [(b"retry-after", b"1")] if status_of(error.code) == 503 else []
            await exchange.fail(status_of(error.code), error.code, error.text, headers)
        except Exception:
            log.exception("a request failed")
            await exchange.fail(500, 1002, error_text(1002, "something went wrong on our side", "UNKNOWN_EXCEPTION"))

    async def _route(self, scope: dict[str, Any], receive: Receive, exchange: Exchange) -> None:
        path, method = scope["path"], scope["method"]
        if path in ("/ping", "/replicas_status") and method in ("GET", "HEAD"):
            if self._store.stopping:
                raise Busy("the store is stopping")
            await asyncio.wait_for(self._store.ping(), 5)
            await exchange.plain(200, b"Ok.\n")
            return
        if path not in ("/", "") or method not in ("GET", "HEAD", "POST"):
            await exchange.plain(404, b"There is no such handle; use / with GET or POST, /ping or /replicas_status\n")
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        call = parse_call(scope["query_string"], headers)
        user = self._user(call)
        if user is None:
            text = "Authentication failed: password is incorrect, or there is no user with such name"
            status = 403 if call.credential is not None else 401
            extra = [(b"www-authenticate", b'Basic realm="ClickHouse"')] if status == 401 else []
            await exchange.fail(status, 516, _worded(516, text), extra)
            return
        exchange.query_id = call.query_id or str(uuid.uuid4())
        asked = Asked(call=call, headers=headers, reads_only=user == READER, changes=method == "POST")
        await answer(self._store, asked, receive, exchange)

    def _user(self, call: Call) -> str | None:
        """Compares with every user in constant time, so that neither name nor password shows in the time it takes."""
        given = call.credential
        if given is None:
            return None
        found = None
        for user, password in self._passwords.items():
            same_name = hmac.compare_digest(user.encode(), given.user.encode())
            if hmac.compare_digest(password, given.password.encode()) & same_name:
                found = user
        return found


def _worded(code: int, message: str) -> str:
    return error_text(code, message, _NAMES.get(code, "BAD_ARGUMENTS"))
