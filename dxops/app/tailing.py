"""`dxops tail-files`: files, the journal and a command, read, made documents, sent, and remembered."""

from __future__ import annotations

import asyncio
import base64
import fnmatch
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, tzinfo
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import msgspec

from dxops.base.clock import SystemClock
from dxops.rooms.logs.tail.files import Tail
from dxops.rooms.logs.tail.outbox import Batch, Outbox
from dxops.rooms.logs.tail.pipes import follow_command, follow_journal
from dxops.rooms.logs.tail.reading import Chunk
from dxops.rooms.logs.tail.shipping import Shipper
from dxops.rooms.logs.tail.state import State, StateFile
from dxops.wire.logs.line_documents import document_of, journal_document
from dxops.wire.logs.splitting import Joining, Record, Splitter, Starts, Traces

_POLL_S: Final = 0.25
_BUDGET_BYTES: Final = 4 << 20
_SAVE_S: Final = 1.0
_TELL_S: Final = 60.0
_STOP_S: Final = 10.0


class TailOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `dxops tail-files` was asked for. `authorization` is the header's value."""

    patterns: tuple[str, ...] = ()
    journald: bool = False
    command: tuple[str, ...] = ()
    stream: str
    url: str
    authorization: str = ""
    ca_file: str = ""
    from_start: bool = False
    multiline: str = ""
    state: str
    once: bool = False
    dedupe: bool = False


