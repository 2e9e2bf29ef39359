"""`dxops tail-files`."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from dxops.app.context import ConfigOption, DataOption, choose, say, shows_errors
from dxops.base.errors import Missing, Refused

_STREAM = "logs-generic-default"
_NAME = re.compile(r"[^A-Z\s\\/*?\"<>|,#:_+-][^A-Z\s\\/*?\"<>|,#:]{0,254}")


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command(name="tail-files", epilog="Example: dxops tail-files '/var/log/nginx/*.log' --journald")(
        shows_errors(tail_files)
    )


def tail_files(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH…", help="Files, or patterns in quotes: '/var/log/**/*.log'.")
    ] = None,
    journald: Annotated[bool, typer.Option("--journald", help="Follow systemd's journal too.")] = False,
    command: Annotated[
        str, typer.Option("--command", metavar="CMD", help="Run a command and follow its output; ends with its status.")
    ] = "",
    stream: Annotated[str, typer.Option("--stream", metavar="NAME", help="Index or data stream.")] = _STREAM,
    url: Annotated[
        str,
        typer.Option("--url", envvar="DXOPS_ELASTIC_URL", help="Elasticsearch address.  [default: this installation]"),
    ] = "",
    api_key: Annotated[
        str, typer.Option("--api-key", envvar="DXOPS_ELASTIC_API_KEY", help="base64 of id:key, or user:password.")
    ] = "",
    ca_file: Annotated[str, typer.Option("--ca-file", help="Certificates to trust for an https address.")] = "",
    from_start: Annotated[
        bool, typer.Option("--from-start", help="At the very first run: also what is there already.")
    ] = False,
    multiline: Annotated[
        str, typer.Option("--multiline", metavar="REGEX", help="A record begins with a line in which this is found.")
    ] = "",
    state: Annotated[
        Path | None, typer.Option("--state", metavar="FILE", help="Where to remember how far files were sent.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Send what is there and end, for cron.")] = False,
    dedupe: Annotated[
        bool, typer.Option("--dedupe", help="Give lines ids, so that one that is sent again is not stored twice.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Follow files, the journal or a command, and send their lines; goes on where it stopped."""
    from dxops.app.tailing import Tailing, TailOptions

    if not paths and not journald and not command:
        raise Refused("nothing to follow", hint="name files, --journald or --command")
    if not _NAME.fullmatch(stream):
        raise Refused(
            f"'{stream}' is not a name of a stream", hint='lower case, without blanks and any of \\/*?"<>|,#:'
        )
    try:
        re.compile(multiline.encode())
    except re.error as error:
        raise Refused(f"--multiline is not a regular expression: {error}") from error
    if not url:
        url, api_key = _ours(data, config, api_key)
    elif not url.startswith(("http://", "https://")):
        raise Refused(f"'{url}' is not an address", hint="such as http://127.0.0.1:9200")
    options = TailOptions(
        patterns=tuple(os.path.abspath(path) for path in paths or ()),  # noqa: PTH100 - keeps patterns as they are
        journald=journald,
        command=tuple(shlex.split(command)),
        stream=stream,
        url=url,
        authorization=_authorization(api_key),
        ca_file=ca_file,
        from_start=from_start,
        multiline=multiline,
        state=str(state or default_state()),
        once=once,
        dedupe=dedupe,
    )
    raise typer.Exit(asyncio.run(Tailing(options, lambda text: say(f"tail-files: {text}")).run()))


def default_state() -> Path:
    """Root's is below /var/lib, everybody else's below their own state directory."""
    if os.geteuid() == 0:
        return Path("/var/lib/dxops/tail-files.json")
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "dxops" / "tail-files.json"


def _ours(data: Path | None, config: Path | None, api_key: str) -> tuple[str, str]:
    from dxops.app.elastic import encoded_api_key
    from dxops.app.endpoints import dialled

    directory = choose(data, config)
    if not directory.secrets.is_dir():
        raise Missing(f"there is no dxops in {directory.root}", hint="name another machine's with --url and --api-key")
    return f"http://{dialled(directory.settings().listen.elastic)}", api_key or encoded_api_key(directory)


def _authorization(api_key: str) -> str:
    if not api_key:
        return ""
    if ":" in api_key:
        return f"Basic {base64.b64encode(api_key.encode()).decode()}"
    return f"ApiKey {api_key}"
