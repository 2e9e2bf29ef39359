"""The use cases: publish, promote, roll back, take offline. Looking is in `catalogue`, runs are in `runs`.

Implements the ports `Publisher` and `Sites`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence, Set
from datetime import timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import DxopsError, Missing, Refused
from dxops.base.events import Events
from dxops.base.ids import IdSource, new_id
from dxops.base.ports import Audit, Content, Preparer, PublishedModule, PublishModule, SiteTable, Tunnels
from dxops.base.web import Page
from dxops.engines.postgres.database import Database
from dxops.rooms.delivery import repo, rules
from dxops.rooms.delivery.catalogue import Catalogue, found_app, published_module
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.links import LinkChecker
from dxops.rooms.delivery.model import (
    BuildSettings,
    Flipped,
    LinkCheck,
    LogText,
    ModuleInput,
    PublishOutcome,
    Reason,
    Release,
    Retired,
    Run,
    RunLine,
    RunStatus,
    Source,
    Via,
)
from dxops.rooms.delivery.moves import Attempt, Moves, ReadyModule, hold_owner, moved_on
from dxops.rooms.delivery.runs import Runs
from dxops.rooms.delivery.sites import LiveSites
from dxops.rooms.delivery.wakeups import Wakeups

_RETIRE_BATCH = 100
_HISTORY = 500  # deployments that a rollback looks back over


class Delivery(Catalogue):
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
        tunnels: Tunnels | None = None,
    ) -> None:
        super().__init__(database, preparer, settings)
        self._content = content
        self._clock = clock
        self._events = events or Events()
        self._tunnels = tunnels
        self._moves = Moves(content, audit, settings, clock, ids)
        wakeups = Wakeups(database)
        self._sites = LiveSites(database, wakeups, settings, clock)
        self._runs = Runs(database, wakeups, clock, ids)
        self._links = LinkChecker(settings, clock)

    # --- publish ---

    async def publish(
        self,
        actor: Actor,
        environment: str,
        modules: Sequence[ModuleInput],
        source: Source,
        *,
        skip_existing: bool = False,
    ) -> list[PublishOutcome]:
        """Release all modules or none, and flip their pointers together (scope PUBLISH). Then turn on the tunnels that
        are asked for: one that cannot be is a warning, the release is live.

        Raises `Refused` (bad names, incomplete content), `Forbidden`, `Missing` (environment); a refusal changes
        nothing and abandons the uploaded bundles.
        """
        try:
            outcomes = await self._publish(actor, environment, modules, source, skip_existing=skip_existing)
        except (Refused, Missing):
            await self._abandon([module.cid for module in modules])
            raise
        wanted = {module.name for module in modules if module.tunnel}
        return await asyncio.gather(*(self._opened(actor, one, wanted) for one in outcomes))

    async def _publish(
        self, actor: Actor, environment: str, modules: Sequence[ModuleInput], source: Source, *, skip_existing: bool
    ) -> list[PublishOutcome]:
        self.environment(environment)
        rules.check_modules(modules)
        for module in modules:
            actor.require(Scope.PUBLISH, app=module.name, environment=environment)
        versions = {m.name: rules.version_of(m.version, m.record, source.commit, m.cid) for m in modules}
        async with self._database.begin() as tx:
            attempt = await self._attempt(tx, actor, environment, Reason.PUBLISH)
            stored = await self._stored(tx, environment, versions) if skip_existing else {}
        ready = [await self._ready(m, versions[m.name]) for m in modules if m.name not in stored]
        outcomes: dict[str, PublishOutcome] = {}
        flipped: list[Flipped] = []
        async with self._database.begin() as tx:
            names = [item.module.name for item in ready]
            apps = await self._moves.ensure_apps(tx, names)
            pointers = await self._moves.lock_pointers(tx, names, environment)
            if skip_existing:  # again, now that nobody else can add one
                stored = await self._stored(tx, environment, versions)
            for item in ready:
                name = item.module.name
                if name in stored:
                    continue
                release = await self._moves.add_release(tx, apps[name], item, attempt, source)
                event = await self._moves.flip(tx, pointers[name], release, attempt)
                flipped += [event] if event else []
                release = self.with_urls(msgspec.structs.replace(release, live=event is not None))
                outcomes[name] = PublishOutcome(
                    release=release, superseded=event is None, warnings=item.prepared.warnings
                )
        for name, release in stored.items():
            outcomes[name] = PublishOutcome(release=self.with_urls(release), skipped=True)
        await self._abandon([m.cid for m in modules if m.name in stored and m.cid != stored[m.name].cid])
        await self._tell(flipped)
        return [outcomes[module.name] for module in modules]

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
        module = ModuleInput(name=app, cid=cid, version=version, record=record or {"name": app})
        outcomes = await self.publish(actor, environment, [module], source or Source(), skip_existing=skip_existing)
        return outcomes[0]

    async def publish_modules(
        self, actor: Actor, environment: str, modules: Sequence[PublishModule], *, skip_existing: bool
    ) -> list[PublishedModule]:
        """Port `Publisher`."""
        inputs = [
            ModuleInput(name=m.name, cid=m.cid, version=m.version, record=m.record, tunnel=m.tunnel) for m in modules
        ]
        outcomes = await self.publish(actor, environment, inputs, Source(via=Via.DX), skip_existing=skip_existing)
        return [published_module(one.release, skipped=one.skipped, tunnel_url=one.tunnel_url) for one in outcomes]

    # --- promote, roll back, take offline ---

    async def promote(self, actor: Actor, app: str, from_environment: str, to_environment: str) -> Release:
        """The same content, live in another environment: same CID, no build (scope OPERATE). Where it is already
        live, nothing happens."""
        origin, target = self.environment(from_environment).name, self.environment(to_environment).name
        if origin == target:
            raise Refused(f"'{origin}' cannot be promoted to itself", field="to")
        async with self._database.begin() as tx:
            name = found_app(await repo.find_app(tx, app), app).name
            actor.require(Scope.OPERATE, app=name, environment=target)
            attempt = await self._attempt(tx, actor, target, Reason.PROMOTE)
            live = {release.environment: release for release, _ in await repo.live_releases(tx, app=name)}
        if origin not in live:
            raise Refused(f"{name} has nothing live in {origin}", hint=f"publish it to {origin} first", field="from")
        here, there = live[origin], live.get(target)
        if there and (there.cid, there.version) == (here.cid, here.version):
            return self.with_urls(there)
        await self._complete(attempt, here, there.id if there else None)
        async with self._database.begin() as tx:
            pointer = (await self._moves.lock_pointers(tx, [name], target))[name]
            if not await repo.lock_release(tx, here.id):
                raise moved_on(name, origin)
            release = await self._moves.copy_release(tx, here, attempt)
            event = await self._moves.flip(tx, pointer, release, attempt)
            if event is None:
                raise moved_on(name, target)
        await self._tell([event])
        return self.with_urls(msgspec.structs.replace(release, live=True))

    async def rollback(self, actor: Actor, app: str, environment: str, release_id: str | None = None) -> Release:
        """Back to the previous (or a named) release of that environment (scope OPERATE). Raises `Refused` where there
        is none or its content was given up."""
        environment = self.environment(environment).name
        async with self._database.begin() as tx:
            name = found_app(await repo.find_app(tx, app), app).name
            actor.require(Scope.OPERATE, app=name, environment=environment)
            attempt = await self._attempt(tx, actor, environment, Reason.ROLLBACK)
            pointer = await repo.find_pointer(tx, name, environment)
            wanted = release_id
            if wanted is None:
                wanted = await self._previous(tx, name, environment)
            target = None if wanted is None else await repo.find_release(tx, wanted)
        if target is None or (target.app, target.environment) != (name, environment):
            what = f"has no release '{release_id}'" if release_id else "has no earlier release to go back to"
            raise Refused(f"{name} in {environment} {what}", code="no_release", hint=f"see `dxops releases {name}`")
        if target.live:
            return self.with_urls(target)
        if target.retired_at is not None:
            raise Refused(
                f"the content of {target.id} ({target.version}) was given up on {target.retired_at:%Y-%m-%d}",
                code="release_retired",
                hint=f"delivery.keep_releases keeps {self._settings.keep_releases}; publish that version again",
            )
        await self._complete(attempt, target, pointer.release_id if pointer else None)
        async with self._database.begin() as tx:
            held = (await self._moves.lock_pointers(tx, [name], environment))[name]
            if pointer is None or held.generation != pointer.generation or not await repo.lock_release(tx, target.id):
                raise moved_on(name, environment)
            event = await self._moves.flip(tx, held, target, attempt)
            if event is None:
                raise moved_on(name, environment)
        await self._tell([event])
        return self.with_urls(msgspec.structs.replace(target, live=True))

    async def previous(self, app: str, environment: str) -> str | None:
        """The release that a rollback without a choice would make live."""
        environment = self.environment(environment).name
        async with self._database.begin() as tx:
            name = found_app(await repo.find_app(tx, app), app).name
            return await self._previous(tx, name, environment)

    @staticmethod
    async def _previous(tx: AsyncConnection, name: str, environment: str) -> str | None:
        kept = await repo.kept_ids(tx, name, environment)
        newest_first = await repo.list_deployments(tx, name, environment, None, _HISTORY)
        return rules.rollback_target([item for _, item in reversed(newest_first)], kept)

    async def reset_modules(self, actor: Actor, environment: str) -> int:
        """Port `Publisher` (scope OPERATE)."""
        environment = self.environment(environment).name
        actor.require(Scope.OPERATE, environment=environment)
        flipped = []
        async with self._database.begin() as tx:
            attempt = await self._attempt(tx, actor, environment, Reason.RESET)
            names = [release.app for release, _ in await repo.live_releases(tx, environment=environment)]
            for name in names:
                actor.require(Scope.OPERATE, app=name, environment=environment)
            for pointer in (await self._moves.lock_pointers(tx, names, environment)).values():
                event = await self._moves.flip(tx, pointer, None, attempt) if pointer.release_id else None
                flipped += [event] if event else []
        await self._tell(flipped)
        return len(flipped)

    async def build_settings(self, actor: Actor, app: str, environment: str) -> BuildSettings:
        """What builds of the app get from us (scope PUBLISH). The app need not exist yet."""
        actor.require(Scope.PUBLISH, app=app, environment=environment)
        found = self.environment(environment)
        env = rules.build_env(self._settings.apps.get(app), found)
        return BuildSettings(app=app, environment=found.name, env=env)

    # --- jobs ---

    async def retire(self) -> Retired:
        """Give up the content of releases that retention no longer keeps."""
        since = self._clock.now() - timedelta(minutes=self._settings.previous_assets_minutes)
        count = 0
        while True:
            async with self._database.begin() as tx:
                batch = await repo.lock_retirable(tx, self._settings.keep_releases, since, _RETIRE_BATCH)
                for release in batch:
                    for root in (release.cid, release.manifest):
                        await self._content.drop(tx, root, hold_owner(release.id))
                await repo.retire(tx, [release.id for release in batch], self._clock.now())
            count += len(batch)
            if not batch:
                return Retired(releases=count)

    async def sweep_runs(self) -> int:
        """Close runs whose client went silent; how many."""
        return await self._runs.sweep()

    async def check_links(self) -> list[LinkCheck]:
        """GET both links of each live (app, environment) and store the results."""
        async with self._database.begin() as tx:
            live = await repo.live_releases(tx)
        found = await self._links.check(live)
        async with self._database.begin() as tx:
            await repo.put_checks(tx, found)
        return [check for check, _ in found]

    # --- serving, runs ---

    async def table(self) -> SiteTable:
        """Port `Sites`."""
        return await self._sites.table()

    def changes(self) -> AsyncIterator[None]:
        """Port `Sites`."""
        return self._sites.changes()

    async def start_run(self, actor: Actor, environment: str, apps: Sequence[str], source: Source) -> Run:
        """Open a run (scope PUBLISH)."""
        return await self._runs.start(actor, self.environment(environment).name, apps, source)

    async def append_log(self, actor: Actor, run_id: str, lines: Sequence[LogText]) -> int:
        """Append lines; the number of the last one. Raises `Conflict` once the run is finished."""
        return await self._runs.append(actor, run_id, lines)

    async def finish_run(self, actor: Actor, run_id: str, status: RunStatus, summary: str | None = None) -> Run:
        """Freeze a run with its log. Raises `Conflict` for one that is finished."""
        return await self._runs.finish(actor, run_id, status, summary)

    async def run(self, run_id: str) -> Run:
        """One run. Raises `Missing`."""
        return await self._runs.get(run_id)

    async def runs(self, app: str | None = None, *, cursor: str | None = None, limit: int | None = None) -> Page[Run]:
        """Newest first; those of one app by its name or label."""
        if app is not None:
            async with self._database.begin() as tx:
                found = await repo.find_app(tx, app)
            app = found.name if found else app
        return await self._runs.list(app, cursor, limit)

    def follow_run(self, run_id: str, *, after: int = 0, colors: bool = False) -> AsyncIterator[RunLine]:
        """Every line after `after`, from the start by default, then live until the run is finished; with `colors` in
        the form of `wire.sgr`, else plain. Raises `Missing` at the first step."""
        return self._runs.follow(run_id, after, colors=colors)

    # --- shared steps ---

    async def _attempt(self, tx: AsyncConnection, actor: Actor, environment: str, reason: Reason) -> Attempt:
        arrival = await repo.next_arrival(tx)
        return Attempt(
            actor=actor, environment=environment, reason=reason, arrival=arrival, started_at=self._clock.now()
        )

    async def _stored(self, tx: AsyncConnection, environment: str, versions: dict[str, str]) -> dict[str, Release]:
        """The modules whose version is already released there."""
        found = {name: await repo.find_version(tx, name, environment, version) for name, version in versions.items()}
        return {name: release for name, release in found.items() if release}

    async def _ready(self, module: ModuleInput, version: str) -> ReadyModule:
        complete = await self._content.check(module.cid)
        if not complete.ok:
            raise _incomplete(f"the bundle of {module.name}", module.cid, complete.missing[0])
        return ReadyModule(module=module, version=version, prepared=await self._preparer.prepare(module.cid))

    async def _opened(self, actor: Actor, outcome: PublishOutcome, wanted: Set[str]) -> PublishOutcome:
        """With its tunnel on, where that is wanted and there are tunnels."""
        release = outcome.release
        if release.app not in wanted or self._tunnels is None:
            return outcome
        reason = "its public address is not known yet, or kube.tunnel_command is not set"
        try:
            url = await self._tunnels.enable(actor, release.environment, release.label)
        except DxopsError as error:
            url, reason = None, error.message
        warnings = outcome.warnings if url else (*outcome.warnings, f"tunnel: {reason}")
        return msgspec.structs.replace(outcome, tunnel_url=url, warnings=warnings)

    async def _complete(self, attempt: Attempt, release: Release, live_id: str | None) -> None:
        """Refuse a flip to a release that is not whole, and keep the refusal in the history.

        The tree, and with the manifest all that is served in its place: pages of the manifest, compressed variants.
        The tree is asked for by itself too, should a manifest not have been of it.
        """
        missing = await self._content.holes([release.cid, release.manifest])
        if missing:
            error = _incomplete(f"{release.app} {release.version}", release.cid, missing[0])
            async with self._database.begin() as tx:
                await self._moves.refuse(tx, attempt, release.app, live_id, release.id, error.message)
            raise error

    async def _abandon(self, cids: Sequence[str]) -> None:
        if cids:
            async with self._database.begin() as tx:
                for cid in cids:
                    await self._content.abandon(tx, cid)

    async def _tell(self, events: Sequence[Flipped]) -> None:
        for event in events:
            await self._events.tell(event)


def _incomplete(what: str, root: str, block: str) -> Refused:
    return Refused(
        f"{what} ({root}) is not complete: block {block} is missing",
        code="release_incomplete",
        hint="upload it again, then publish again",
    )
