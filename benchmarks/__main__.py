"""`make bench`: every benchmark of this package, one after the other, as one table and one JSON file.

usage: python -m benchmarks [NAME…] [--json FILE]

Each row: what was measured, ours, the peer or raw limit of the same run, their ratio, the target, whether it is met.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import platform
import sys
from pathlib import Path

import benchmarks


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="modules to run; default: all")
    parser.add_argument("--json", type=Path, default=Path("bench-results.json"))
    options = parser.parse_args()
    known = [found.name for found in pkgutil.iter_modules(benchmarks.__path__) if not found.name.startswith("_")]
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    rows: list[dict[str, object]] = []
    for name in options.names or known:
        module = importlib.import_module(f"benchmarks.{name}")
        if hasattr(module, "run"):
            print(f"… {name}", file=sys.stderr)
            rows += module.run()
    print_table(rows)
    machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    return 0


def print_table(rows: list[dict[str, object]]) -> None:
    head = ["name", "ours", "peer", "unit", "ratio", "target", "ok"]
    lines = [head] + [[_cell(row.get(key)) for key in head] for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
