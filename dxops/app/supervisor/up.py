"""`dxops up`, also without the command line's libraries: they are half a second of a start."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dxops.app.data import DataDirectory
from dxops.app.ending import say, told
from dxops.app.supervisor.detached import START_TIMEOUT_S, start_detached
from dxops.app.supervisor.main import greeting, supervise
from dxops.base.errors import DxopsError


def main(arguments: list[str]) -> None:
    """`dxops up [--data D] [--config F] [--detach] [--timeout S]`; the command line knows the help."""
    parser = argparse.ArgumentParser(prog="dxops up", add_help=False, allow_abbrev=False)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--timeout", type=float, default=START_TIMEOUT_S)
    options = parser.parse_args(arguments)
    if not options.timeout >= 1:
        parser.error("argument --timeout: at least 1 second")
    try:
        up(DataDirectory.choose(options.data, options.config), detach=options.detach, timeout_s=options.timeout)
    except DxopsError as error:
        sys.exit(told(error))
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)


def up(data: DataDirectory, *, detach: bool, timeout_s: float) -> None:
    """In the foreground until SIGTERM or Ctrl-C; or detached, returning once all roles are healthy."""
    settings = data.settings()
    if detach:
        start_detached(data, timeout_s, say)
        say(greeting(data, settings))
    else:
        supervise(data, settings, greet=True)
