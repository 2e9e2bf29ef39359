"""A whole system for tests, started as a user would start it, on free loopback ports, and removed afterwards."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LISTENERS = ("console", "console_tls", "apps", "kubo", "gateway", "store", "elastic")


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class System:
    """`dxops` on a data directory of its own. `config` is appended to the generated `dxops.toml`."""

    def __init__(self, directory: Path, config: str = "", listen: dict[str, str] | None = None) -> None:
        self.directory = directory
        self.data = directory / "data"
        addresses = {
            name: f"127.0.0.1:{port}" for name, port in zip(LISTENERS, free_ports(len(LISTENERS)), strict=True)
        }
        self.listen = addresses | (listen or {})
        lines = "\n".join(f'{name} = "{address}"' for name, address in self.listen.items())
        # top-level keys come first in TOML, so the caller's text goes before the first table
        self.config_path = directory / "dxops.toml"
        self.config_path.write_text(f"{config}\n[listen]\n{lines}\n")

    def dxops(self, *arguments: str, check: bool = True, timeout: float = 240, **options: object) -> str:
        """Run a command of the CLI on this system; its stdout. Fails the test with its stderr unless it exits 0."""
        done = self.try_dxops(*arguments, timeout=timeout, **options)
        if check and done.returncode != 0:
            said = f"{done.stdout}\n{done.stderr}\n{self.log_tails()}"
            raise AssertionError(f"dxops {' '.join(arguments)} exited {done.returncode}\n{said}")
        return done.stdout

    def try_dxops(self, *arguments: str, timeout: float = 240, **options: object) -> subprocess.CompletedProcess[str]:
        """The same, whatever the exit status."""
        command = [sys.executable, "-m", "dxops.app", *arguments, "--data", str(self.data)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DXOPS_")}
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment | {"PYTHONPATH": str(Path(__file__).parents[1])},
            check=False,
            **options,  # type: ignore[call-overload]
        )

    def up(self) -> None:
        """Start, detached; healthy on return."""
        self.dxops("up", "--detach")

    def stop(self) -> None:
        """Stop; nothing of it runs on return."""
        self.dxops("stop")

    def status(self) -> dict[str, dict[str, object]]:
        """The roles."""
        return json.loads(self.try_dxops("status", "--json").stdout)["roles"]

    def endpoints(self, *arguments: str) -> dict[str, str]:
        """`dxops endpoints --json`."""
        return json.loads(self.dxops("endpoints", "--json", *arguments))

    @property
    def api_token(self) -> str:
        return (self.data / "secrets" / "api_token").read_text().strip()

    @property
    def apps_port(self) -> int:
        return int(self.listen["apps"].rpartition(":")[2])

    def log_tails(self) -> str:
        """The last lines of every role's log, for a failure's message."""
        tails = []
        for path in sorted((self.data / "logs").glob("*.log")):
            tails.append(f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:]))
        return "\n".join(tails)

    def remove(self) -> None:
        """Stop and delete everything, also what lies outside the directory."""
        self.try_dxops("stop")
        location = self.data / "postgres.location"
        if location.exists():
            shutil.rmtree(location.read_text().strip(), ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def running_system(config: str = "", listen: dict[str, str] | None = None) -> Iterator[System]:
    """A system that is up, removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="dxops-system-"))
    directory.chmod(0o755)  # the unprivileged PostgreSQL account walks through it
    system = System(directory, config, listen)
    try:
        system.up()
        yield system
    finally:
        system.remove()


def eventually(check: Callable[[], object], timeout_s: float = 20.0, every_s: float = 0.05) -> object:
    """Poll until `check` returns something true or stops raising AssertionError; its value. Fails after the timeout."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            value = check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        else:
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not true within {timeout_s} s: {check}")
        time.sleep(every_s)
