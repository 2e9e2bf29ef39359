"""Our own logs into the spool: what the roles write and the access log of the app hosts, each line exactly once.

The place up to which a file was taken is in the same frame of the spool as the lines (`LogFrame.note`), so both are
stored or neither. At a start the places come back from the spool, on top of those that were kept beside it
(`Places`). Nothing here logs for every line or batch: what this process logs, it follows.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from dxops.base.clock import Clock
from dxops.base.errors import DxopsError, Unavailable
from dxops.engines.spool import Spool
from dxops.rooms.logs.sink import STREAM
from dxops.rooms.logs.tail.files import KEPT_S, Tail
from dxops.rooms.logs.tail.places import Key, Place
from dxops.rooms.logs.tail.reading import Chunk
from dxops.wire.elastic.times import read_time
from dxops.wire.logs.frame import LogFrame, encode_frame
from dxops.wire.logs.own import ACCESS_STREAM, ROLES_STREAM, role_document
from dxops.wire.logs.splitting import Record, Splitter, Traces

log = logging.getLogger(__name__)

FOLLOWED: Final = 2
"""The kind of frames that carry a place."""

TENANT: Final = "dxops"
ACCESS_NAME: Final = "access"
_POLL_S: Final = 0.25
_BUDGET_BYTES: Final = 4 << 20
_TELL_S: Final = 60.0
_AGAIN_S: Final = 5.0

_places = msgspec.msgpack.Decoder(list[Place])


class _At(msgspec.Struct, gc=False):
    at: str | None = msgspec.field(name="@timestamp", default=None)


_decode_at = msgspec.json.Decoder(_At).decode


class Places:
    """Kept in one file, which is replaced as a whole. Blocks. Raises `OSError` when the disk fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[Key, Place] = {}
        if path.exists():
            try:
                self._known = {place.key: place for place in _places.decode(path.read_bytes())}
            except msgspec.MsgspecError:
                log.warning("places of our own logs are unreadable: the logs are read again", extra={"path": str(path)})

    @property
    def known(self) -> list[Place]:
        return list(self._known.values())

    def apply(self, notes: list[bytes]) -> None:
        """Notes in the spool's order, durably. Again is harmless."""
        if not notes:
            return
        for note in notes:
            self._known.update((place.key, place) for place in _places.decode(note))
        oldest = max((place.seen for place in self._known.values()), default=0) - KEPT_S
        self._known = {key: place for key, place in self._known.items() if place.seen >= oldest}
        made = self._path.with_suffix(".new")
        with made.open("wb") as file:
            file.write(msgspec.msgpack.encode(self.known))
            file.flush()
            os.fsync(file.fileno())
        made.replace(self._path)


class OwnLogs:
    """Follows `directory`/*.log until cancelled. The files of role X are `X.log` and `X.….log`."""

    def __init__(self, directory: Path, places: Places, spool: Spool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock
        self._places = places
        self._host = socket.gethostname()
        self._told_s: dict[str, float] = {}
        self._thread = ThreadPoolExecutor(1, "own logs")
        self._tail = Tail(
            [str(directory / "*.log")], places.known, clock, splitter=lambda: Splitter(Traces()), say=self._say
        )

    async def run(self) -> None:
        """Until cancelled. Waits while the spool has no room."""
        try:
            while True:
                try:
                    await self._look()
                except Exception as error:  # noqa: BLE001 - whatever one file does, the others are followed
                    self._say(f"our own logs cannot be followed: {error!r}", "")
                    await asyncio.sleep(_AGAIN_S)
        finally:
            self._thread.shutdown()  # a look that is under way ends first
            self._tail.close()

    async def _look(self) -> None:
        chunks = await asyncio.get_running_loop().run_in_executor(self._thread, self._tail.poll, _BUDGET_BYTES)
        for chunk in chunks:
            await self._store(chunk)
        if not chunks:
            await asyncio.sleep(_POLL_S)

    async def _store(self, chunk: Chunk) -> None:
        frame = await asyncio.get_running_loop().run_in_executor(self._thread, self._frame, chunk)
        if frame is None:
            self._tail.done(chunk)
            return
        parts = encode_frame(frame)
        while True:
            try:
                await self._spool.append(STREAM, parts, records=len(frame.documents), tenant=TENANT, kind=FOLLOWED)
            except DxopsError as error:
                self._say(f"our own logs wait: {error.message}", "")
                await asyncio.sleep(error.retry_after_s if isinstance(error, Unavailable) else 1.0)
            else:
                self._tail.done(chunk)
                return

    def _frame(self, chunk: Chunk) -> LogFrame | None:
        records = [record for record in chunk.records if record.text]
        if not records:
            return None
        role = os.path.basename(chunk.path).partition(".")[0]  # noqa: PTH119 - of text
        now_ms = int(self._clock.now().timestamp() * 1000)
        note = msgspec.msgpack.encode([chunk.place, *self._tail.moved()])
        if role == ACCESS_NAME:
            return _frame_of(ACCESS_STREAM, records, lambda record: self._access(record, now_ms), note)
        return _frame_of(ROLES_STREAM, records, lambda record: role_document(record, role, self._host, now_ms), note)

    def _access(self, record: Record, now_ms: int) -> tuple[bytes, int]:
        """Access lines are documents already; what is none was torn, by a crash or a full disk."""
        try:
            time_ms = read_time(_decode_at(record.text).at)
        except msgspec.MsgspecError:
            time_ms = None
        return role_document(record, "edge", self._host, now_ms) if time_ms is None else (record.text, time_ms)

    def _say(self, what: str, path: str) -> None:
        """At most once a minute for the same: these lines are followed too."""
        now_s = self._clock.monotonic()
        if now_s - self._told_s.get(what, -_TELL_S) >= _TELL_S:
            self._told_s[what] = now_s
            log.warning(what, extra={"path": path} if path else None)


def _frame_of(stream: str, records: list[Record], made: Callable[[Record], tuple[bytes, int]], note: bytes) -> LogFrame:
    pairs = [made(record) for record in records]
    return LogFrame(
        indices=(stream,),
        times_ms=array("q", [time_ms for _, time_ms in pairs]),
        documents=[document for document, _ in pairs],
        note=note,
    )
