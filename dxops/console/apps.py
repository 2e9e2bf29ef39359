"""Pages of one app: what is live, its history, its releases, and moving them."""

from __future__ import annotations

from urllib.parse import quote

from litestar import Response, Router, get, post
from litestar.params import FromPath

from dxops.base.actors import Actor, Scope
from dxops.base.errors import Conflict, DxopsError, Refused
from dxops.base.web import actor_of
from dxops.console.guide import cells
from dxops.console.house import ConsoleHouse
from dxops.console.rendering import is_partial, page
from dxops.console.requests import AnyRequest, done_of, form_of, limit_text, reader, see, status_of
from dxops.rooms.delivery.model import AppSummary, Release
from dxops.rooms.logs import views


async def app_context(house: ConsoleHouse, request: AnyRequest, name: str, actor: Actor) -> dict[str, object]:
    """The app page: live cards and one of three lists."""
    app = await house.delivery.app(name)
    tab = request.query_params.get("tab", "timeline")
    environment = limit_text(request.query_params.get("env"))
    if environment is not None and app.of(environment) is None:
        environment = None
    cursor = limit_text(request.query_params.get("cursor"))
    context: dict[str, object] = {
        "app": app,
        "logs_url": views.address(views.of_app(app.name)),
        "logs_urls": {at.environment: views.address(views.of_app(app.name, at.environment)) for at in app.environments},
        "cells": cells(app, actor),
        "tab": tab if tab in ("timeline", "releases", "runs") else "timeline",
        "environment": environment,
        "may_operate": {at.environment: _may(actor, app, at.environment) for at in app.environments},
        "done": done_of(request),
        "timeline": None,
        "facts": {},
        "releases": None,
        "runs": None,
    }
    if context["tab"] == "releases":
        context["releases"] = await house.delivery.releases(app.name, environment=environment, cursor=cursor)
    elif context["tab"] == "runs":
        context["runs"] = await house.delivery.runs(app.name, cursor=cursor)
    else:
        timeline = await house.delivery.timeline(app.name, environment=environment, cursor=cursor)
        context["timeline"] = timeline
        # what a flip made live: one read, newest first, covers the page but for flips to very old releases
        known = (await house.delivery.releases(app.name, environment=environment, limit=200)).items
        context["facts"] = {release.id: release for release in known}
    return context


def router(house: ConsoleHouse) -> Router:
    """`/apps/…`, `/releases/…`. `label` is the app's host label."""

    @get("/apps/{label:str}")
    async def app_page(request: AnyRequest, label: FromPath[str]) -> Response[str]:
        context = await app_context(house, request, label, reader(request))
        return page(request, "apps/live.html" if is_partial(request) else "apps/app.html", context)

    @get("/apps/{label:str}/compare")
    async def compare(request: AnyRequest, label: FromPath[str]) -> Response[str]:
        reader(request)
        app = await house.delivery.app(label)
        releases = (await house.delivery.releases(app.name, limit=100)).items
        old, new = request.query_params.get("old", ""), request.query_params.get("new", "")
        if not new and releases:
            new = releases[0].id
        if not old and releases:
            old = next((one.id for one in releases if one.id != new and one.cid != _cid(releases, new)), new)
        diff, error = None, None
        if old and new:
            try:
                diff = await house.delivery.diff(old, new)
                if {diff.old.app, diff.new.app} != {app.name}:
                    raise Refused("those releases are of another app")
            except DxopsError as failure:
                diff, error = None, failure
        context = {"app": app, "releases": releases, "old": old, "new": new, "diff": diff, "error": error}
        return page(request, "apps/compare.html", context)

    @get("/releases/{release_id:str}")
    async def release_page(request: AnyRequest, release_id: FromPath[str]) -> Response[str]:
        actor = reader(request)
        release = await house.delivery.release(release_id)
        app = await house.delivery.app(release.app)
        at = app.of(release.environment)
        live = at.release if at is not None else None
        context = {
            "release": release,
            "app": app,
            "live": live,
            "may_operate": _may(actor, app, release.environment),
            "elsewhere": [
                one.environment
                for one in app.environments
                if one.release is not None and one.release.cid == release.cid
            ],
        }
        return page(request, "apps/release.html", context)

    @get("/apps/{label:str}/promote")
    async def ask_promote(request: AnyRequest, label: FromPath[str]) -> Response[str]:
        reader(request)
        app = await house.delivery.app(label)
        origin, target = request.query_params.get("from", ""), request.query_params.get("to", "")
        return _move_page(request, promotion(app, origin, target))

    @post("/apps/{label:str}/promote")
    async def promote(request: AnyRequest, label: FromPath[str]) -> Response[str]:
        actor, form = actor_of(request), await form_of(request)
        app = await house.delivery.app(label)
        origin, target = form.get("from", ""), form.get("to", "")
        try:
            asked = promotion(app, origin, target)
            _require_unchanged(asked, form)
            await house.delivery.promote(actor, app.name, origin, target)
        except DxopsError as error:
            app = await house.delivery.app(label)
            return _move_page(request, promotion(app, origin, target), error)
        return see(f"/apps/{quote(app.label)}", done="promoted")

    @get("/apps/{label:str}/rollback")
    async def ask_rollback(request: AnyRequest, label: FromPath[str]) -> Response[str]:
        reader(request)
        chosen = limit_text(request.query_params.get("release"))
        return _move_page(request, await rollback_of(house, label, request.query_params.get("env", ""), chosen))

    @post("/apps/{label:str}/rollback")
    async def roll_back(request: AnyRequest, label: FromPath[str]) -> Response[str]:
        actor, form = actor_of(request), await form_of(request)
        environment, chosen = form.get("env", ""), limit_text(form.get("release"))
        asked = await rollback_of(house, label, environment, chosen)
        try:
            if chosen is None:
                raise Refused("choose the release to go back to", field="release")
            _require_unchanged(asked, form)
            await house.delivery.rollback(actor, label, environment, chosen)
        except DxopsError as error:
            return _move_page(request, await rollback_of(house, label, environment, chosen), error)
        return see(f"/apps/{quote(label)}", done="rolled-back")

    handlers = [app_page, compare, release_page, ask_promote, promote, ask_rollback, roll_back]
    return Router("/", route_handlers=handlers)


