"""Binding our HTTP listeners: several Granian servers in one event loop, one process per role."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from granian.constants import Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from dxops.app.addresses import both_loopbacks, require_free
from dxops.base.errors import Unavailable

log = logging.getLogger(__name__)

_BACKLOG = 2048
_MAX_CONNECTIONS = 16384  # past this Granian accepts no more until one closes; an idle one costs 3 KB
_LAST_WORDS_S = 1.0


@runtime_checkable
class GivesUp(Protocol):
    """An application that can end its requests early, each with an answer."""

    def give_up(self) -> None:
        """Do so. Returns at once; called again it does no more."""


@runtime_checkable
class HasStreams(Protocol):
    """An application with answers that never end by themselves."""

    def end_streams(self) -> None:
        """End them. Returns at once; called again it does no more."""


@dataclass(frozen=True)
class Listener:
    """One address and what answers there. `app` is an RSGI callable, or an ASGI one with `asgi=True`."""

    name: str
    address: str
    app: Any  # Granian takes any callable of the interface's shape
    asgi: bool = False
    certificate: Path | None = None
    key: Path | None = None
    lifespan: bool = field(default=False)


class Listeners:
    """All listeners of a role. A listener on 127.0.0.1 also answers on ::1 where the machine has it, because
    `localhost` means either and some clients try only the first."""

    def __init__(self, listeners: list[Listener]) -> None:
        self._wanted = [pair for listener in listeners for pair in _addresses(listener)]
        self._servers: list[Server] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bind and serve. Raises `Unavailable` naming the listener whose port is taken."""
        for listener, host, port in self._wanted:
            require_free(listener.name, host, port)
        for listener, host, port in self._wanted:
            server = Server(
                listener.app,
                address=host,
                port=port,
                interface=_interface(listener),
                backlog=_BACKLOG,
                backpressure=_MAX_CONNECTIONS,
                log_enabled=False,
                websockets=True,
                http1_settings=HTTP1Settings(header_read_timeout=30_000, pipeline_flush=False),
                ssl_cert=listener.certificate,
                ssl_key=listener.key,
                ssl_protocol_min=SSLProtocols.tls12,
            )
            self._servers.append(server)
            self._tasks.append(asyncio.create_task(server.serve(), name=f"listener {listener.name} {host}"))
        await self._until_answering()

    async def _until_answering(self) -> None:
        for listener, host, port in self._wanted:
            for _ in range(200):
                try:
                    _, writer = await asyncio.open_connection(host, port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
            else:
                raise Unavailable(f"the listener {listener.name} on {host}:{port} does not answer")

    async def until(self, stop: asyncio.Event) -> None:
        """Until `stop`. Raises `Unavailable` when a listener ends by itself, so that the supervisor starts us again."""
        stopping = asyncio.create_task(stop.wait())
        try:
            ended, _ = await asyncio.wait({stopping, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if stopping not in ended:
            names = ", ".join(task.get_name() for task in self._tasks if task.done())
            raise Unavailable(f"a listener ended by itself: {names}")

    async def stop(self, timeout_s: float) -> None:
        """Accept nothing new, end event streams, let running requests end for at most `timeout_s`. Those that do not
        are given up, by applications that can say so to their clients."""
        for server in self._servers:
            server.stop()  # type: ignore[no-untyped-call]  # Granian leaves it untyped
        apps = {id(one.app): one.app for one, _, _ in self._wanted}.values()
        for app in apps:
            if isinstance(app, HasStreams):
                app.end_streams()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            if late:
                for app in apps:
                    if isinstance(app, GivesUp):
                        app.give_up()
                _, late = await asyncio.wait(late, timeout=_LAST_WORDS_S)
            for task in late:
                log.warning("listener cut off with requests open", extra={"listener": task.get_name()})
                task.cancel()


def _interface(listener: Listener) -> Interfaces:
    if not listener.asgi:
        return Interfaces.RSGI
    return Interfaces.ASGI if listener.lifespan else Interfaces.ASGINL


def _addresses(listener: Listener) -> list[tuple[Listener, str, int]]:
    return [(listener, host, port) for host, port in both_loopbacks(listener.address)]
