"""CARv1: blocks with their CIDs in one stream (ipld.io/specs/transport/car/carv1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dxops.base.errors import Refused, TooLarge
from dxops.wire import dagcbor, varint
from dxops.wire.cid import Buffer, Cid
from dxops.wire.unixfs import MAX_BLOCK_BYTES

MAX_HEADER_BYTES = 256 * 1024
"""About 6,000 roots."""

_MAX_CID_BYTES = 160


def header(roots: Sequence[Cid]) -> bytes:
    """The start of a CAR."""
    body = dagcbor.encode({"roots": list(roots), "version": 1})
    return varint.encode(len(body)) + body


def section(cid: Cid, block: Buffer) -> bytes:
    """One block of a CAR."""
    binary = bytes(cid)
    return b"".join((varint.encode(len(binary) + len(block)), binary, block))


def encode(roots: Sequence[Cid], blocks: Iterable[tuple[Cid, Buffer]]) -> Iterator[bytes]:
    """A CAR in pieces: the header, then one piece a block. Identity blocks are left out, they are in their CIDs."""
    yield header(roots)
    for cid, block in blocks:
        if not cid.is_identity:
            yield section(cid, block)


class CarDecoder:
    """Reads a CAR from chunks of any sizes, holding at most one section more than the chunk.

    Every block is checked against its CID unless `verify` is off. Raises `Refused` (`bad_car`, `bad_block`, `bad_cid`)
    and `TooLarge`; after an error the decoder is spent. Roots are what the header claims: they may be wrong.
    """

    def __init__(self, *, verify: bool = True, max_block_bytes: int = MAX_BLOCK_BYTES) -> None:
        self._verify = verify
        self._max_block_bytes = max_block_bytes
        self._buffer = bytearray()
        self._roots: tuple[Cid, ...] | None = None

    @property
    def roots(self) -> tuple[Cid, ...]:
        """The header's roots. Raises `Refused` while the header is not read."""
        if self._roots is None:
            raise Refused("this is not a whole CAR: its header is cut off", code="bad_car")
        return self._roots

    def feed(self, data: Buffer) -> list[tuple[Cid, bytes]]:
        """The blocks that `data` completes, in order."""
        self._buffer += data
        blocks: list[tuple[Cid, bytes]] = []
        offset = 0
        while (frame := self._frame(offset)) is not None:
            start, offset = frame
            if self._roots is None:
                self._roots = _read_header(bytes(self._buffer[start:offset]))
            else:
                blocks.append(self._section(start, offset))
        del self._buffer[:offset]
        return blocks

    def finish(self) -> tuple[Cid, ...]:
        """The roots. Raises `Refused` when the stream ended inside a section."""
        roots = self.roots
        if self._buffer:
            raise Refused("the CAR is cut off inside a block", code="bad_car", hint="send it again, whole")
        return roots

    def _frame(self, offset: int) -> tuple[int, int] | None:
        """Start and end of the whole section at `offset`; None when it is not all here yet."""
        try:
            size, start = varint.decode(self._buffer_view(offset), minimal=True)
        except Refused as error:
            if error.code == "truncated":
                return None
            raise Refused(f"not a CAR: {error.message}", code="bad_car") from None
        if size == 0:
            raise Refused("not a CAR: an empty section", code="bad_car")
        limit = MAX_HEADER_BYTES if self._roots is None else self._max_block_bytes + _MAX_CID_BYTES
        if size > limit:
            what = "header" if self._roots is None else "section"
            raise TooLarge(f"the CAR has a {what} of {size} bytes; the limit is {limit}", code="bad_car")
        start += offset
        return (start, start + size) if start + size <= len(self._buffer) else None

    def _buffer_view(self, offset: int) -> bytes:
        return bytes(self._buffer[offset : offset + 10])

    def _section(self, start: int, end: int) -> tuple[Cid, bytes]:
        raw = bytes(memoryview(self._buffer)[start:end])
        cid, offset = Cid.read(raw)
        block = raw[offset:]
        if len(block) > self._max_block_bytes:
            raise TooLarge(f"block {cid} has {len(block)} bytes; the limit is {self._max_block_bytes}", code="bad_car")
        if self._verify and not cid.verifies(block):
            raise Refused(f"the bytes sent for block {cid} do not match it", code="bad_block")
        return cid, block


def _read_header(body: bytes) -> tuple[Cid, ...]:
    try:
        value = dagcbor.decode(body)
    except Refused as error:
        raise Refused(f"not a CAR: its header is {error.message}", code="bad_car") from None
    if not isinstance(value, dict) or "version" not in value:
        raise Refused("not a CAR: its header has no version", code="bad_car")
    if value["version"] != 1:
        raise Refused(f"CAR version {value['version']} is not supported", code="bad_car", hint="send a CARv1")
    roots = value.get("roots")
    if not isinstance(roots, list) or not all(isinstance(root, Cid) for root in roots):
        raise Refused("not a CAR: its header has no list of roots", code="bad_car")
    return tuple(roots)
