"""Flips: nothing fails while they happen, they are whole, and pages of before find their files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from benchmarks.flip import hammer, page_files
from dxops.base.ports import SiteTable
from tests.rooms.origin.full import delivered
from tests.rooms.origin.stage import DOMAIN, Stage, staged

HOSTS = [f"hello.{DOMAIN}", f"hello.kube.{DOMAIN}"]


async def test_a_thousand_requests_during_ten_flips(tmp_path: Path, database_url: str) -> None:
    async with delivered(tmp_path, database_url) as full:
        releases = [await full.publish("hello", "prod", page_files(number)) for number in range(3)]

        async def flip(number: int) -> str:
            return await full.roll_back("hello", "prod", releases[number % 3])

        report = await hammer(full.port, HOSTS, flip, flips=10, requests=1000, workers=4)
        assert report.failures == []
        assert report.requests >= 1000
        assert len(report.visible_ms) == 10


async def test_modules_of_one_publish_flip_together_and_reset_takes_them_down(
    tmp_path: Path, database_url: str
) -> None:
    async with delivered(tmp_path, database_url) as full:
        await full.publish_all("dev", {"kai": page_files(1), "tasks": page_files(1)})
        stage = Stage(full.content, None, full.app, full.port)  # type: ignore[arg-type]
        for app in ("kai", "tasks"):
            await _until(stage, f"{app}.dev.{DOMAIN}", 200)
        from dxops.base.actors import SYSTEM

        await full.delivery.reset_modules(SYSTEM, "dev")
        for app in ("kai", "tasks"):
            await _until(stage, f"{app}.dev.{DOMAIN}", 404)
        await stage.client.aclose()


async def _until(stage: Stage, host: str, status: int) -> None:
    for _ in range(1000):
        if (await stage.get("/", host=host)).status_code == status:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{host} never answered {status}")


async def test_assets_of_earlier_releases_answer_and_nothing_else_of_them(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        old = {
            "index.html": b"old page",
            "old.html": b"old",
            "assets/old-a1b2c3d4.js": b"old script",
            "logo-old.png": b"old picture",
            "sw.js": b"old worker",
            "manifest.json": b"{}",
        }
        await stage.publish(old)
        await stage.publish({"index.html": b"new page", "assets/new-a1b2c3d5.js": b"new script"})
        await stage.publish({"index.html": b"newest page"}, keep=2)
        for path, body in (
            ("/assets/old-a1b2c3d4.js", b"old script"),
            ("/assets/new-a1b2c3d5.js", b"new script"),
            ("/logo-old.png", b"old picture"),
            ("/", b"newest page"),
        ):
            for _ in range(2):
                answer = await stage.get(path)
                assert (answer.status_code, answer.content) == (200, body), path
        immutable = await stage.get("/assets/old-a1b2c3d4.js")
        assert "immutable" in immutable.headers["cache-control"]
        for path in ("/old.html", "/old", "/sw.js", "/manifest.json"):
            assert (await stage.get(path)).status_code == 404, path
        site = stage.sites.current.sites[("hello", "prod")]
        await stage.sites.flip(msgspec.structs.replace(site, previous=(), generation=99))  # the hour is over
        for _ in range(500):
            if (await stage.get("/assets/old-a1b2c3d4.js")).status_code == 404:
                break
            await asyncio.sleep(0.005)
        else:
            raise AssertionError("an asset outlived its window")


async def test_redirects_do_not_hide_assets_of_earlier_releases(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.publish({"index.html": b"1", "assets/old-a1b2c3d4.js": b"old script"})
        await stage.publish({"index.html": b"2", "_redirects": b"/* /index.html 200\n"})
        assert (await stage.get("/assets/old-a1b2c3d4.js")).content == b"old script"
        assert (await stage.get("/anything")).content == b"2"


async def test_a_release_that_cannot_be_read_leaves_the_one_before(tmp_path: Path) -> None:
    async with staged(tmp_path, "hello", "other") as stage:
        good = await stage.publish({"index.html": b"good"})
        kept = dict(stage.content.blocks)
        root = stage.content.add_tree({"index.html": b"next"})
        from dxops.rooms.origin.prepare import Preparation

        manifest = (await Preparation(stage.content).prepare(root)).manifest
        lost = stage.content.blocks.pop(manifest)
        damaged = msgspec.structs.replace(
            good, release_id="rel_next", cid=root, manifest=manifest, generation=2, previous=(good.manifest,)
        )
        await stage.sites.flip(damaged)
        await stage.publish({"index.html": b"other"}, app="other")  # others go on
        assert (await stage.get("/")).headers["x-dx-release"] == good.release_id
        assert kept.keys() <= stage.content.blocks.keys()
        stage.content.blocks[manifest] = lost
        for _ in range(1000):
            if (await stage.get("/")).headers["x-dx-release"] == "rel_next":
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("the release was not tried again")


async def test_the_last_table_answers_while_postgresql_is_away(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.publish({"index.html": b"here"})
        stage.sites.away = True
        await stage.sites.replace(SiteTable(hosts={}, sites={}))
        await asyncio.sleep(0.05)
        assert (await stage.get("/")).content == b"here"
        stage.sites.away = False
        for _ in range(1000):  # the retry, without another bell
            if (await stage.get("/")).status_code == 404:
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("the table was not read again")


async def test_starting_without_a_table_says_so(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        board = stage.app._board
        board.ready = False
        answer = await stage.get("/")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        board.ready = True


@pytest.mark.fault
async def test_a_slow_client_does_not_fill_memory(tmp_path: Path) -> None:
    import psutil

    body = bytes(100_000_000)
    async with staged(tmp_path) as stage:
        await stage.publish({"index.html": b"x", "film.mp4": body})
        assert len((await stage.get("/film.mp4", range="bytes=0-4999999")).content) == 5_000_000
        before = psutil.Process().memory_info().rss
        clients = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, limit=4096)
            writer.write(f"GET /film.mp4 HTTP/1.1\r\nHost: hello.{DOMAIN}\r\n\r\n".encode())
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            clients.append(writer)
        for _ in range(50):
            assert (await stage.get("/")).content == b"x"
            await asyncio.sleep(0.01)
        assert psutil.Process().memory_info().rss - before < 60_000_000
        for writer in clients:
            writer.close()


async def test_a_full_disk_refuses_large_files_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path) as stage:
        await stage.publish({"index.html": b"x", "film.mp4": bytes(3_000_000)})

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            answer = await stage.get("/film.mp4")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
            assert "No space left" in answer.text
            assert (await stage.get("/")).content == b"x"
            assert (await stage.get("/film.mp4", range="bytes=0-9")).status_code == 206
        assert list((tmp_path / "spool").iterdir()) == []
        assert (await stage.get("/film.mp4")).status_code == 200
