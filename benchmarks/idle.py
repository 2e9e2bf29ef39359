"""Memory of the whole system at rest: every process of every role, a minute after the first start.

`resident` sums each process's resident set (pages shared between PostgreSQL's processes count once per process);
`proportional` divides shared pages among those who share them, which is what the machine really gives up.
"""

from __future__ import annotations

import json
import time

import psutil

from tests.harness import System, running_system

TARGET_MB = 500
SETTLE_S = 60


def run() -> list[dict[str, object]]:
    """Rows as `benchmarks/__main__.py` prints them."""
    with running_system() as system:
        time.sleep(SETTLE_S)
        infos = [process.memory_full_info() for process in processes_of(system)]
    resident = sum(info.rss for info in infos) / 1e6
    proportional = sum(info.pss for info in infos) / 1e6
    common = {"peer": None, "unit": "MB", "ratio": None, "target": f"< {TARGET_MB}"}
    return [
        {"name": "idle system, resident", "ours": resident, "ok": resident < TARGET_MB, **common},
        {"name": "idle system, proportional", "ours": proportional, "ok": proportional < TARGET_MB, **common},
    ]


def processes_of(system: System) -> list[psutil.Process]:
    """The supervisor and everything below it."""
    supervisor = psutil.Process(json.loads((system.data / "state" / "status.json").read_text())["pid"])
    return [supervisor, *supervisor.children(recursive=True)]


if __name__ == "__main__":
    from benchmarks.__main__ import print_table

    print_table(run())
