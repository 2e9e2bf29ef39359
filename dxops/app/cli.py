"""`dxops`: the command line. Each group of commands is a module in `dxops/app/commands`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
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
    """Entry point. The processes of the system itself take a short way round the command line's libraries."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "run" and len(sys.argv) > 2 and not {"-h", "--help"} & set(sys.argv):
        from dxops.app.roles import main as run_role

        run_role(sys.argv[2:])
        return
    if command == "supervise":
        from dxops.app.supervisor.main import main as supervise

        supervise(sys.argv[2:])
        return
    build()()
