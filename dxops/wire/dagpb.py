"""dag-pb: the node format of UnixFS (ipld.io, codec 0x70). Byte rules in `encode`; strict reading in `decode`."""

from __future__ import annotations

import msgspec

from dxops.base.errors import Refused
from dxops.wire import varint
from dxops.wire.cid import Cid


class PBLink(msgspec.Struct, frozen=True):
    """A link. `tsize` is a hint of the DAG's size, never to be trusted. None: the field is not in the block."""

    cid: Cid
    name: bytes | None = b""
    tsize: int | None = 0


class PBNode(msgspec.Struct, frozen=True):
    """A node: links in stored order, and its data (None: no such field)."""

    links: tuple[PBLink, ...] = ()
    data: bytes | None = None


def encode(node: PBNode) -> bytes:
    """All links (field 2) in the order given, then data (field 1); in a link Hash 1, Name 2, Tsize 3."""
    out = [encode_link(link.cid, link.name, link.tsize) for link in node.links]
    if node.data is not None:
        out += (b"\x0a", varint.encode(len(node.data)), node.data)
    return b"".join(out)


def encode_link(cid: Cid, name: bytes | None, tsize: int | None) -> bytes:
    """One Links field of a node. An empty name is written; None is not."""
    binary = bytes(cid)
    body = b"\x0a" + varint.encode(len(binary)) + binary
    if name is not None:
        body += b"\x12" + varint.encode(len(name)) + name
    if tsize is not None:
        body += b"\x18" + varint.encode(tsize)
    return b"\x12" + varint.encode(len(body)) + body


def decode(block: bytes) -> PBNode:
    """Strict: known fields only, once, links together; in a link Hash, Name, Tsize in this order, Hash required.

    Links may come before or after the data, as all readers allow. Raises `Refused` (`bad_dag_pb`).
    """
    links: list[PBLink] = []
    data: bytes | None = None
    ended = False
    offset = 0
    while offset < len(block):
        tag, value, offset = _field(block, offset)
        if tag == 0x0A and isinstance(value, bytes):
            if data is not None:
                raise _bad("data appears twice")
            data = value
            ended = bool(links)
        elif tag == 0x12 and isinstance(value, bytes):
            if ended:
                raise _bad("links continue behind the data")
            links.append(_decode_link(value))
        else:
            raise _bad(f"unknown field {tag >> 3} of wire type {tag & 7}")
    return PBNode(tuple(links), data)


def _decode_link(body: bytes) -> PBLink:
    cid: Cid | None = None
    name: bytes | None = None
    tsize: int | None = None
    offset = last = 0
    while offset < len(body):
        tag, value, offset = _field(body, offset)
        if tag <= last:
            raise _bad("a link's fields are repeated or out of order")
        last = tag
        if tag == 0x0A and isinstance(value, bytes):
            try:
                cid = Cid.from_bytes(value)
            except Refused as error:
                raise _bad(f"a link's hash: {error.message}") from None
        elif tag == 0x12 and isinstance(value, bytes):
            name = value
        elif tag == 0x18 and isinstance(value, int):
            tsize = value
        else:
            raise _bad(f"a link has the unknown field {tag >> 3} of wire type {tag & 7}")
    if cid is None:
        raise _bad("a link has no hash")
    return PBLink(cid, name, tsize)


def _field(data: bytes, offset: int) -> tuple[int, bytes | int, int]:
    """Tag, value and the offset behind a protobuf field. Groups and fixed-width fields are not dag-pb."""
    head = data[offset : offset + 2]
    if len(head) == 2 and head[0] < 128 and head[1] < 128:  # nearly always
        tag, value = head
        offset += 2
    else:
        try:
            tag, offset = varint.decode(data, offset)
            value, offset = varint.decode(data, offset)
        except Refused as error:
            raise _bad(error.message) from None
    if tag & 7 == 0:
        return tag, value, offset
    if tag & 7 != 2:
        raise _bad(f"field {tag >> 3} has wire type {tag & 7}")
    end = offset + value
    if end > len(data):
        raise _bad("a field is longer than the block")
    return tag, data[offset:end], end


def _bad(what: str) -> Refused:
    return Refused(f"not a dag-pb block: {what}", code="bad_dag_pb")
