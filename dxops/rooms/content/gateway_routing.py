"""Delegated routing, read-only: who has this CID? This gateway, or nobody that we know of."""

from __future__ import annotations

import orjson

from dxops.base.errors import DxopsError
from dxops.rooms.content.exchange import Exchange
from dxops.rooms.content.service import ContentService
from dxops.wire.cid import Cid

_CORS = [("access-control-allow-origin", "*"), ("vary", "Accept")]


async def answer(content: ContentService, exchange: Exchange, path: bytes) -> None:
    """`providers/<cid>`; 501 for what needs a DHT, 400 for the rest. No result is 200 with an empty list."""
    kind, _, name = path.decode("ascii", "replace").partition("/")
    if kind in ("dht", "ipns", "peers"):
        await exchange.reply(501, [*_CORS, ("content-type", "text/plain")], b"not supported\n")
        return
    if kind != "providers" or not name:
        await exchange.reply(400, [*_CORS, ("content-type", "text/plain")], b"ask for providers/<cid>\n")
        return
    try:
        cid = Cid.parse(name.strip("/"))
    except DxopsError as error:
        await exchange.reply(422, [*_CORS, ("content-type", "text/plain")], f"{error.message}\n".encode())
        return
    held = await content.dag.holds_block(cid)
    found = [await _self(content, exchange)] if held else []
    age = 300 if held else 15
    headers = [
        *_CORS,
        ("cache-control", f"public, max-age={age}, stale-while-revalidate=172800, stale-if-error=172800"),
    ]
    if "application/x-ndjson" in (exchange.header("accept") or ""):
        body = b"".join(orjson.dumps(record) + b"\n" for record in found)
        await exchange.reply(200, [*headers, ("content-type", "application/x-ndjson")], body)
        return
    await exchange.reply(200, [*headers, ("content-type", "application/json")], orjson.dumps({"Providers": found}))


async def _self(content: ContentService, exchange: Exchange) -> dict[str, object]:
    host, _, port = exchange.host.rpartition(":")
    kind = "ip4" if host.replace(".", "").isdigit() else "dns"
    address = f"/{kind}/{host or exchange.host}/tcp/{port or '80'}/http"
    return {
        "Schema": "peer",
        "ID": await content.peer_id(),
        "Addrs": [address],
        "Protocols": ["transport-ipfs-gateway-http"],
    }
