"""The nursery's own process: imports, then waits for births. No thread, no event loop, no open engine: nothing that a
fork could tear apart."""

from __future__ import annotations

import gc
import importlib
import os
import select
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from dxops.app.nursery.messages import MAX_BYTES, VARIABLE, Birth, Born
from dxops.app.nursery.title import retitle

FOR_SETUP: Final = (
    "anyio._backends._asyncio",
    "certifi",
    "dxops.app.setup",
    "httpcore",
    "sqlalchemy.dialects.postgresql.psycopg",
)
"""`setup` is born when these are there, and works while the others are imported."""

FOR_ROLES: Final = (
    "dxops.app.installation",
    "dxops.app.roles.edge",
    "dxops.app.roles.ingest",
    "dxops.app.roles.loader",
    "dxops.app.roles.web",
    "dxops.app.roles.worker",
    "dxops.app.web_spool",
    "dxops.app.web_sql",
    "dxops.console.pages",
    "dxops.engines.postgres.plain",
    "dxops.rooms.content.http",
    "dxops.rooms.delivery.http",
    "dxops.rooms.logs.http",
    "dxops.rooms.logs.registry",
    "dxops.rooms.logs.retention_http",
    "litestar._kwargs",
    "litestar.exceptions.responses",
    "litestar.middleware._internal.exceptions",
    "litestar.middleware.allowed_hosts",
    "litestar.middleware.csrf",
    "litestar.middleware.response_cache",
    "procrastinate.builtin_tasks",
    "procrastinate.worker",
    "uvloop",
)
"""What the roles import until they are ready, besides; a test compares."""


def main() -> None:
    """Serve births until the supervisor is gone. Returns only in the processes that are born: `sys.argv` and all else
    is then as if they had been started, and the caller goes on with that."""
    gc.disable()  # collecting would free and fill pages that are to be shared
    asked = socket.socket(fileno=int(os.environ.pop(VARIABLE)))
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # its command line: not imported, 90 ms of rich
    for names in (FOR_SETUP, FOR_ROLES):
        for name in names:
            importlib.import_module(name)
        if (threads := _threads()) != 1:
            _end(f"{threads} threads run in the nursery: something that was imported starts some, and forks tear them")
        gc.freeze()
        if select.select([asked], [], [], 0)[0] and _serve(asked):
            return
    while not _serve(asked):
        pass


def _serve(asked: socket.socket) -> bool:
    """One birth. True in the process that was born."""
    message, descriptors, _, _ = socket.recv_fds(asked, MAX_BYTES, 2, socket.MSG_CMSG_CLOEXEC)
    if not message:
        sys.exit(0)
    birth = msgspec.json.decode(message, type=Birth)
    try:
        pid = _bear()
    except OSError as error:
        asked.send(msgspec.json.encode(Born(reason=str(error))))
    else:
        if pid is None:
            asked.close()
            _become(birth, descriptors)
            return True
        asked.send(msgspec.json.encode(Born(pid=pid)))
    for descriptor in descriptors:
        os.close(descriptor)
    return False


def _bear() -> int | None:
    """The pid of a new process; None in that process. It is born by one in between, which ends at once, so that it is
    the supervisor's child and outlives the nursery."""
    ours, theirs = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            pid = os.fork()
            if pid == 0:
                os.close(ours)
                os.close(theirs)
                return None
            os.write(theirs, str(pid).encode())
        except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not go on as a second nursery
            os.write(theirs, (str(error) or type(error).__name__).encode())
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as told:
        answer = told.read().decode()
    os.waitpid(between, 0)  # it is gone: its child has been adopted
    if not answer.isdigit():
        raise OSError(answer or "the process in between ended")
    return int(answer)


def _become(birth: Birth, descriptors: Sequence[int]) -> None:
    """What exec would have done."""
    os.setsid()
    if birth.has_output:
        os.dup2(descriptors[0], 1)
        os.dup2(descriptors[0], 2)
        os.close(descriptors[0])
    os.environ.clear()
    os.environ.update(birth.environment)
    if birth.has_lifeline:
        os.environ["DXOPS_LIFELINE"] = str(descriptors[-1])
    started = sys.orig_argv
    cut = len(started) - len(sys.argv) + 1  # `python -m dxops.app`, however it was given
    sys.orig_argv[:] = [*started[:cut], *birth.arguments]
    sys.argv[1:] = birth.arguments
    retitle(sys.orig_argv)
    gc.enable()


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def _end(reason: str) -> NoReturn:
    import logging

    from dxops.base.log import configure_logging

    configure_logging("nursery")
    logging.getLogger(__name__).error(reason)
    sys.exit(1)
