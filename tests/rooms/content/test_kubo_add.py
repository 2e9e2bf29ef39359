"""`add` as the 2023 CLI uses it, and everything that must not get in."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import httpx
import pytest

from dxops.base.clock import ManualClock
from dxops.rooms.content.service import ContentService
from dxops.wire.cid import Cid
from dxops.wire.multipart import MultipartReader

EMPTY_DIRECTORY = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
CLI = "add?stream-channels=true&progress=false&pin=true&wrap-with-directory=true"
BOUNDARY = "----dxops-test"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(path: str, data: bytes = b"", kind: str = "application/octet-stream", index: int = 0) -> bytes:
    name = ("dir" if "directory" in kind else "file") + (f"-{index}" if index else "")
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{name}"; filename="{quote(path, safe="")}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    return head.encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def directory(path: str) -> bytes:
    return part(path, kind="application/x-directory")


def lines(answer: httpx.Response) -> list[dict[str, object]]:
    return [json.loads(line) for line in answer.text.splitlines()]


async def post(rpc: httpx.AsyncClient, body: bytes, call: str = CLI) -> httpx.Response:
    return await rpc.post(call, content=body, headers=FORM)


async def test_the_answer_of_a_tree(rpc: httpx.AsyncClient, content: ContentService) -> None:
    answer = await post(
        rpc, form(directory("/img"), part("/img/my logo.svg", b"<svg/>", index=1), part("/index.html", b"hello world"))
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-chunked-output"] == "1"
    found = lines(answer)
    assert [entry["Name"] for entry in found] == ["img/my logo.svg", "index.html", "img", ""]
    assert found[1]["Hash"] == "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"
    assert all(isinstance(entry["Size"], str) for entry in found)
    root = str(found[-1]["Hash"])
    assert root.startswith("Qm")
    tree = [(entry.path, entry.kind, entry.size_bytes) async for entry in content.tree(root)]
    assert tree == [
        ("", "directory", 0),
        ("img", "directory", 0),
        ("img/my logo.svg", "file", 6),
        ("index.html", "file", 11),
    ]
    holds = await content.holds.of(root)
    assert [(hold.owner, hold.until is not None) for hold in holds] == [("upload", True)]
    assert (await content.check(root)).ok


async def test_no_part_at_all_is_the_empty_directory(rpc: httpx.AsyncClient) -> None:
    assert lines(await post(rpc, form())) == [{"Name": "", "Hash": EMPTY_DIRECTORY, "Size": "4"}]


async def test_chunked_without_length_and_read_back_while_it_streams(rpc: httpx.AsyncClient) -> None:
    """The CLI reads each file with `cat` while its upload is still running."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rpc.base_url.port)

    async def send(data: bytes) -> None:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await writer.drain()

    async def rows(count: int) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        while len(found) < count:
            line = await asyncio.wait_for(reader.readline(), 10)
            if line.startswith(b"{"):
                found.append(json.loads(line))
        return found

    head = f"POST /api/v0/{CLI} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM['content-type']}\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    await send(part("/a.txt", b"first") + f"--{BOUNDARY}\r\n".encode())
    first = (await rows(1))[0]
    assert first["Name"] == "a.txt"
    assert (await rpc.post(f"cat?arg={first['Hash']}")).content == b"first"
    await send(form(part("/b.txt", b"second"))[len(BOUNDARY) + 4 :])
    writer.write(b"0\r\n\r\n")
    assert [entry["Name"] for entry in await rows(2)] == ["b.txt", ""]
    writer.close()


async def test_progress_lines(rpc: httpx.AsyncClient) -> None:
    answer = await post(rpc, form(part("/big", bytes(600_000))), CLI.replace("progress=false", "progress=true"))
    told = [entry["Bytes"] for entry in lines(answer) if "Bytes" in entry]
    assert told
    assert told[-1] == 600_000
    assert lines(answer)[-1]["Name"] == ""


async def test_flags_decide_the_cid(rpc: httpx.AsyncClient) -> None:
    async def cid(query: str) -> object:
        return lines(await post(rpc, form(part("/x", b"hello world")), f"add?{query}"))[0]["Hash"]

    assert await cid("cid-version=1") == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
    assert await cid("") == "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"
    refused = await post(rpc, form(part("/x", b"hello world")), "add?trickle=true")
    assert refused.status_code == 400
    assert refused.json()["Type"] == "error"
    assert "trickle" in refused.json()["Message"]


