"""The supervisor's side of the nursery: it is kept running, and asked for processes."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from dxops.app.nursery.messages import MAX_BYTES, VARIABLE, Birth, Born
from dxops.base.errors import Unavailable

log = logging.getLogger(__name__)

_ANSWER_S = 20.0  # importing takes a second or two, and the first process waits for it
_FIRST_DELAY_S = 0.2
_LAST_DELAY_S = 30.0
_UNKNOWN_STATUS = 255  # somebody else waited for it; asyncio says the same
_PR_SET_CHILD_SUBREAPER = 36


class Forked:
    """A process that the nursery made, ours to wait for. As far as the supervisor needs it like asyncio's `Process`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._handle = os.pidfd_open(pid)
        loop.add_reader(self._handle, self._end)

    async def wait(self) -> int:
        """The exit status, negative for a signal's number. Any number may wait, and stop waiting."""
        return await asyncio.shield(self._ended)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        try:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            self.returncode = _UNKNOWN_STATUS
        self._ended.set_result(self.returncode)


class Nursery:
    """Keeps the process of `command` running until `stop`. `changed` is called when its pid changed.

    Whoever is told that it cannot help now (`Unavailable`) starts its process the plain way. What was born lives on
    when the nursery dies.
    """

    def __init__(self, command: Sequence[str], changed: Callable[[], None]) -> None:
        self._command = command
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._asked: socket.socket | None = None
        self._one = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Begin to import; does not wait for that."""
        await self._try_to_start()
        self._keeping = asyncio.create_task(self._keep(), name="nursery")

    async def stop(self) -> None:
        """End the nursery. What was born is not touched."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        self._hang_up()
        if self._process is not None:
            await self._process.wait()

    async def bear(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        output: int | None = None,
        lifeline: int | None = None,
    ) -> Forked:
        """A process that is `dxops …arguments`, a child of this one, in a session of its own. `output` becomes its
        stdout and stderr, `lifeline` the descriptor that tells it of our end; both stay ours to close.

        Waits for the imports of a nursery that has just started. Raises `Unavailable` where it cannot help.
        """
        birth = Birth(
            arguments=list(arguments),
            environment=dict(environment),
            has_output=output is not None,
            has_lifeline=lifeline is not None,
        )
        descriptors = [each for each in (output, lifeline) if each is not None]
        async with self._one:
            if self._asked is None:
                raise Unavailable("the nursery is not there")
            adopt_orphans(True)
            try:
                born = await self._ask(self._asked, msgspec.json.encode(birth), descriptors)
            except (OSError, TimeoutError, msgspec.DecodeError) as error:
                self._hang_up()  # an answer that comes too late must not be taken for the next one
                raise Unavailable(f"the nursery does not answer: {error or type(error).__name__}") from error
            finally:
                adopt_orphans(False)
            if not born.pid:
                raise Unavailable(f"the nursery cannot fork: {born.reason}")
            return Forked(born.pid)

    async def _ask(self, asked: socket.socket, message: bytes, descriptors: list[int]) -> Born:
        socket.send_fds(asked, [message], descriptors)
        async with asyncio.timeout(_ANSWER_S):
            answer = await asyncio.get_running_loop().sock_recv(asked, MAX_BYTES)
        if not answer:
            raise ConnectionError("it ended")
        return msgspec.json.decode(answer, type=Born)

    async def _try_to_start(self) -> None:
        try:
            await self._start()
        except OSError as error:
            self._process = None
            log.error("the nursery cannot start", extra={"reason": str(error)})

    async def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                env=os.environ | {VARIABLE: str(theirs.fileno()), "PYTHONUNBUFFERED": "1"},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._asked = ours
        self._changed()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        delay = _FIRST_DELAY_S
        while True:
            started = loop.time()
            if self._process is not None:
                status = await self._process.wait()
                async with self._one:  # who is asking sees the end by itself
                    self._hang_up()
                self._changed()
                log.warning("the nursery ended, another is started; no role is touched", extra={"exit": status})
            if loop.time() - started > _LAST_DELAY_S:
                delay = _FIRST_DELAY_S
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_DELAY_S)
            await self._try_to_start()

    def _hang_up(self) -> None:
        """Nothing is asked any more, and the process is ended."""
        if self._asked is not None:
            self._asked.close()
            self._asked = None
        if self._process is not None:
            with suppress(ProcessLookupError):  # it ended by itself
                self._process.kill()


def can_adopt() -> bool:
    """Whether this system lets a process adopt orphans and wait for them: Linux 5.3 or later, nothing in the way."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
        adopt_orphans(False)
    except OSError:
        return False
    return True


def adopt_orphans(wanted: bool) -> None:
    """Whether this process becomes the parent of what its descendants leave behind (`PR_SET_CHILD_SUBREAPER`). Only
    while a birth is under way: other orphans are init's, which waits for them. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
