"""Answers that JavaScript clients stumbled over."""

from __future__ import annotations

from urllib.parse import urlsplit

import anyio
import httpx

from dxops.rooms.content.model import HoldKind
from dxops.rooms.content.service import ContentService
from tests.rooms.content.test_kubo_add import FORM, form, part


async def test_a_listing_of_pins_has_their_names(rpc: httpx.AsyncClient, content: ContentService) -> None:
    stored = [await rpc.post("block/put", content=form(part("x", data)), headers=FORM) for data in (b"1", b"2")]
    cids = [answer.json()["Key"] for answer in stored]
    await content.holds.pin(cids[0], kind=HoldKind.DIRECT, name="mine")
    await content.holds.pin(cids[1])
    answer = await rpc.post("pin/ls")
    assert answer.json()["Keys"] == {
        cids[0]: {"Type": "direct", "Name": "mine"},
        cids[1]: {"Type": "recursive", "Name": ""},
    }
    answer = await rpc.post("pin/ls?name=mine&type=direct&stream=true")
    assert answer.json() == {"Cid": cids[0], "Type": "direct", "Name": "mine"}


async def test_sizes_alone_come_in_the_whole_shape(rpc: httpx.AsyncClient) -> None:
    answer = (await rpc.post("repo/stat?size-only=true")).json()
    assert {name: answer[name] for name in ("NumObjects", "RepoPath", "Version")} == {
        "NumObjects": 0,
        "RepoPath": "",
        "Version": "",
    }


async def test_a_refusal_reaches_a_client_that_sends_all_before_it_reads(rpc: httpx.AsyncClient) -> None:
    body = form(part("x", bytes(6_000_000)))
    at = urlsplit(str(rpc.base_url))
    head = f"POST /api/v0/block/put HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {FORM['content-type']}\r\nConnection: close\r\n\r\n"
    async with await anyio.connect_tcp(str(at.hostname), int(at.port or 0)) as connection:
        await connection.send(head.encode() + body)
        answer = b"".join([data async for data in connection])
    assert b"at most 1048576 bytes are taken here" in answer
