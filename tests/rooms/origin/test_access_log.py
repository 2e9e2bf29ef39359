"""The access log as a file: what is in a line, when it is there, and what a disk that is full costs."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from dxops.rooms.origin import access_log
from dxops.rooms.origin.access_lines import last_of, shortened, without_port, without_query
from dxops.rooms.origin.access_log import AccessFile
from dxops.rooms.origin.config import OriginConfig
from tests.rooms.origin.stage import staged

SITE = {"index.html": b"<h1>hello</h1>", "a.txt": b"text"}


def lines(directory: Path) -> list[dict[str, Any]]:
    paths = sorted(directory.glob("access*.log"), key=lambda path: os.stat(path).st_mtime_ns)
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


async def test_a_line_for_every_answer(tmp_path: Path) -> None:
    log = AccessFile(tmp_path / "access.log", OriginConfig())
    log.start()
    async with staged(tmp_path / "origin", access_log=log) as stage:
        site = await stage.publish(SITE)
        await stage.get("/a.txt", user_agent='odd "agent"', referer="http://there/page?secret=1")
        await stage.get("/a.txt?token=secret")
        await stage.get("/a.txt", if_none_match="*")
        await stage.get("/a.txt", method="HEAD")
        await stage.get("/", host="nothing.example")
        log.stop()
    found = [line for line in lines(tmp_path) if line["url.path"] == "/a.txt"]
    assert [(line["http.request.method"], line["http.response.status_code"]) for line in found] == [
        ("GET", 200),
        ("GET", 200),
        ("GET", 304),
        ("HEAD", 200),
    ]
    assert [line["http.response.body.bytes"] for line in found] == [4, 4, 0, 0]
    first = found[0]
    assert first["dxops.release"] == site.release_id
    assert (first["service.version"], first["dxops.cid"]) == (site.version, site.cid)
    assert (first["user_agent.original"], first["http.request.referrer"]) == ('odd "agent"', "http://there/page")
    assert (first["client.address"], first["http.version"]) == ("127.0.0.0", "1.1")
    assert all(line["event.duration"] > 0 for line in found)
    assert "secret" not in (tmp_path / "access.log").read_text()
    assert "service.name" not in lines(tmp_path)[-1]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (OriginConfig(access_client="full"), "127.0.0.1"),
        (OriginConfig(access_client="off"), None),
        (OriginConfig(access_client_header="X-Forwarded-For"), "203.0.113.0"),
    ],
)
async def test_the_clients_address(tmp_path: Path, config: OriginConfig, expected: str | None) -> None:
    log = AccessFile(tmp_path / "access.log", config)
    log.start()
    async with staged(tmp_path / "origin", access_log=log) as stage:
        await stage.publish(SITE)
        await stage.get("/a.txt", x_forwarded_for="10.9.9.9, 203.0.113.77")
        log.stop()
    assert lines(tmp_path)[-1].get("client.address") == expected


def test_addresses_and_referrers() -> None:
    assert [shortened(each) for each in ("203.0.113.77", "2001:db8:1:2::3", "::ffff:203.0.113.7", "x")] == [
        "203.0.113.0",
        "2001:db8:1::",
        "203.0.113.0",
        "",
    ]
    assert [without_port(each) for each in ("10.0.0.1:5", "[::1]:5")] == ["10.0.0.1", "::1"]
    assert last_of("a, b") == "b"
    assert without_query("http://a/b?c#d") == "http://a/b"


async def test_files_are_bounded_and_half_a_line_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "FILE_BYTES", 2000)
    (tmp_path / "access.log").write_text('{"half":')
    log = AccessFile(tmp_path / "access.log", OriginConfig())
    log._writer._files = 3
    log.start()
    for number in range(40):
        log._writer.put(b'{"number":%d,"text":"%s"}\n' % (number, b"x" * 200), 1)
    log.stop()
    names = sorted(path.name for path in tmp_path.glob("access*.log"))
    assert len(names) == 3
    assert names[-1] == "access.log"
    assert [line["number"] for line in lines(tmp_path)][-5:] == [35, 36, 37, 38, 39]


async def test_half_a_line_of_a_killed_process_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text('{"half":')
    log = AccessFile(path, OriginConfig())
    log.start()
    log._writer.put(b'{"whole":1}\n', 1)
    log.stop()
    assert path.read_text().splitlines() == ['{"half":', '{"whole":1}']


async def test_a_full_disk_drops_lines_and_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = True
    write = os.write

    def limited(descriptor: int, data: bytes) -> int:
        if not full:
            return write(descriptor, data)
        if len(data) > 30:
            return write(descriptor, data[:30])  # as the kernel does with the last free bytes
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(access_log.os, "write", limited)
    monkeypatch.setattr(access_log, "_TELL_S", 0.0)
    log = AccessFile(tmp_path / "access.log", OriginConfig())
    log.start()
    log._writer.put(b'{"number":1}\n{"number":2}\n{"number":3}\n', 3)
    while log._writer._waiting:
        await asyncio.sleep(0.005)
    full = False
    log._writer.put(b'{"number":4}\n', 1)
    log.stop()
    assert (tmp_path / "access.log").read_text().splitlines() == [
        '{"number":1}',
        '{"number":2}',
        '{"nu',
        '{"number":4}',
    ]
    (said,) = [record for record in caplog.records if record.message == "access lines were dropped"]
    assert (said.lines, said.reason) == (1, "No space left on device")  # type: ignore[attr-defined]
