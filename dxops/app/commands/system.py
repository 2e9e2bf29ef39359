"""`dxops up`, `stop`, `status`, `run`, `setup`, `endpoints`."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Annotated

import typer

from dxops.app.context import ConfigOption, DataOption, JsonOption, choose, put, put_json, say, shows_errors, table
from dxops.app.endpoints import endpoints
from dxops.app.supervisor.detached import START_TIMEOUT_S
from dxops.app.supervisor.status import read_status
from dxops.base.errors import Missing, Unavailable
from dxops.base.log import configure_logging


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
    timeout: Annotated[
        float, typer.Option("--timeout", help="With --detach: give up and stop after this many seconds.", min=1)
    ] = START_TIMEOUT_S,
) -> None:
    """Run all roles in the foreground until SIGTERM or Ctrl-C."""
    from dxops.app.supervisor.up import up as start

    start(choose(data, config), detach=detach, timeout_s=timeout)


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
    """Show every role, and what is wrong with the spool and the disks. Exits 1 unless all are healthy."""
    from dxops.app.system_state import with_disks_and_spool

    directory = choose(data, config)
    record = read_status(directory.status, directory.lock)
    found = None if record is None else asyncio.run(with_disks_and_spool(directory, record))
    if as_json:
        roles = {} if found is None else found.roles
        put_json({"roles": roles, "trouble": [] if found is None else found.troubles})
    elif found is None:
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
            for name, role in found.roles.items()
        ]
        table(rows, ["role", "status", "pid", "since", "restarts", "detail"])
        for trouble in found.troubles:
            say(f"{trouble.severity}: {trouble.message}; {trouble.hint}")
    if record is None or found is None or not record.healthy or found.degraded:
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


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
