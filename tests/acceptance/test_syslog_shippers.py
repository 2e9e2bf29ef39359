"""Debian's rsyslog and syslog-ng, configured as the page says, while `ingest` is killed under them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.acceptance.shipping import aimed, count, debian_tree, library_path, messages, running, snippet
from tests.harness import System, eventually, running_system

pytestmark = [pytest.mark.system, pytest.mark.client, pytest.mark.fault]

LINES = 4_000
KILLS = 2
HUGE = 300_000


@pytest.fixture(scope="module")
def own() -> Iterator[System]:
    with running_system() as system:
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
