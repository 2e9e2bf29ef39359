"""The origin on real blocks: what was imported is what is served, and damage on disk is never sent."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from dxops.rooms.origin.prepare import Preparation
from tests.rooms.origin.full import delivered
from tests.rooms.origin.stage import Stage

PAGE = b"<p>the same words again</p>\n" * 300


async def test_files_of_every_size_come_back_and_one_hold_keeps_what_serves_them(
    tmp_path: Path, database_url: str
) -> None:
    files = {
        "index.html": PAGE,
        "empty.txt": b"",
        "assets/app-a1b2c3d4.js": PAGE,
        "two-chunks.bin": os.urandom(300_000),
        "film.mp4": os.urandom(5_000_000),
        "ü/日本 語.txt": b"x",
    }
    async with delivered(tmp_path, database_url) as full:
        stage = Stage(full.content, None, full.app, full.port)  # type: ignore[arg-type]
        cid = await full.add(files)
        prepared = await Preparation(full.content).prepare(cid)
        assert await Preparation(full.content).prepare(cid) == prepared
        whole = await full.content.check(prepared.manifest)
        assert whole.ok
        assert whole.dag_bytes > sum(map(len, set(files.values())))  # the tree, the variants and the manifest itself
        await full.publish("hello", "prod", files)
        for _ in range(500):
            if (await stage.get("/")).status_code == 200:
                break
        for path, body in files.items():
            if path != "index.html":
                answer = await stage.get("/" + quote(path))
                assert (answer.status_code, answer.content) == (200, body), path
        packed = await stage.get("/", accept_encoding="br")
        assert packed.headers["content-encoding"] == "br"
        assert packed.content == PAGE  # httpx unpacks it
        part = await stage.get("/film.mp4", range="bytes=262000-2500000")
        assert part.content == files["film.mp4"][262_000:2_500_001]
        await stage.client.aclose()


async def test_a_block_damaged_on_disk_is_not_served(tmp_path: Path, database_url: str) -> None:
    secret = os.urandom(4000)
    async with delivered(tmp_path, database_url) as full:
        stage = Stage(full.content, None, full.app, full.port)  # type: ignore[arg-type]
        await full.publish("hello", "prod", {"index.html": PAGE, "data.bin": secret})
        damaged = 0
        for path in (tmp_path / "blocks").rglob("*"):
            if path.is_file() and secret[:100] in (data := path.read_bytes()):
                path.chmod(0o644)
                path.write_bytes(data.replace(secret[:1], bytes([secret[0] ^ 1]), 1))
                damaged += 1
        assert damaged == 1
        for _ in range(500):
            if (await stage.get("/")).status_code == 200:
                break
        for _ in range(2):
            answer = await stage.get("/data.bin")
            assert answer.status_code in (502, 503)  # put aside as damaged, then missing
            assert secret[1:50] not in answer.content
        assert (await stage.get("/")).content == PAGE
        await stage.client.aclose()
