"""One role's process: started, watched, restarted, stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from dxops.app.log_files import VARIABLE, rotate_for_another
from dxops.app.nursery.nursery import Nursery
from dxops.app.supervisor.rules import RoleStatus, crashes_after_exit, restart_delay_s, should_kill
from dxops.app.supervisor.status import RoleRecord
from dxops.base.clock import Clock
from dxops.base.errors import Unavailable

log = logging.getLogger(__name__)

_TICK_S = 0.25
_ROTATE_S = 5.0


@dataclass(frozen=True)
class RoleSpec:
    """How to run a role. `ready` is polled where the program cannot notify (PostgreSQL), whose log is bounded here too;
    `before` runs before each start and may block shortly. `forked` is what the nursery is asked for; without it, and
    where the nursery cannot help, `command` is run."""

    name: str
    command: tuple[str, ...]
    forked: tuple[str, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 15.0
    options: Mapping[str, object] = field(default_factory=dict)
    ready: Callable[[int], bool] | None = None
    before: Callable[[], None] | None = None


class Child(Protocol):
    """A process of ours. `returncode` is None until it ended, negative for a signal's number."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int:
        """Until it ended."""


class RoleProcess:
    """Runs `spec` until `stop`. `changed` is called after each change of state."""

    def __init__(
        self,
        spec: RoleSpec,
        *,
        clock: Clock,
        log_path: Path,
        notify_socket: Path,
        changed: Callable[[], None],
        nursery: Nursery | None = None,
    ) -> None:
        self.spec = spec
        self._clock = clock
        self._log_path = log_path
        self._notify_socket = notify_socket
        self._changed = changed
        self._nursery = nursery
        self._process: Child | None = None
        self._starting = asyncio.Lock()
        self._early: dict[int, Mapping[str, str]] = {}
        self._status = RoleStatus.STARTING
        self._since: datetime = clock.now()
        self._since_monotonic = clock.monotonic()
        self._heard = clock.monotonic()
        self._detail: str | None = None
        self._crashes = 0
        self._restarts = 0
        self._stopping = asyncio.Event()
        self._lifeline: int | None = None
        self._rotate_s = 0.0

    @property
    def record(self) -> RoleRecord:
        return RoleRecord(
            status=self._status.value,
            pid=self.pid,
            since=self._since,
            restarts=self._restarts,
            detail=self._detail,
        )

    @property
    def healthy(self) -> bool:
        return self._status is RoleStatus.HEALTHY

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def heard(self, pid: int, fields: Mapping[str, str]) -> None:
        """A notify message of this role. Messages of an earlier process are ignored; those of one that is just being
        started, and quicker than the news of its pid, are kept."""
        if self._starting.locked():
            self._early[pid] = {**self._early.get(pid, {}), **fields}
            return
        if pid != self.pid:
            return
        self._heard = self._clock.monotonic()
        if fields.get("READY") == "1" and self._status is RoleStatus.STARTING:
            self._set(RoleStatus.HEALTHY)

    async def run(self) -> None:
        """Until `stop`: start, watch, restart."""
        while not self._stopping.is_set():
            try:
                async with self._starting:
                    if self._stopping.is_set():
                        break
                    self._early.clear()
                    await self._start()
                if self.pid in self._early:
                    self.heard(self.pid, self._early[self.pid])
            except (OSError, ValueError) as error:
                self._detail = f"cannot start: {error}"
                log.error("role cannot start", extra={"for": self.spec.name, "reason": str(error)})
                self._crashes += 1
            else:
                await self._watch()
            if self._stopping.is_set():
                break
            delay = restart_delay_s(self._crashes)
            self._set(RoleStatus.BACKOFF, self._detail)
            await _either(self._stopping, delay)
            self._restarts += 1
        self._set(RoleStatus.STOPPED)

    async def stop(self) -> None:
        """Ask the process to end, kill it after the role's timeout."""
        self._stopping.set()
        async with self._starting:  # what is being started now has to be stopped too
            process = self._process
        if process is None or process.returncode is not None:
            return
        self._set(RoleStatus.STOPPING)
        _signal(process.pid, self.spec.stop_signal)
        try:
            await asyncio.wait_for(process.wait(), self.spec.stop_timeout_s)
        except TimeoutError:
            log.warning("role killed: it did not stop in time", extra={"for": self.spec.name})
            _signal(process.pid, signal.SIGKILL)
            await process.wait()

    async def _start(self) -> None:
        self._set(RoleStatus.STARTING, self._detail)
        if self.spec.before is not None:
            await asyncio.to_thread(self.spec.before)
        ours, theirs = os.pipe()  # a role whose read end reports end-of-file has lost its supervisor
        environment = os.environ | {
            "NOTIFY_SOCKET": str(self._notify_socket),
            "PYTHONUNBUFFERED": "1",
            VARIABLE: str(self._log_path),
        }
        await asyncio.to_thread(rotate_for_another, self._log_path)
        try:
            with self._log_path.open("ab") as output:
                self._process = await self._forked(environment, output, ours) or await self._spawned(
                    environment, output, ours
                )
        except BaseException:
            os.close(theirs)
            raise
        finally:
            os.close(ours)
        self._lifeline = theirs
        self._heard = self._clock.monotonic()
        self._changed()

    async def _forked(self, environment: Mapping[str, str], output: IO[bytes], lifeline: int) -> Child | None:
        if self._nursery is None or not self.spec.forked:
            return None
        try:
            return await self._nursery.bear(self.spec.forked, environment, output=output.fileno(), lifeline=lifeline)
        except Unavailable as error:
            if not self._stopping.is_set():
                log.warning("role is started without the nursery", extra={"for": self.spec.name, "reason": str(error)})
            return None

    async def _spawned(self, environment: Mapping[str, str], output: IO[bytes], lifeline: int) -> Child:
        return await asyncio.create_subprocess_exec(
            *self.spec.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment, "DXOPS_LIFELINE": str(lifeline)},
            pass_fds=(lifeline,),
            start_new_session=True,
            **self.spec.options,  # type: ignore[arg-type]  # user, group, cwd as subprocess takes them
        )

    async def _watch(self) -> None:
        process = self._process
        assert process is not None
        ended = asyncio.create_task(process.wait())
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=0.01 if self._polls_ready else _TICK_S)
                if ended.done():
                    break
                if self._polls_ready and self.spec.ready is not None and self.spec.ready(process.pid):
                    self._set(RoleStatus.HEALTHY)
                self._kill_if_stuck(process.pid)
                if self.spec.ready is not None and self._clock.monotonic() >= self._rotate_s:
                    self._rotate_s = self._clock.monotonic() + _ROTATE_S
                    await asyncio.to_thread(rotate_for_another, self._log_path)
        finally:
            if self._lifeline is not None:
                os.close(self._lifeline)
                self._lifeline = None
        healthy_for = self._clock.monotonic() - self._since_monotonic if self.healthy else None
        if not self._stopping.is_set():
            self._crashes = crashes_after_exit(self._crashes, healthy_for)
            self._detail = f"{_exit_text(process.returncode)}; last lines are in {self._log_path.name}"
            log.error("role ended", extra={"for": self.spec.name, "exit": _exit_text(process.returncode)})

    @property
    def _polls_ready(self) -> bool:
        return self.spec.ready is not None and self._status is RoleStatus.STARTING

    def _kill_if_stuck(self, pid: int) -> None:
        now = self._clock.monotonic()
        silent = 0.0 if self.spec.ready is not None else now - self._heard
        reason = should_kill(self._status, now - self._since_monotonic, silent)
        if reason is not None and not self._stopping.is_set():
            log.error("role killed", extra={"for": self.spec.name, "reason": reason})
            self._set(RoleStatus.STALLED, reason)
            _signal(pid, signal.SIGKILL)

    def _set(self, status: RoleStatus, detail: str | None = None) -> None:
        if status is not self._status:
            self._since = self._clock.now()
            self._since_monotonic = self._clock.monotonic()
        self._status = status
        self._detail = detail
        self._changed()


def _signal(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        return  # it ended between the look and the signal


def _exit_text(code: int | None) -> str:
    if code is not None and code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit status {code}"


async def _either(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
