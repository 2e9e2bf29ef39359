"""Holds, collection, verification, replication and looking, on real blocks and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from dxops.base.clock import ManualClock
from dxops.base.errors import Conflict, Missing, Refused, TooLarge
from dxops.engines.blocks.files import FileBlocks
from dxops.engines.blocks.memory import MemoryBlocks
from dxops.engines.postgres.database import COLLECTION_LOCK, Database
from dxops.rooms.content.config import ContentConfig
from dxops.rooms.content.kubo_rpc import KuboRpc
from dxops.rooms.content.model import HoldKind
from dxops.rooms.content.service import ContentService
from dxops.wire import car as wire_car
from dxops.wire.cid import DAG_CBOR, RAW, Cid
from tests.rooms.content.conftest import serve

DAY = 24 * 3600


async def hold(content: ContentService, database: Database, root: str, owner: str = "release:rel_1") -> None:
    async with database.begin() as tx:
        await content.hold(tx, root, owner)


async def test_collection_takes_what_is_old_and_unneeded_only(
    content: ContentService, database: Database, clock: ManualClock
) -> None:
    leaf = await content.store(b"needed through a node")
    node = await content.store_node({"kind": "manifest"}, [leaf])
    loose = await content.store(b"loose")
    await hold(content, database, node)
    assert (await content.caretaker.collect()).removed_blocks == 0  # all are young
    clock.advance(2 * DAY)
    dry = await content.caretaker.collect(dry_run=True)
    assert (dry.removed_blocks, dry.removed_bytes) == (1, 5)
    assert await content.missing([loose]) == []
    removed: list[str] = []
    assert (await content.caretaker.collect(removed=removed.append)).removed_blocks == 1
    assert removed == [loose]
    assert await content.missing([loose, node, leaf]) == [loose]
    async with database.begin() as tx:
        await content.drop(tx, node, "release:rel_1")
    assert (await content.caretaker.collect()).removed_blocks == 2


@pytest.mark.parametrize("codec", [RAW, DAG_CBOR])
async def test_a_block_that_is_held_alone_does_not_hide_what_another_hold_needs_below_it(
    content: ContentService, database: Database, clock: ManualClock, codec: int
) -> None:
    """The same block may be a root held as "this block only", even as raw bytes, and a node of a DAG held whole."""
    leaf = await content.store(b"below both")
    node = Cid.parse(await content.store_node({}, [leaf]))
    alone = str(Cid(1, codec, node.multihash))
    top = await content.store_node({"later": 0}, [str(node)])
    while top < alone:  # roots are marked by name: the one that is held alone is to come first
        top = await content.store_node({"later": top}, [str(node)])
    await content.holds.pin(alone, kind=HoldKind.DIRECT)
    await hold(content, database, top)
    clock.advance(2 * DAY)
    await content.caretaker.collect()
    assert await content.missing([leaf, str(node), top]) == []


async def test_a_hold_or_a_block_that_comes_during_a_collection_counts(
    content: ContentService, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await content.store(b"held in the nick of time")
    clock.advance(2 * DAY)
    calls = 0
    original = content.holds.needed

    async def needed() -> list[tuple[str, HoldKind]]:
        nonlocal calls
        calls += 1
        found = await original()
        if calls == 1:  # the mark is done; the sweep has not begun
            await hold(content, database, root)
        return found

    monkeypatch.setattr(content.holds, "needed", needed)
    assert (await content.caretaker.collect()).removed_blocks == 0
    assert calls == 2
    assert await content.missing([root]) == []


async def test_only_one_collection_and_none_during_a_backup(content: ContentService, database: Database) -> None:
    async with database.begin() as other:
        await other.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": COLLECTION_LOCK})
        with pytest.raises(Conflict, match="backup"):
            await content.caretaker.collect()


async def test_an_upload_ends_by_itself_and_a_refused_publish_ends_it_at_once(
    content: ContentService, database: Database, clock: ManualClock
) -> None:
    kept, refused = await content.store(b"kept"), await content.store(b"refused")
    await content.holds.hold_upload(kept)
    await content.holds.hold_upload(refused)
    async with database.begin() as tx:
        await content.abandon(tx, refused)
    clock.advance(3 * DAY)
    await content.caretaker.collect()
    assert await content.missing([kept, refused]) == [refused]
    clock.advance(5 * DAY)
    assert (await content.caretaker.collect()).expired_holds == 1
    assert await content.missing([kept]) == [kept]


async def test_a_renewed_hold_is_never_shortened(
    content: ContentService, database: Database, clock: ManualClock
) -> None:
    root = await content.store(b"x")
    late, soon = clock.now() + timedelta(days=9), clock.now() + timedelta(days=1)
    for until, expected in ((late, late), (soon, late), (None, None), (soon, None)):
        async with database.begin() as tx:
            await content.hold(tx, root, "upload", until=until)
        assert [found.until for found in await content.holds.of(root)] == [expected]


async def test_a_hold_is_undone_with_its_transaction(content: ContentService, database: Database) -> None:
    root = await content.store(b"x")

    async def fails() -> None:
        async with database.begin() as tx:
            await content.hold(tx, root, "release:x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails()
    assert await content.holds.of(root) == []


@pytest.mark.fault
async def test_verify_names_damage_and_holes(content: ContentService, blocks: FileBlocks, database: Database) -> None:
    good, bad = await content.store(b"good"), await content.store(b"damaged")
    root = await content.store_node({}, [good, bad])
    await hold(content, database, root)
    assert (await content.caretaker.verify()).ok
    path = blocks.path(Cid.parse(bad))
    assert path is not None
    path.chmod(0o600)
    path.write_bytes(b"DAMAGED")
    report = await content.caretaker.verify()
    assert not report.ok
    assert report.corrupt == (bad,)
    assert report.incomplete == {root: bad}
    assert (await content.check(root)).missing == (bad,)
    assert await content.store(b"damaged") == bad  # the next import heals it
    assert (await content.caretaker.verify()).ok


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.fault
async def test_a_car_is_verified_and_a_bad_one_keeps_nothing(content: ContentService) -> None:
    cid = Cid.for_block(b"payload")
    whole = wire_car.header([cid]) + wire_car.section(cid, b"payload")
    with pytest.raises(Refused, match="do not match"):
        await content.import_car(chunks(wire_car.header([cid]), wire_car.section(cid, b"PAYLOAD")))
    for end in (1, 20, len(whole) - 1):
        with pytest.raises(Refused):
            await content.import_car(chunks(whole[:end]))
    assert await content.missing([str(cid)]) == [str(cid)]
    assert await content.import_car(chunks(*[whole[at : at + 3] for at in range(0, len(whole), 3)])) == [str(cid)]
    assert await content.read_bytes(str(cid), 100) == b"payload"


async def test_reading(content: ContentService) -> None:
    data = bytes(range(256)) * 3000
    cid = await content.store(data)
    assert b"".join([part async for part in content.read(cid, 262_000, 500)]) == data[262_000:262_500]
    assert [part async for part in content.read(cid, len(data) + 5)] == []
    with pytest.raises(TooLarge):
        await content.read_bytes(cid, 1000)
    with pytest.raises(Refused):
        await content.read_bytes("nonsense", 1000)
    with pytest.raises(Missing):
        await content.read_bytes(str(Cid.for_block(b"absent")), 1000)


async def test_inspect(content: ContentService, database: Database) -> None:
    cid = await content.store(b"hello, reader\n")
    await hold(content, database, cid)
    found = await content.inspect(cid)
    assert (found.kind, found.codec, found.size_bytes, found.preview) == ("file", "raw", 14, "hello, reader\n")
    assert [one.owner for one in found.holds] == ["release:rel_1"]
    node = await content.inspect(await content.store_node({"a": 1}, [cid]))
    assert node.data == {"a": 1, "links": [{"/": cid}]}
    assert [link.cid for link in node.links] == [cid]


async def test_released_content_is_pinned_at_another_node_and_failures_are_tried_again(
    database: Database, blocks: FileBlocks, clock: ManualClock, tmp_path: Path
) -> None:
    """The other node is a second one of ours, with no block in common, and an address where nothing is."""
    there = ContentService(database, MemoryBlocks(), ContentConfig(), clock)
    async for url in serve(KuboRpc(there, None)):
        here = ContentService(database, blocks, ContentConfig(kubo_url=url), clock)
        leaf = await here.store(bytes(700_000))
        root = await here.store_node({}, [leaf])
        await hold(here, database, root)
        away = ContentService(database, blocks, ContentConfig(kubo_url="http://127.0.0.1:1"), clock)
        assert await away.replicate_pending() == 0
        waiting = (await here.replicas.list())[0]
        assert (waiting.state, waiting.attempts) == ("pending", 1)
        assert waiting.error
        assert await here.replicate_pending() == 0  # not due yet
        clock.advance(60)
        assert await here.replicate_pending() == 1
        assert (await here.replicas.list())[0].state == "done"
        assert (await there.check(root)).ok
        assert "pin" in [one.owner for one in await there.holds.of(root)]
        async with database.begin() as tx:
            await here.drop(tx, root, "release:rel_1")
        assert await here.replicate_pending() == 1
        assert await there.holds.of(root) == []
        assert await here.replicas.list() == []


class TestRpcCalls:
    """The calls besides `add`, as an HTTP client sees them."""

    async def test_read_calls(self, rpc: httpx.AsyncClient, content: ContentService) -> None:
        cid = await content.store(b"0123456789")
        assert (await rpc.post(f"cat?arg=/ipfs/{cid}&offset=2&length=3")).content == b"234"
        assert (await rpc.post(f"block/get?arg={cid}")).content == b"0123456789"
        assert (await rpc.post(f"block/stat?arg={cid}")).json() == {"Key": cid, "Size": 10}
        listed = (await rpc.post(f"ls?arg={cid}")).json()["Objects"][0]["Links"]
        assert listed == [{"Name": "", "Hash": cid, "Size": 10, "Type": 2, "Target": ""}]
        assert (await rpc.post(f"files/stat?arg=/ipfs/{cid}")).json()["Type"] == "file"
        assert (await rpc.post(f"dag/stat?arg={cid}")).json()["NumBlocks"] == 1
        node = await content.store_node({"a": {"b": 1}}, [cid])
        assert (await rpc.post(f"dag/get?arg={node}")).json() == {"a": {"b": 1}, "links": [{"/": cid}]}
        assert (await rpc.post(f"dag/resolve?arg={node}/links/0")).json() == {"Cid": {"/": cid}, "RemPath": ""}
        assert (await rpc.post(f"dag/resolve?arg={node}/a/b")).json() == {"Cid": {"/": node}, "RemPath": "a/b"}
        assert (await rpc.post(f"refs?arg={node}")).json() == {"Ref": cid, "Err": ""}
        assert (await rpc.post("id")).json()["ID"].startswith("12D3KooW")
        assert (await rpc.post("version")).json()["Version"]
        assert (await rpc.post("repo/stat")).json()["NumObjects"] == 2
        assert (await rpc.post("swarm/peers")).json() == {"Peers": []}

    async def test_pins_and_cars(self, rpc: httpx.AsyncClient, content: ContentService) -> None:
        leaf = await content.store(b"leaf")
        node = await content.store_node({}, [leaf])
        assert (await rpc.post(f"pin/add?arg={node}")).json() == {"Pins": [node]}
        keys = (await rpc.post("pin/ls")).json()["Keys"]
        assert {cid: pin["Type"] for cid, pin in keys.items()} == {node: "recursive", leaf: "indirect"}
        assert (await rpc.post(f"pin/ls?arg={leaf}")).json()["Keys"][leaf]["Type"] == f"indirect through {node}"
        exported = (await rpc.post(f"dag/export?arg={node}")).content
        answer = await rpc.post("dag/import?stats=true", files={"file": ("x.car", exported)})
        assert [line[:5] for line in answer.text.splitlines()] == ['{"Roo', '{"Sta']
        assert (await rpc.post(f"pin/rm?arg={node}")).json() == {"Pins": [node]}
        gone = await rpc.post(f"pin/rm?arg={node}")
        assert (gone.status_code, gone.json()["Message"]) == (500, "not pinned or pinned indirectly")
        absent = await rpc.post(f"pin/add?arg={Cid.for_block(b'absent')}")
        assert (absent.status_code, absent.json()["Type"]) == (500, "error")
        put = await rpc.post("block/put?cid-codec=raw", files={"file": ("x", b"leaf")})
        assert put.json() == {"Key": leaf, "Size": 4}

    @pytest.mark.fault
    async def test_who_may_not_call(self, rpc: httpx.AsyncClient) -> None:
        assert (await rpc.get("version")).status_code == 405
        assert (await rpc.post("key/list")).status_code == 404
        port = rpc.base_url.port
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"referer": "http://evil.example/x"},
            {"sec-fetch-site": "cross-site"},
            {"host": "evil.example"},
            {"host": f"evil.example:{port}"},
            {"host": f"localhost.evil.example:{port}"},
        ):
            assert (await rpc.post("version", headers=headers)).status_code == 403, headers
        for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
            assert (await rpc.post("version", headers={"host": host})).status_code == 200
        bad = await rpc.post("cat?arg=notacid")
        assert (bad.status_code, bad.json()["Code"]) == (400, 1)
        both = await asyncio.gather(*[rpc.post("ls?arg="), rpc.post("cat")])
        assert [answer.status_code for answer in both] == [400, 400]
