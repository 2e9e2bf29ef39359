"""Publishing, promoting, rolling back on PostgreSQL: the state afterwards, not the answer alone."""

from __future__ import annotations

import asyncio

import pytest
from twins import TwinAudit, TwinContent

from dxops.base.actors import Actor, Scope
from dxops.base.clock import ManualClock
from dxops.base.errors import Conflict, Forbidden, Missing, Refused, TooLarge
from dxops.base.events import Events
from dxops.base.ports import PublishModule
from dxops.engines.postgres.database import Database
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.model import Flipped, ModuleInput, Outcome, Reason, Source, Via
from dxops.rooms.delivery.service import Delivery

FROM_CLI = Source(via=Via.CLI, commit="c0ffee1234", branch="main", author="Ada", duration_s=1.5, run_id="run_1")


def module(name: str, cid: str, version: str | None = None) -> ModuleInput:
    return ModuleInput(name=name, cid=cid, version=version, record={"name": name, "displayName": name.title()})


async def live(delivery: Delivery, app: str, environment: str) -> str | None:
    site = (await delivery.table()).sites.get((app, environment))
    return site.cid if site else None


async def test_a_publish_is_live_and_remembered(
    delivery: Delivery, content: TwinContent, audit: TwinAudit, developer: Actor, events: Events
) -> None:
    told: list[Flipped] = []

    async def hear(event: Flipped) -> None:
        told.append(event)

    events.on(Flipped, hear)
    cid = content.add({"index.html": b"one", "a/b.js": b"two!"})
    outcome = await delivery.create_release(developer, "composer", "dev", cid, version="1.0.0", source=FROM_CLI)
    release = await delivery.release(outcome.release.id)
    assert (release.version, release.cid, release.environment, release.live) == ("1.0.0", cid, "dev", True)
    assert (release.commit, release.branch, release.author, release.actor) == ("c0ffee1234", "main", "Ada", "dora")
    assert (release.files, release.size_bytes, release.duration_s, release.via) == (2, 7, 1.5, Via.CLI)
    assert release.urls[0] == "http://composer.dev.dxos.localhost:8080"
    site = (await delivery.table()).sites["composer", "dev"]
    assert (site.cid, site.manifest, site.generation) == (cid, f"manifest-{cid}", 1)
    assert content.held_by(f"release:{release.id}") == {cid, f"manifest-{cid}"}
    assert audit.entries[0][:3] == ("dora", "release.published", "composer@dev")
    assert [(event.app, event.cid, event.generation) for event in told] == [("composer", cid, 1)]
    [summary] = await delivery.list_apps()
    cell = summary.of("dev")
    assert cell is not None
    assert cell.release == release
    assert summary.of("prod").release is None  # type: ignore[union-attr]
    assert [(e.name, e.apps, e.last_publish and e.last_publish.to_version) for e in await delivery.environments()] == [
        ("prod", 0, None),
        ("staging", 0, None),
        ("dev", 1, "1.0.0"),
    ]


async def test_several_modules_are_released_or_none(
    delivery: Delivery, content: TwinContent, audit: TwinAudit, developer: Actor
) -> None:
    good, bad = content.add({"index.html": b"good"}), content.add({"index.html": b"bad"})
    content.lost[bad] = "bafymissingblock"
    with pytest.raises(Refused, match="bafymissingblock") as refused:
        await delivery.publish(developer, "dev", [module("kai", good), module("kai-web", bad)], Source())
    assert refused.value.code == "release_incomplete"
    assert await delivery.list_apps() == []
    assert (await delivery.table()).sites == {}
    assert content.holds == set()
    assert content.abandoned == [good, bad]
    assert audit.entries == []
    del content.lost[bad]
    outcomes = await delivery.publish(developer, "dev", [module("kai", good), module("kai-web", bad)], Source())
    assert [outcome.release.app for outcome in outcomes] == ["kai", "kai-web"]
    assert await live(delivery, "kai", "dev") == good
    assert await live(delivery, "kai-web", "dev") == bad


