"""The baseline: rsyslog writes the same lines to a file, and `zgrep` looks for one of them when it is compressed."""

from __future__ import annotations

import gzip
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil

from tests.harness import eventually, free_ports


class Baseline(msgspec.Struct, frozen=True):
    """`rate` lines a second from the first byte sent to the last byte in the file."""

    rate: float
    cpu_us: float
    zgrep_ms: float
    compressed_bytes: int


def rsyslogd() -> str | None:
    """Where it is, if the machine has it."""
    return shutil.which("rsyslogd", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin")


def measure(home: Path, documents: Sequence[bytes], rare: str) -> Baseline:
    """Over TCP, framed by newlines; then gzip -6, then `zgrep -F`."""
    program = rsyslogd()
    assert program is not None
    (port,) = free_ports(1)
    output, config = home / "all.log", home / "rsyslog.conf"
    config.write_text(
        f'global(workDirectory="{home}" maxMessageSize="64k")\nmodule(load="imptcp")\n'
        f'input(type="imptcp" port="{port}" address="127.0.0.1" ruleset="all")\n'
        'template(name="raw" type="string" string="%msg%\\n")\n'
        f'ruleset(name="all") {{ action(type="omfile" file="{output}" template="raw") }}\n'
    )
    server = subprocess.Popen([program, "-n", "-f", str(config), "-i", str(home / "pid")])
    try:
        eventually(lambda: _answers(port))
        data = b"".join(b"<134>1 2026-01-01T00:00:00Z host app - - - %b\n" % line for line in documents)
        size = sum(map(len, documents)) + len(documents)
        process = psutil.Process(server.pid)
        spent = sum(process.cpu_times()[:2])
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(data)
        eventually(lambda: output.exists() and output.stat().st_size >= size, timeout_s=120, every_s=0.02)
        took_s = time.monotonic() - begun
        cpu_s = sum(process.cpu_times()[:2]) - spent
    finally:
        server.terminate()
        server.wait(20)
    compressed = home / "all.log.gz"
    with output.open("rb") as source, gzip.open(compressed, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target)
    begun = time.monotonic()
    found = subprocess.run(["zgrep", "-F", rare, str(compressed)], capture_output=True, check=False)
    zgrep_ms = (time.monotonic() - begun) * 1000
    assert rare.encode() in found.stdout
    count = len(documents)
    return Baseline(count / took_s, cpu_s / count * 1e6, zgrep_ms, compressed.stat().st_size)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
