"""`dxops tail-files` against an address that stores, refuses, stalls and forgets."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dxops.app.tailing import Tailing, TailOptions
from dxops.base.errors import Conflict, Refused
from dxops.rooms.logs.tail import reading, shipping
from dxops.rooms.logs.tail.outbox import Batch, Outbox
from tests.app.bulk_server import BulkServer
from tests.harness import eventually


@pytest.fixture
def server() -> Iterator[BulkServer]:
    made = BulkServer()
    yield made
    made.gate.set()
    made.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(reading, "JOIN_S", 0.1)


Run = Callable[..., Awaitable[tuple[int, list[str]]]]


@pytest.fixture
def run(tmp_path: Path, server: BulkServer) -> Run:
    async def once(*paths: str, **options: object) -> tuple[int, list[str]]:
        """One run that ends by itself; its status and what it said."""
        said: list[str] = []
        given = {"once": True, "from_start": True, "stream": "logs-x", "url": server.url, "state": f"{tmp_path}/state"}
        patterns = tuple(str(tmp_path / path) for path in paths)
        tailing = Tailing(TailOptions(**(given | {"patterns": patterns} | options)), said.append)  # type: ignore[arg-type]
        return await asyncio.wait_for(tailing.run(), 30), said

    return once


@asynccontextmanager
async def following(server: BulkServer, tmp_path: Path, **options: object) -> AsyncIterator[list[str]]:
    said: list[str] = []
    given = {"from_start": True, "stream": "logs-x", "url": server.url, "state": f"{tmp_path}/state"}
    tailing = Tailing(TailOptions(**(given | options)), said.append)  # type: ignore[arg-type]
    task = asyncio.create_task(tailing.run())
    try:
        yield said
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 30)


async def soon(check: Callable[[], bool]) -> None:
    for _ in range(600):
        if check():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not true within 12 s")


async def test_once_goes_on_where_it_stopped(tmp_path: Path, server: BulkServer, run: Run) -> None:
    log = tmp_path / "a.log"
    log.write_text('2026-11-24 19:43:29 ERROR one\n{"message":"two","n":1}\nhalf')
    assert await run("*.log", authorization="ApiKey k") == (0, [])
    assert server.messages == ["2026-11-24 19:43:29 ERROR one", "two"]
    assert server.documents[0]["log.level"] == "error"
    assert server.documents[1] | {"host.name": "", "@timestamp": ""} == {
        "@timestamp": "",
        "host.name": "",
        "log.file.path": str(log),
        "message": "two",
        "n": 1,
    }
    assert (server.streams, server.authorizations) == ({"logs-x"}, {"ApiKey k"})
    with log.open("a") as file:
        file.write(" line\n")
    assert await run("*.log") == (0, [])
    assert server.messages[2:] == ["half line"]


async def test_without_from_start_only_what_comes_later(tmp_path: Path, server: BulkServer, run: Run) -> None:
    (tmp_path / "a.log").write_text("old\n")
    await run("*.log", from_start=False)
    (tmp_path / "b.log").write_text("new file\n")
    await run("*.log", from_start=False)
    assert server.messages == ["new file"]


@pytest.mark.fault
async def test_whatever_the_server_does_each_line_arrives(tmp_path: Path, server: BulkServer, run: Run) -> None:
    lines = [f"line {number}" for number in range(2000)]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    choose = random.Random(1)
    server.statuses = [429, 503, 500, 502, 413]
    server.item = lambda document: choose.choice([201, 201, 201, 429, 503])
    status, said = await run("a.log")
    assert status == 0
    assert sorted(server.messages) == sorted(lines)
    assert any("answers 503: waiting" in text for text in said)


async def test_a_refused_line_comes_as_text_and_costs_no_neighbour(
    tmp_path: Path, server: BulkServer, run: Run
) -> None:
    (tmp_path / "a.log").write_text(
        '{"message":"good"}\n{"message":"odd","x":1}\n{"message":"bad"}\n{"message":"fine"}\n'
    )
    server.item = lambda document: 400 if "x" in document or "bad" in document["message"] else 201
    status, said = await run("a.log")
    assert status == 1
    assert server.messages[:2] == ["good", "fine"]
    assert json.loads(server.messages[2])["x"] == 1
    assert server.documents[2]["error.message"] == "no"
    assert said[-1] == "1 lines were refused for good"


async def test_a_lost_answer_doubles_nothing_with_ids(tmp_path: Path, server: BulkServer, run: Run) -> None:
    (tmp_path / "a.log").write_text("one\none\n")
    server.forgets_answer = 2
    assert (await run("a.log", dedupe=True))[0] == 0
    assert server.messages == ["one", "one"]
    assert server.requests == 4  # the last line waits for more of it, and comes by itself


async def test_a_wrong_credential_and_a_wrong_address_end_it(tmp_path: Path, server: BulkServer, run: Run) -> None:
    (tmp_path / "a.log").write_text("one\n")
    server.statuses = [401]
    with pytest.raises(Refused, match="does not take the credential"):
        await run("a.log")
    server.statuses = [404]
    with pytest.raises(Refused, match="is no Elasticsearch address: it answers 404"):
        await run("a.log")
    assert (await run("a.log"))[0] == 0
    assert server.messages == ["one"]


@pytest.mark.fault
async def test_following_while_files_rotate(tmp_path: Path, server: BulkServer) -> None:
    log = tmp_path / "a.log"
    async with following(server, tmp_path, patterns=(str(log),)):
        log.write_text("1\n")
        await soon(lambda: server.messages == ["1"])
        with log.open("a") as file:
            file.write("2\n")
        log.rename(tmp_path / "a.log.1")
        log.write_text("3\n")
        await soon(lambda: len(server.messages) == 3)
        with log.open("a") as file:
            file.write("4\nno end")  # read, or not, when it is stopped: not lost either way
    async with following(server, tmp_path, patterns=(str(log),)):
        with log.open("a") as file:
            file.write(" yet\n")
        await soon(lambda: len(server.messages) == 5)
    assert sorted(server.messages) == ["1", "2", "3", "4", "no end yet"]


@pytest.mark.fault
async def test_a_slow_server_stops_the_reading(
    tmp_path: Path, server: BulkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"{number} {'x' * 1000}\n" for number in range(6_000)))
    monkeypatch.setattr(Outbox.__init__, "__defaults__", (2 << 20,))
    monkeypatch.setattr("dxops.app.tailing._BUDGET_BYTES", 1 << 18)
    server.gate.clear()
    taken: list[int] = []
    put = Outbox.put

    async def watched(outbox: Outbox, batch: Batch) -> None:
        await put(outbox, batch)
        taken.append(outbox._bytes)

    monkeypatch.setattr(Outbox, "put", watched)
    async with following(server, tmp_path, patterns=(str(log),)):
        await soon(lambda: len(taken) >= 6)
        await asyncio.sleep(0.3)
        assert max(taken) <= 2 << 20
        assert len(taken) < 12  # a quarter of a megabyte each, of six
        server.gate.set()
        await soon(lambda: len(server.documents) == 6_000)


async def test_two_runs_with_one_state_are_refused(tmp_path: Path, server: BulkServer, run: Run) -> None:
    async with following(server, tmp_path, patterns=(str(tmp_path / "a.log"),)):
        await soon((tmp_path / "state.lock").exists)
        with pytest.raises(Conflict, match="another tail-files uses"):
            await run("a.log")


async def test_a_command_is_followed_to_its_end(tmp_path: Path, server: BulkServer, run: Run) -> None:
    script = tmp_path / "x"
    script.write_text("#!/bin/sh\necho one\necho two >&2\nprintf 'no end'\nexit 3\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    status, _ = await run(command=(str(script),), once=False)
    assert status == 3
    found = {document["message"]: document for document in server.documents}
    assert set(found) == {"one", "two", "no end"}
    assert (found["one"]["stream"], found["two"]["stream"]) == ("stdout", "stderr")
    assert found["one"]["process.name"] == "x"


JOURNALCTL = """#!/usr/bin/env python3
import json, sys
after = next((a.partition("=")[2] for a in sys.argv if a.startswith("--after-cursor=")), "")
entries = [json.loads(line) for line in open({entries!r})]
if not after and "--lines=1" in sys.argv:
    entries = entries[-1:]
