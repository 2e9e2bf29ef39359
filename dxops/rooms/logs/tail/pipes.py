"""Lines that come through pipes: the journal, and a command's output. A full outbox stops the reading."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import orjson

from dxops.base.errors import Missing
from dxops.wire.logs.splitting import Record, Splitter, Traces

_READ_BYTES: Final = 256 << 10
_JOIN_S: Final = 1.0
_FIRST_PAUSE_S: Final = 1.0
_LAST_PAUSE_S: Final = 30.0
_STOP_S: Final = 10.0

Take = Callable[[list[Record], str], Awaitable[None]]
"""(records, `stdout` or `stderr`)"""
TakeEntries = Callable[[list[dict[str, Any]]], Awaitable[None]]
Say = Callable[[str], None]


def journal_command(cursor: str, *, from_start: bool, follow: bool) -> list[str]:
    """How to ask for what is behind `cursor`. Without one: for everything, or for what comes from now on."""
    command = ["journalctl", "--output=json", "--all", "--no-pager", "--quiet"]
    if follow:
        command.append("--follow")
    if cursor:
        return [*command, f"--after-cursor={cursor}", "--no-tail"]
    return [*command, "--no-tail" if from_start else "--lines=0" if follow else "--lines=1"]


async def follow_journal(cursor: str, take: TakeEntries, say: Say, *, from_start: bool, once: bool) -> None:
    """Until cancelled, or with `once` to the journal's end. A journalctl that ends is started again."""
    pause_s = _FIRST_PAUSE_S
    while True:
        command = journal_command(cursor, from_start=from_start, follow=not once)
        process = await started(command, stderr=None)
        try:
            splitter = Splitter(max_bytes=4 << 20)
            assert process.stdout is not None
            while data := await process.stdout.read(_READ_BYTES):
                entries = [entry for record in splitter.feed(data) if (entry := _entry(record.text)) is not None]
                if entries:
                    await take(entries)
                    cursor = str(entries[-1].get("__CURSOR") or cursor)
                    pause_s = _FIRST_PAUSE_S
            code = await process.wait()
        finally:
            await ended(process)
        if once:
            return
        say(f"journalctl ended with {code}: started again")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LAST_PAUSE_S)


async def follow_command(command: Sequence[str], take: Take) -> int:
    """Until it ends; its exit status. Cancelled, it is asked to end (SIGTERM), and what it still says is taken."""
    process = await started(command, stderr=PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        asyncio.create_task(_pump(process.stdout, "stdout", take)),
        asyncio.create_task(_pump(process.stderr, "stderr", take)),
    ]
    try:
        await asyncio.wait(readers)
        return await process.wait()
    except asyncio.CancelledError:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait(readers, timeout=_STOP_S)
        raise
    finally:
        await ended(process)
        for reader in readers:
            reader.cancel()


async def started(command: Sequence[str], *, stderr: int | None) -> Process:
    """Raises `Missing` when there is no such program."""
    try:
        return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=stderr, start_new_session=True)
    except (FileNotFoundError, PermissionError) as error:
        raise Missing(f"cannot run {command[0]}: {error.strerror}") from error


async def ended(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _pump(stream: asyncio.StreamReader, name: str, take: Take) -> None:
    splitter = Splitter(Traces())
    data = b"?"
    while data:
        try:
            data = await asyncio.wait_for(stream.read(_READ_BYTES), _JOIN_S if splitter.may_go_on else None)
        except TimeoutError:
            records = splitter.flush()
        else:
            records = splitter.feed(data) if data else splitter.end()
        if records:
            await take(records, name)


def _entry(text: bytes) -> dict[str, Any] | None:
    try:
        entry = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None