async def test_only_hash_stores_nothing(rpc: httpx.AsyncClient, content: ContentService) -> None:
    answer = lines(await post(rpc, form(part("/x", b"not kept")), "add?only-hash=true"))
    assert not await content.dag.holds_block(Cid.parse(str(answer[0]["Hash"])))
    assert (await content.holds.page()).items == []


async def test_unnamed_and_unwrapped(rpc: httpx.AsyncClient, content: ContentService) -> None:
    one = lines(await post(rpc, form(part("", b"hello world")), "add"))
    assert one == [{"Name": one[0]["Hash"], "Hash": one[0]["Hash"], "Size": "19"}]
    several = lines(await post(rpc, form(part("a/x", b"1"), part("b", b"2")), "add"))
    assert [entry["Name"] for entry in several] == ["a/x", "b", "a"]
    held = {hold.root for hold in (await content.holds.page()).items}
    assert held == {one[0]["Hash"], several[1]["Hash"], several[2]["Hash"]}


BAD_TREES = {
    "dot dot": [part("/../x", b"1")],
    "dot dot inside": [part("/a/../../x", b"1")],
    "nul": [part("/a\0b", b"1")],
    "absolute": [part("//etc/passwd", b"1")],
    "empty segment": [part("/a//b", b"1")],
    "dot": [part("/./a", b"1")],
    "duplicate": [part("/a", b"1"), part("/a", b"2")],
    "file and directory": [part("/a", b"1"), part("/a/b", b"2")],
    "directory and file": [part("/a/b", b"1"), part("/a", b"2")],
    "named directory and file": [directory("/a"), part("/a", b"2")],
    "directory with content": [part("/a", b"x", "application/x-directory")],
    "not utf-8": [part("/a", b"1").replace(b"%2Fa", b"%FF")],
}


@pytest.mark.parametrize("case", BAD_TREES)
@pytest.mark.fault
async def test_bad_trees_are_refused_and_pin_nothing(
    case: str, rpc: httpx.AsyncClient, content: ContentService
) -> None:
    answer = await post(rpc, form(part("/good", b"fine"), *BAD_TREES[case]))
    last = lines(answer)[-1]
    assert last["Type"] == "error", last
    assert last["Message"]
    assert (await content.holds.page()).items == []


@pytest.mark.fault
async def test_a_refusal_at_once_has_a_status(rpc: httpx.AsyncClient) -> None:
    answer = await post(rpc, form(part("/../x", bytes(3_000_000))))
    assert answer.status_code == 400
    assert ".." in answer.json()["Message"]
    assert (await rpc.post("add", content=b"x", headers={"content-type": "text/plain"})).status_code == 400


@pytest.mark.fault
@pytest.mark.parametrize("cut", [0.2, 0.6, 0.99])
async def test_a_cut_upload_pins_nothing_and_is_collected(
    cut: float, rpc: httpx.AsyncClient, content: ContentService, clock: ManualClock
) -> None:
    body = form(part("/a", bytes(300_000)), part("/b", b"x" * 400_000))
    _, writer = await asyncio.open_connection("127.0.0.1", rpc.base_url.port)
    head = f"POST /api/v0/{CLI} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM['content-type']}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: int(len(body) * cut)])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0)
    assert (await rpc.post("version")).status_code == 200  # the server goes on
    assert (await content.holds.page()).items == []
    clock.advance(25 * 3600)
    for _ in range(100):  # until the cut request has been noticed and its blocks, if any, are there to collect
        report = await content.caretaker.collect()
        if (await content.caretaker.count()).blocks == 0:
            break
        await asyncio.sleep(0.02)
    assert (await content.caretaker.count()).blocks == 0, report


@pytest.mark.fault
async def test_a_form_that_ends_early_is_a_cut_upload(rpc: httpx.AsyncClient, content: ContentService) -> None:
    answer = await post(rpc, part("/a", b"1") + part("/b", b"22")[:-5])
    assert "cut" in str(lines(answer)[-1]["Message"])
    assert (await content.holds.page()).items == []


@pytest.mark.fault
async def test_a_multipart_bomb_is_refused_by_count(rpc: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MultipartReader.__init__.__kwdefaults__, "max_parts", 50)
    answer = await post(rpc, form(*[part(f"/f{index}", b"") for index in range(60)]))
    assert "at most 50 parts" in str(lines(answer)[-1]["Message"])
    header = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=x\r\nX-A: ".encode() + b"a" * 5_000_000
    assert "header" in str(lines(await post(rpc, header))[-1]["Message"])
