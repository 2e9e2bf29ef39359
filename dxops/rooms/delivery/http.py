"""`/api/apps`, `/api/publish`, `/api/releases`, `/api/environments`. Runs are in `http_runs`.

`{name}` is an app's name or its host label. A name with slashes is percent-encoded (`example:app%2Ftasks`).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from dxops.base.actors import Scope
from dxops.base.errors import Refused
from dxops.base.web import Page, actor_of, decode_cursor, decode_segment, page_limit, page_of
from dxops.rooms.delivery import http_runs
from dxops.rooms.delivery.model import (
    AppSummary,
    BuildSettings,
    Deployment,
    Environment,
    LinkCheck,
    ModuleInput,
    PublishOutcome,
    Release,
    ReleaseDiff,
    Source,
    Via,
)
from dxops.rooms.delivery.service import Delivery

AnyRequest = Request[Any, Any, Any]
Cursor = Annotated[str | None, QueryParameter(name="cursor", description="`next` of the page before")]
Limit = Annotated[int | None, QueryParameter(name="limit", description="Items per page, 1 to 200")]
ForEnvironment = Annotated[str, QueryParameter(name="environment", description="The environment to build for")]
OfEnvironment = Annotated[str | None, QueryParameter(name="environment", description="Only this environment")]


class SourceInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the content comes from, as far as you know. `run` is the id of an open run."""

    commit: str | None = None
    branch: str | None = None
    author: str | None = None
    duration_s: float | None = None
    run: str | None = None
    via: Via = Via.API

    def source(self) -> Source:
        """As the service takes it. Raises `Refused` for texts no table could show."""
        for field in ("commit", "branch", "author", "run"):
            text = getattr(self, field)
            if text is not None and (len(text) > 400 or not text.isprintable()):
                raise Refused(f"'{field}' is too long or not printable", field=f"source.{field}")
        return Source(
            via=self.via if self.via in (Via.API, Via.CLI) else Via.API,
            commit=self.commit,
            branch=self.branch,
            author=self.author,
            duration_s=self.duration_s,
            run_id=self.run,
        )


class NewRelease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A release of content that is uploaded already (`POST /api/content/car`, Kubo `add`)."""

    environment: str
    cid: str
    version: str | None = None
    record: dict[str, object] = {}
    skip_existing: bool = False
    source: SourceInput = SourceInput()


class Publish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several modules, released together or not at all."""

    environment: str
    modules: list[ModuleInput]
    skip_existing: bool = False
    source: SourceInput = SourceInput()


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each module, in the order given."""

    modules: list[PublishOutcome]


class Promotion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """From which environment to which."""

    from_: str
    to: str


class Rollback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where, and to which release (default: the one before)."""

    environment: str
    release: str | None = None


class ResetDone(msgspec.Struct, frozen=True, kw_only=True):
    """How many apps were taken offline."""

    count: int


