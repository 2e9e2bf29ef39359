"""Kubo RPC: reading files, directories and references."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

from dxops.base.errors import DxopsError, Refused
from dxops.rooms.content.dag import Dag, DirectoryEntry
from dxops.rooms.content.kubo_call import Call
from dxops.rooms.content.tar import tar
from dxops.wire.cid import Cid

_TYPES: Final = {"directory": 1, "file": 2, "symlink": 4}


class Failed(DxopsError):
    """Kubo answers 500 for it: the call was understood, the content is not of the right kind."""

    default_code = "failed"


async def cat(call: Call) -> None:
    """The bytes of one or more files; `offset` and `length` count over all of them."""
    call.query.arg()
    skip, left = call.query.number("offset", 0) or 0, call.query.number("length")
    spans: list[tuple[Cid, int, int]] = []
    for path in call.query.args:
        cid = (await call.content.dag.resolve(path)).cid
        stat = await call.content.dag.stat(cid)
        if stat.kind == "directory":
            raise Failed("this dag node is a directory")
        if stat.size_bytes is None:
            raise Failed("this dag node is not a UnixFS file")
        start = min(skip, stat.size_bytes)
        end = stat.size_bytes if left is None else min(stat.size_bytes, start + left)
        skip, left = skip - start, None if left is None else left - (end - start)
        spans.append((cid, start, end))
    total = sum(end - start for _, start, end in spans)
    await call.put_bytes(_spans(call.content.dag, spans), media_type="text/plain", length=total)


async def _spans(dag: Dag, spans: list[tuple[Cid, int, int]]) -> AsyncIterator[bytes]:
    for cid, start, end in spans:
        async for chunk in dag.read(cid, start, end):
            yield chunk


async def ls(call: Call) -> None:
    """`{"Objects": [{"Hash", "Links": [{"Name", "Hash", "Size", "Type", "Target"}]}]}`; with `stream=true` a line for
    each link."""
    call.query.arg()
    dag = call.content.dag
    look = call.query.boolean("resolve-type", default=True) or call.query.boolean("size", default=True)
    if call.query.boolean("stream", "s"):
        await call.put_lines(_ls_lines(call, look))
        return
    objects = []
    for path in call.query.args:
        cid = (await dag.resolve(path)).cid
        objects.append({"Hash": path, "Links": [link async for link in _links(dag, cid, look)]})
    await call.json({"Objects": objects})


async def _ls_lines(call: Call, look: bool) -> AsyncIterator[Mapping[str, object]]:
    for path in call.query.args:
        cid = (await call.content.dag.resolve(path)).cid
        async for link in _links(call.content.dag, cid, look):
            yield {"Objects": [{"Hash": path, "Links": [link]}]}


async def _links(dag: Dag, cid: Cid, look: bool) -> AsyncIterator[Mapping[str, object]]:
    """A directory's entries; anything else is listed as itself, without a name, as Kubo does."""
    stat = await dag.stat(cid)
    if stat.kind != "directory":
        yield await _link(dag, DirectoryEntry("", cid, 0), look)
        return
    async for child in dag.entries(cid):
        yield await _link(dag, child, look)


async def _link(dag: Dag, child: DirectoryEntry, look: bool) -> Mapping[str, object]:
    kind, size, target = 0, child.tsize, ""
    if look:
        stat = await dag.stat(child.cid)
        kind = _TYPES.get(stat.kind, 0)
        size = stat.size_bytes if stat.size_bytes is not None else 0
        target = stat.target or ""
    return {"Name": child.name, "Hash": str(child.cid), "Size": size, "Type": kind, "Target": target}


async def get(call: Call) -> None:
    """The tree as a TAR, named by the path's last segment; gzipped with `compress=true` (`gzip` with one file)."""
    path = call.query.arg()
    target = await call.content.dag.resolve(path)
    if call.query.text("output", "o"):
        raise Refused("option 'output' belongs to the command line", field="output")
    name = path.rstrip("/").rpartition("/")[2]
    chunks = tar(call.content.dag, target.cid, name)
    if call.query.boolean("compress", "C"):
        level = call.query.number("compression-level", 6) or 6
        await call.put_bytes(_gzipped(chunks, min(level, 9)), media_type="application/gzip")
    else:
        await call.put_bytes(chunks, media_type="application/x-tar")


async def _gzipped(chunks: AsyncIterator[bytes], level: int) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(level, wbits=zlib.MAX_WBITS | 16)
    async for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


async def refs(call: Call) -> None:
    """`{"Ref", "Err"}` lines: the links of a node, or of everything below it with `recursive=true`."""
    for name in ("edges", "e"):
        if call.query.boolean(name):
            raise Refused(f"option '{name}' is not supported", field=name)
    if call.query.text("format") not in ("", "<dst>"):
        raise Refused("option 'format' is not supported", field="format")
    if call.query.text("max-depth", default="-1") not in ("-1", "1"):
        raise Refused("option 'max-depth' is not supported", field="max-depth", hint="use recursive=true or false")
    root = (await call.content.dag.resolve(call.query.arg())).cid
    deep = call.query.boolean("recursive", "r") and call.query.text("max-depth", default="-1") == "-1"
    unique = call.query.boolean("unique", "u")
    await call.put_lines(_refs(call.content.dag, root, deep, unique))


async def _refs(dag: Dag, root: Cid, deep: bool, unique: bool) -> AsyncIterator[Mapping[str, object]]:
    seen: set[bytes] = set()
    walked: set[bytes] = set()
    stack = [iter(await dag.links(root))]
    while stack:
        cid = next(stack[-1], None)
        if cid is None:
            stack.pop()
            continue
        if not unique or cid.multihash not in seen:
            seen.add(cid.multihash)
            yield {"Ref": str(cid), "Err": ""}
        if deep and cid.multihash not in walked:
            if unique:
                walked.add(cid.multihash)
            stack.append(iter(await dag.links(cid)))


async def resolve(call: Call) -> None:
    """`{"Path": "/ipfs/<cid>"}`."""
    target = await call.content.dag.resolve(call.query.arg("name"))
    await call.json({"Path": f"/ipfs/{target.cid}"})


async def files_stat(call: Call) -> None:
    """`{"Hash", "Size", "CumulativeSize", "Blocks", "Type"}` of an `/ipfs/` path. There is no MFS here."""
    path = call.query.arg("path")
    if not path.startswith("/ipfs/"):
        raise Refused("this node keeps no files of its own (MFS)", field="arg", hint="ask for /ipfs/<cid>[/path]")
    cid = (await call.content.dag.resolve(path)).cid
    stat = await call.content.dag.stat(cid)
    answer: dict[str, object] = {
        "Hash": str(cid),
        "Size": stat.size_bytes if stat.kind == "file" else 0,
        "CumulativeSize": stat.cumulative_bytes,
        "Blocks": stat.links,
        "Type": "directory" if stat.kind == "directory" else "file",
    }
    if call.query.boolean("with-local"):
        whole = await call.content.dag.measure(cid)
        answer |= {"WithLocality": True, "Local": not whole.missing, "SizeLocal": whole.dag_bytes}
    await call.json(answer)
