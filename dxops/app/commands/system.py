"""`dxops up`, `stop`, `status`, `run`, `setup`, `endpoints`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from dxops.app.context import ConfigOption, DataOption, JsonOption, choose, put, put_json, say, shows_errors, table
from dxops.app.data import DataDirectory
from dxops.app.endpoints import endpoints
from dxops.app.supervisor.main import greeting
from dxops.app.supervisor.status import SystemRecord, read_status
from dxops.base.errors import Missing, Unavailable
from dxops.base.log import configure_logging

_START_TIMEOUT_S = 180.0


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command(epilog="Example: dxops up --data /srv/dxops --detach")(shows_errors(up))
    root.command(epilog="Example: dxops stop --data /srv/dxops")(shows_errors(stop))
    root.command(epilog="Example: dxops status --json")(shows_errors(status))
    root.command(
        epilog="Example: dxops run web --data /srv/dxops",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )(shows_errors(run))
    root.command(hidden=True)(shows_errors(setup))
    root.command(name="endpoints", epilog="Example: dxops endpoints --json --app hello --env prod")(
        shows_errors(show_endpoints)
    )


def up(
    data: DataOption = None,
    config: ConfigOption = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return once all roles are healthy.")] = False,
) -> None:
    """Run all roles in the foreground until SIGTERM or Ctrl-C."""
    directory = choose(data, config)
    settings = directory.settings()
    if detach:
        _detach(directory)
        say(greeting(directory, settings))
    else:
        command = _supervise_command(directory)
        sys.stderr.flush()
        os.execv(command[0], command)  # noqa: S606 - ours, no shell; sheds the command line's libraries


def stop(data: DataOption = None, config: ConfigOption = None) -> None:
    """Stop the system: let running requests end, then the engines."""
    directory = choose(data, config)
    record = read_status(directory.status, directory.lock)
    if record is None:
        say("not running")
        return
    os.kill(record.pid, signal.SIGTERM)
    deadline = time.monotonic() + 60
    while read_status(directory.status, directory.lock) is not None or _alive(record.pid):
        if time.monotonic() > deadline:
            raise Unavailable(f"process {record.pid} did not stop within 60 s", hint="see the logs directory")
        time.sleep(0.05)
    say("stopped")


def status(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every role. Exits 1 unless all are healthy."""
    directory = choose(data, config)
    record = read_status(directory.status, directory.lock)
    if as_json:
        put_json({"roles": {} if record is None else record.roles})
    elif record is None:
        say(f"not running on {directory.root}")
    else:
        rows = [
            [
                name,
                role.status,
                str(role.pid or "-"),
                role.since.isoformat(timespec="seconds"),
                str(role.restarts),
                role.detail or "",
            ]
            for name, role in record.roles.items()
        ]
        table(rows, ["role", "status", "pid", "since", "restarts", "detail"])
    if record is None or not record.healthy:
        raise typer.Exit(1)


def run(
    context: typer.Context,
    role: Annotated[str, typer.Argument(help="postgres, store, ingest, loader, web, edge or worker")],
) -> None:
    """Run one role in the foreground, for systemd or containers (SIGTERM drains; SIGINT for postgres)."""
    from dxops.app.roles import main

    main([role, *context.args])


def setup(data: DataOption = None, config: ConfigOption = None) -> None:
    """Migrate the databases, make the first owner and the credentials, publish the bundled app. Idempotent."""
    from dxops.app.setup import run_setup

    directory = choose(data, config)
    configure_logging("setup", level="warning")
    asyncio.run(run_setup(directory, directory.settings()))


def show_endpoints(
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    app: Annotated[str | None, typer.Option(help="Addresses of this app.")] = None,
    env: Annotated[str | None, typer.Option(help="Addresses of this environment.")] = None,
) -> None:
    """Print addresses and credentials."""
    directory = choose(data, config)
    record = read_status(directory.status, directory.lock)
    if record is None:
        raise Missing(f"no system runs on {directory.root}", hint="start it: `dxops up`")
    working = frozenset(name for name, role in record.roles.items() if role.status == "healthy")
    found = endpoints(directory, directory.settings(), app=app, environment=env, working=working)
    if as_json:
        put_json(found)
    else:
        for key, value in found.items():
            put(f"{key:22} {value}")


def _supervise_command(directory: DataDirectory) -> list[str]:
    command = [sys.executable, "-m", "dxops.app", "supervise", "--data", str(directory.root)]
    return command + (["--config", str(directory.config_path)] if directory.config_path.exists() else [])


def _detach(directory: DataDirectory) -> None:
    """Start the supervisor in a session of its own and wait until it is healthy. Already running is fine."""
    directory.prepare()
    if read_status(directory.status, directory.lock) is None:
        log = directory.logs / "supervisor.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*_supervise_command(directory), "--quiet"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        _wait_healthy(directory, process, log)
    else:
        _wait_healthy(directory, None, directory.logs / "supervisor.log")


def _wait_healthy(directory: DataDirectory, process: subprocess.Popen[bytes] | None, log: Path) -> SystemRecord:
    deadline = time.monotonic() + _START_TIMEOUT_S
    record = None
    while time.monotonic() < deadline:
        record = read_status(directory.status, directory.lock)
        ours = record is not None and (process is None or record.pid == process.pid)
        if ours and record is not None and record.ready_at is not None and record.healthy:
            return record
        if process is not None and process.poll() is not None:
            raise Unavailable(f"the supervisor ended with status {process.returncode}", hint=f"its last words: {log}")
        time.sleep(0.05)
    if process is not None:
        process.terminate()
        process.wait(60)
    late = (
        [f"{name} is {role.status} ({role.detail})" for name, role in record.roles.items()] if record else ["nothing"]
    )
    raise Unavailable(f"not healthy after {_START_TIMEOUT_S:.0f} s: {'; '.join(late)}", hint=f"see {log.parent}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
