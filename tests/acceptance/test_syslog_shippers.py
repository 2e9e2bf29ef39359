"""Debian's rsyslog and syslog-ng, configured as the page says, while `ingest` is killed under them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.acceptance.shipping import aimed, count, debian_tree, library_path, messages, running, snippet, sql
from tests.harness import System, eventually, running_system

pytestmark = [pytest.mark.system, pytest.mark.client, pytest.mark.fault]

LINES = 4_000
KILLS = 2
HUGE = 300_000
SMALL_SPOOL = """[spool]
max_mb = 64
segment_mb = 8
min_free_mb = 0
hold_s = 0.5
"""


@pytest.fixture(scope="module")
def own() -> Iterator[System]:
    with running_system(SMALL_SPOOL) as system:
        yield system


def line(n: int, *, nul: bool) -> str:
    """Each line another: plain ones, wide characters, control characters, huge ones."""
    text = f"line {n}: user {n % 97} paid {n * 13 % 1009}.{n % 100:02} €"
    if n % 7 == 0:
        text += " ünï 日本 😀 \u2028 \u00a0 \ufffd \x7f"
    if n % 11 == 0:
        text += ' \x01\x02\t\x0b\x1b[31m \\ " / \\u0041 %s %msg% ${x}' + "\x00end" * nul
    if n % 13 == 0:
        text += ' {"nested": "json", "a": [1, 2]}'
    return text + "x" * HUGE * (n % 1000 == 500)


def kill_ingest(system: System) -> None:
    """`kill -9`, and wait until the supervisor has another one healthy."""
    before = system.status()["ingest"]
    os.kill(int(str(before["pid"])), signal.SIGKILL)
    eventually(lambda: (now := system.status()["ingest"])["status"] == "healthy" and now["pid"] != before["pid"])


Start = Callable[[Path], AbstractContextManager[subprocess.Popen[bytes]]]


def ship(system: System, start: Start, directory: Path, stream: str, *, nul: bool) -> list[str]:
    """Lines into a file that the shipper follows, with `ingest` killed between and while; what the lines were."""
    log = directory / "app.log"
    lines = [line(n, nul=nul) for n in range(LINES)]
    parts = [lines[n * LINES // (KILLS + 1) : (n + 1) * LINES // (KILLS + 1)] for n in range(KILLS + 1)]
    with log.open("w", newline="\n") as file, start(log):
        for number, part in enumerate(parts):
            file.writelines(f"{each}\n" for each in part)
            file.flush()
            if number < KILLS:
                arrived = number * len(part)
                eventually(lambda arrived=arrived: count(system, stream) > arrived, 30)  # under way
                kill_ingest(system)
        eventually(lambda: count(system, stream) >= LINES, 60)
    return lines


def rsyslog(system: System, directory: Path) -> Start:
    tree = debian_tree("rsyslog", "rsyslog", "rsyslog-elasticsearch")
    (modules,) = tree.glob("usr/lib/*/rsyslog")

    def start(log: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
        config = directory / "rsyslog.conf"
        (directory / "work").mkdir()
        config.write_text(
            f'global(workDirectory="{directory}/work")\nmodule(load="imfile")\n'
            + aimed(snippet("rsyslog"), system)
            + f'input(type="imfile" file="{log}" tag="shop" ruleset="dxops")\n'
        )
        command = [str(tree / "usr/sbin/rsyslogd"), "-n", "-f", str(config), "-i", str(directory / "pid")]
        environment = {"LD_LIBRARY_PATH": library_path(tree)}
        return running([*command, "-M", str(modules)], environment, directory / "shipper.log")

    return start


def syslog_ng(system: System, directory: Path) -> Start:
    tree = debian_tree("syslog-ng", "syslog-ng-core", "syslog-ng-mod-http", "syslog-ng-scl")
    (modules,) = tree.glob("usr/lib/syslog-ng/[0-9]*")

    def start(log: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
        config = directory / "syslog-ng.conf"
        config.write_text(
            f"@version: {modules.name}\n"
            f'@include "{tree}/usr/share/syslog-ng/include/scl/elasticsearch/elastic-http.conf"\n'
            + aimed(snippet("syslog-ng"), system)
            + f'source s_app {{ file("{log}" flags(no-parse) read-old-records(yes) follow-freq(1) log-iw-size(2000)'
            ' log-fetch-limit(500) program-override("shop")); };\n'
            "log { source(s_app); destination(d_dxops); flags(flow-control); };\n"
        )
        places = {"-f": config, "--persist-file": directory / "p", "--pidfile": directory / "pid",
                  "--control": directory / "ctl", "--module-path": modules}  # fmt: skip
        options = [str(each) for pair in places.items() for each in pair]
        command = [str(tree / "usr/sbin/syslog-ng"), "-F", "-e", "--no-caps", *options]
        environment = {"LD_LIBRARY_PATH": library_path(tree, modules.parent)}
        return running(command, environment, directory / "shipper.log")

    return start


def test_rsyslog_loses_and_doubles_nothing(own: System, tmp_path: Path) -> None:
    lines = ship(own, rsyslog(own, tmp_path), tmp_path, "rsyslog-%", nul=True)
    assert Counter(messages(own, "rsyslog-%")) == Counter(lines)


def test_syslog_ng_loses_and_doubles_nothing(own: System, tmp_path: Path) -> None:
    lines = ship(own, syslog_ng(own, tmp_path), tmp_path, "syslog-ng-%", nul=False)
    assert Counter(messages(own, "syslog-ng-%")) == Counter(lines)


def pressure(client: httpx.Client) -> dict[str, int]:
    """What `_nodes/stats` counts of logs."""
    (node,) = client.get("/_nodes/stats").raise_for_status().json()["nodes"].values()
    assert node["thread_pool"]["write"]["rejected"] == node["dxops"]["spool"]["logs"]["refused"]
    return dict(node["dxops"]["spool"]["logs"])


def noise(client: httpx.Client, count: int, size: int) -> httpx.Response:
    """The answer to a bulk of so many documents."""
    body = (b'{"index":{"_index":"noise"}}\n{"message":"' + os.urandom(size // 2).hex().encode() + b'"}\n') * count
    return client.post("/_bulk", content=body, headers={"content-type": "application/x-ndjson"})


SIZES = ((40, 60_000), (1, 60_000), (1, 4_000), (1, 100))


def fill(client: httpx.Client) -> tuple[int, httpx.Response]:
    """Until not even a line finds room: how many documents were stored, and the last answer."""
    stored = 0
    for many, size in SIZES:
        while (answer := noise(client, many, size)).status_code == 200:
            stored += many
            assert stored < 5_000, "64 MB hold 2,000 of the large ones at most"
    return stored, answer


def test_a_full_spool_holds_and_refuses_and_rsyslog_sends_again(own: System, tmp_path: Path) -> None:
    found = own.endpoints()
    loader = int(str(own.status()["loader"]["pid"]))
    shipped = [f"under pressure {n}" for n in range(500)]
    with httpx.Client(base_url=found["elastic_url"], auth=("elastic", found["elastic_password"]), timeout=30) as client:
        assert noise(client, 1, 10).status_code == 200
        eventually(lambda: "logs" in next(iter(client.get("/_nodes/stats").json()["nodes"].values()))["dxops"]["spool"])
        before = pressure(client)
        os.kill(loader, signal.SIGSTOP)
        try:
            stored, answer = fill(client)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
            assert answer.json()["error"]["type"] == "es_rejected_execution_exception"
            log = tmp_path / "app.log"
            log.write_text("".join(f"{each}\n" for each in shipped))
            with rsyslog(own, tmp_path)(log):
                ours = before["refused"] + len(SIZES)
                eventually(lambda: pressure(client)["refused"] > ours)  # rsyslog's too
                assert not set(messages(own, "rsyslog-%")) & set(shipped)
                os.kill(loader, signal.SIGCONT)
                eventually(lambda: set(shipped) <= set(messages(own, "rsyslog-%")), 60, 0.5)
        finally:
            os.kill(loader, signal.SIGCONT)
        after = pressure(client)
        assert after["held"] > before["held"]
        eventually(lambda: pressure(client)["queued"] == 0)
    assert sql(own, "SELECT count() FROM log_events WHERE stream = 'noise'") == [[stored + 1]]
    counts = Counter(messages(own, "rsyslog-%"))
    assert {each: counts[each] for each in shipped} == dict.fromkeys(shipped, 1)
