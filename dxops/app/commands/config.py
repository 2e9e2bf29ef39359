"""`dxops config check|show`."""

from __future__ import annotations

import typer

from dxops.app.context import ConfigOption, DataOption, JsonOption, choose, put, put_json, say, shows_errors
from dxops.app.secrets import flat, shown


def register(root: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)
    group.command(epilog="Example: dxops config check --config dxops.toml")(shows_errors(check))
    group.command(epilog="Example: dxops config show --json")(shows_errors(show))
    root.add_typer(group, name="config")


def check(data: DataOption = None, config: ConfigOption = None) -> None:
    """Validate dxops.toml: every fault at once. Exits 2 on any."""
    directory = choose(data, config)
    directory.settings()
    say(f"{directory.config_path}: fine" if directory.config_path.exists() else "no file: the defaults apply")


def show(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the effective configuration with secrets hidden."""
    settings = choose(data, config).settings()
    if as_json:
        put_json({key: shown(key, value) if isinstance(value, str) else value for key, value in flat(settings)})
    else:
        for key, value in flat(settings):
            put(f"{key} = {shown(key, value)}")