async def test_a_failure_inside_the_transaction_leaves_nothing(
    delivery: Delivery, content: TwinContent, audit: TwinAudit, developer: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = content.add({"a": b"1"}), content.add({"a": b"2"})
    await delivery.create_release(developer, "kai", "dev", first)
    held = set(content.holds)
    record = audit.record

    async def fails(tx: object, actor: Actor, action: str, subject: str, detail: object = None) -> None:
        if subject.startswith("zeta"):
            raise RuntimeError("disk full")
        await record(tx, actor, action, subject, detail)  # type: ignore[arg-type]

    monkeypatch.setattr(audit, "record", fails)
    with pytest.raises(RuntimeError):
        await delivery.publish(developer, "dev", [module("kai", second), module("zeta", second)], Source())
    assert await live(delivery, "kai", "dev") == first
    assert content.holds == held
    assert [app.name for app in await delivery.list_apps()] == ["kai"]


@pytest.mark.parametrize(
    "modules",
    [
        [],
        [ModuleInput(name="", cid="bafy")],
        [ModuleInput(name="../etc", cid="bafy")],
        [ModuleInput(name="a", cid="bafy"), ModuleInput(name="a", cid="bafy")],
        [ModuleInput(name="a", cid="bafy", version="no spaces please")],
        [ModuleInput(name="a", cid="bafy", record={"x": "y" * 300_000})],
        [ModuleInput(name="a", cid="bafyunknown")],
    ],
)
async def test_a_bad_publish_is_refused_and_its_bundles_abandoned(
    delivery: Delivery, content: TwinContent, developer: Actor, modules: list[ModuleInput]
) -> None:
    with pytest.raises((Refused, TooLarge)):
        await delivery.publish(developer, "dev", modules, Source())
    assert await delivery.list_apps() == []
    assert content.abandoned == [module.cid for module in modules]


async def test_who_may_not_publish_changes_nothing(
    delivery: Delivery, content: TwinContent, viewer: Actor, developer: Actor
) -> None:
    cid = content.add({"a": b"1"})
    with pytest.raises(Forbidden):
        await delivery.create_release(viewer, "kai", "dev", cid)
    narrow = Actor(
        kind="token",
        id="t",
        name="ci",
        scopes=frozenset({Scope.PUBLISH}),
        apps=frozenset({"kai"}),
        environments=frozenset({"dev"}),
    )
    for app, environment in (("docs", "dev"), ("kai", "prod")):
        with pytest.raises(Forbidden):
            await delivery.create_release(narrow, app, environment, cid)
    with pytest.raises(Missing):
        await delivery.create_release(developer, "kai", "qa", cid)
    assert await delivery.list_apps() == []
    await delivery.create_release(narrow, "kai", "dev", cid)
    assert await live(delivery, "kai", "dev") == cid


async def test_skip_existing_judges_each_module_alone(
    delivery: Delivery, content: TwinContent, developer: Actor
) -> None:
    old, new = content.add({"a": b"old"}), content.add({"a": b"new"})
    first = (await delivery.create_release(developer, "kai", "prod", old, version="1.0.0")).release
    modules = [
        PublishModule(name="kai", cid=new, version="1.0.0", record={"name": "kai"}),
        PublishModule(name="docs", cid=new, version="1.0.0", record={"name": "docs", "tags": ["x"]}),
    ]
    kai, docs = await delivery.publish_modules(developer, "prod", modules, skip_existing=True)
    assert (kai.cid, kai.skipped, docs.cid, docs.skipped) == (old, True, new, False)
    assert await live(delivery, "kai", "prod") == old
    assert content.abandoned == [new]
    assert (await delivery.releases("kai")).items[0].id == first.id
    assert [m.name for m in await delivery.list_modules("prod")] == ["docs", "kai"]
    # the same version elsewhere is another release
    [elsewhere] = await delivery.publish_modules(developer, "dev", modules[:1], skip_existing=True)
    assert not elsewhere.skipped
    # and without the flag the version is released again
    [again] = await delivery.publish_modules(developer, "prod", modules[:1], skip_existing=False)
    assert (again.cid, again.skipped) == (new, False)


async def test_promotion_moves_the_same_content(
    delivery: Delivery, content: TwinContent, audit: TwinAudit, developer: Actor
) -> None:
    cid = content.add({"a": b"1"})
    made = (await delivery.create_release(developer, "kai", "dev", cid, version="1.2.0", source=FROM_CLI)).release
    promoted = await delivery.promote(developer, "kai", "dev", "staging")
    assert (promoted.cid, promoted.manifest, promoted.version) == (cid, made.manifest, "1.2.0")
    assert (promoted.environment, promoted.promoted_from, promoted.commit) == ("staging", made.id, "c0ffee1234")
    assert await live(delivery, "kai", "staging") == cid
    assert content.held_by(f"release:{promoted.id}") == {cid, made.manifest}
    assert audit.entries[-1][:3] == ("dora", "release.promoted", "kai@staging")
    assert (await delivery.promote(developer, "kai", "dev", "staging")).id == promoted.id
    assert len((await delivery.timeline("kai", environment="staging")).items) == 1
    for source, target in (("prod", "staging"), ("dev", "dev")):
        with pytest.raises(Refused):
            await delivery.promote(developer, "kai", source, target)
    with pytest.raises(Missing):
        await delivery.promote(developer, "nope", "dev", "prod")


async def test_rollback_goes_back_and_back_and_to_a_named_release(
    delivery: Delivery, content: TwinContent, developer: Actor, audit: TwinAudit
) -> None:
    cids = [content.add({"a": str(number).encode()}) for number in range(3)]
    made = [(await delivery.create_release(developer, "kai", "prod", cid)).release for cid in cids]
    assert (await delivery.rollback(developer, "kai", "prod")).id == made[1].id
    assert await live(delivery, "kai", "prod") == cids[1]
    assert (await delivery.rollback(developer, "kai", "prod")).id == made[0].id
    with pytest.raises(Refused, match="no earlier release"):
        await delivery.rollback(developer, "kai", "prod")
    assert (await delivery.rollback(developer, "kai", "prod", made[2].id)).live
    assert await live(delivery, "kai", "prod") == cids[2]
    history = (await delivery.timeline("kai")).items
    assert [(d.reason, d.generation, d.to_cid, d.from_cid) for d in history[:2]] == [
        (Reason.ROLLBACK, 6, cids[2], cids[0]),
        (Reason.ROLLBACK, 5, cids[0], cids[1]),
    ]
    assert audit.entries[-1][:3] == ("dora", "release.rolled_back", "kai@prod")
    elsewhere = (await delivery.create_release(developer, "kai", "dev", cids[0])).release
    with pytest.raises(Refused):
        await delivery.rollback(developer, "kai", "prod", elsewhere.id)


async def test_a_rollback_to_damaged_content_is_refused_and_remembered(
    delivery: Delivery, content: TwinContent, developer: Actor
) -> None:
    cids = [content.add({"a": str(number).encode()}) for number in range(2)]
    for cid in cids:
        await delivery.create_release(developer, "kai", "prod", cid)
    content.lost[cids[0]] = "bafygone"
    with pytest.raises(Refused, match="bafygone"):
        await delivery.rollback(developer, "kai", "prod")
    assert await live(delivery, "kai", "prod") == cids[1]
    newest = (await delivery.timeline("kai")).items[0]
    assert (newest.outcome, newest.to_cid) == (Outcome.REFUSED, cids[0])
    assert "bafygone" in (newest.message or "")
    content.lost = {f"manifest-{cids[1]}": "bafyvariant"}
    with pytest.raises(Refused, match="bafyvariant"):
        await delivery.promote(developer, "kai", "prod", "dev")
    assert await live(delivery, "kai", "dev") is None


async def test_reset_takes_everything_offline_and_rollback_brings_it_back(
    delivery: Delivery, content: TwinContent, developer: Actor
) -> None:
    cid = content.add({"a": b"1"})
    await delivery.publish(developer, "dev", [module("kai", cid), module("docs", cid)], Source())
    await delivery.create_release(developer, "kai", "prod", cid)
    assert await delivery.reset_modules(developer, "dev") == 2
    assert await delivery.reset_modules(developer, "dev") == 0
    assert set((await delivery.table()).sites) == {("kai", "prod")}
    assert await delivery.list_modules("dev") == []
    assert len((await delivery.releases("kai", environment="dev")).items) == 1
    await delivery.rollback(developer, "kai", "dev")
    assert await live(delivery, "kai", "dev") == cid


async def test_a_slow_publish_never_overwrites_a_later_one(
    delivery: Delivery, content: TwinContent, developer: Actor
) -> None:
    early, late = content.add({"a": b"early"}), content.add({"a": b"late"})
    content.gate = asyncio.Event()
    slow = asyncio.create_task(
        delivery.publish(developer, "dev", [module("kai", early), module("docs", early)], Source())
    )
    while content.gate is not None and not content.gate._waiters:  # it has arrived and waits in `check`
        await asyncio.sleep(0.005)
    gate, content.gate = content.gate, None
    await delivery.create_release(developer, "kai", "dev", late)
    gate.set()
    outcomes = {outcome.release.app: outcome for outcome in await slow}
    assert await live(delivery, "kai", "dev") == late
    assert await live(delivery, "docs", "dev") == early
    assert outcomes["kai"].superseded
    assert not outcomes["kai"].release.live
    assert (await delivery.timeline("kai")).items[0].outcome is Outcome.SUPERSEDED


async def test_many_publishes_at_once_end_whole(delivery: Delivery, content: TwinContent, developer: Actor) -> None:
    cids = [content.add({"a": str(number).encode()}) for number in range(12)]

    async def both(cid: str, *, swapped: bool) -> None:
        modules = [module("kai", cid), module("example:app/kai", cid)]
        await delivery.publish(developer, "dev", modules[::-1] if swapped else modules, Source())

    await asyncio.gather(*(both(cid, swapped=bool(index % 2)) for index, cid in enumerate(cids)))
    sites = (await delivery.table()).sites
    assert sites["kai", "dev"].cid == sites["example:app/kai", "dev"].cid
    done = [d for d in (await delivery.timeline("kai", limit=50)).items if d.outcome is Outcome.DONE]
    assert [d.generation for d in done] == list(range(len(done), 0, -1))
    assert len((await delivery.releases("kai", limit=50)).items) == 12
    labels = {app.name: app.label for app in await delivery.list_apps()}
    assert labels == {"kai": "kai", "example:app/kai": "example-app-kai"}


async def test_a_rollback_that_lost_a_race_says_so(delivery: Delivery, content: TwinContent, developer: Actor) -> None:
    cids = [content.add({"a": str(number).encode()}) for number in range(3)]
    for cid in cids[:2]:
        await delivery.create_release(developer, "kai", "dev", cid)
    content.gate = asyncio.Event()
    rollback = asyncio.create_task(delivery.rollback(developer, "kai", "dev"))
    while not content.gate._waiters:
        await asyncio.sleep(0.005)
    gate, content.gate = content.gate, None
    await delivery.create_release(developer, "kai", "dev", cids[2])
    gate.set()
    with pytest.raises(Conflict):
        await rollback
    assert await live(delivery, "kai", "dev") == cids[2]


async def test_retention_keeps_the_newest_the_live_and_the_recently_live(
    delivery: Delivery, content: TwinContent, developer: Actor, clock: ManualClock
) -> None:
    made = []
    for number in range(6):
        cid = content.add({"a": str(number).encode()})
        made.append((await delivery.create_release(developer, "kai", "dev", cid, version=f"1.{number}.0")).release)
        clock.advance(60)
    await delivery.rollback(developer, "kai", "dev", made[0].id)
    assert (await delivery.retire()).releases == 0  # every one was live within the last hour
    clock.advance(3600)
    assert (await delivery.retire()).releases == 2
    kept = {release.id for release in (await delivery.releases("kai")).items if release.retired_at is None}
    assert kept == {made[0].id, made[3].id, made[4].id, made[5].id}
    assert content.held_by(f"release:{made[1].id}") == set()
    assert content.held_by(f"release:{made[0].id}") == {made[0].cid, made[0].manifest}
    assert (await delivery.retire()).releases == 0
    with pytest.raises(Refused) as refused:
        await delivery.rollback(developer, "kai", "dev", made[1].id)
    assert refused.value.code == "release_retired"
    # a version that was given up is released anew, `skip_existing` or not
    again = await delivery.create_release(developer, "kai", "dev", made[1].cid, version="1.1.0", skip_existing=True)
    assert not again.skipped


async def test_files_of_earlier_releases_answer_for_an_hour(
    delivery: Delivery, content: TwinContent, developer: Actor, clock: ManualClock
) -> None:
    made = []
    for number in range(3):
        cid = content.add({"a": str(number).encode()})
        made.append((await delivery.create_release(developer, "kai", "dev", cid)).release)
        clock.advance(1800)
    site = (await delivery.table()).sites["kai", "dev"]
    assert site.previous == (made[1].manifest,)
    clock.advance(1)
    assert (await delivery.table()).sites["kai", "dev"].previous == (made[1].manifest,)
    clock.advance(1800)
    assert (await delivery.table()).sites["kai", "dev"].previous == ()


async def test_a_diff_names_what_changed(delivery: Delivery, content: TwinContent, developer: Actor) -> None:
    old = content.add({"same": b"s", "changed": b"1", "removed": b"rr"})
    new = content.add({"same": b"s", "changed": b"22", "added": b"aaa"})
    first = (await delivery.create_release(developer, "kai", "dev", old)).release
    second = (await delivery.create_release(developer, "kai", "dev", new)).release
    diff = await delivery.diff(first.id, second.id)
    assert [(c.path, c.kind, c.old_bytes, c.new_bytes) for c in diff.changes] == [
        ("added", "added", None, 3),
        ("changed", "changed", 1, 2),
        ("removed", "removed", 2, None),
    ]
    assert (diff.added, diff.changed, diff.removed, diff.unchanged, diff.delta_bytes) == (1, 1, 1, 1, 2)
    with pytest.raises(Missing):
        await delivery.diff(first.id, "rel_nope")


async def test_dxn_names_are_served_under_a_stable_label(
    delivery: Delivery, content: TwinContent, developer: Actor
) -> None:
    cid = content.add({"a": b"1"})
    await delivery.create_release(developer, "example:app/tasks", "dev", cid)
    other = (await delivery.create_release(developer, "example/app:tasks", "dev", cid)).release
    assert other.label != "example-app-tasks"
    assert (await delivery.app("example-app-tasks")).name == "example:app/tasks"
    assert (await delivery.app("example:app/tasks")).label == "example-app-tasks"
    host = (await delivery.table()).hosts["example-app-tasks.dev.kube.dxos.localhost"]
    assert (host.app, host.environment, host.via) == ("example:app/tasks", "dev", "origin")
    await delivery.create_release(developer, "kube", "prod", cid)
    assert (await delivery.table()).hosts["kube.dxos.localhost"].app is None


async def test_lists_are_paged_to_their_end(delivery: Delivery, content: TwinContent, developer: Actor) -> None:
    cid = content.add({"a": b"1"})
    for _ in range(5):
        await delivery.create_release(developer, "kai", "dev", cid)
    seen, cursor = [], None
    while True:
        page = await delivery.releases("kai", cursor=cursor, limit=2)
        seen += [release.id for release in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert len(set(seen)) == len(seen) == 5
    assert seen == sorted(seen, reverse=True) or len(seen) == 5
    with pytest.raises(Refused):
        await delivery.releases("kai", cursor="rubbish")
    with pytest.raises(Refused):
        await delivery.releases("kai", limit=0)


async def test_serving_processes_hear_of_flips(
    delivery: Delivery, content: TwinContent, developer: Actor, database: Database
) -> None:
    changes = delivery.changes()
    await anext(changes)
    cid = content.add({"a": b"1"})
    heard = asyncio.create_task(_until(changes, lambda: live(delivery, "kai", "dev"), cid))
    await delivery.create_release(developer, "kai", "dev", cid)
    await asyncio.wait_for(heard, 5)
    await changes.aclose()  # type: ignore[attr-defined]


async def _until(changes: object, read: object, wanted: str) -> None:
    while await read() != wanted:  # type: ignore[operator]
        await anext(changes)  # type: ignore[call-overload]


async def test_build_settings_need_the_scope(delivery: Delivery, developer: Actor, viewer: Actor) -> None:
    found = await delivery.build_settings(developer, "composer", "prod")
    assert found.env == {
        "DX_ENVIRONMENT": "production",
        "DX_SENTRY_DESTINATION": "http://key@sentry.example/1",
        "DX_TELEMETRY_API_KEY": "sk",
        "LOG_FILTER": "error",
    }
    with pytest.raises(Forbidden):
        await delivery.build_settings(viewer, "composer", "prod")


def test_the_settings_know_their_environments(settings: DeliverySettings) -> None:
    assert settings.environment("prod") is not None
    assert settings.environment("nope") is None
