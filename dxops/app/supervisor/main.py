"""`dxops supervise`: the supervisor's process. `dxops up` replaces itself by it, or starts it in the background."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
from pathlib import Path

from dxops.app.data import DataDirectory
from dxops.app.endpoints import endpoints
from dxops.app.settings import Settings
from dxops.base.errors import ConfigFaults, DxopsError
from dxops.base.log import configure_logging

log = logging.getLogger(__name__)


def main(arguments: list[str]) -> None:
    """`dxops supervise [--data D] [--config F]`. Exits 0 after a clean stop, 1 or 2 with the reason otherwise."""
    parser = argparse.ArgumentParser(prog="dxops supervise", description="Run all roles in the foreground.")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--quiet", action="store_true", help="do not print the greeting: it holds a password")
    options = parser.parse_args(arguments)
    data = DataDirectory.choose(options.data, options.config)
    configure_logging("supervisor")
    from dxops.app.supervisor.supervisor import Supervisor

    try:
        settings = data.settings()
        greet = (lambda: None) if options.quiet else (lambda: _say(greeting(data, settings)))
        asyncio.run(Supervisor(data, settings).run(greet))
    except DxopsError as error:
        _say(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""))
        sys.exit(2 if isinstance(error, ConfigFaults) else 1)


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


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
