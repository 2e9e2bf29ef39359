"""One process each: `dxops run web`, `edge`, `worker`, `store`, `ingest`, `loader` (and `postgres`, `setup`).

A role binds its listeners, says that it is ready, works until SIGTERM or until its supervisor is gone, and drains.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import logging
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dxops.app.data import DataDirectory
from dxops.app.foundation import Foundation
from dxops.app.log_files import keep_own_log_small
from dxops.app.notify import Notifier
from dxops.base.errors import DxopsError
from dxops.base.log import configure_logging

if TYPE_CHECKING:
    from dxops.app.house import House

log = logging.getLogger(__name__)

ROLES = ("store", "ingest", "loader", "web", "edge", "worker")
DRAIN_S = 10.0
_OPEN_FILES = 65_536
_WITHOUT_ROOMS = ("store", "ingest", "loader")
_KEPT_CONNECTIONS = {"web": 3}  # the others seldom ask PostgreSQL anything


def main(arguments: list[str]) -> None:
    """`dxops run ROLE [--data D] [--config F]`. Exits 0 after a clean stop, 1 with a logged reason otherwise."""
    parser = argparse.ArgumentParser(prog="dxops run", description="Run one role in the foreground.")
    parser.add_argument("role", choices=("postgres", *ROLES))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args(arguments)
    data = DataDirectory.choose(options.data, options.config)
    configure_logging(options.role)
    _allow_many_connections()
    try:
        if options.role == "postgres":
            _become_postgres(data)
        import uvloop

        uvloop.run(_run(options.role, data))
    except DxopsError as error:
        log.error(error.message, extra={"hint": error.hint})
        sys.exit(1)


async def _run(role: str, data: DataDirectory) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stop.set)
    _watch_lifeline(loop, stop)
    notifier = Notifier()
    beat = asyncio.create_task(notifier.heartbeat(role), name="heartbeat")
    bound = asyncio.create_task(keep_own_log_small(), name="log file")
    house = _furnish(role, data)
    try:
        module = importlib.import_module(f"dxops.app.roles.{role}")
        await module.run(house, lambda: notifier.tell(ROLE=role, PID=str(os.getpid()), READY="1"), stop)
    finally:
        notifier.tell(ROLE=role, PID=str(os.getpid()), STOPPING="1")
        beat.cancel()
        bound.cancel()
        await house.close()


def _furnish(role: str, data: DataDirectory) -> House | Foundation:
    if role in _WITHOUT_ROOMS:
        return Foundation(data, data.settings())
    from dxops.app.house import House

    return House(data, data.settings(), kept_connections=_KEPT_CONNECTIONS.get(role, 1))


def _watch_lifeline(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop when the supervisor's end of the pipe closes, however it died."""
    text = os.environ.pop("DXOPS_LIFELINE", "")
    if not text.isdigit():
        return
    descriptor = int(text)

    def gone() -> None:
        loop.remove_reader(descriptor)
        log.warning("the supervisor is gone: stopping")
        stop.set()

    loop.add_reader(descriptor, gone)


def _allow_many_connections() -> None:
    """As many open files as the system lets this account have: each connection is one, and shells give 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _become_postgres(data: DataDirectory) -> None:
    """Replace this process by the embedded server (SIGINT stops it). For systemd and containers."""
    from dxops.engines.postgres.embedded import EmbeddedPostgres

    settings = data.settings()
    data.prepare()
    postgres = EmbeddedPostgres(
        data.root, account=settings.postgres.account, shared_buffers_mb=settings.postgres.shared_buffers_mb
    )
    postgres.prepare()
    postgres.stop_leftover()
    postgres.demote()
    os.execv(postgres.command[0], postgres.command)  # noqa: S606 - the command is ours, no shell
