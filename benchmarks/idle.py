"""Memory of the whole system at rest: every process of every role, a minute after the first start. The roles that came
with logs stand apart: the target is that of hosting alone.

`resident` sums each process's resident set: what PostgreSQL's processes share, and what the forked roles share with the
nursery, counts once per process. `proportional` divides shared pages among those who share them, which is what the
machine really gives up. The nursery is counted with hosting.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress

import psutil

from tests.harness import running_system

TARGET_MB = 500
SETTLE_S = 60
LOGS = ("store", "ingest", "loader")


def run() -> list[dict[str, object]]:
    """Rows as `benchmarks/__main__.py` prints them."""
    with running_system() as system:
        time.sleep(SETTLE_S)
        status = json.loads((system.data / "state" / "status.json").read_text())
        roles = {name: role["pid"] for name, role in status["roles"].items()}
        measured = {name: memory_mb(with_children(pid)) for name, pid in roles.items()}
        measured["supervisor"] = memory_mb([psutil.Process(status["pid"])])
        if status["nursery"] is not None:
            measured["nursery"] = memory_mb([psutil.Process(status["nursery"])])
    hosting = [memory for name, memory in measured.items() if name not in LOGS]
    rows: list[dict[str, object]] = []
    for name, (resident, proportional) in sorted(measured.items()):
        rows.append(row(f"idle {name}, resident", resident, None))
        rows.append(row(f"idle {name}, proportional", proportional, None))
    rows.append(row("idle hosting, resident", sum(resident for resident, _ in hosting), None))
    rows.append(row("idle hosting, proportional", sum(proportional for _, proportional in hosting), TARGET_MB))
    rows.append(row("idle system, resident", sum(resident for resident, _ in measured.values()), None))
    rows.append(row("idle system, proportional", sum(proportional for _, proportional in measured.values()), None))
    return rows


def row(name: str, ours: float, target_mb: int | None) -> dict[str, object]:
    return {
        "name": name,
        "ours": ours,
        "peer": None,
        "unit": "MB",
        "ratio": None,
        "target": f"< {target_mb}" if target_mb else "",
        "ok": target_mb is None or ours < target_mb,
    }


def with_children(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def memory_mb(processes: list[psutil.Process]) -> tuple[float, float]:
    """(resident, proportional)."""
    infos = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # PostgreSQL's workers come and go
            infos.append(process.memory_full_info())
    return sum(info.rss for info in infos) / 1e6, sum(info.pss for info in infos) / 1e6


if __name__ == "__main__":
    from benchmarks.__main__ import print_table

    print_table(run())
