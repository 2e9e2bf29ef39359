"""Runs a command for as long as its standard input stays open, so that nothing outlives a killed node.

`python -I -S tether.py PROGRAM ARGUMENT…`: the command's output is ours; when stdin ends, its whole process group is
asked to end and killed after two seconds. Imports only what starts fast.
"""

import contextlib
import os
import select
import signal
import sys
import time

_GRACE_S = 2.0


def main(command: list[str]) -> int:
    """Exit status of the command, 127 where it cannot be started."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        child = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, nothing, 0)],
            setpgroup=0,
        )
    except OSError as error:
        sys.stdout.write(f"cannot run {command[0]}: {error.strerror}\n")
        return 127
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _kill(child, signal.SIGKILL)  # what it left behind
            return os.waitstatus_to_exitcode(status) & 0xFF
        readable, _, _ = select.select([0], [], [], 0.2)
        if readable and not os.read(0, 64):
            break
    _kill(child, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.02)
    _kill(child, signal.SIGKILL)
    return 143


def _kill(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
