"""Running a module's build: no shell, its own process group, every line passed on as it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from dxops.app.publishing.git import Checkout
from dxops.base.errors import Refused
from dxops.wire.dxyml import DEFAULT_COMMAND, Module

Tell = Callable[[str, str], None]
"""(stream `out` or `err`, a line with its newline)."""

_SENSITIVE = ("KEY", "TOKEN", "SECRET", "PASSWORD", "DESTINATION", "DSN")
_STOP_S = 5.0


def build_variables(
    module: Module, settings: Mapping[str, str], checkout: Checkout, version: str | None, process: Mapping[str, str]
) -> dict[str, str]:
    """The build's environment: the process's, the module's `build.env`, `CONFIG_DYNAMIC`, then what the server
    declares for app and environment."""
    told = {"CONFIG_DYNAMIC": "true", "DX_APP": module.name}
    facts = {"DX_COMMIT": checkout.commit, "DX_BRANCH": checkout.branch, "DX_VERSION": version or module.build.version}
    told |= {name: value for name, value in facts.items() if value}
    return {**process, **module.build.env, **told, **settings}


def secrets_in(settings: Mapping[str, str]) -> list[str]:
    """The values that a log must not show, longest first."""
    found = {v for k, v in settings.items() if len(v) >= 6 and any(word in k.upper() for word in _SENSITIVE)}
    return sorted(found, key=len, reverse=True)


def run_build(module: Module, place: Path, variables: Mapping[str, str], tell: Tell) -> None:
    """Run the module's command in `place`. Raises `Refused` when it cannot start or exits other than 0. An interrupt
    stops its whole process group before it is passed on."""
    command = [part for part in (module.build.command or DEFAULT_COMMAND).split(" ") if part]
    try:
        process = subprocess.Popen(
            command,
            cwd=place,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Refused(
            f"{module.name}: '{command[0]}' cannot be started: {error.strerror}",
            code="build_failed",
            hint="build.command is split at spaces and run without a shell",
        ) from error
    readers = [
        threading.Thread(target=_pass_on, args=(pipe, stream, tell), daemon=True)
        for pipe, stream in ((process.stdout, "out"), (process.stderr, "err"))
    ]
    for reader in readers:
        reader.start()
    try:
        status = process.wait()
    except BaseException:
        _stop(process)
        raise
    finally:
        for reader in readers:
            reader.join(_STOP_S)
    if status != 0:
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"exited {status}"
        raise Refused(f"{module.name}: the build {how}", code="build_failed", hint=f"command: {' '.join(command)}")


def _pass_on(pipe: IO[bytes] | None, stream: str, tell: Tell) -> None:
    assert pipe is not None
    with pipe:
        for line in pipe:
            tell(stream, line.decode("utf-8", "replace"))


def _stop(process: subprocess.Popen[bytes]) -> None:
    for which in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, which)
            process.wait(_STOP_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return
