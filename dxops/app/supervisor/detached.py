"""`dxops up --detach`: start the supervisor in a session of its own, and tell what it waits for until it is healthy."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from dxops.app.data import DataDirectory
from dxops.app.log_files import rotate_for_another
from dxops.app.supervisor.status import SystemRecord, read_status
from dxops.base.errors import Unavailable

START_TIMEOUT_S = 180.0
_TELL_EVERY_S = 10.0
_LOUD = ("warning", "error", "critical")

Say = Callable[[str], None]


def supervise_command(directory: DataDirectory) -> list[str]:
    """The supervisor's command line."""
    command = [sys.executable, "-m", "dxops.app", "supervise", "--data", str(directory.root)]
    return command + (["--config", str(directory.config_path)] if directory.config_path.exists() else [])


def start_detached(directory: DataDirectory, timeout_s: float, say: Say) -> None:
    """Return once all roles are healthy; already running is fine. What goes wrong meanwhile is said as it happens, and
    every ten seconds what is waited for. Raises `Unavailable` when the supervisor ends, or after `timeout_s`: one that
    was started here is stopped then."""
    directory.prepare()
    log = directory.logs / "supervisor.log"
    rotate_for_another(log)
    words = _Words(log)
    process = None
    if read_status(directory.status, directory.lock) is None:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*supervise_command(directory), "--quiet"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    _wait_healthy(directory, process, words, timeout_s, say)


def _wait_healthy(
    directory: DataDirectory, process: subprocess.Popen[bytes] | None, words: _Words, timeout_s: float, say: Say
) -> None:
    deadline = time.monotonic() + timeout_s
    tell_at = time.monotonic() + _TELL_EVERY_S
    record = None
    while time.monotonic() < deadline:
        ended = process is not None and process.poll() is not None
        news = words.news()
        if ended:
            raise _ending(news, words.path, say)
        if news:
            say("\n".join(news))
            tell_at = time.monotonic() + _TELL_EVERY_S
        record = read_status(directory.status, directory.lock)
        ours = record is not None and (process is None or record.pid == process.pid)
        if ours and record is not None and record.ready_at is not None and record.healthy:
            return
        if time.monotonic() >= tell_at:
            say(f"waiting for {waited_for(record)}")
            tell_at += _TELL_EVERY_S
        time.sleep(0.05)
    if process is not None:
        process.terminate()
        process.wait(60)
    reason = words.last or f"waiting for {waited_for(record)}"
    raise Unavailable(f"not healthy after {timeout_s:.0f} s: {reason}", hint=f"see {words.path.parent}")


def _ending(news: list[str], path: Path, say: Say) -> Unavailable:
    """Why the supervisor ended, by its own last words: `error: …` and a hint on the next line."""
    at = next((index for index, line in enumerate(news) if line.startswith("error: ")), len(news))
    if news[:at]:
        say("\n".join(news[:at]))
    if at == len(news):
        return Unavailable("the supervisor ended before it was healthy", hint=f"its last words: {path}")
    hint = news[at + 1].strip() if at + 1 < len(news) else f"its last words: {path}"
    return Unavailable(news[at].removeprefix("error: "), hint=hint)


def waited_for(record: SystemRecord | None) -> str:
    """What keeps a start from being complete, in words."""
    if record is None:
        return "the supervisor"
    slow = [
        f"{name} ({role.status}{f': {role.detail}' if role.detail else ''})"
        for name, role in record.roles.items()
        if role.status != "healthy"
    ]
    return ", ".join(slow) or "setup (migrations, credentials, the bundled app)"


def loud_line(line: bytes) -> str | None:
    """What people should see of a line of the supervisor's log: a warning or error with its hint or reason, and
    whatever is not one of our log entries. None for the rest."""
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.decode("utf-8", "replace").rstrip() or None
    if not isinstance(entry, dict) or entry.get("level") not in _LOUD:
        return None
    more = [str(entry[key]) for key in ("for", "reason", "exit", "hint") if entry.get(key)]
    return "\n  ".join([str(entry.get("message", "")), *more])


class _Words:
    """What is added to the supervisor's log from now on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: str | None = None
        self._offset = path.stat().st_size if path.exists() else 0

    def news(self) -> list[str]:
        """Whole lines worth telling, since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                added = file.read()
        except FileNotFoundError:
            return []
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = [text for text in map(loud_line, whole.splitlines()) if text]
        if found:
            self.last = found[-1].splitlines()[0]
        return found
