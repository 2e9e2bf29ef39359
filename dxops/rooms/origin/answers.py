"""The words of the pages that are ours. They name what exists, and nothing of the inside."""

from __future__ import annotations

from http import HTTPStatus

from dxops.base.ports import Host, SiteTable
from dxops.rooms.origin.model import Nothing
from dxops.rooms.origin.pages import Link, Page
from dxops.wire.http_negotiation import HostName

_MAX_LINKS = 200


def index(here: Host, asked: HostName, table: SiteTable) -> Page:
    """The apps of one environment."""
    links = _links(asked, table, environment=here.environment, local=here.name == "localhost" or asked.is_address)
    lines = () if links else ("Nothing is published here yet. Publish an app with 'dxops publish'.",)
    return Page(200, f"Apps in {here.environment}", lines, links)


def unknown_host(asked: HostName, table: SiteTable) -> Page:
    """No such host: what there is instead."""
    links = _links(asked, table)
    line = "No app is served under this name. These are:" if links else "Nothing is published here yet."
    return Page(404, f"{asked.name} is not known here", (line,), links)


def no_release(here: Host, asked: HostName, table: SiteTable) -> Page:
    """A known app that is not live in this environment."""
    links = _links(asked, table, app=here.app)
    line = "It is live elsewhere:" if links else "It is not live in any environment."
    how = f"Publish it there with 'dxops publish --env {here.environment}', or promote a release."
    return Page(404, f"{here.app} has no release in {here.environment}", (how, line), links)


def _links(
    asked: HostName, table: SiteTable, *, environment: str | None = None, app: str | None = None, local: bool = False
) -> list[Link]:
    """One link per live site, through the edge (or by `<app>.localhost` for those who are local), with the port that
    was asked: whatever stands in front of us, that one leads here."""
    port = f":{asked.port}" if asked.port else ""
    found: dict[tuple[str, str], Host] = {}
    for host in table.hosts.values():
        if host.app is None or (host.app, host.environment) not in table.sites:
            continue
        if (environment and host.environment != environment) or (app and host.app != app):
            continue
        key = (host.app, host.environment)
        if key not in found or host.via == ("local" if local else "edge"):
            found[key] = host
    return [
        Link(f"//{host.name}{port}/", host.name, f"{environment_name} · {table.sites[key].version}")
        for key, host in sorted(found.items())[:_MAX_LINKS]
        for environment_name in [key[1]]
    ]


def nothing(decision: Nothing, path: str, app: str) -> Page:
    """A site has no answer for a path."""
    if decision.status == 500:
        return Page(
            500, "This app's redirects are broken", (decision.reason, "Its publisher can correct and republish.")
        )
    if decision.status == 404:
        return no_page(path, f"{app} has no file at this address.")
    return Page(decision.status, HTTPStatus(decision.status).phrase, (f"{app} has withdrawn this address.",))


def no_page(path: str, line: str = "There is no page at this address.") -> Page:
    """No such path."""
    return Page(404, "Not found", (line, _shortened(path)))


def no_service(path: str) -> Page:
    """No service of the node answers here."""
    return Page(404, "No such service", ("Nothing of this node answers at this address.", _shortened(path)))


def bad_host() -> Page:
    """A `Host` that is none."""
    return Page(400, "Bad host name", ("The request must name one host, such as 'hello.example.org:8080'.",))


def bad_path(too_long: bool) -> Page:
    """A path that no client sends in earnest."""
    if too_long:
        return Page(414, "Address too long", ("A path may have 4096 characters.",))
    return Page(400, "Bad address", ("A path may not hold '.' or '..' segments, nor control characters.",))


def wrong_method(method: str) -> Page:
    """Only reading is possible."""
    return Page(405, "Method not allowed", (f"Released files can only be read, with GET or HEAD; not {method[:20]}.",))


def starting() -> Page:
    """The first site table is not here yet."""
    return Page(503, "Starting", ("The list of apps is not loaded yet. Try again in a moment.",), retry_after_s=1)


def unavailable(message: str, retry_after_s: float) -> Page:
    """Something of ours does not answer now."""
    return Page(
        503, "Not available now", (f"{message}. Try again in a moment.",), retry_after_s=max(1, int(retry_after_s))
    )


def unreadable() -> Page:
    """A block is missing or damaged: logged, and not shown in part."""
    return Page(
        502,
        "This file cannot be read",
        ("Its stored content is missing or damaged. The operator finds the details in the log.",),
    )


def failed() -> Page:
    """A fault of ours."""
    return Page(500, "Something failed here", ("The operator finds the details in the log.",))


def _shortened(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:200]}…"
