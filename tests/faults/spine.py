"""The spine of logs as three processes to kill one by one, without a supervisor, and shippers that keep account."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from dxops.app.data import DataDirectory
from dxops.app.elastic import encoded_api_key
from dxops.app.stores import clickhouse_url, store_password
from dxops.engines.clickhouse.client import connected
from dxops.engines.clickhouse.migrate import migrate
from dxops.engines.spool import StreamStats, read_stats, this_machine
from tests.harness import System, eventually

ROLES = ("store", "ingest", "loader")
ROOT = Path(__file__).parents[2]


class Spine:
    """`dxops run store`, `ingest` and `loader` on one data directory. `config` is as for `System`."""

    def __init__(self, directory: Path, config: str = "") -> None:
        self.system = System(directory, config)
        self.data = DataDirectory.choose(self.system.data, self.system.config_path)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.logs = directory / "roles.log"

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.system.listen["elastic"].rpartition(":")
        return host, int(port)

    def start(self, role: str, *, wait: bool = True) -> None:
        command = [sys.executable, "-m", "dxops.app", "run", role, "--data", str(self.system.data)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DXOPS_")}
        with self.logs.open("ab") as output:
            self.processes[role] = subprocess.Popen(
                [*command, "--config", str(self.system.config_path)], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, cwd=ROOT, env=environment,
            )  # fmt: skip
        if wait:
            eventually(lambda: self.answers(role), 60)

    def start_all(self) -> None:
        self.start("store")
        asyncio.run(self._migrate())
        self.start("ingest")
        self.start("loader")

    async def _migrate(self) -> None:
        async with connected(clickhouse_url(self.data, self.data.settings())) as client:
            await migrate(client)

    def answers(self, role: str) -> bool:
        """Whether a role that listens does so; raises when it ended."""
        process = self.processes[role]
        if process.poll() is not None:
            raise RuntimeError(f"{role} ended with {process.returncode}: {self.logs.read_text()[-2000:]}")
        address = {"ingest": "elastic", "store": "store"}.get(role)
        if address is None:
            return True
        path = "ping" if role == "store" else "_license"
        headers = {} if role == "store" else {"authorization": f"ApiKey {encoded_api_key(self.data)}"}
        try:
            found = httpx.get(f"http://{self.system.listen[address]}/{path}", headers=headers, timeout=2)
        except httpx.TransportError:
            return False
        return found.status_code == 200

    def kill(self, role: str) -> None:
        self.processes[role].kill()
        self.processes[role].wait()

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    # --- looking ------------------------------------------------------------------------------------------------

    def sql(self, statement: str) -> list[list[Any]]:
        headers = {"X-ClickHouse-User": "dxops", "X-ClickHouse-Key": store_password(self.data, "dxops")}
        fields = {"database": "dxops", "default_format": "JSONCompact"}
        url = f"http://{self.system.listen['store']}/"
        answer = httpx.post(url, content=statement, headers=headers, params=fields, timeout=60)
        assert answer.status_code == 200, answer.text
        rows: list[list[Any]] = answer.json()["data"]
        return rows

    def stats(self) -> StreamStats | None:
        """Of the stream `logs`, from its files."""
        machine = this_machine()
        try:
            found = asyncio.run(read_stats(machine, str(self.data.spool)))
        finally:
            machine.runner.close()
        return next((stream for stream in found if stream.stream == "logs"), None)

    def drained(self) -> bool:
        """Whether all that was received is loaded."""
        stats = self.stats()
        loaders = [consumer for consumer in stats.consumers if consumer.name == "store"] if stats else []
        return bool(loaders) and not loaders[0].pending

    def wait_drained(self, timeout_s: float = 60) -> None:
        eventually(self.drained, timeout_s, every_s=0.2)

    def stored(self, stream: str) -> dict[str, list[int]]:
        """Numbers by the field `key` of the stream's documents."""
        found: dict[str, list[int]] = {}
        rows = self.sql(f"SELECT attrs['key'], toString(seq) FROM log_events WHERE stream = '{stream}'")
        for key, seq in rows:
            found.setdefault(key, []).append(int(seq))
        return found


