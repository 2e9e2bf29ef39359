"""The nursery with real processes. What is born here runs the lines after `keeper.main()`: the roles themselves are in
`test_supervisor`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from dxops.app.notify import Notifier
from dxops.app.nursery.nursery import Forked, Nursery, can_adopt
from dxops.app.nursery.title import fitted
from dxops.app.supervisor.process import RoleProcess, RoleSpec
from dxops.base.clock import SystemClock
from dxops.base.errors import Unavailable

pytestmark = pytest.mark.skipif(not can_adopt(), reason="needs Linux 5.3: elsewhere nothing is forked")

BEFORE = """
import os, random, ssl, sys, time, uuid
from dxops.app.nursery import keeper
keeper.FOR_SETUP = keeper.FOR_ROLES = ("random",)
keeper.main()
"""
TELL = """
import json
print(json.dumps({
    "arguments": sys.argv[1:],
    "environment": dict(os.environ),
    "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)),
    "ids": [os.getpid(), os.getsid(0), os.getpgid(0)],
    "chances": [random.random(), uuid.uuid4().hex, ssl.RAND_bytes(8).hex(), os.urandom(8).hex()],
}))
print("to the other", file=sys.stderr)
"""
WAIT = "time.sleep(600)"


@asynccontextmanager
async def nursery(after: str, before: str = BEFORE) -> AsyncIterator[Nursery]:
    command = (sys.executable, "-c", before + after, "room for arguments")
    kept = Nursery(command, lambda: None)
    await kept.start()
    try:
        yield kept
    finally:
        await kept.stop()
        assert kept.pid is None


async def tell(kept: Nursery, place: Path, arguments: Sequence[str], environment: dict[str, str]) -> dict[str, object]:
    """What one that is born finds."""
    lifeline, theirs = os.pipe()
    with place.open("w+b") as output:
        forked = await kept.bear(arguments, environment, output=output.fileno(), lifeline=lifeline)
        assert await forked.wait() == 0
    os.close(lifeline)
    os.close(theirs)
    first, second = place.read_text().splitlines()
    assert second == "to the other"
    found: dict[str, object] = json.loads(first)
    assert found["ids"] == [forked.pid, forked.pid, forked.pid]
    return found


async def test_the_born_are_as_if_started(tmp_path: Path) -> None:
    async with nursery(TELL) as kept:
        one = await tell(kept, tmp_path / "one", ["run", "one"], {"A": "1"})
        two = await tell(kept, tmp_path / "two", ["run", "two", "ü"], {"A": "2", "B": "3"})
    assert one["arguments"] == ["run", "one"]
    assert two["arguments"] == ["run", "two", "ü"]
    environment = two["environment"]
    assert isinstance(environment, dict)
    lifeline = int(environment.pop("DXOPS_LIFELINE"))
    assert environment == {"A": "2", "B": "3"}
    assert two["descriptors"] == [0, 1, 2, lifeline]  # neither the nursery's socket nor its log
    chances = [one["chances"], two["chances"]]
    assert all(mine != its for mine, its in zip(*chances, strict=True))  # type: ignore[call-overload]


async def test_a_born_process_is_ours_and_named_by_its_arguments() -> None:
    async with nursery(WAIT) as kept:
        forked = await kept.bear(["run", "web"], {})
        process = psutil.Process(forked.pid)
        assert process.ppid() == os.getpid()
        async with asyncio.timeout(20):
            while not Path(f"/proc/{forked.pid}/cmdline").read_bytes().rstrip(b"\0").endswith(b"\0run\0web"):
                await asyncio.sleep(0.01)
        assert forked.returncode is None
        os.kill(forked.pid, signal.SIGKILL)
        assert await forked.wait() == forked.returncode == -signal.SIGKILL


async def test_exit_statuses_come_back() -> None:
    async with nursery("sys.exit(int(sys.argv[1]))") as kept:
        born = [await kept.bear([str(status)], {}) for status in (0, 1, 2, 77)]
        assert [await each.wait() for each in born] == [0, 1, 2, 77]


async def test_the_born_outlive_the_nursery_and_another_one_is_started() -> None:
    async with nursery(WAIT) as kept:
        forked = await kept.bear([], {})
        first = kept.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        another = await eventually_born(kept)
        assert kept.pid != first
        assert forked.returncode is None
        for each in (forked, another):
            await end(each)


async def test_a_nursery_that_stands_still_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    async with nursery(WAIT) as kept:
        await end(await kept.bear([], {}))
        first = kept.pid
        assert first is not None
        monkeypatch.setattr("dxops.app.nursery.nursery._ANSWER_S", 0.2)
        os.kill(first, signal.SIGSTOP)
        with pytest.raises(Unavailable, match="does not answer"):
            await kept.bear([], {})
        monkeypatch.undo()
        await end(await eventually_born(kept))
        assert kept.pid != first


async def test_many_at_once() -> None:
    async with nursery("sys.exit(int(sys.argv[1]))") as kept:
        born = await asyncio.gather(*(kept.bear([str(number)], {}) for number in range(20)))
        assert await asyncio.gather(*(each.wait() for each in born)) == list(range(20))


async def test_orphans_of_others_are_not_adopted() -> None:
    """Only while a birth is under way: nobody would ever wait for them."""
    async with nursery(WAIT) as kept:
        forked = await kept.bear([], {})
        leaves = "import os, time\npid = os.fork()\nif pid == 0:\n time.sleep(600)\nprint(pid, flush=True)\n"
        done = await asyncio.to_thread(
            subprocess.Popen, [sys.executable, "-c", leaves + "os._exit(0)"], stdout=subprocess.PIPE
        )
        assert done.stdout is not None
        orphan = psutil.Process(int(done.stdout.readline()))
        done.stdout.close()
        assert done.wait() == 0
        assert orphan.ppid() != os.getpid()
        orphan.kill()
        await end(forked)


async def test_a_nursery_that_starts_a_thread_does_not_fork(capfd: pytest.CaptureFixture[str]) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    async with nursery(WAIT, thread + BEFORE) as kept:
        with pytest.raises(Unavailable):
            await kept.bear([], {})
    assert "2 threads run in the nursery" in capfd.readouterr().err


async def test_a_role_starts_without_a_nursery_that_cannot_help(tmp_path: Path) -> None:
    kept = Nursery((sys.executable, "-c", "raise SystemExit(3)"), lambda: None)
    await kept.start()
    async with role_running(kept, tmp_path):
        while not (tmp_path / "own.log").exists() or "here" not in (tmp_path / "own.log").read_text():
            await asyncio.sleep(0.02)
        await kept.stop()


async def test_a_role_that_is_ready_before_its_pid_is_known_is_healthy(tmp_path: Path) -> None:
    """A forked role may be: what it said was once forgotten, and it was killed after a minute."""
    async with nursery(WAIT) as kept, role_running(kept, tmp_path) as role:

        class Hasty(Nursery):
            async def bear(self, *arguments: Any, **options: Any) -> Forked:
                forked = await kept.bear(*arguments, **options)
                role.heard(forked.pid + 1, {"READY": "1"})
                role.heard(forked.pid, {"WATCHDOG": "1"})
                role.heard(forked.pid, {"READY": "1"})
                role.heard(forked.pid, {"WATCHDOG": "1"})
                return forked

        while role.pid is None:
            await asyncio.sleep(0.02)
        assert role.record.status == "starting"
        role._nursery = Hasty((), lambda: None)
        os.kill(role.pid, signal.SIGKILL)
        while not role.healthy:
            await asyncio.sleep(0.02)
        assert role.record.restarts == 1


async def test_a_role_that_is_stopped_while_it_is_born_is_stopped(tmp_path: Path) -> None:
    async with nursery(WAIT, "import time; time.sleep(1)\n" + BEFORE) as kept, role_running(kept, tmp_path) as role:
        assert role.pid is None
    assert role.record.status == "stopped"
    assert role.pid is None


async def test_ready_is_said_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message may be lost: the supervisor's socket holds ten."""
    monkeypatch.setattr("dxops.app.notify.HEARTBEAT_S", 0.01)
    notifier = Notifier(str(tmp_path / "notify"))
    beating = asyncio.create_task(notifier.heartbeat("own"))
    notifier.tell(READY="1")  # nobody listens
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        heard = await asyncio.get_running_loop().sock_recv(listener, 1000)
    beating.cancel()
    assert b"READY=1" in heard.splitlines()


