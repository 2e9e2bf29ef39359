"""Values that cross the spool's own seams: where a reader is, what is durable, what a consumer has done."""

from __future__ import annotations

import re
import struct

import msgspec

from dxops.base.errors import Refused, Unavailable
from dxops.engines.spool.frames import NO_SEGMENT, SEGMENT_BYTES

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_TAKEN = ("id", "lock")  # files beside the streams' directories


def checked_name(what: str, name: str) -> str:
    """A stream's or consumer's name. Raises `Refused`."""
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise Refused(f"'{name[:80]}' is no {what} name", hint="1 to 64 of a-z, 0-9, _ and -", field=what)
    return name


def is_name(name: str) -> bool:
    """Whether this may be a stream or a consumer: temporary and lock files are not."""
    return _NAME.fullmatch(name) is not None and name not in _TAKEN


class SpoolPaths:
    """Where everything of one stream is."""

    __slots__ = ("consumers", "damaged", "directory", "mark", "quarantine", "spare_place", "spare_seen")

    def __init__(self, root: str, stream: str) -> None:
        self.directory = f"{root}/{stream}"
        self.mark = f"{self.directory}/mark"
        self.consumers = f"{self.directory}/consumers"
        self.spare_place = f"{self.consumers}/place.spare"
        self.spare_seen = f"{self.consumers}/seen.spare"
        self.damaged = f"{self.directory}/damaged"
        self.quarantine = f"{self.directory}/quarantine"

    def segment(self, name: str) -> str:
        return f"{self.directory}/{name}"


class Position(msgspec.Struct, frozen=True):
    """The next record to read. `offset` is where its frame begins in `segment`, even when `seq` is inside that frame.

    `passed` counts the records of the stream before it. `segment` is `NO_SEGMENT` before anything was read.
    """

    seq: int = 0
    segment: int = NO_SEGMENT
    offset: int = SEGMENT_BYTES
    passed: int = 0


class Mark(msgspec.Struct, frozen=True):
    """What is durable: everything in segments before `segment`, and `segment` up to `offset`.

    `records` and `payload_bytes` count what the stream took in so far.
    """

    segment: int
    offset: int
    next_seq: int
    records: int
    payload_bytes: int

    @property
    def position(self) -> Position:
        """Behind everything durable."""
        return Position(self.next_seq, self.segment, self.offset, self.records)


class ConsumerState(msgspec.Struct, frozen=True):
    """What a consumer has done, as its file says. `intent` is where the batch ends that was given out and not yet
    committed, 0 for none. `loaded` includes nothing that was quarantined or lost."""

    position: Position = Position()
    intent: int = 0
    loaded: int = 0
    quarantined: int = 0
    lost: int = 0
    loaded_bytes: int = 0
    updated_at_ms: int = 0


_MARK = struct.Struct("<5Q")
_STATE = struct.Struct("<10Q")


def encode_mark(mark: Mark) -> bytes:
    return _MARK.pack(mark.segment, mark.offset, mark.next_seq, mark.records, mark.payload_bytes)


def decode_mark(data: bytes | None) -> Mark | None:
    return Mark(*_MARK.unpack(data)) if data is not None and len(data) == _MARK.size else None


def encode_state(state: ConsumerState) -> bytes:
    at = state.position
    return _STATE.pack(
        at.seq,
        at.segment,
        at.offset,
        at.passed,
        state.intent,
        state.loaded,
        state.quarantined,
        state.lost,
        state.loaded_bytes,
        state.updated_at_ms,
    )


def decode_state(data: bytes | None) -> ConsumerState | None:
    if data is None or len(data) != _STATE.size:
        return None
    seq, segment, offset, passed, *rest = _STATE.unpack(data)
    return ConsumerState(Position(seq, segment, offset, passed), *rest)


class SpoolFull(Unavailable):
    """Nothing was stored: the spool, its stream or its disk is full, or too much waits to be written."""

    default_code = "spool_full"


class SpoolFailed(Unavailable):
    """The disk refused. Whether the records will appear is unknown: they may, at most once each."""

    default_code = "spool_failed"


class DamagedState(Unavailable):
    """A consumer's file cannot be read; going on would load records again."""

    default_code = "consumer_state_damaged"


def failed(error: OSError, doing: str) -> SpoolFailed:
    """A disk's error as the callers should see it."""
    return SpoolFailed(f"{doing}: {error.strerror or error}", hint="check the disk of the spool; then send it again")
