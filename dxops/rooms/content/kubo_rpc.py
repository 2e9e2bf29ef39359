"""Kubo RPC: `/api/v0/*` and `/ipfs/api/*`, the calls that IPFS clients and the dx CLI make (docs/protocols/ipfs.md).

This module admits, dispatches and answers errors; the calls are in `kubo_add`, `kubo_read`, `kubo_pins`, `kubo_node`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

import msgspec

from dxops.base.actors import Actor, Scope
from dxops.base.asgi import Receive
from dxops.base.errors import DxopsError, Forbidden, Unavailable
from dxops.base.ports import Authenticator
from dxops.rooms.content import exchange as http
from dxops.rooms.content import kubo_add, kubo_blocks, kubo_node, kubo_pins, kubo_read
from dxops.rooms.content.exchange import Cut, Exchange, Gone
from dxops.rooms.content.kubo_call import Call
from dxops.rooms.content.kubo_guard import Guard
from dxops.rooms.content.service import ContentService
from dxops.wire.kubo import Query, error_body, error_line

log = logging.getLogger(__name__)

_BASES: Final = (b"/api/v0/", b"/ipfs/api/v0/", b"/ipfs/api/")


class Route(msgspec.Struct, frozen=True):
    """A call and the scopes of which one is needed."""

    run: Callable[[Call], Awaitable[None]]
    scopes: Collection[Scope]


_LOOK: Final = (Scope.READ, Scope.PUBLISH, Scope.CONTENT)
_WRITE: Final = (Scope.PUBLISH, Scope.CONTENT)
_REMOVE: Final = (Scope.CONTENT,)

ROUTES: Final[Mapping[str, Route]] = {
    "add": Route(kubo_add.add, _WRITE),
    "cat": Route(kubo_read.cat, _LOOK),
    "ls": Route(kubo_read.ls, _LOOK),
    "get": Route(kubo_read.get, _LOOK),
    "refs": Route(kubo_read.refs, _LOOK),
    "resolve": Route(kubo_read.resolve, _LOOK),
    "files/stat": Route(kubo_read.files_stat, _LOOK),
    "pin/add": Route(kubo_pins.pin_add, _WRITE),
    "pin/ls": Route(kubo_pins.pin_ls, _LOOK),
    "pin/rm": Route(kubo_pins.pin_rm, _REMOVE),
    "block/get": Route(kubo_blocks.block_get, _LOOK),
    "block/put": Route(kubo_blocks.block_put, _WRITE),
    "block/stat": Route(kubo_blocks.block_stat, _LOOK),
    "dag/get": Route(kubo_blocks.dag_get, _LOOK),
    "dag/put": Route(kubo_blocks.dag_put, _WRITE),
    "dag/export": Route(kubo_blocks.dag_export, _LOOK),
    "dag/import": Route(kubo_blocks.dag_import, _WRITE),
    "dag/stat": Route(kubo_blocks.dag_stat, _LOOK),
    "dag/resolve": Route(kubo_blocks.dag_resolve, _LOOK),
    "repo/stat": Route(kubo_node.repo_stat, _LOOK),
    "repo/gc": Route(kubo_node.repo_gc, (Scope.OPERATE,)),
    "id": Route(kubo_node.node_id, _LOOK),
    "version": Route(kubo_node.version, _LOOK),
    "swarm/peers": Route(kubo_node.swarm_peers, _LOOK),
}


class KuboRpc:
    """The listener, an ASGI callable."""

    def __init__(
        self,
        content: ContentService,
        authenticator: Authenticator | None,
        *,
        hosts: Collection[str] = (),
        more_hosts: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`authenticator` None: no credential is asked for (loopback only). `hosts` as `Guard`."""
        self._content = content
        self._guard = Guard(authenticator, hosts, more_hosts)

    async def __call__(self, scope: http.Scope, receive: Receive, send: http.Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        try:
            await self._answer(exchange)
        except (Cut, Gone):
            log.info("kubo rpc: the client left", extra={"path": exchange.path.decode("latin-1")})
        except DxopsError as error:
            await _fail(exchange, error)
        except OSError as error:  # a full or broken disk, told as it is
            log.exception("kubo rpc: the disk failed")
            await _fail(exchange, Unavailable(f"the disk does not take it: {error.strerror or error}"))
        except Exception as error:
            log.exception("kubo rpc: call failed", extra={"path": exchange.path.decode("latin-1")})
            if exchange.started:
                raise
            await exchange.reply(500, _json(), error_line(f"internal error ({type(error).__name__}); see the log"))
        finally:
            exchange.close()

    async def _answer(self, exchange: Exchange) -> None:
        name = _call_name(exchange.path)
        if name is None:
            await exchange.reply(404, [("content-type", "text/plain")], b"404 page not found\n")
            return
        actor = await self._guard.admit(exchange)
        if exchange.method != "POST":
            await exchange.reply(
                405, [("allow", "POST"), ("content-type", "text/plain")], b"405 - Method Not Allowed\n"
            )
            return
        route = ROUTES.get(name)
        if route is None:
            await exchange.reply(404, _json(), error_line(f"this node has no call '{name[:60]}'", 1))
            return
        _require(actor, route)
        await route.run(Call(exchange, Query(exchange.query), self._content, actor))


def _require(actor: Actor, route: Route) -> None:
    if not any(actor.may(scope) for scope in route.scopes):
        names = " or ".join(scope.value for scope in route.scopes)
        raise Forbidden(f"{actor.name} may not do this", hint=f"use a token with the scope {names}")


def _call_name(path: bytes) -> str | None:
    for base in _BASES:
        if path.startswith(base):
            return path[len(base) :].strip(b"/").decode("ascii", "replace")
    return None


def _json() -> list[tuple[str, str]]:
    return [("content-type", "application/json")]


async def _fail(exchange: Exchange, error: DxopsError) -> None:
    """Before the answer began: its status. After: one error line, which every client takes for the end."""
    status, body = error_body(error)
    await exchange.drain()
    if exchange.started:
        if not exchange.in_lines:
            raise error  # bytes with a stated length: the server closes the connection, the client sees a short body
        await exchange.end(body)
        return
    headers = _json()
    if status == 401:
        headers.append(("www-authenticate", 'Basic realm="dxops", charset="UTF-8"'))
    if isinstance(error, Unavailable):
        headers.append(("retry-after", str(max(1, round(error.retry_after_s)))))
    await exchange.reply(status, headers, body)
