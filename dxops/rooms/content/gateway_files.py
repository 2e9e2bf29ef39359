"""The gateway's files and directories."""

from __future__ import annotations

from typing import Final

from dxops.base.errors import Missing
from dxops.rooms.content import listing
from dxops.rooms.content.dag import Found, Stat
from dxops.rooms.content.gateway_ask import Ask
from dxops.rooms.content.gateway_redirects import redirect
from dxops.rooms.content.model import Entry
from dxops.rooms.content.paths import NoLink
from dxops.wire.cid import DAG_CBOR, DAG_PB, RAW
from dxops.wire.gateway import NotAcceptable, byte_range, disposition, escape
from dxops.wire.media import media_type

_SNIFF_BYTES: Final = 512
_MAX_LISTED: Final = 10_000


async def serve(ask: Ask) -> None:
    """A file, a directory's `index.html`, or its listing."""
    try:
        found = await ask.find()
    except NoLink:
        if ask.isolated and await redirect(ask, lambda path, status: _serve_at(ask, path, status)):
            return
        raise
    await _serve_found(ask, found, status=200)


async def _serve_at(ask: Ask, path: str, status: int) -> None:
    """What `_redirects` points at, with its status."""
    segments = [segment for segment in path.split("/") if segment]
    found = await ask.content.dag.resolve_segments(ask.root, segments)
    stat = await ask.content.dag.stat(found.cid)
    if stat.kind == "directory":
        found = await ask.content.dag.resolve_segments(found.cid, ["index.html"])
        stat, segments = await ask.content.dag.stat(found.cid), ["index.html"]
    await _file(ask, found, stat, segments[-1] if segments else "", status=status)


async def _serve_found(ask: Ask, found: Found, *, status: int) -> None:
    if found.cid.codec not in (DAG_PB, RAW):
        hint = "ask for ?format=raw, dag-json or dag-cbor" if found.cid.codec == DAG_CBOR else "ask for ?format=raw"
        raise NotAcceptable(f"{found.cid} is not UnixFS", hint=hint)
    stat = await ask.content.dag.stat(found.cid)
    if stat.kind == "directory":
        await _directory(ask, found)
        return
    if stat.kind == "node":
        raise NotAcceptable(f"{found.cid} is not UnixFS", hint="ask for ?format=raw")
    if ask.target.slash and ask.target.segments:
        raise Missing(f"'{ask.target.segments[-1]}' is a file, not a directory", hint="leave out the last slash")
    await _file(ask, found, stat, ask.target.segments[-1] if ask.target.segments else "", status=status)


async def _directory(ask: Ask, found: Found) -> None:
    if not ask.target.slash:
        # relative, so that neither a hostile Host nor a path of `//evil` can send anyone elsewhere
        last = ask.target.segments[-1] if ask.target.segments else ask.target.name
        query = f"?{ask.exchange.query}" if ask.exchange.query else ""
        await ask.exchange.reply(301, [*ask.headers, ("location", f"./{escape(last)}/{query}")])
        return
    try:
        index = await ask.content.dag.resolve_segments(found.cid, ["index.html"])
        stat = await ask.content.dag.stat(index.cid)
    except NoLink:
        await _listing(ask, found)
        return
    whole = Found(cid=index.cid, roots=found.roots, proof=found.proof)
    await _file(ask, whole, stat, "index.html", status=200)


async def _listing(ask: Ask, found: Found) -> None:
    etag = f'"DirIndex-{listing.VERSION}_CID-{found.cid}"'
    if await ask.unchanged(found, etag):
        return
    entries = []
    async for child in ask.content.dag.entries(found.cid):
        entries.append(Entry(name=child.name, cid=str(child.cid), size_bytes=child.tsize))
        if len(entries) == _MAX_LISTED:
            break
    entries.sort(key=lambda entry: entry.name)
    title = "/" + "/".join(ask.target.segments) if ask.isolated else ask.target.path
    page = listing.listing(title, str(found.cid), entries, root=not ask.target.segments)
    headers = [
        *((name, value) for name, value in ask.common(found, etag) if name != "cache-control"),
        ("cache-control", "public, max-age=604800, stale-while-revalidate=2678400"),
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", listing.CSP),
        ("x-content-type-options", "nosniff"),
    ]
    await ask.exchange.reply(200, headers, page)


async def _file(ask: Ask, found: Found, stat: Stat, name: str, *, status: int) -> None:
    if stat.kind == "symlink":
        # as Kubo: the link's text, never what it might point at
        text = (stat.target or "").encode("utf-8", "surrogateescape")
        headers = [*ask.common(found, f'"{found.cid}"'), ("content-type", "inode/symlink")]
        await ask.exchange.reply(200, headers, text)
        return
    size = stat.size_bytes or 0
    etag = f'"{found.cid}"'
    if status == 200 and await ask.unchanged(found, etag):
        return
    name = ask.query.get("filename", "") or name
    head = b""
    if size and not media_type(name).startswith(("text/", "image/", "application/javascript")):
        head = b"".join([part async for part in ask.content.dag.read(found.cid, 0, min(size, _SNIFF_BYTES))])
    headers = [
        *ask.common(found, etag),
        ("content-type", media_type(name, head)),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
    ]
    if "filename" in ask.query or ask.query.get("download") == "true":
        attachment = ask.query.get("download") == "true"
        headers.append(("content-disposition", disposition(name or str(found.cid), attachment=attachment)))
    span = byte_range(_range(ask, etag), size) if status == 200 else None
    if span is not None:
        status = 206
        headers.append(("content-range", f"bytes {span[0]}-{span[1] - 1}/{size}"))
    start, end = span or (0, size)
    headers.append(("content-length", str(end - start)))
    if ask.exchange.method == "HEAD" or start == end:
        await ask.exchange.reply(status, headers)
        return
    chunks = ask.content.dag.read(found.cid, start, end)
    first = await anext(chunks)  # a block that is missing right here is still a 404
    await ask.exchange.start(status, headers)
    await ask.exchange.write(first)
    async for chunk in chunks:
        await ask.exchange.write(chunk)
    await ask.exchange.end()


def _range(ask: Ask, etag: str) -> str | None:
    """`Range` counts only while `If-Range` names this very content."""
    condition = ask.exchange.header("if-range")
    return ask.exchange.header("range") if condition is None or condition == etag else None
