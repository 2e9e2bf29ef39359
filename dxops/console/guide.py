"""The home page: the living Operations Guide. Also what every page shares: events, the palette."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from litestar import Response, Router, get
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from dxops.base.actors import Actor, Scope
from dxops.base.ports import RoleState
from dxops.console.house import ConsoleHouse
from dxops.console.rendering import is_partial, page
from dxops.console.requests import AnyRequest, done_of, reader
from dxops.rooms.delivery.model import AppEnvironment, AppSummary, Environment

_PALETTE_RELEASES = 8  # per app: older ones are on its page


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the Applications table. `promote_to`: the next environment, where this release is not live yet and
    the one who looks may put it."""

    of: AppEnvironment
    promote_to: str | None


def cells(app: AppSummary, actor: Actor) -> list[Cell]:
    """The cells of a row. Environments are in order of promotion from last to first."""
    row = []
    above: AppEnvironment | None = None
    for at in app.environments:
        differs = (
            above is not None
            and at.release is not None
            and (above.release is None or above.release.cid != at.release.cid)
        )
        allowed = above is not None and actor.may(Scope.OPERATE, app=app.name, environment=above.environment)
        row.append(Cell(of=at, promote_to=above.environment if above and differs and allowed else None))
        above = at
    return row


async def guide_context(house: ConsoleHouse, actor: Actor) -> dict[str, object]:
    """Everything the home page shows."""
    apps = await house.delivery.list_apps()
    environments: list[Environment] = await house.delivery.environments()
    states: dict[str, RoleState] = await house.roles.states()
    broken = [
        at for app in apps for at in app.environments if at.release is not None and at.health in ("down", "degraded")
    ]
    return {
        "rows": [(app, cells(app, actor)) for app in apps],
        "environments": environments,
        "roles": states,
        "broken": broken,
        "noted": [trouble for trouble in house.troubles() if trouble.severity == "note"],
        "console_url": "",
    }


def router(house: ConsoleHouse) -> Router:
    """`/`, `/console/…`."""

    @get("/")
    async def guide(request: AnyRequest) -> Response[str]:
        actor = reader(request)
        context = await guide_context(house, actor)
        template = "guide/live.html" if is_partial(request) else "guide/home.html"
        return page(request, template, {**context, "done": done_of(request)})

    @get("/console/events")
    async def events(request: AnyRequest) -> ServerSentEvent:
        reader(request)

        async def told() -> AsyncIterator[ServerSentEventMessage]:
            yield ServerSentEventMessage(comment="open", retry=2000)
            first = True
            async for _ in house.delivery.changes():
                if not first:
                    yield ServerSentEventMessage(event="changed", data="{}")
                first = False

        return ServerSentEvent(told(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    @get("/console/palette")
    async def palette(request: AnyRequest) -> list[dict[str, str]]:
        reader(request)
        return await palette_entries(house)

    return Router("/", route_handlers=[guide, events, palette])


async def palette_entries(house: ConsoleHouse) -> list[dict[str, str]]:
    """Apps, their newest releases, and pages that the sidebar does not name."""
    apps = await house.delivery.list_apps()
    entries = [{"label": app.name, "where": "App", "href": f"/apps/{app.label}", "icon": "package"} for app in apps]
    for app in apps:
        releases = await house.delivery.releases(app.name, limit=_PALETTE_RELEASES)
        entries += [
            {
                "label": f"{release.app} {release.version}",
                "where": f"Release · {release.environment}",
                "href": f"/releases/{release.id}",
                "icon": "history",
            }
            for release in releases.items
        ]
    for label, href in (("Profile and sessions", "/profile"), ("Components", "/console/design"), ("API", "/api/docs")):
        entries.append({"label": label, "where": "Page", "href": href, "icon": "arrow-right"})
    return entries