def test_titles_fill_their_room_exactly() -> None:
    assert fitted(["run", "web"], 12) == b"run\0web\0\0\0\0\0"
    assert fitted(["run", "web"], 8) == b"run\0web\0"
    assert fitted(["run", "worker"], 8) == b"run\0wor\0"


@pytest.mark.system
def test_what_roles_need_is_imported_already_and_nothing_for_nothing(tmp_path: Path) -> None:
    script = """
import importlib, sys
from pathlib import Path
from dxops.app.nursery import keeper
for name in keeper.FOR_SETUP + keeper.FOR_ROLES:
    importlib.import_module(name)
before = set(sys.modules)
from dxops.app.data import DataDirectory
from dxops.app.house import House
from dxops.app.jobs import make_jobs
from dxops.app.roles.worker import jobs_of
from dxops.app.web import make_web_app
data = DataDirectory(Path(sys.argv[1]) / "data")
data.prepare()
data.secret("postgres_password").write_text("x")
data.secret("clickhouse_password").write_text("x")
house = House(data, data.settings())
make_web_app(house)
house.make_origin(), house.make_gateway(), house.make_kubo_rpc(), house.kube, house.spool, house.keeping
make_jobs("postgresql://x@/y", jobs_of(house))
print(sorted(set(sys.modules) - before), sorted({"pydantic", "alembic", "chdb", "typer"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[] []\n"


@asynccontextmanager
async def role_running(kept: Nursery, place: Path) -> AsyncIterator[RoleProcess]:
    """A role that the nursery is asked for; started the plain way it says so in its log."""
    plain = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)")
    role = RoleProcess(
        RoleSpec("own", plain, ("run", "own")),
        clock=SystemClock(),
        log_path=place / "own.log",
        notify_socket=place / "notify",
        changed=lambda: None,
        nursery=kept,
    )
    running = asyncio.create_task(role.run())
    async with asyncio.timeout(20):
        await asyncio.sleep(0)
        yield role
        await role.stop()
        await running


async def eventually_born(kept: Nursery) -> Forked:
    async with asyncio.timeout(20):
        while True:
            try:
                return await kept.bear([], {})
            except Unavailable:
                await asyncio.sleep(0.02)


async def end(forked: Forked) -> None:
    os.kill(forked.pid, signal.SIGTERM)
    assert await forked.wait() == -signal.SIGTERM
