"""The use cases: publish, promote, roll back, take offline, look. Implements the ports `Publisher` and `Sites`.

Signatures first; the bodies follow.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from dxops.base.actors import Actor
from dxops.base.clock import Clock
from dxops.base.events import Events
from dxops.base.ids import IdSource, new_id
from dxops.base.ports import (
    Audit,
    Content,
    Preparer,
    PublishedModule,
    PublishModule,
    SiteTable,
)
from dxops.base.web import Page
from dxops.engines.postgres.database import Database
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.model import (
    AppSummary,
    BuildSettings,
    Deployment,
    Environment,
    LinkCheck,
    LogText,
    ModuleInput,
    PublishOutcome,
    Release,
    ReleaseDiff,
    Retired,
    Run,
    RunLine,
    RunStatus,
    Source,
)


class Delivery:
    """Delivery of one domain. `app` arguments take an app's name or its host label."""

    def __init__(
        self,
        database: Database,
        content: Content,
        preparer: Preparer,
        audit: Audit,
        settings: DeliverySettings,
        clock: Clock,
        ids: IdSource = new_id,
        events: Events | None = None,
    ) -> None:
        raise NotImplementedError

    # --- look ---

    async def list_apps(self) -> list[AppSummary]:
        """Every app with its cell in every environment, by name."""
        raise NotImplementedError

    async def app(self, name: str) -> AppSummary:
        """One app. Raises `Missing`."""
        raise NotImplementedError

    async def environments(self) -> list[Environment]:
        """In the configured order, with branch and last publish."""
        raise NotImplementedError

    async def timeline(
        self, app: str, *, environment: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[Deployment]:
        """The deployments of an app, newest first."""
        raise NotImplementedError

    async def releases(
        self, app: str, *, environment: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[Release]:
        """The releases of an app, newest first."""
        raise NotImplementedError

    async def release(self, release_id: str) -> Release:
        """One release. Raises `Missing`."""
        raise NotImplementedError

    async def diff(self, old: str, new: str) -> ReleaseDiff:
        """What changes from release `old` to release `new`. Raises `Missing`."""
        raise NotImplementedError

    async def health(self) -> list[LinkCheck]:
        """The last check of every link."""
        raise NotImplementedError

    async def build_settings(self, actor: Actor, app: str, environment: str) -> BuildSettings:
        """What builds of the app get from us (scope PUBLISH)."""
        raise NotImplementedError

    # --- move ---

    async def publish(
        self,
        actor: Actor,
        environment: str,
        modules: Sequence[ModuleInput],
        source: Source,
        *,
        skip_existing: bool = False,
    ) -> list[PublishOutcome]:
        """Release all modules or none, and flip their pointers together (scope PUBLISH).

        Raises `Refused` (bad names, incomplete content), `Forbidden`, `Missing` (environment); a refusal changes
        nothing and abandons the uploaded bundles.
        """
        raise NotImplementedError

    async def create_release(
        self,
        actor: Actor,
        app: str,
        environment: str,
        cid: str,
        *,
        version: str | None = None,
        record: dict[str, object] | None = None,
        source: Source | None = None,
        skip_existing: bool = False,
    ) -> PublishOutcome:
        """`publish` of one module."""
        raise NotImplementedError

    async def promote(self, actor: Actor, app: str, from_environment: str, to_environment: str) -> Release:
        """The same content, live in another environment: same CID, no build (scope OPERATE). Where it is already
        live, nothing happens."""
        raise NotImplementedError

    async def rollback(self, actor: Actor, app: str, environment: str, release_id: str | None = None) -> Release:
        """Back to the previous (or a named) release of that environment (scope OPERATE). Raises `Refused` where there
        is none or its content was given up."""
        raise NotImplementedError

    async def publish_modules(
        self, actor: Actor, environment: str, modules: Sequence[PublishModule], *, skip_existing: bool
    ) -> list[PublishedModule]:
        """Port `Publisher`."""
        raise NotImplementedError

    async def list_modules(self, environment: str) -> list[PublishedModule]:
        """Port `Publisher`."""
        raise NotImplementedError

    async def reset_modules(self, actor: Actor, environment: str) -> int:
        """Port `Publisher`."""
        raise NotImplementedError

    # --- serve ---

    async def table(self) -> SiteTable:
        """Port `Sites`."""
        raise NotImplementedError

    def changes(self) -> AsyncIterator[None]:
        """Port `Sites`."""
        raise NotImplementedError

    # --- runs ---

    async def start_run(self, actor: Actor, environment: str, apps: Sequence[str], source: Source) -> Run:
        """Open a run (scope PUBLISH)."""
        raise NotImplementedError

    async def append_log(self, actor: Actor, run_id: str, lines: Sequence[LogText]) -> int:
        """Append lines; the number of the last one. Raises `Conflict` once the run is finished."""
        raise NotImplementedError

    async def finish_run(self, actor: Actor, run_id: str, status: RunStatus, summary: str | None = None) -> Run:
        """Freeze a run with its log."""
        raise NotImplementedError

    async def run(self, run_id: str) -> Run:
        """One run. Raises `Missing`."""
        raise NotImplementedError

    async def runs(self, app: str | None = None, *, cursor: str | None = None, limit: int | None = None) -> Page[Run]:
        """Newest first."""
        raise NotImplementedError

    def follow_run(self, run_id: str, *, after: int = 0) -> AsyncIterator[RunLine]:
        """Every line after `after`, from the start by default, then live until the run is finished."""
        raise NotImplementedError

    # --- jobs ---

    async def retire(self) -> Retired:
        """Give up the content of releases that retention no longer keeps."""
        raise NotImplementedError

    async def sweep_runs(self) -> int:
        """Close runs whose client went silent; how many."""
        raise NotImplementedError

    async def check_links(self) -> list[LinkCheck]:
        """GET both links of each live (app, environment) and store the results."""
        raise NotImplementedError