def router(delivery: Delivery) -> Router:
    """The room's routes below `/api`."""

    @get("/apps", summary="Apps", tags=["delivery"])
    async def list_apps(request: AnyRequest, cursor: Cursor = None, limit: Limit = None) -> Page[AppSummary]:
        """Every app by environment: live release, addresses, health. By name."""
        actor_of(request).require(Scope.READ)
        size = page_limit(limit, 200)
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = [app for app in await delivery.list_apps() if app.name > after]
        return page_of(found, size, lambda app: [app.name], lambda app: app)

    @get("/apps/{name:str}", summary="One app", tags=["delivery"])
    async def one_app(request: AnyRequest, name: FromPath[str]) -> AppSummary:
        """By name or host label."""
        actor_of(request).require(Scope.READ)
        return await delivery.app(decode_segment(name))

    @get("/apps/{name:str}/releases", summary="Releases of an app", tags=["delivery"])
    async def list_releases(
        request: AnyRequest,
        name: FromPath[str],
        environment: OfEnvironment = None,
        cursor: Cursor = None,
        limit: Limit = None,
    ) -> Page[Release]:
        """Newest first."""
        actor_of(request).require(Scope.READ)
        return await delivery.releases(decode_segment(name), environment=environment, cursor=cursor, limit=limit)

    @post("/apps/{name:str}/releases", summary="Release uploaded content", tags=["delivery"])
    async def create_release(request: AnyRequest, name: FromPath[str], data: JSONBody[NewRelease]) -> PublishOutcome:
        """The content must be complete. The release is live when this answers. Scope `publish`."""
        app = decode_segment(name)
        return await delivery.create_release(
            actor_of(request),
            app,
            data.environment,
            data.cid,
            version=data.version,
            record={"name": app} | data.record,
            source=data.source.source(),
            skip_existing=data.skip_existing,
        )

    @get("/apps/{name:str}/deployments", summary="History of an app", tags=["delivery"])
    async def list_deployments(
        request: AnyRequest,
        name: FromPath[str],
        environment: OfEnvironment = None,
        cursor: Cursor = None,
        limit: Limit = None,
    ) -> Page[Deployment]:
        """Every flip and every refused attempt, newest first."""
        actor_of(request).require(Scope.READ)
        return await delivery.timeline(decode_segment(name), environment=environment, cursor=cursor, limit=limit)

    @post("/apps/{name:str}/promote", summary="Promote", tags=["delivery"], status_code=200)
    async def promote(request: AnyRequest, name: FromPath[str], data: JSONBody[Promotion]) -> Release:
        """The same CID becomes live in another environment; nothing is built. Scope `operate`."""
        return await delivery.promote(actor_of(request), decode_segment(name), data.from_, data.to)

    @post("/apps/{name:str}/rollback", summary="Roll back", tags=["delivery"], status_code=200)
    async def rollback(request: AnyRequest, name: FromPath[str], data: JSONBody[Rollback]) -> Release:
        """To the release before, or to a named one. Scope `operate`."""
        return await delivery.rollback(actor_of(request), decode_segment(name), data.environment, data.release)

    @get("/apps/{name:str}/build-settings", summary="Variables for a build", tags=["delivery"])
    async def build_settings(request: AnyRequest, name: FromPath[str], environment: ForEnvironment) -> BuildSettings:
        """What `dxops.toml` declares for builds of this app; the app need not exist yet. Scope `publish`."""
        return await delivery.build_settings(actor_of(request), decode_segment(name), environment)

    @post("/publish", summary="Publish", tags=["delivery"])
    async def publish(request: AnyRequest, data: JSONBody[Publish]) -> Published:
        """Release several modules together or not at all. Scope `publish`."""
        outcomes = await delivery.publish(
            actor_of(request), data.environment, data.modules, data.source.source(), skip_existing=data.skip_existing
        )
        return Published(modules=outcomes)

    @get("/releases/{release_id:str}", summary="One release", tags=["delivery"])
    async def one_release(request: AnyRequest, release_id: FromPath[str]) -> Release:
        """By id."""
        actor_of(request).require(Scope.READ)
        return await delivery.release(release_id)

    @get("/releases/{old:str}/diff/{new:str}", summary="Compare two releases", tags=["delivery"])
    async def diff(request: AnyRequest, old: FromPath[str], new: FromPath[str]) -> ReleaseDiff:
        """Files added, changed and removed, with sizes."""
        actor_of(request).require(Scope.READ)
        return await delivery.diff(old, new)

    @get("/environments", summary="Environments", tags=["delivery"])
    async def environments(request: AnyRequest) -> Page[Environment]:
        """In their configured order, with branch and last publish."""
        actor_of(request).require(Scope.READ)
        return Page(await delivery.environments())

    @post("/environments/{name:str}/reset", summary="Take an environment offline", tags=["delivery"], status_code=200)
    async def reset(request: AnyRequest, name: FromPath[str]) -> ResetDone:
        """Every app of it; releases and history stay. Scope `operate`."""
        return ResetDone(count=await delivery.reset_modules(actor_of(request), name))

    @get("/links", summary="Link checks", tags=["delivery"])
    async def links(request: AnyRequest) -> Page[LinkCheck]:
        """The last real GET of both links of every live app."""
        actor_of(request).require(Scope.READ)
        return Page(await delivery.health())

    return Router(
        "/",
        route_handlers=[
            list_apps,
            one_app,
            list_releases,
            create_release,
            list_deployments,
            promote,
            rollback,
            build_settings,
            publish,
            one_release,
            diff,
            environments,
            reset,
            links,
            *http_runs.handlers(delivery),
        ],
    )
