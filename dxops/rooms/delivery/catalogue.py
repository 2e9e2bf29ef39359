"""Looking: apps by environment, releases, history, differences. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dxops.base.errors import Missing
from dxops.base.ports import Preparer, PublishedModule, ReleasedFile
from dxops.base.web import Page, decode_number, page_limit, page_of
from dxops.engines.postgres.database import Database
from dxops.rooms.delivery import repo, rules
from dxops.rooms.delivery.config import DeliverySettings, EnvironmentConfig
from dxops.rooms.delivery.model import (
    App,
    AppEnvironment,
    AppSummary,
    Deployment,
    Environment,
    LinkCheck,
    Pointer,
    Release,
    ReleaseDiff,
)

MAX_CHANGES = 5000


class Catalogue:
    """Reads for the console, the API and the CLI. `app` arguments take an app's name or its host label."""

    def __init__(self, database: Database, preparer: Preparer, settings: DeliverySettings) -> None:
        self._database = database
        self._preparer = preparer
        self._settings = settings

    async def list_apps(self) -> list[AppSummary]:
        """Every app with its cell in every environment, by name."""
        async with self._database.begin() as tx:
            apps = await repo.list_apps(tx)
            live = await repo.live_releases(tx)
            pointers = await repo.list_pointers(tx)
            checks = await repo.list_checks(tx)
        return self._summaries(apps, live, pointers, checks)

    async def app(self, name: str) -> AppSummary:
        """One app. Raises `Missing`."""
        async with self._database.begin() as tx:
            app = found_app(await repo.find_app(tx, name), name)
            live = await repo.live_releases(tx, app=app.name)
            pointers = [pointer for pointer in await repo.list_pointers(tx) if pointer.app == app.name]
            checks = await repo.list_checks(tx, app.name)
        return self._summaries([app], live, pointers, checks)[0]

    async def environments(self) -> list[Environment]:
        """In the configured order, with branch and last publish."""
        async with self._database.begin() as tx:
            last = await repo.last_publishes(tx)
            live = [release.environment for release, _ in await repo.live_releases(tx)]
        return [
            Environment(
                name=environment.name,
                branch=environment.branch,
                host_label=environment.host_label,
                dx_environment=environment.build_environment,
                default=environment.name == self._settings.default_environment,
                publisher_url=rules.public_url(rules.kube_host(environment, self._settings), self._settings),
                apps=live.count(environment.name),
                last_publish=last.get(environment.name),
            )
            for environment in self._settings.environments
        ]

    async def timeline(
        self, app: str, *, environment: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[Deployment]:
        """The deployments of an app, newest first."""
        size, before = page_limit(limit), decode_number(cursor) if cursor else None
        async with self._database.begin() as tx:
            name = found_app(await repo.find_app(tx, app), app).name
            found = await repo.list_deployments(tx, name, environment, before, size + 1)
        return page_of(found, size, seq_of, lambda each: each[1])

    async def releases(
        self, app: str, *, environment: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[Release]:
        """The releases of an app, newest first."""
        size, before = page_limit(limit), decode_number(cursor) if cursor else None
        async with self._database.begin() as tx:
            name = found_app(await repo.find_app(tx, app), app).name
            found = await repo.list_releases(tx, name, environment, before, size + 1)
        return page_of(found, size, seq_of, lambda each: self.with_urls(each[1]))

    async def release(self, release_id: str) -> Release:
        """One release. Raises `Missing`."""
        async with self._database.begin() as tx:
            found = await repo.find_release(tx, release_id)
        if found is None:
            raise Missing(f"no release '{release_id}'", hint="`dxops releases APP` lists them")
        return self.with_urls(found)

    async def diff(self, old: str, new: str) -> ReleaseDiff:
        """What changes from release `old` to release `new`. Raises `Missing`, also for content that is given up."""
        before, after = await self.release(old), await self.release(new)
        return rules.diff(
            before,
            after,
            await self._preparer.files(before.manifest),
            await self._preparer.files(after.manifest),
            MAX_CHANGES,
        )

    async def files(self, release_id: str) -> list[ReleasedFile]:
        """The files of a release, by path. Raises `Missing`."""
        return await self._preparer.files((await self.release(release_id)).manifest)

    async def health(self) -> list[LinkCheck]:
        """The last check of every link."""
        async with self._database.begin() as tx:
            return [check for check, _ in await repo.list_checks(tx)]

    async def list_modules(self, environment: str) -> list[PublishedModule]:
        """The live modules of an environment, by name. Raises `Missing` for an unknown environment."""
        name = self.environment(environment).name
        async with self._database.begin() as tx:
            live = await repo.live_releases(tx, environment=name)
        return [published_module(self.with_urls(release)) for release, _ in live]

    def environment(self, name: str) -> EnvironmentConfig:
        """The environment's configuration. Raises `Missing`, naming those that exist."""
        found = self._settings.environment(name)
        if found is None:
            names = ", ".join(environment.name for environment in self._settings.environments)
            raise Missing(f"no environment '{name}'", hint=f"there are: {names}", field="environment")
        return found

    def with_urls(self, release: Release) -> Release:
        """The release with its addresses; none where its environment is no longer configured."""
        environment = self._settings.environment(release.environment)
        if environment is None:
            return release
        return msgspec.structs.replace(release, urls=rules.urls(release.label, environment, self._settings))

    def _summaries(
        self,
        apps: Sequence[App],
        live: Sequence[tuple[Release, Pointer]],
        pointers: Sequence[Pointer],
        checks: Sequence[tuple[LinkCheck, int]],
    ) -> list[AppSummary]:
        releases = {(release.app, release.environment): release for release, _ in live}
        held = {(pointer.app, pointer.environment): pointer for pointer in pointers}
        checked: dict[tuple[str, str, int], list[LinkCheck]] = {}
        for check, generation in checks:
            checked.setdefault((check.app, check.environment, generation), []).append(check)
        return [
            AppSummary(
                name=app.name,
                label=app.label,
                created_at=app.created_at,
                environments=tuple(
                    self._cell(app, environment, releases.get(pair), held.get(pair), checked)
                    for environment in self._settings.environments
                    for pair in [(app.name, environment.name)]
                ),
            )
            for app in apps
        ]

    def _cell(
        self,
        app: App,
        environment: EnvironmentConfig,
        release: Release | None,
        pointer: Pointer | None,
        checked: dict[tuple[str, str, int], list[LinkCheck]],
    ) -> AppEnvironment:
        at = rules.addresses(app.label, environment, self._settings)
        generation = pointer.generation if pointer else 0
        facts = checked.get((app.name, environment.name, generation), []) if release else []
        return AppEnvironment(
            app=app.name,
            environment=environment.name,
            release=self.with_urls(release) if release else None,
            generation=generation,
            since=pointer.changed_at if pointer else None,
            edge_url=rules.public_url(at.edge, self._settings),
            origin_url=rules.public_url(at.origin, self._settings),
            local_url=rules.local_url(at.local, self._settings) if at.local else None,
            health=rules.health_of([check.ok for check in facts]),
            checks=tuple(facts),
        )


def found_app(app: App | None, name: str) -> App:
    """The app, or `Missing`."""
    if app is None:
        raise Missing(f"no app '{name}'", hint="`dxops apps` lists them", field="app")
    return app


def published_module(release: Release, *, skipped: bool = False, tunnel_url: str | None = None) -> PublishedModule:
    """A release as the port `Publisher` shows it."""
    return PublishedModule(
        name=release.app,
        app=release.label,
        cid=release.cid,
        version=release.version,
        urls=(*release.urls, tunnel_url) if tunnel_url else release.urls,
        record=release.record,
        skipped=skipped,
    )


def seq_of(found: tuple[int, object]) -> list[str]:
    """The sort key of what a repository gives with its sequence number."""
    return [str(found[0])]
