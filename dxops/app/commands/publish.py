"""`dxops publish`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dxops.app.context import ConfigOption, DataOption, JsonOption, choose, shows_errors


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command(epilog="Example: dxops publish packages/apps --env staging --version 1.4.0 --skip-existing")(
        shows_errors(publish)
    )


def publish(
    directory: Annotated[
        Path, typer.Argument(help="Where dx.yml is, or a directory with several below it.", show_default="here")
    ] = Path(),
    env: Annotated[
        str | None, typer.Option("--env", help="Environment.  [default: that of the git branch]", show_default=False)
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Version of every app, instead of build.version.")
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Keep what is released under the same version.")
    ] = False,
    no_build: Annotated[bool, typer.Option("--no-build", help="Publish the output that is there.")] = False,
    dotfiles: Annotated[
        bool, typer.Option("--dotfiles", help="Publish dot-files too, but never .git, .env* and other credentials.")
    ] = False,
    app: Annotated[list[str] | None, typer.Option("--app", help="Only this app (repeatable).")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build by dx.yml, upload and release. Goes on past an app that fails, and exits 1 then."""
    from dxops.app.publishing.command import publish as run

    fine = run(
        choose(data, config),
        directory,
        env=env,
        version=version,
        skip_existing=skip_existing,
        build=not no_build,
        dot_files=dotfiles,
        apps=app or [],
        as_json=as_json,
    )
    if not fine:
        raise typer.Exit(1)
