"""`dxops supervise`: the supervisor's process. `dxops up` becomes it, or starts it in the background."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from dxops.app.data import DataDirectory
from dxops.app.ending import say, told
from dxops.app.endpoints import endpoints
from dxops.app.settings import Settings
from dxops.base.errors import DxopsError
from dxops.base.log import configure_logging


def main(arguments: list[str]) -> None:
    """`dxops supervise [--data D] [--config F]`. Exits 0 after a clean stop, 1 or 2 with the reason otherwise."""
    parser = argparse.ArgumentParser(prog="dxops supervise", description="Run all roles in the foreground.")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--quiet", action="store_true", help="do not print the greeting: it holds a password")
    options = parser.parse_args(arguments)
    data = DataDirectory.choose(options.data, options.config)
    try:
        supervise(data, data.settings(), greet=not options.quiet)
    except DxopsError as error:
        sys.exit(told(error))


def supervise(data: DataDirectory, settings: Settings, *, greet: bool) -> None:
    """Run all roles until SIGTERM or Ctrl-C. Raises `DxopsError` when that cannot be."""
    from dxops.app.supervisor.supervisor import Supervisor

    configure_logging("supervisor")
    asyncio.run(Supervisor(data, settings).run((lambda: say(greeting(data, settings))) if greet else (lambda: None)))


def greeting(data: DataDirectory, settings: Settings) -> str:
    """What `dxops up` tells people once everything is healthy."""
    found = endpoints(data, settings)
    lines = [f"dxops is up.  console  {found['console_url']}", f"              user     {found['admin_user']}"]
    password = data.secret("admin_password")
    if password.exists():
        lines.append(f"              password {password.read_text().strip()}   (the first one; kept in {password})")
    lines.append(f"              apps     {settings.public_scheme}://hello.{settings.domain}:{settings.apps_port}")
    command = command_name()
    lines.append(f"              more     {command} endpoints, {command} status, {command} stop")
    return "\n".join(lines)


def command_name() -> str:
    """`dxops` where typing that runs this installation, else the path to type."""
    own = Path(sys.executable).parent / "dxops"
    found = shutil.which("dxops")
    if found is not None and Path(found).resolve() == own.resolve():
        return "dxops"
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)
