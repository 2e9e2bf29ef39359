"""What one accepted request of log operations is in the spool: columns of keys, then the documents as they were sent.

Operation i of a frame has the spool's sequence number base + i, which is its `_seq_no` and, for documents without an id
of their own, makes its `_id`. Layout: msgpack of the keys, its size before it as four bytes, then the documents' bytes
one after another.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec

TIME_GIVEN = 0
TIME_TAKEN = 1
"""Flags of a document: its time was read from it, or is the time it was received."""


class LogFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Operations that were accepted together.

    A document with an empty source is a deletion: it only ends what `replaced` names. `index_of[i]` is an index into
    `indices`. `ids[i]` is "" for ids made from sequence numbers. `replaced[i]` is the sequence number of the version
    that this operation ends, -1 for none, or -2 - j for that of operation j of this frame. `version[i]` is the
    document's `_version`. None stands for a column of the usual: all in the first index, no ids, time given, version 1,
    nothing replaced. `note` is what the writer wants to find again exactly if the frame was stored.
    """

    indices: tuple[str, ...]
    times_ms: array[int]
    documents: Sequence[bytes]
    index_of: array[int] | None = None
    ids: Sequence[str] | None = None
    flags: bytes | None = None
    versions: array[int] | None = None
    replaced: array[int] | None = None
    note: bytes | None = None


class _Keys(msgspec.Struct, frozen=True, array_like=True):
    indices: tuple[str, ...]
    times_ms: bytes
    sizes: bytes
    index_of: bytes | None
    ids: Sequence[str] | None
    flags: bytes | None
    versions: bytes | None
    replaced: bytes | None
    note: bytes | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Keys)


def encode_frame(frame: LogFrame) -> list[bytes]:
    """The payload's parts. Times fit 64 bits, sizes 32, indices 16."""
    keys = _encoder.encode(
        _Keys(
            frame.indices,
            frame.times_ms.tobytes(),
            array("I", map(len, frame.documents)).tobytes(),
            None if frame.index_of is None else frame.index_of.tobytes(),
            frame.ids,
            frame.flags,
            None if frame.versions is None else frame.versions.tobytes(),
            None if frame.replaced is None else frame.replaced.tobytes(),
            frame.note,
        )
    )
    return [len(keys).to_bytes(4, "little"), keys, *frame.documents]


def decode_frame(payload: bytes | memoryview) -> LogFrame:
    """The frame back. Raises `ValueError` for a payload that is none."""
    view = memoryview(payload)
    size = int.from_bytes(view[:4], "little")
    try:
        keys = _decoder.decode(view[4 : 4 + size])
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a frame of logs: {error}") from error
    sizes = _array("I", keys.sizes)
    whole = payload if isinstance(payload, bytes) else bytes(payload)
    found = max(0, len(whole) - 4 - size)
    if sum(sizes) != found:
        raise ValueError(f"documents of {sum(sizes)} bytes announced, {found} found")
    frame = LogFrame(
        indices=keys.indices,
        times_ms=_array("q", keys.times_ms),
        documents=[whole[start:end] for start, end in pairwise(accumulate(sizes, initial=4 + size))],
        index_of=None if keys.index_of is None else _array("H", keys.index_of),
        ids=keys.ids,
        flags=keys.flags,
        versions=None if keys.versions is None else _array("I", keys.versions),
        replaced=None if keys.replaced is None else _array("q", keys.replaced),
        note=keys.note,
    )
    columns = (frame.times_ms, frame.index_of, frame.ids, frame.flags, frame.versions, frame.replaced)
    if any(column is not None and len(column) != len(sizes) for column in columns):
        raise ValueError("columns of different lengths")
    if frame.index_of is not None and any(which >= len(frame.indices) for which in frame.index_of):
        raise ValueError("an operation names an index that is not in the frame")
    return frame


def note_of(payload: bytes | memoryview) -> bytes | None:
    """A frame's note alone. Raises `ValueError` for a payload that is none."""
    view = memoryview(payload)
    try:
        return _decoder.decode(view[4 : 4 + int.from_bytes(view[:4], "little")]).note
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a frame of logs: {error}") from error


def settled(frame: LogFrame, base: int) -> LogFrame:
    """The frame with what it replaces by sequence number only, now that its first operation has number `base`."""
    if frame.replaced is None or all(number >= -1 for number in frame.replaced):
        return frame
    numbers = array("q", [base - 2 - number if number < -1 else number for number in frame.replaced])
    return msgspec.structs.replace(frame, replaced=numbers)


def part_of(frame: LogFrame, start: int, stop: int) -> LogFrame:
    """The operations from `start` to before `stop` as a frame of their own, without note. `frame` is `settled`."""
    return LogFrame(
        indices=frame.indices,
        times_ms=frame.times_ms[start:stop],
        documents=frame.documents[start:stop],
        index_of=None if frame.index_of is None else frame.index_of[start:stop],
        ids=None if frame.ids is None else frame.ids[start:stop],
        flags=None if frame.flags is None else frame.flags[start:stop],
        versions=None if frame.versions is None else frame.versions[start:stop],
        replaced=None if frame.replaced is None else frame.replaced[start:stop],
    )


def _array(code: str, data: bytes) -> array[int]:
    made: array[int] = array(code)
    made.frombytes(data)
    return made
