"""One CID, for people: what it is, what it links to, how it begins. Blocking; threads."""

from __future__ import annotations

from itertools import islice
from typing import Final

from dxops.base.errors import DxopsError
from dxops.engines.blocks.port import BlockStore
from dxops.rooms.content import paths
from dxops.rooms.content.model import Entry, Inspection, Link
from dxops.rooms.content.reader import DirectoryEntry, Reader, name_of, shown
from dxops.rooms.content.show import dag_json
from dxops.wire import cid as cids
from dxops.wire import dagpb
from dxops.wire.cid import Cid
from dxops.wire.dagcbor import links_of
from dxops.wire.media import media_type

PREVIEW_BYTES: Final = 4096
MAX_SHOWN: Final = 1000
_CODECS: Final = {
    cids.RAW: "raw",
    cids.DAG_PB: "dag-pb",
    cids.DAG_CBOR: "dag-cbor",
    cids.CBOR: "cbor",
    cids.JSON: "json",
    cids.DAG_JSON: "dag-json",
}


def inspect(blocks: BlockStore, cid: Cid) -> Inspection:
    """Without holds and imports, which are in the database."""
    block = blocks.get(cid)
    stat = paths.stat(blocks, cid)
    entries: tuple[Entry, ...] = ()
    more = False
    if stat.kind == "directory":
        found = Reader(blocks).entries(cid)
        more = len(found) > MAX_SHOWN
        entries = tuple(_entry(blocks, child) for child in found[:MAX_SHOWN])
    return Inspection(
        cid=str(cid),
        cid_v1=str(cid.to_v1()),
        codec=_CODECS.get(cid.codec, f"0x{cid.codec:x}"),
        kind="shard" if stat.sharded else stat.kind,
        block_bytes=len(block),
        size_bytes=stat.size_bytes,
        links=tuple(islice(_links(cid, block), MAX_SHOWN)),
        entries=entries,
        more=more or stat.links > MAX_SHOWN,
        preview=_preview(blocks, cid, stat.size_bytes or 0) if stat.kind == "file" else None,
        target=stat.target,
        data=dag_json(cid, block) if cid.codec == cids.DAG_CBOR else None,
        holds=(),
        imports=(),
    )


def _links(cid: Cid, block: bytes) -> list[Link]:
    if cid.codec == cids.DAG_PB:
        nodes = dagpb.decode(block).links
        return [
            Link(name=shown(name_of(link.name or b"")), cid=str(link.cid), tsize_bytes=link.tsize) for link in nodes
        ]
    try:
        return [Link(name="", cid=str(link)) for link in links_of(cid, block)]
    except DxopsError:  # a codec whose links we do not know
        return []


def _entry(blocks: BlockStore, child: DirectoryEntry) -> Entry:
    """Kind and size come from the child's own block where it is here; a page of a directory reads at most 1000."""
    name = shown(child.name)
    try:
        stat = paths.stat(blocks, child.cid)
    except DxopsError:
        return Entry(name=name, cid=str(child.cid), size_bytes=child.tsize, kind="unknown")
    size = stat.size_bytes if stat.kind == "file" else child.tsize
    return Entry(name=name, cid=str(child.cid), size_bytes=size, kind=stat.kind)


def _preview(blocks: BlockStore, cid: Cid, size: int) -> str | None:
    try:
        head = b"".join(Reader(blocks).read(cid, 0, min(size, PREVIEW_BYTES)))
    except DxopsError:
        return None
    if not media_type("", head[:512]).startswith(("text/", "image/svg", "application/json")):
        return None
    return head.decode("utf-8", "replace")
