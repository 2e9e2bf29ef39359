"""All roles of one data directory, in their order."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from dxops.app.addresses import both_loopbacks, require_free
from dxops.app.data import DataDirectory
from dxops.app.nursery.nursery import Nursery, can_adopt
from dxops.app.settings import Settings
from dxops.app.supervisor.process import Child, RoleProcess, RoleSpec
from dxops.app.supervisor.rules import HOPELESS_EXIT
from dxops.app.supervisor.status import SystemRecord, write_status
from dxops.base.clock import Clock, SystemClock
from dxops.base.errors import Conflict, Unavailable
from dxops.engines.postgres.embedded import EmbeddedPostgres

log = logging.getLogger(__name__)

ENGINES = ("postgres", "store")
SERVING_ROLES = ("ingest", "loader", "web", "edge", "worker")
_PROGRAM = 3  # words of a command before its arguments: `python -m dxops.app`
_SETUP_FAILURES = 5
_LOCK_TRIES = 25
_LEFTOVERS_S = 12.0  # a role drains for at most 10 s


class Supervisor:
    """Runs the system in the foreground. One instance per data directory, held by a lock file."""

    def __init__(self, data: DataDirectory, settings: Settings, clock: Clock | None = None) -> None:
        self._data = data
        self._settings = settings
        self._clock = clock or SystemClock()
        self._started_at = self._clock.now()
        self._ready_at: datetime | None = None
        self._roles: dict[str, RoleProcess] = {}
        self._nursery = Nursery(self._command("run", "nursery"), self._write) if can_adopt() else None
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._moved = asyncio.Event()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Start everything in order, call `on_ready` once all roles are healthy, return after SIGTERM or SIGINT.

        Raises `Conflict` when another instance holds the data directory, `Unavailable` when setup cannot be done.
        """
        self._data.prepare()
        lock = acquire_lock(self._data.lock)
        try:
            await self._until_addresses_are_free()
        except Unavailable:
            os.close(lock)
            raise
        self._write()  # replaces the record of an earlier supervisor at once
        loop = asyncio.get_running_loop()
        for which in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(which, self._stop.set)
        listener = self._listen()
        try:
            if await self._start(listener):
                on_ready()
                await self._stop.wait()
        finally:
            await self._drain()
            loop.remove_reader(listener.fileno())
            listener.close()
            self._data.notify_socket.unlink(missing_ok=True)
            self._data.status.unlink(missing_ok=True)
            os.close(lock)

    async def _until_addresses_are_free(self) -> None:
        """Told here, in one sentence, rather than by a role that crashes again and again. Roles that outlived a killed
        supervisor, whose record is still there, have time to go."""
        listen = self._settings.listen
        places = [
            (field.name, host, port)
            for field in msgspec.structs.fields(listen)
            for host, port in both_loopbacks(getattr(listen, field.name))
        ]
        deadline = time.monotonic() + (_LEFTOVERS_S if self._data.status.exists() else 0.0)
        for name, host, port in places:
            while True:
                try:
                    require_free(name, host, port)
                except Unavailable:
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(0.1)
                else:
                    break

    async def _start(self, listener: socket.socket) -> bool:
        """True once all roles are healthy, False if a stop was asked for before."""
        if self._nursery is not None:
            await self._nursery.start()
        if not self._settings.postgres.url:
            postgres = EmbeddedPostgres(
                self._data.root,
                account=self._settings.postgres.account,
                shared_buffers_mb=self._settings.postgres.shared_buffers_mb,
            )
            await asyncio.to_thread(postgres.prepare)
            await asyncio.to_thread(postgres.stop_leftover)  # setup must not reach a server that is about to go
            self._spawn(postgres_role(postgres))
        if not self._settings.clickhouse.url:
            self._spawn(RoleSpec("store", self._command("run", "store")))
        # not after the engines but beside them: setup loads its libraries meanwhile, and waits for both itself
        if not await self._setup():
            return False
        for name in [name for name in ENGINES if name in self._roles]:
            if not await self._until_healthy(name):
                return False
        for name in SERVING_ROLES:
            command = self._command("run", name)
            self._spawn(RoleSpec(name, command, forked=command[_PROGRAM:]))
        for name in SERVING_ROLES:
            if not await self._until_healthy(name):
                return False
        self._ready_at = self._clock.now()
        self._write()
        return True

    async def _setup(self) -> bool:
        """Migrations, first owner, credentials, bundled app: a process of its own, so that its memory goes again."""
        for attempt in range(1, _SETUP_FAILURES + 1):
            process = await self._start_setup()
            ended = asyncio.create_task(process.wait())
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not ended.done():
                os.kill(process.pid, signal.SIGTERM)
                await ended
                return False
            if ended.result() == 0:
                return True
            if ended.result() == HOPELESS_EXIT:
                break
            log.error("setup failed", extra={"attempt": attempt, "exit": ended.result()})
            if await self._stopped_within(float(2**attempt)):
                return False
        raise Unavailable("setup failed; the reason is above", hint="mend it and start again")

    async def _start_setup(self) -> Child:
        command = self._command("setup")
        if self._nursery is not None:
            try:
                return await self._nursery.bear(command[_PROGRAM:], os.environ)
            except Unavailable as error:
                log.warning("setup is started without the nursery", extra={"reason": error.message})
        return await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _spawn(self, spec: RoleSpec) -> None:
        role = RoleProcess(
            spec,
            clock=self._clock,
            log_path=self._data.logs / f"{spec.name}.log",
            notify_socket=self._data.notify_socket,
            changed=self._write,
            nursery=self._nursery,
        )
        self._roles[spec.name] = role
        self._tasks.append(asyncio.create_task(role.run(), name=spec.name))

    async def _until_healthy(self, name: str) -> bool:
        stop = asyncio.create_task(self._stop.wait())
        try:
            while not self._roles[name].healthy and not self._stop.is_set():
                self._moved.clear()
                moved = asyncio.create_task(self._moved.wait())
                await asyncio.wait({stop, moved}, return_when=asyncio.FIRST_COMPLETED)
                moved.cancel()
        finally:
            stop.cancel()
        return not self._stop.is_set()

    async def _drain(self) -> None:
        """Serving roles first, all together; the engines last."""
        if self._nursery is not None:
            await self._nursery.stop()
        serving = [role for name, role in self._roles.items() if name not in ENGINES]
        await asyncio.gather(*(role.stop() for role in serving))
        await asyncio.gather(*(role.stop() for name, role in self._roles.items() if name in ENGINES))
        await asyncio.gather(*self._tasks)

    def _command(self, *arguments: str) -> tuple[str, ...]:
        command = [sys.executable, "-m", "dxops.app", *arguments, "--data", str(self._data.root)]
        if self._data.config_path.exists():
            command += ["--config", str(self._data.config_path)]
        return tuple(command)

    def _listen(self) -> socket.socket:
        path = self._data.notify_socket
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.setblocking(False)
        asyncio.get_running_loop().add_reader(listener.fileno(), self._receive, listener)
        return listener

    def _receive(self, listener: socket.socket) -> None:
        try:
            message = listener.recv(4096).decode("utf-8", "replace")
        except BlockingIOError:
            return
        fields = dict(line.partition("=")[::2] for line in message.splitlines())
        role = self._roles.get(fields.get("ROLE", ""))
        if role is not None and fields.get("PID", "").isdigit():
            role.heard(int(fields["PID"]), fields)

    def _write(self) -> None:
        self._moved.set()
        record = SystemRecord(
            pid=os.getpid(),
            started_at=self._started_at,
            roles={name: role.record for name, role in self._roles.items()},
            ready_at=self._ready_at,
            nursery=None if self._nursery is None else self._nursery.pid,
        )
        try:
            write_status(self._data.status, record)
        except OSError as error:  # a full disk must not end the supervisor; the next change tries again
            log.error("cannot write the status file", extra={"reason": str(error)})


def postgres_role(postgres: EmbeddedPostgres) -> RoleSpec:
    """The embedded server as a role. A server left over from a supervisor that was killed is stopped first."""
    return RoleSpec(
        "postgres",
        tuple(postgres.command),
        stop_signal=signal.SIGINT,
        stop_timeout_s=30.0,
        options={**postgres.popen_options, "cwd": "/"},
        ready=postgres.is_ready,
        before=postgres.stop_leftover,
    )


def acquire_lock(path: Path) -> int:
    """Hold the data directory until the descriptor is closed. Raises `Conflict` if another process does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)  # `is_locked` of another command holds it for a moment
        else:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            return descriptor
    holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
    os.close(descriptor)
    raise Conflict(
        f"dxops already runs on {path.parent}" + (f" as process {holder}" if holder else ""),
        code="already_running",
        hint="see `dxops status`, stop it with `dxops stop`, or choose another --data",
    )
