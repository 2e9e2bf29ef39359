"""One RPC socket: carries frames between Granian and the wire peer, runs the calls, bounds what waits.

Slow readers hold back their own streams and their own requests, nobody else's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from google.protobuf.message import Message

from dxops.base.errors import DxopsError
from dxops.wire import dxrpc

log = logging.getLogger(__name__)

_MAX_WAITING: Final = 64  # frames not yet taken by the client before its socket is read no further
_SEND_TIMEOUT_S: Final = 30.0
_GOING_AWAY: Final = 1001
_CLOSED, _BYTES = 0, 1  # Granian's message kinds


class Session(msgspec.Struct, kw_only=True):
    """Who is at the other end. `local`: a program on this machine, neither a web page nor behind a proxy.

    `credential` is the token of the upgrade request, if any; `nonce` the challenge of this socket, until `nonce_until`
    on the monotonic clock.
    """

    environment: str
    ip: str
    local: bool
    page: bool
    credential: str | None = None
    nonce: bytes | None = None
    nonce_until: float = 0.0


class Endpoint(msgspec.Struct, frozen=True):
    """A method and who answers it: an async function, or an async generator where the method is a stream."""

    method: dxrpc.Method
    run: Callable[[Session, Any], Awaitable[Message]] | Callable[[Session, Any], AsyncIterator[Message]]


Service = Mapping[str, Endpoint]
"""Endpoints by full method name."""


class Transport(Protocol):
    """Granian's accepted WebSocket."""

    async def receive(self) -> Any: ...

    async def send_bytes(self, data: bytes) -> None: ...


class Socket:
    """Serves `service` on one accepted socket. `close` is Granian's, with a WebSocket status."""

    def __init__(
        self, transport: Transport, close: Callable[[int], object], session: Session, service: Service
    ) -> None:
        self._transport = transport
        self._close = close
        self._session = session
        self._service = service
        self._peer = dxrpc.Peer({name: endpoint.method for name, endpoint in service.items()})
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()
        self._ending: dxrpc.Close | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Say goodbye (1001) soon: the node stops, clients find it again."""
        self._stopping.set()

    async def run(self) -> None:
        """Until the client leaves, breaks the protocol, or `stop`."""
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(self._read())
        stopper = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((reader, writer, stopper), return_when=asyncio.FIRST_COMPLETED)
            if stopper.done():
                self._ending = self._ending or dxrpc.Close(_GOING_AWAY, "the node stops")
            if self._ending is not None:
                await self._flush(writer)
        finally:
            self._obey(self._peer.handle(dxrpc.Gone()))
            for task in (reader, writer, stopper):
                task.cancel()
            await asyncio.gather(reader, writer, stopper, *self._calls.values(), return_exceptions=True)
            if self._ending is not None:
                log.info("rpc socket closed", extra={"reason": self._ending.reason, "ip": self._session.ip})
                self._close(self._ending.code)

    async def _read(self) -> None:
        while self._ending is None:
            message = await self._transport.receive()
            if message.kind == _CLOSED:
                return
            event = dxrpc.Frame(message.data) if message.kind == _BYTES else dxrpc.Text()
            self._obey(self._peer.handle(event))
            await self._room.wait()

    async def _write(self) -> None:
        while True:
            data = await self._outgoing.get()
            try:
                await asyncio.wait_for(self._transport.send_bytes(data), _SEND_TIMEOUT_S)
            except TimeoutError:
                self._ending = dxrpc.Close(_GOING_AWAY, f"the client took nothing for {_SEND_TIMEOUT_S:.0f} s")
                return
            except RuntimeError:  # Granian's: the connection is gone
                return
            finally:
                self._outgoing.task_done()
            if self._outgoing.qsize() < _MAX_WAITING:
                self._room.set()

    async def _flush(self, writer: asyncio.Task[None]) -> None:
        drained = asyncio.create_task(self._outgoing.join())
        await asyncio.wait((drained, writer), timeout=_SEND_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        drained.cancel()

    def _obey(self, commands: list[dxrpc.Command]) -> None:
        for command in commands:
            match command:
                case dxrpc.Send(data):
                    self._outgoing.put_nowait(data)
                    if self._outgoing.qsize() >= _MAX_WAITING:
                        self._room.clear()
                case dxrpc.Begin():
                    task = asyncio.create_task(self._call(command))
                    self._calls[command.id] = task
                    task.add_done_callback(partial(self._forget, command.id))
                case dxrpc.Cancel(call):
                    if (running := self._calls.get(call)) is not None:
                        running.cancel()
                case dxrpc.Close():
                    self._ending = command

    def _forget(self, call: int, task: asyncio.Task[None]) -> None:
        if self._calls.get(call) is task:  # the id may be in use again
            del self._calls[call]

    async def _call(self, begin: dxrpc.Begin) -> None:
        endpoint = self._service[begin.method]
        try:
            answer: Any = endpoint.run(self._session, begin.request)
            if endpoint.method.stream:
                self._obey(self._peer.handle(dxrpc.Ready(begin.id)))
                await self._stream(begin.id, answer)
            else:
                self._obey(self._peer.handle(dxrpc.Reply(begin.id, await answer)))
        except DxopsError as error:
            text = f"{error.message} ({error.hint})" if error.hint else error.message
            log.info(
                "rpc refused",
                extra={"method": begin.method, "code": error.code, "reason": error.message, "ip": self._session.ip},
            )
            self._obey(self._peer.handle(dxrpc.Fail(begin.id, text)))
        except Exception:
            log.exception("rpc failed", extra={"method": begin.method})
            text = f"{begin.method} failed inside the node; its log says why"
            self._obey(self._peer.handle(dxrpc.Fail(begin.id, text)))

    async def _stream(self, call: int, messages: Any) -> None:
        try:
            async for message in messages:
                self._obey(self._peer.handle(dxrpc.Item(call, message)))
                await self._room.wait()
            self._obey(self._peer.handle(dxrpc.End(call)))
        finally:
            await messages.aclose()
