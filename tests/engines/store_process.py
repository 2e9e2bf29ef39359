"""The role `store` as a process of its own, on a data directory and port of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.harness import free_ports

ROOT = Path(__file__).parents[2]


class StoreProcess:
    """`config` is appended to its `dxops.toml`."""

    def __init__(self, directory: Path, config: str = "") -> None:
        self.port = free_ports(1)[0]
        self.data = directory / "data"
        self.log = directory / "store.log"
        self._config = directory / "dxops.toml"
        self._config.write_text(f'[listen]\nstore = "127.0.0.1:{self.port}"\n{config}\n')
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> float:
        """Seconds until it answered."""
        began = time.monotonic()
        command = ["run", "store", "--data", str(self.data), "--config", str(self._config)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DXOPS_")}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dxops.app", *command],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=environment,
            )
        while wait and not self.answers():
            if self.process.poll() is not None or time.monotonic() - began > 30:
                raise AssertionError(f"the store did not start:\n{self.log.read_text()}")
            time.sleep(0.01)
        return time.monotonic() - began

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ping", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def password(self, user: str = "dxops") -> str:
        name = "clickhouse_password" if user == "dxops" else "clickhouse_reader_password"
        return (self.data / "secrets" / name).read_text()

    def send(self, sql: str | bytes, user: str = "dxops", **params: object) -> httpx.Response:
        """POST with the SQL as body; `params` go into the URL."""
        headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": self.password(user)}
        return httpx.post(self.url, content=sql, params=params, headers=headers, timeout=60)  # type: ignore[arg-type]

    def sql(self, sql: str | bytes, user: str = "dxops", **params: object) -> str:
        """The answer's text; fails the test unless it is a 200."""
        answer = self.send(sql, user, **params)
        assert answer.status_code == 200, answer.text
        return answer.text

    def rss_mb(self) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024
