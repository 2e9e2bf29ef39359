"""`dxops backup DIR`, `dxops restore DIR`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from dxops.app.context import ConfigOption, DataOption, JsonOption, choose, put_json, say, shows_errors


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command(epilog="Example: dxops backup /mnt/backup/today")(shows_errors(backup))
    root.command(epilog="Example: dxops restore /mnt/backup/today --data ./data")(shows_errors(restore))


def backup(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="New, empty, or an earlier backup to bring up to date.")
    ],
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy everything of a running system, consistent: database, content, credentials, configuration."""
    from dxops.app.backup import backup as make
    from dxops.app.house import House

    place = choose(data, config)
    with _Bars() as bars:
        manifest = make(place, House(place, place.settings()).postgres_url, directory, datetime.now(UTC), bars.show)
    if as_json:
        put_json(manifest)
    else:
        say(f"{manifest.blocks} blocks, {manifest.block_bytes:,} bytes, and the database are in {directory}")


def restore(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A backup made by `dxops backup`.")],
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the system of a backup in an empty data directory."""
    from dxops.app.backup import restore as bring_back

    place = choose(data, config)
    with _Bars() as bars:
        manifest = bring_back(place, place.settings(), directory, bars.show)
    if as_json:
        put_json(manifest)
    else:
        say(f"restored what was backed up at {manifest.made_at.isoformat()}; start it with `dxops up`")


class _Bars:
    """One bar per part, on a terminal only."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:10}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)
