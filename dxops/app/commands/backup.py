"""`dxops backup DIR`, `dxops restore DIR`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dxops.app.bars import Bars
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
    from dxops.app.stores import clickhouse_url

    place = choose(data, config)
    with Bars() as bars:
        settings = place.settings()
        store = None if settings.clickhouse.url else clickhouse_url(place, settings)
        manifest = make(place, House(place, settings).postgres_url, store, directory, datetime.now(UTC), bars.show)
    if as_json:
        put_json(manifest)
    else:
        say(f"{manifest.blocks} blocks, {manifest.block_bytes:,} bytes, and the databases are in {directory}")


def restore(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A backup made by `dxops backup`.")],
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the system of a backup in an empty data directory."""
    from dxops.app.backup import restore as bring_back

    place = choose(data, config)
    with Bars() as bars:
        manifest = bring_back(place, place.settings(), directory, bars.show)
    if as_json:
        put_json(manifest)
    else:
        say(f"restored what was backed up at {manifest.made_at.isoformat()}; start it with `dxops up`")
