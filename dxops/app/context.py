"""What every command starts from: the data directory, the settings, and how errors and results are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import msgspec
import typer

from dxops.app.data import DataDirectory
from dxops.app.ending import say as say
from dxops.app.ending import told
from dxops.app.terminal import safe
from dxops.base.errors import DxopsError

P = ParamSpec("P")
R = TypeVar("R")

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data directory.  [default: $DXOPS_DATA, else ./data]", show_default=False)
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file.  [default: dxops.toml beside the data]", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def put(text: str) -> None:
    """Data: stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def put_json(value: object) -> None:
    """Data as JSON, indented on a terminal."""
    encoded = msgspec.json.encode(value)
    put((msgspec.json.format(encoded, indent=2) if sys.stdout.isatty() else encoded).decode())


def fail(error: DxopsError) -> NoReturn:
    """Show an expected error the same way everywhere and exit."""
    raise typer.Exit(told(error))


def shows_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Decorator of commands: `DxopsError` becomes a message and an exit status, never a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except DxopsError as error:
            fail(error)
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(130) from None

    return wrapped


def choose(data: Path | None, config: Path | None) -> DataDirectory:
    """The data directory of a command's options."""
    return DataDirectory.choose(data, config)


def table(rows: list[list[str]], head: list[str]) -> None:
    """A plain table on stdout (rich on a terminal, tab-separated otherwise). What is in it is data, never markup."""
    lines = [[safe(cell, one_line=True) for cell in row] for row in (head, *rows)]
    if not sys.stdout.isatty():
        for line in lines:
            put("\t".join(line))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn: Any = Table(box=None, pad_edge=False, header_style="bold")
    for name in lines[0]:
        drawn.add_column(Text(name))
    for line in lines[1:]:
        drawn.add_row(*map(Text, line))
    Console().print(drawn)