class Tailing:
    """One run. `say` is for people."""

    def __init__(self, options: TailOptions, say: Callable[[str], None]) -> None:
        self._options = options
        self._tell = say
        self._told_s: dict[str, float] = {}
        self._about = {"host.name": socket.gethostname()}
        self._zone = local_zone()
        self._outbox = Outbox()
        self._stop = asyncio.Event()
        self._cursor = ""
        self._born = os.urandom(8).hex()
        self._count = 0
        self._dirty = False

    async def run(self) -> int:
        """Until SIGTERM or SIGINT, with `once` until everything is sent; the exit status. Raises `DxopsError`."""
        options = self._options
        self._file = StateFile(options.state)
        loop = asyncio.get_running_loop()
        for which in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(which, self._stop.set)
        try:
            state = self._file.read()
            self._cursor = state.cursor if state is not None else ""
            self._tail = self._make_tail(state or State())
            headers = {"Authorization": options.authorization} if options.authorization else {}
            verify = options.ca_file or True
            async with httpx.AsyncClient(base_url=options.url, headers=headers, timeout=60, verify=verify) as client:
                return await self._run(Shipper(client, options.stream, self._outbox, self._say))
        finally:
            self._file.close()

    def _make_tail(self, state: State) -> Tail:
        options = self._options
        multiline = re.compile(options.multiline.encode()) if options.multiline else None

        def splitter() -> Splitter:
            joining: Joining = Traces() if multiline is None else Starts(multiline)
            return Splitter(joining)

        def from_start(path: str) -> bool:
            return options.from_start or any(fnmatch.fnmatchcase(path, pattern) for pattern in state.patterns)

        return Tail(
            options.patterns,
            state.places,
            SystemClock(),
            splitter=splitter,
            from_start=from_start,
            say=lambda what, path: self._say(f"{path} {what}"),
        )

    async def _run(self, shipper: Shipper) -> int:
        sources = [asyncio.create_task(source) for source in self._sources()]
        shipping = asyncio.create_task(shipper.run())
        stopping = asyncio.create_task(self._stop.wait())
        saving = asyncio.create_task(self._keep_saving())
        status = 0
        try:
            reading: set[asyncio.Task[Any]] = set(sources)
            while reading and not shipping.done() and not stopping.done():
                await asyncio.wait({*reading, shipping, stopping}, return_when=asyncio.FIRST_COMPLETED)
                for source in [source for source in reading if source.done()]:
                    reading.discard(source)
                    status = status or source.result()
            if shipping.done():
                shipping.result()
            for source in reading:
                source.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            status = await self._flushed(shipping, status)
        finally:
            for task in (*sources, shipping, stopping, saving):
                task.cancel()
            await asyncio.gather(*sources, shipping, stopping, saving, return_exceptions=True)
            await asyncio.to_thread(self._save)
            self._tail.close()
        if shipper.dropped:
            self._tell(f"{shipper.dropped} lines were refused for good")
        return status or (1 if shipper.dropped and self._options.once else 0)

    async def _flushed(self, shipping: asyncio.Task[None], status: int) -> int:
        """What was read is sent before the end. A stop waits ten seconds for that: files are read again next time."""
        await self._outbox.close()
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait([shipping, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not shipping.done():
            await asyncio.wait({shipping}, timeout=_STOP_S)
        if shipping.done():
            shipping.result()
            return status
        lost = " Lines of the command are lost." if self._options.command else ""
        self._tell(f"{self._outbox.documents} lines could not be sent before the end.{lost}")
        return status or (1 if self._options.command else 0)

    def _sources(self) -> list[Coroutine[Any, Any, int]]:
        found: list[Coroutine[Any, Any, int]] = []
        if self._options.patterns:
            found.append(self._files())
        if self._options.journald:
            found.append(self._journal())
        if self._options.command:
            found.append(follow_command(self._options.command, self._take_lines))
        return found

    # --- sources ------------------------------------------------------------------------------------------------

    async def _files(self) -> int:
        adopted = -1
        while True:
            chunks = await asyncio.to_thread(self._tail.poll, _BUDGET_BYTES)
            if self._tail.adopted != adopted:
                adopted = self._tail.adopted
                await asyncio.to_thread(self._save, always=True)
            await self._take_chunks(chunks)
            if chunks:
                continue
            if self._options.once:
                await self._take_chunks(await asyncio.to_thread(self._tail.finish))
                return 0
            await asyncio.sleep(_POLL_S)

    async def _take_chunks(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            await self._outbox.put(await asyncio.to_thread(self._batch_of, chunk))

    def _batch_of(self, chunk: Chunk) -> Batch:
        about = {**self._about, "log.file.path": chunk.path}
        documents, ids, offset = [], [], chunk.start
        now_ms = _now_ms()
        for record in chunk.records:
            if record.text.strip():
                documents.append(document_of(record, about, now_ms, self._zone))
                if self._options.dedupe:
                    ids.append(_id_of(chunk.place.born, offset, record.text))
            offset += record.size_bytes
        return Batch(documents, partial(self._safe, chunk), ids if self._options.dedupe else None)

    def _safe(self, chunk: Chunk) -> None:
        self._tail.done(chunk)
        self._dirty = True

    async def _journal(self) -> int:
        options = self._options
        await follow_journal(
            self._cursor, self._take_entries, self._say, from_start=options.from_start, once=options.once
        )
        return 0

    async def _take_entries(self, entries: list[dict[str, Any]]) -> None:
        cursor = str(entries[-1].get("__CURSOR") or "")
        if self._options.once and not self._cursor and not self._options.from_start:
            self._move_cursor(cursor)  # the first run only remembers where the journal ends
            return
        now_ms = _now_ms()
        documents = [journal_document(entry, self._about, now_ms) for entry in entries]
        ids = [_id_of("journal", 0, str(entry.get("__CURSOR")).encode()) for entry in entries]
        await self._outbox.put(
            Batch(documents, partial(self._move_cursor, cursor), ids if self._options.dedupe else None)
        )

    def _move_cursor(self, cursor: str) -> None:
        self._cursor = cursor or self._cursor
        self._dirty = True

    async def _take_lines(self, records: list[Record], name: str) -> None:
        about = {**self._about, "process.name": Path(self._options.command[0]).name, "stream": name}
        now_ms = _now_ms()
        kept = [record for record in records if record.text.strip()]
        documents = [document_of(record, about, now_ms, self._zone) for record in kept]
        ids = [_id_of(self._born, self._count + place, record.text) for place, record in enumerate(kept)]
        self._count += len(kept)
        await self._outbox.put(Batch(documents, lambda: None, ids if self._options.dedupe else None))

    # --- what is remembered -------------------------------------------------------------------------------------

    async def _keep_saving(self) -> None:
        while True:
            started_s = time.monotonic()
            try:
                await asyncio.to_thread(self._save)
            except OSError as error:
                self._say(f"{self._options.state} cannot be written ({error.strerror}): lines may be sent twice")
            await asyncio.sleep(max(_SAVE_S, 20 * (time.monotonic() - started_s)))

    def _save(self, *, always: bool = False) -> None:
        if self._dirty or always:
            self._dirty = False
            places = tuple(self._tail.places())
            self._file.write(State(patterns=self._options.patterns, places=places, cursor=self._cursor))

    def _say(self, text: str) -> None:
        """The same at most once a minute."""
        now_s = time.monotonic()
        if now_s - self._told_s.get(text, -_TELL_S) >= _TELL_S:
            if len(self._told_s) > 1000:
                self._told_s.clear()
            self._told_s[text] = now_s
            self._tell(text)


def local_zone() -> tzinfo:
    """This machine's zone with its changes in summer and winter: `$TZ`, /etc/localtime, else UTC."""
    try:
        name = os.environ.get("TZ", "").removeprefix(":")
        if name:
            return ZoneInfo(name)
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file, key="local")
    except (OSError, ValueError):
        return UTC


def _id_of(born: str, offset: int, text: bytes) -> str:
    """The same for the same record however often it is sent: 20 URL-safe characters."""
    digest = blake2b(b"%s %d " % (born.encode(), offset) + text, digest_size=15).digest()
    return base64.urlsafe_b64encode(digest).decode()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