@contextmanager
def running_spine(config: str = "", directory: Path | None = None) -> Iterator[Spine]:
    """A spine that is up, removed at the end."""
    home = directory or Path(tempfile.mkdtemp(prefix="dxops-spine-"))
    spine = Spine(home, config)
    try:
        spine.start_all()
        yield spine
    finally:
        spine.stop()
        if directory is None:
            shutil.rmtree(home, ignore_errors=True)


class Shipper(threading.Thread):
    """Sends small batches until told to stop, and remembers what was acknowledged, by key, with its number.

    With ids it sends a batch again until it is taken, as shippers do; then a conflict says that it was there already.
    Without, a batch that was not answered is given up: it may be there or not.
    """

    def __init__(self, spine: Spine, name: str, stream: str, *, with_ids: bool) -> None:
        super().__init__(name=name, daemon=True)
        self.stream = stream
        self.acknowledged: dict[str, int] = {}
        self.doubtful: set[str] = set()
        self.refused: Counter[int] = Counter()
        self.longest_s = 0.0
        self.fault: BaseException | None = None
        self._spine = spine
        self._with_ids = with_ids
        self._chance = random.Random(name)
        self._stopping = threading.Event()
        self._number = 0
        self._connection: http.client.HTTPConnection | None = None
        self._headers = {
            "authorization": f"ApiKey {encoded_api_key(spine.data)}", "content-type": "application/x-ndjson",
        }  # fmt: skip

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._ship()
        except BaseException as error:  # told by `stop`
            self.fault = error

    def stop(self) -> None:
        """End; raises what went wrong."""
        self._stopping.set()
        self.join(60)
        if self.fault is not None:
            raise self.fault

    def _ship(self) -> None:
        keys = []
        for _ in range(self._chance.choice((1, 20, 100))):
            self._number += 1
            keys.append(f"{self.name}-{self._number}")
        while True:
            found = self._tried(keys)
            if found is not None:
                self.acknowledged.update(found)
                self.doubtful.difference_update(keys)
                return
            self.doubtful.update(keys)
            if not self._with_ids or self._stopping.is_set():
                return
            time.sleep(0.02)

    def _tried(self, keys: list[str]) -> dict[str, int] | None:
        lines = []
        for key in keys:
            named = f',"_id":"{key}"' if self._with_ids else ""
            lines.append(
                f'{{"create":{{"_index":"{self.stream}"{named}}}}}\n{{"key":"{key}","message":"line {key}"}}\n'
            )
        begun = time.monotonic()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*self._spine.address, timeout=30)
            self._connection.request("POST", "/_bulk", "".join(lines).encode(), self._headers)
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            time.sleep(0.02)
            return None
        if answer.status != 200:
            self.refused[answer.status] += 1
            assert answer.status in (429, 503), body
            return None
        self.longest_s = max(self.longest_s, time.monotonic() - begun)
        found: dict[str, int] = {}
        for key, item in zip(keys, json.loads(body)["items"], strict=True):
            result = item["create"]
            if result["status"] == 201:
                found[key] = result["_seq_no"]
            else:
                assert result["status"] == 409, result
                assert self._with_ids
                found[key] = -1
        return found


def check(spine: Spine, shippers: list[Shipper]) -> int:
    """Every acknowledged document is there once, under the number it was answered with; one in doubt at most once;
    nothing else. How many were acknowledged."""
    total = 0
    for stream in {shipper.stream for shipper in shippers}:
        stored = spine.stored(stream)
        mine = [shipper for shipper in shippers if shipper.stream == stream]
        doubled = {key: seqs for key, seqs in stored.items() if len(seqs) > 1}
        assert not doubled, f"stored twice: {list(doubled.items())[:5]}"
        acknowledged = {key: seq for shipper in mine for key, seq in shipper.acknowledged.items()}
        lost = acknowledged.keys() - stored.keys()
        assert not lost, f"{len(lost)} acknowledged and lost: {sorted(lost)[:5]}"
        unknown = stored.keys() - acknowledged.keys() - {key for shipper in mine for key in shipper.doubtful}
        assert not unknown, f"from nowhere: {sorted(unknown)[:5]}"
        elsewhere = [key for key, seq in acknowledged.items() if seq >= 0 and stored[key] != [seq]]
        assert not elsewhere, f"under another number: {elsewhere[:5]}"
        total += len(acknowledged)
    return total
