"""Kubo RPC: blocks and DAGs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

from dxops.base.errors import DxopsError, Refused
from dxops.rooms.content.kubo_call import Call
from dxops.rooms.content.model import HoldKind
from dxops.rooms.content.show import dag_json
from dxops.wire import cid as cids
from dxops.wire import dagcbor
from dxops.wire.cid import Cid
from dxops.wire.unixfs import MAX_BLOCK_BYTES, MAX_WRITE_BYTES

_CODECS: Final = {
    "raw": cids.RAW,
    "dag-pb": cids.DAG_PB,
    "protobuf": cids.DAG_PB,
    "v0": cids.DAG_PB,
    "dag-cbor": cids.DAG_CBOR,
    "cbor": cids.DAG_CBOR,
}


async def block_get(call: Call) -> None:
    """The block's bytes."""
    block = await call.content.dag.block((await call.content.dag.resolve(call.query.arg("cid"))).cid)
    await call.exchange.reply(
        200,
        [("content-type", "application/octet-stream"), ("x-stream-output", "1"), ("x-content-type-options", "nosniff")],
        block,
    )


async def block_stat(call: Call) -> None:
    """`{"Key", "Size"}`."""
    cid = (await call.content.dag.resolve(call.query.arg("cid"))).cid
    await call.json({"Key": str(cid), "Size": len(await call.content.dag.block(cid))})


async def block_put(call: Call) -> None:
    """`{"Key", "Size"}` a line for each block. Default codec `raw`, CIDv1; `format=v0` gives CIDv0."""
    legacy = call.query.text("format", "f")
    codec = _codec(legacy or call.query.text("cid-codec", default="raw"), "format" if legacy else "cid-codec")
    _only_sha256(call, "mhtype")
    version = 0 if legacy == "v0" else 1
    limit = MAX_BLOCK_BYTES if call.query.boolean("allow-big-block") else MAX_WRITE_BYTES
    data = await call.one_file(limit)
    cid = Cid.for_block(data, codec, version)
    await call.content.put_block(cid, data)
    if call.query.boolean("pin"):
        await call.content.require_held(str(cid), HoldKind.RECURSIVE)
        await call.content.holds.pin(str(cid))
    await call.json({"Key": str(cid), "Size": len(data)})


async def dag_put(call: Call) -> None:
    """`{"Cid": {"/": cid}}`. The node comes as it is to be stored: `input-codec` equals `store-codec`."""
    store = call.query.text("store-codec", default="dag-cbor")
    given = call.query.text("input-codec", default="dag-json")
    if given != store:
        raise Refused(
            f"input-codec {given[:40]} into store-codec {store[:40]} is not supported",
            field="input-codec",
            hint="encode the node and send input-codec equal to store-codec",
        )
    _only_sha256(call, "hash")
    data = await call.one_file(MAX_WRITE_BYTES)
    cid = Cid.for_block(data, _codec(store, "store-codec"))
    dagcbor.links_of(cid, data)  # refuses what is not of this codec
    await call.content.put_block(cid, data)
    if call.query.boolean("pin"):
        await call.content.require_held(str(cid), HoldKind.RECURSIVE)
        await call.content.holds.pin(str(cid))
    await call.json({"Cid": {"/": str(cid)}})


async def dag_get(call: Call) -> None:
    """The node as dag-json, or its own bytes when `output-codec` is its codec."""
    target = await call.content.dag.resolve(call.query.arg("ref"))
    block = await call.content.dag.block(target.cid)
    wanted = call.query.text("output-codec", default="dag-json")
    if wanted == "dag-json":
        await call.json(dag_json(target.cid, block))
    elif _CODECS.get(wanted) == target.cid.codec:
        await call.exchange.reply(200, [("content-type", "application/octet-stream")], block)
    else:
        raise Refused(f"option 'output-codec={wanted[:40]}' is not supported for {target.cid}", field="output-codec")


async def dag_export(call: Call) -> None:
    """The whole DAG as a CARv1. What is not wholly held is refused before the first byte."""
    cid = (await call.content.dag.resolve(call.query.arg("root"))).cid
    await call.content.require_held(str(cid), HoldKind.RECURSIVE)
    await call.put_bytes(call.content.dag.car(cid), media_type="application/vnd.ipld.car; version=1")


async def dag_import(call: Call) -> None:
    """`{"Root": {"Cid": {"/": cid}, "PinErrorMsg"}}` for each root, then `Stats` if asked. Roots are pinned unless
    `pin-roots=false`; a CAR with a bad block, or cut, stores nothing reachable."""
    pin = call.query.boolean("pin-roots", default=True)
    answers: list[Mapping[str, object]] = []
    blocks = size = 0
    found = False
    async for chunks in call.files():
        found = True
        report = await call.content.store_car(chunks)
        blocks, size = blocks + report.blocks, size + report.size_bytes
        for root in report.roots:
            problem = ""
            if pin:
                try:
                    await call.content.require_held(root, HoldKind.RECURSIVE)
                    await call.content.holds.pin(root)
                except DxopsError as error:
                    problem = error.message
            answers.append({"Root": {"Cid": {"/": root}, "PinErrorMsg": problem}})
    if not found:
        raise Refused('argument "path" is required', field="path")
    if call.query.boolean("stats"):
        answers.append({"Stats": {"BlockCount": blocks, "BlockBytesCount": size}})

    async def lines() -> AsyncIterator[Mapping[str, object]]:
        for answer in answers:
            yield answer

    await call.put_lines(lines())


async def dag_stat(call: Call) -> None:
    """Blocks and bytes of the DAG, each block once, in the shapes of older and newer Kubo at the same time."""
    cid = (await call.content.dag.resolve(call.query.arg("root"))).cid
    whole = await call.content.require_held(str(cid), HoldKind.RECURSIVE)
    size, count = whole.dag_bytes, whole.blocks
    await call.json(
        {
            "Size": size,
            "NumBlocks": count,
            "UniqueBlocks": count,
            "TotalSize": size,
            "SharedSize": 0,
            "Ratio": 1.0,
            "DagStats": [{"Cid": {"/": str(cid)}, "Size": size, "NumBlocks": count}],
        }
    )


async def dag_resolve(call: Call) -> None:
    """`{"Cid": {"/": cid}, "RemPath"}`."""
    target = await call.content.dag.resolve(call.query.arg("ref"), stop_at_data=True)
    await call.json({"Cid": {"/": str(target.cid)}, "RemPath": "/".join(target.remainder)})


def _codec(name: str, flag: str) -> int:
    try:
        return _CODECS[name]
    except KeyError:
        raise Refused(
            f"option '{flag}={name[:40]}' is not supported", field=flag, hint=f"one of {', '.join(_CODECS)}"
        ) from None


def _only_sha256(call: Call, flag: str) -> None:
    if call.query.text(flag) not in ("", "sha2-256"):
        raise Refused(f"option '{flag}={call.query.text(flag)[:40]}' is not supported", field=flag, hint="use sha2-256")
