"""`dxops`: the command line. Each group of commands is a module in `dxops/app/commands`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def build() -> typer.Typer:
    """All commands."""
    import typer

    from dxops import __version__
    from dxops.app import commands

    root = typer.Typer(
        name="dxops",
        help="A whole operations guide as one running system.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @root.callback(invoke_without_command=True)
    def version(
        show: bool = typer.Option(False, "--version", help="Print the version."),
    ) -> None:
        if show:
            sys.stdout.write(f"dxops {__version__}\n")
            raise typer.Exit

    for module in sorted(pkgutil.iter_modules(commands.__path__), key=lambda found: found.name):
        importlib.import_module(f"{commands.__name__}.{module.name}").register(root)
    return root


def main() -> None:
    """Entry point. What starts the system, and its processes, take a short way round the command line's libraries."""
    if sys.argv[1:3] == ["run", "nursery"]:
        from dxops.app.nursery.keeper import main as keep_nursery

        keep_nursery()  # returns in each process that it bears, with `sys.argv` changed
    command, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    short = None if {"-h", "--help"} & set(arguments) else _short_way(command, bool(arguments))
    if short is None:
        build()()
    else:
        short(arguments)


def _short_way(command: str, has_arguments: bool) -> Callable[[list[str]], None] | None:
    if command == "run" and has_arguments:
        from dxops.app.roles import main as run_role

        return run_role
    if command == "supervise":
        from dxops.app.supervisor.main import main as supervise

        return supervise
    if command == "setup":
        from dxops.app.setup import main as set_up

        return set_up
    if command == "up":
        from dxops.app.supervisor.up import main as up

        return up
    return None