for entry in entries:
    if not after or int(entry["__CURSOR"]) > int(after):
        print(json.dumps(entry), flush=True)
"""


@pytest.mark.client
async def test_the_journal_is_followed_by_its_cursor(
    tmp_path: Path, server: BulkServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = tmp_path / "entries"
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(JOURNALCTL.format(entries=str(entries)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def write(count: int) -> None:
        entries.write_text(
            "".join(
                json.dumps({"__CURSOR": str(n), "MESSAGE": f"entry {n}", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "cron"})
                + "\n"
                for n in range(1, count + 1)
            )
        )

    write(2)
    assert (await run(journald=True, from_start=False))[0] == 0  # the first run remembers the end
    write(4)
    assert (await run(journald=True, from_start=False))[0] == 0
    assert server.messages == ["entry 3", "entry 4"]
    assert server.documents[0]["service.name"] == "cron"
    assert server.documents[0]["log.level"] == "warning"
    write(6)
    async with following(server, tmp_path, journald=True):  # a journalctl that ends is started again
        await soon(lambda: len(server.messages) == 4)
    assert server.messages[2:] == ["entry 5", "entry 6"]


@pytest.mark.fault
def test_killed_again_and_again(tmp_path: Path, server: BulkServer) -> None:
    """With ids nothing is doubled, and nothing is ever lost."""
    log = tmp_path / "app.log"
    log.touch()
    command = [sys.executable, "-m", "dxops.app", "tail-files", f"{log}*", "--url", server.url, "--dedupe"]
    command += ["--state", str(tmp_path / "state"), "--from-start"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    choose = random.Random(3)
    written: list[str] = []
    for turn in range(3):
        process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 1.2 + choose.random()
        while time.monotonic() < deadline:
            lines = [f"{len(written) + place} {choose.randbytes(40).hex()}" for place in range(200)]
            written += lines
            with log.open("a") as file:
                file.write("\n".join(lines) + "\n")
            if choose.random() < 0.1:
                log.rename(tmp_path / f"app.log.{len(written)}")
            time.sleep(0.02)
        server.forgets_answer += turn % 2
        process.kill()
        process.wait()
    process = subprocess.Popen(command, env=environment)
    try:
        eventually(lambda: len(set(server.messages)) == len(written), 30)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert sorted(server.messages) == sorted(written)
