"""Blocks as DAG-JSON values (ipld.io, codec 0x0129), for `dag/get` and the console."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping

from dxops.base.errors import Refused
from dxops.wire import cid as cids
from dxops.wire import dagcbor, dagpb
from dxops.wire.cid import Cid


def dag_json(cid: Cid, block: bytes) -> object:
    """A block as DAG-JSON values. Raises `Refused` for a codec that has none."""
    if cid.codec == cids.DAG_PB:
        node = dagpb.decode(block)
        links = [
            {
                "Hash": {"/": str(link.cid)},
                **({} if link.name is None else {"Name": link.name.decode("utf-8", "replace")}),
                **({} if link.tsize is None else {"Tsize": link.tsize}),
            }
            for link in node.links
        ]
        return {**({} if node.data is None else {"Data": _plain(node.data)}), "Links": links}
    if cid.codec == cids.DAG_CBOR:
        return _plain(dagcbor.decode(block))
    if cid.codec == cids.RAW:
        return _plain(block)
    raise Refused(f"{cid} has the codec 0x{cid.codec:x}, which this node cannot show as dag-json", code="codec")


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return {"/": {"bytes": base64.b64encode(value).decode().rstrip("=")}}
    if isinstance(value, Cid):
        return {"/": str(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
