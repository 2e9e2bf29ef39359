"""From the command to a healthy system where there is data already: `dxops up --detach`, again and again. And a role
that is killed: how long until another one says that it is ready."""

from __future__ import annotations

import json
import os
import signal
import statistics
import time

from tests.harness import System, running_system

TARGET_S = 5.0
STARTS = 3
KILLED = ("ingest", "loader", "web", "edge", "worker", "store")


def run() -> list[dict[str, object]]:
    """Rows as `benchmarks/__main__.py` prints them."""
    with running_system() as system:
        starts = []
        for _ in range(STARTS):
            system.stop()
            began = time.perf_counter()
            system.up()
            starts.append(time.perf_counter() - began)
        returns = {role: return_s(system, role) for role in KILLED}
    rows = [row("second start, median", statistics.median(starts), TARGET_S)]
    rows.append(row("second start, slowest", max(starts), None))
    rows += [row(f"killed {role} is back", took, None) for role, took in returns.items()]
    return rows


def return_s(system: System, role: str) -> float:
    """From the kill until the next process is healthy; 0.2 s of it are the supervisor's pause."""
    path = system.data / "state" / "status.json"
    killed = json.loads(path.read_text())["roles"][role]["pid"]
    os.kill(killed, signal.SIGKILL)
    began = time.perf_counter()
    while True:
        found = json.loads(path.read_text())["roles"][role]
        if found["pid"] not in (None, killed) and found["status"] == "healthy":
            return time.perf_counter() - began
        if time.perf_counter() - began > 120:
            raise TimeoutError(f"{role} did not come back: {found}")
        time.sleep(0.005)


def row(name: str, ours: float, target_s: float | None) -> dict[str, object]:
    return {
        "name": name,
        "ours": ours,
        "peer": None,
        "unit": "s",
        "ratio": None,
        "target": f"< {target_s:g}" if target_s else "",
        "ok": target_s is None or ours < target_s,
    }


if __name__ == "__main__":
    from benchmarks.__main__ import print_table

    print_table(run())
