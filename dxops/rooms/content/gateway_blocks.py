"""The gateway's other formats: `raw` and `car` for clients that verify, `tar`, and IPLD data as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import orjson

from dxops.rooms.content.dag import Found
from dxops.rooms.content.exchange import Headers
from dxops.rooms.content.gateway_ask import Ask
from dxops.rooms.content.show import dag_json
from dxops.rooms.content.tar import tar
from dxops.wire.cid import CBOR, DAG_CBOR, DAG_JSON, JSON, RAW
from dxops.wire.gateway import MEDIA_TYPES, Format, NotAcceptable, byte_range, car_wish, disposition, header_text

_CODECS: Final = {
    Format.DAG_CBOR: (DAG_CBOR,),
    Format.CBOR: (CBOR, DAG_CBOR),
    Format.JSON: (JSON, DAG_JSON),
    Format.DAG_JSON: (DAG_JSON,),
}


async def serve(ask: Ask) -> None:
    """By the negotiated format. Raises `NotAcceptable` where the content has no such form."""
    match ask.wish.format:
        case Format.RAW:
            await _raw(ask)
        case Format.CAR:
            await _car(ask)
        case Format.TAR:
            await _tar(ask)
        case Format.IPNS_RECORD:
            raise NotAcceptable("there are no IPNS records here")
        case _:
            await _data(ask)


async def _raw(ask: Ask) -> None:
    found = await ask.find()
    etag = f'"{found.cid}.raw"'
    if await ask.unchanged(found, etag):
        return
    block = await ask.content.dag.block(found.cid)
    headers = _headers(ask, found, etag, MEDIA_TYPES[Format.RAW], f"{found.cid}.bin")
    headers.append(("accept-ranges", "bytes"))
    span = byte_range(ask.exchange.header("range"), len(block))
    if span is None:
        await ask.exchange.reply(200, headers, block)
        return
    headers.append(("content-range", f"bytes {span[0]}-{span[1] - 1}/{len(block)}"))
    await ask.exchange.reply(206, headers, block[span[0] : span[1]])


async def _car(ask: Ask) -> None:
    wish = car_wish(ask.query, ask.wish.parameters)
    found = await ask.find()
    etag = f'W/"{ask.root}.{found.cid}.{wish.tag}"'
    if await ask.unchanged(found, etag):
        return
    kind = f"{MEDIA_TYPES[Format.CAR]}; version=1; order=dfs; dups={'y' if wish.dups else 'n'}"
    headers = _headers(ask, found, etag, kind, f"{ask.root}.car")
    if ask.exchange.method == "HEAD":
        await ask.content.dag.block(found.cid)  # 404 as GET would
        await _head(ask, headers)
        return
    await _stream(ask, headers, ask.content.dag.car(ask.root, found, wish))


async def _tar(ask: Ask) -> None:
    found = await ask.find()
    stat = await ask.content.dag.stat(found.cid)
    if stat.kind == "node":
        raise NotAcceptable(f"{found.cid} is not UnixFS", hint="ask for ?format=raw")
    etag = f'"{found.cid}.tar"'
    if await ask.unchanged(found, etag):
        return
    name = ask.target.segments[-1] if ask.target.segments else str(found.cid)
    headers = _headers(ask, found, etag, MEDIA_TYPES[Format.TAR], f"{name}.tar")
    if ask.exchange.method == "HEAD":
        await _head(ask, headers)
        return
    await _stream(ask, headers, tar(ask.content.dag, found.cid, name))


async def _data(ask: Ask) -> None:
    """The block's own bytes where the codec is the format's, DAG-JSON of any node where that is asked for."""
    found = await ask.find()
    block = await ask.content.dag.block(found.cid)
    wanted = ask.wish.format
    if wanted is Format.DAG_JSON and found.cid.codec not in (RAW, DAG_JSON):
        body = orjson.dumps(dag_json(found.cid, block))
    elif found.cid.codec in _CODECS[wanted]:
        body = block
    else:
        raise NotAcceptable(
            f"{found.cid} is not {wanted.value}, and codecs are not converted", hint="ask for ?format=raw"
        )
    etag = f'"{found.cid}.{wanted.value}"'
    if await ask.unchanged(found, etag):
        return
    headers = _headers(ask, found, etag, MEDIA_TYPES[wanted], f"{found.cid}.{wanted.value.rpartition('-')[2]}")
    await ask.exchange.reply(200, headers, body)


def _headers(ask: Ask, found: Found, etag: str, media_type: str, filename: str) -> Headers:
    name = ask.query.get("filename", "") or filename
    headers = [
        *ask.common(found, etag),
        ("content-type", media_type),
        ("content-disposition", disposition(name, attachment=True)),
        ("x-content-type-options", "nosniff"),
    ]
    if not ask.wish.by_query:
        query = "&".join(part for part in (ask.exchange.query, f"format={ask.wish.format.value}") if part)
        headers.append(("content-location", header_text(f"{ask.target.path}?{query}")))
    return headers


async def _head(ask: Ask, headers: Headers) -> None:
    """A stream's length is not known before it is made."""
    await ask.exchange.start(200, headers)
    await ask.exchange.end()


async def _stream(ask: Ask, headers: Headers, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        if not ask.exchange.started:
            await ask.exchange.start(200, headers)
        await ask.exchange.write(chunk)
    await ask.exchange.end()
