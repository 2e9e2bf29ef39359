"""`dxops config check|show`."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

import msgspec
import typer

from dxops.app.context import ConfigOption, DataOption, JsonOption, choose, put, put_json, say, shows_errors

_SECRET = re.compile(r"secret|password|token|key$|dsn$")
HIDDEN = "********"


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
    settings = hidden(msgspec.to_builtins(choose(data, config).settings()))
    if as_json:
        put_json(settings)
    else:
        for line in _lines(settings, ""):
            put(line)


def hidden(value: object, key: str = "") -> object:
    """The same value with secrets replaced: by the key's name, and passwords inside URLs."""
    if isinstance(value, dict):
        return {name: hidden(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(item, key) for item in value]
    if isinstance(value, str) and value:
        if _SECRET.search(key):
            return HIDDEN
        if "://" in value and "@" in value:
            parts = urlsplit(value)
            user = parts.username or ""
            place = parts.netloc.rpartition("@")[2]
            return urlunsplit(parts._replace(netloc=f"{user}:{HIDDEN}@{place}"))
    return value


def _lines(value: object, at: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _lines(item, f"{at}.{key}" if at else str(key))]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [line for index, item in enumerate(value) for line in _lines(item, f"{at}.{index}")]
    return [f"{at} = {msgspec.json.encode(value).decode()}"]
