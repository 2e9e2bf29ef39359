"""`dxops apps`, `releases`, `promote`, `rollback`, `runs`."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from dxops.app.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    choose,
    put,
    put_json,
    say,
    shows_errors,
    table,
)

AppArgument = Annotated[str, typer.Argument(help="An app's name or host label.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many, newest first.")]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command(epilog="Example: dxops apps --json")(shows_errors(apps))
    root.command(epilog="Example: dxops releases composer --env prod")(shows_errors(releases))
    root.command(epilog="Example: dxops promote composer staging prod")(shows_errors(promote))
    root.command(epilog="Example: dxops rollback composer prod")(shows_errors(rollback))
    root.command(epilog="Example: dxops runs run_01j… --follow")(shows_errors(runs))


def apps(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every app with its live release in each environment."""
    with _client(data, config) as client:
        found = list(client.pages("/apps"))
    if as_json:
        put_json(found)
        return
    rows = []
    for app in found:
        for cell in app["environments"]:
            release = cell["release"]
            if release is not None:
                rows.append(
                    [
                        app["name"],
                        cell["environment"],
                        release["version"],
                        _age(cell["since"]),
                        release["author"] or release["actor"],
                        cell["health"],
                        cell["edge_url"],
                    ]
                )
        if all(cell["release"] is None for cell in app["environments"]):
            rows.append([app["name"], "-", "-", "-", "-", "-", "-"])
    table(rows, ["app", "environment", "version", "live for", "by", "links", "url"])


def releases(
    app: AppArgument,
    env: Annotated[str | None, typer.Option("--env", help="Only this environment.")] = None,
    limit: LimitOption = 20,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the releases of an app, newest first."""
    with _client(data, config) as client:
        found = client.get(f"/apps/{_segment(app)}/releases", environment=env, limit=limit)["items"]
    if as_json:
        put_json(found)
        return
    rows = [
        [
            item["id"],
            item["environment"],
            item["version"],
            "live" if item["live"] else "given up" if item["retired_at"] else "",
            _age(item["created_at"]),
            item["author"] or item["actor"],
            (item["commit"] or "")[:8],
            item["cid"],
        ]
        for item in found
    ]
    table(rows, ["release", "environment", "version", "state", "age", "by", "commit", "cid"])


def promote(
    app: AppArgument,
    source: Annotated[str, typer.Argument(metavar="FROM", help="Environment whose live release is taken.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Environment that gets it.")],
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the release of one environment live in another: the same CID, nothing is built."""
    with _client(data, config) as client:
        release = client.post(f"/apps/{_segment(app)}/promote", {"from": source, "to": target})
    _moved(release, as_json=as_json)


def rollback(
    app: AppArgument,
    env: Annotated[str, typer.Argument(help="Environment.")],
    release: Annotated[
        str | None, typer.Argument(help="Release id.  [default: the one before]", show_default=False)
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to the previous or a named release: nothing is built or uploaded."""
    with _client(data, config) as client:
        found = client.post(f"/apps/{_segment(app)}/rollback", {"environment": env, "release": release})
    _moved(found, as_json=as_json)


def runs(
    run: Annotated[str | None, typer.Argument(help="Show this run's log.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay until the run is finished.")] = False,
    app: Annotated[str | None, typer.Option("--app", help="Only runs of this app.")] = None,
    limit: LimitOption = 20,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List publish runs, or print one's log; with --follow exits 1 if the run fails."""
    with _client(data, config) as client:
        if run is not None:
            _log(client, run, follow=follow, as_json=as_json)
            return
        found = client.get("/runs", app=app, limit=limit)["items"]
    if as_json:
        put_json(found)
        return
    rows = [
        [
            item["id"],
            str(item["number"]),
            item["status"],
            item["environment"],
            ", ".join(item["apps"]),
            _age(item["started_at"]),
            item["author"] or item["actor"],
            (item["commit"] or "")[:8],
        ]
        for item in found
    ]
    table(rows, ["run", "number", "status", "environment", "apps", "age", "by", "commit"])


def _log(client: Any, run: str, *, follow: bool, as_json: bool) -> None:
    """Print the lines there are, or all there will be. The stream starts over after the last line it gave when the
    connection breaks."""
    found = client.get(f"/runs/{_segment(run)}")
    last, ended = 0, None
    colors = not as_json and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    while ended is None and (follow or last < found["lines"]):
        with client.stream("GET", f"/runs/{_segment(run)}/log", params={"after": last, "colors": colors}) as answer:
            kind = ""
            for text in answer.iter_lines():
                name, _, value = text.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    item = json.loads(value)
                    if kind == "end":
                        ended = item
                        break
                    last = item["seq"]
                    put(value if as_json else f"{item['app'] + ' | ' if item['app'] else ''}{item['text']}")
                    if not follow and last >= found["lines"]:
                        return
    if follow and ended is not None:
        say(f"{ended['status']}: {ended['summary'] or ''}")
        if ended["status"] != "succeeded":
            raise typer.Exit(1)


def _moved(release: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        put_json(release)
        return
    say(f"{release['app']} {release['version']} is live in {release['environment']}")
    for url in release["urls"]:
        put(url)


def _client(data: Any, config: Any) -> Any:  # a context manager of ApiClient, imported when a command runs
    from dxops.app.client import open_client

    return open_client(choose(data, config))


def _segment(name: str) -> str:
    return quote(name, safe="")


def _age(moment: str | None) -> str:
    """`5 min`, `3 h`, `12 d`."""
    if moment is None:
        return "-"
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
