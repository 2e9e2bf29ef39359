"""Log files stay small, and nothing that is written while they are changed is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dxops.app import log_files

SCRIPT = """
import os, sys, time
from pathlib import Path
from dxops.app import log_files
log_files.MAX_BYTES = 1000
path = Path(os.environ["DXOPS_LOG"])
for number in range(300):
    print(number, flush=True)
    print(number, "error", file=sys.stderr, flush=True)
    if number % 10 == 0:
        before = path.stat().st_ino
        log_files.rotate_own(path)
        if path.stat().st_ino != before:
            os.link(log_files.older(path), path.with_name(f"kept.{number}"))
"""


def test_a_process_changes_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    with path.open("ab") as output:
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            stdout=output,
            stderr=output,
            check=True,
            timeout=60,
            env=os.environ | {"DXOPS_LOG": str(path)},
            cwd=Path(__file__).parents[2],
        )
    kept = sorted(tmp_path.glob("kept.*"), key=lambda each: int(each.suffix[1:]))
    assert len(kept) >= 3
    lines = "".join(each.read_text() for each in [*kept, path]).splitlines()
    assert [line for line in lines if "error" not in line] == [str(number) for number in range(300)]
    assert path.stat().st_size < 1500


def test_somebody_elses_file_is_copied_to_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "postgres.log"
    old = log_files.older(path)
    old.write_text("older still")
    before = old.stat().st_ino
    keep = os.open(old, os.O_RDONLY)  # its inode must not be given to the new one
    log_files.rotate_for_another(path)  # there is none yet
    path.write_bytes(b"x" * (log_files.MAX_BYTES + 1))
    log_files.rotate_for_another(path)
    assert (path.stat().st_size, old.stat().st_size) == (0, log_files.MAX_BYTES + 1)
    assert old.stat().st_ino != before
    os.close(keep)