def promotion(app: AppSummary, origin: str, target: str) -> dict[str, object]:
    """What a promotion would do, for its confirmation. Raises `Refused` where there is nothing to promote."""
    source, goal = app.of(origin), app.of(target)
    if source is None or goal is None or source.release is None:
        names = ", ".join(at.environment for at in app.environments)
        raise Refused(f"nothing of {app.name} to promote from '{origin}' to '{target}'", hint=f"there are: {names}")
    order = [at.environment for at in app.environments]
    return {
        "kind": "promote",
        "app": app,
        "origin": origin,
        "target": target,
        "targets": [name for name in order if name != origin],
        "choices": [],
        "before": goal.release,
        "after": source.release,
        "urls": (goal.edge_url, goal.origin_url),
    }


async def rollback_of(house: ConsoleHouse, label: str, environment: str, chosen: str | None) -> dict[str, object]:
    """What a rollback would do. Without a choice: back to what was live before. Raises `Refused`."""
    app = await house.delivery.app(label)
    at = app.of(environment)
    if at is None:
        raise Refused(f"no environment '{environment}'", field="env")
    kept = (await house.delivery.releases(app.name, environment=environment, limit=50)).items
    live = at.release
    choices = [one for one in kept if one.retired_at is None and (live is None or one.id != live.id)]
    if chosen is None:
        chosen = await house.delivery.previous(app.name, environment)
    target = next((one for one in choices if one.id == chosen), None)
    return {
        "kind": "rollback",
        "app": app,
        "origin": environment,
        "target": environment,
        "targets": [],
        "choices": choices,
        "before": live,
        "after": target,
        "urls": (at.edge_url, at.origin_url),
    }


def _move_page(request: AnyRequest, asked: dict[str, object], error: DxopsError | None = None) -> Response[str]:
    template = "apps/move_dialog.html" if is_partial(request) else "apps/move.html"
    status = 200 if error is None else status_of(error)
    return page(request, template, {**asked, "error": error}, status=status)


def _require_unchanged(asked: dict[str, object], form: dict[str, str]) -> None:
    """What was confirmed is what happens: somebody may have moved either side since the question was shown."""
    for key, field in (("before", "expected_before"), ("after", "expected_after")):
        now = asked[key]
        if form.get(field, "") != (now.id if isinstance(now, Release) else ""):
            raise Conflict(
                "somebody moved a release meanwhile", hint="look at what would happen now, and confirm again"
            )


def _may(actor: Actor, app: AppSummary, environment: str) -> bool:
    return actor.may(Scope.OPERATE, app=app.name, environment=environment)


def _cid(releases: list[Release], release_id: str) -> str | None:
    return next((one.cid for one in releases if one.id == release_id), None)
