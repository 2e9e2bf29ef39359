"""What a process id stands for: `/proc` where there is one, else `ps` (macOS, BSD)."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dxops.base.errors import Unavailable

PROC = Path("/proc")
_PS = ("ps", "-ww", "-o", "command=", "-p")


def command_of(pid: int, *, proc: Path = PROC, ps: tuple[str, ...] = _PS) -> str | None:
    """The command line of a process, its arguments separated by spaces; None where no such process runs. Raises
    `Unavailable` where this machine does not tell."""
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        except PermissionError as error:
            raise _untold(pid, f"{error.filename} may not be read") from error
    try:
        done = subprocess.run([*ps, str(pid)], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _untold(pid, f"no {proc}, and {ps[0]} does not run: {error}") from error
    if done.returncode == 0 and done.stdout.strip():
        return done.stdout.strip()
    if done.stderr.strip():
        raise _untold(pid, f"no {proc}, and {ps[0]} says: {done.stderr.strip().splitlines()[0]}")
    return None


def _untold(pid: int, reason: str) -> Unavailable:
    return Unavailable(f"cannot tell what process {pid} is: {reason}", hint="install procps, or mount /proc")
