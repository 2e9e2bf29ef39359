"""Every page, through the whole application, on real rooms."""

from __future__ import annotations

import re

import httpx
import pytest

from dxops.base.actors import ROLE_SCOPES, Actor, Role, Scope
from dxops.base.ports import RoleState
from dxops.rooms.accounts.model import AuditFilter
from dxops.rooms.delivery.model import LogText, ModuleInput, Release, Source, Via
from tests.console.conftest import enter
from tests.console.demo import DemoHouse

PAGES = ("/", "/runs", "/logs", "/content", "/people", "/tokens", "/audit", "/profile", "/system", "/console/design")
HOSTILE = "<img src=x onerror=alert(1)>"
BREAKER = "\"'><script>alert(2)</script>"
DEVELOPER = Actor(kind="person", id="per_x", name=BREAKER, scopes=ROLE_SCOPES[Role.DEVELOPER])


async def publish(
    house: DemoHouse, app: str, version: str, *, environment: str = "dev", actor: Actor = DEVELOPER, body: bytes = b""
) -> Release:
    cid = house.add_tree({"index.html": body or version.encode(), "assets/a.js": b"same"})
    source = Source(via=Via.CLI, commit="c0ffee" * 6, branch=BREAKER, author=HOSTILE)
    outcomes = await house.delivery.publish(
        actor, environment, [ModuleInput(name=app, cid=cid, version=version)], source
    )
    return outcomes[0].release


async def live(house: DemoHouse, app: str, environment: str) -> str | None:
    at = (await house.delivery.app(app)).of(environment)
    assert at is not None
    return at.release.version if at.release else None


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, f"no field {name}"
    return found[1]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_needs_a_session_and_leads_to_the_form(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_renders_with_nothing_there(owner: httpx.AsyncClient, path: str) -> None:
    answer = await owner.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.count("<main") == 1


async def test_empty_states_say_what_to_do(owner: httpx.AsyncClient) -> None:
    home = (await owner.get("/")).text
    assert 'data-copy="dxops publish"' in home
    assert 'data-copy="dx app publish"' in home
    assert 'data-copy="dxops publish"' in (await owner.get("/runs")).text
    assert "No tokens yet" in (await owner.get("/tokens")).text


async def test_the_guide_shows_every_cell(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    await publish(house, "example:app/tasks", "1.4.2")
    home = (await owner.get("/")).text
    for expected in (
        "example:app/tasks",
        "1.4.2",
        "http://example-app-tasks.dev.dxos.localhost:8080",
        "http://example-app-tasks.dev.kube.dxos.localhost:8080",
        "/apps/example-app-tasks/promote?from=dev&amp;to=staging",
        "Not checked yet",
        "production",
        "postgres",
    ):
        assert expected in home


async def test_hostile_names_are_text_on_every_page(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    one = await publish(house, HOSTILE, "1")
    two = await publish(house, HOSTILE, "2")
    app = await house.delivery.app(HOSTILE)
    run = await house.delivery.start_run(DEVELOPER, "dev", [HOSTILE], Source(branch=BREAKER, author=HOSTILE))
    await house.delivery.append_log(DEVELOPER, run.id, [LogText(text=BREAKER)])
    await house.accounts.tokens.create(house.owner, BREAKER, [Scope.READ], apps=[HOSTILE])
    paths = [
        *PAGES,
        f"/apps/{app.label}",
        f"/apps/{app.label}?tab=releases",
        f"/apps/{app.label}?tab=runs",
        f"/apps/{app.label}/compare?old={one.id}&new={two.id}",
        f"/apps/{app.label}/promote?from=dev&to=staging",
        f"/apps/{app.label}/rollback?env=dev",
        f"/releases/{one.id}",
        f"/runs/{run.id}",
        f"/content/{one.cid}",
        f"/content/{HOSTILE}",
        f"/audit?actor={BREAKER}&action={HOSTILE}",
        f"/apps/{HOSTILE.replace('/', '')}/compare?old={BREAKER}",
    ]
    seen = 0
    for path in paths:
        text = (await owner.get(path)).text
        assert HOSTILE not in text, path
        assert "<script>alert" not in text, path
        seen += "&lt;img src=x" in text
    assert seen >= 8


@pytest.mark.parametrize("path", [*PAGES, "/login", "/nowhere"])
async def test_nothing_on_a_page_needs_inline_script_or_style(owner: httpx.AsyncClient, path: str) -> None:
    answer = await owner.get(path)
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|hx-on|hx-vals=.js", answer.text)


async def test_a_live_region_is_only_that_region(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    await publish(house, "hello", "1")
    for path in ("/", "/apps/hello", "/runs", "/system"):
        text = (await owner.get(path, headers={"HX-Request": "true"})).text
        assert "<html" not in text
        assert "data-live" in text


async def test_promotion_says_what_happens_and_does_exactly_that(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    release = await publish(house, "hello", "1.0")
    asked = (await owner.get("/apps/hello/promote?from=dev&to=staging")).text
    assert "Promote 1.0 to staging" in asked
    assert release.cid in asked
    form = {name: hidden(asked, name) for name in ("from", "to", "expected_before", "expected_after")}
    assert form["expected_after"] == release.id
    answer = await owner.post("/apps/hello/promote", data=form)
    assert answer.status_code == 303
    assert await live(house, "hello", "staging") == "1.0"
    assert "Promoted." in (await owner.get(answer.headers["location"])).text


async def test_what_was_confirmed_is_what_happens(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    await publish(house, "hello", "1.0")
    asked = (await owner.get("/apps/hello/promote?from=dev&to=staging")).text
    form = {name: hidden(asked, name) for name in ("from", "to", "expected_before", "expected_after")}
    await publish(house, "hello", "1.1")
    answer = await owner.post("/apps/hello/promote", data=form)
    assert answer.status_code == 422
    assert "Somebody moved a release meanwhile" in answer.text
    assert "Promote 1.1 to staging" in answer.text
    assert await live(house, "hello", "staging") is None


async def test_rollback_goes_to_what_was_live_before(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    first = await publish(house, "hello", "1.0")
    await publish(house, "hello", "1.1")
    asked = (await owner.get("/apps/hello/rollback?env=dev")).text
    assert "Roll dev back to 1.0" in asked
    form = {name: hidden(asked, name) for name in ("env", "expected_before", "expected_after")}
    answer = await owner.post("/apps/hello/rollback", data=form | {"release": first.id})
    assert answer.status_code == 303
    assert await live(house, "hello", "dev") == "1.0"
    timeline = (await owner.get("/apps/hello")).text
    assert "Rolled back to" in timeline
    entries = await house.accounts.audit.entries(house.owner, AuditFilter(action="release.rolled_back"))
    assert [entry.actor_name for entry in entries.items] == ["admin"]


async def test_nothing_to_go_back_to(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    await publish(house, "hello", "1.0")
    assert "Nothing to go back to" in (await owner.get("/apps/hello/rollback?env=dev")).text


async def test_a_viewer_looks_and_moves_nothing(house: DemoHouse, client: httpx.AsyncClient) -> None:
    release = await publish(house, "hello", "1.0")
    await enter(client, "jonas")
    home = (await client.get("/")).text
    assert "/apps/hello/promote" not in home
    form = {"from": "dev", "to": "staging", "expected_before": "", "expected_after": release.id}
    answer = await client.post("/apps/hello/promote", data=form)
    assert answer.status_code == 403
    assert await live(house, "hello", "staging") is None
    assert (await client.post("/people", data={"name": "eve", "role": "owner"})).status_code == 403
    assert (await client.post("/content/upkeep", data={"do": "collect"})).status_code == 403
    assert 'data-open="add-person"' not in (await client.get("/people")).text


async def test_a_form_without_the_token_changes_nothing(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    release = await publish(house, "hello", "1.0")
    del owner.headers["x-csrf-token"]
    form = {"from": "dev", "to": "staging", "expected_before": "", "expected_after": release.id}
    assert (await owner.post("/apps/hello/promote", data=form)).status_code == 403
    assert await live(house, "hello", "staging") is None


async def test_compare_counts_and_lists(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    old = await publish(house, "hello", "1.0", body=b"old")
    new = await publish(house, "hello", "1.1", body=b"newer")
    text = (await owner.get(f"/apps/hello/compare?old={old.id}&new={new.id}")).text
    assert "<strong>1</strong> changed" in text
    assert "index.html" in text
    assert "+2 B" in text
    assert "assets/a.js" not in text


async def test_people(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    made = await owner.post("/people", data={"name": "grace", "role": "viewer", "email": "grace@example.org"})
    assert made.status_code == 200
    password = re.search(r'class="secret".*?data-copy="([^"]+)"', made.text, re.S)
    assert password
    assert password[1] not in (await owner.get("/people")).text
    assert (await owner.post("/people/grace", data={"do": "role", "role": "developer"})).status_code == 303
    assert (await house.accounts.people.named(house.owner, "grace")).role == Role.DEVELOPER
    await owner.post("/people/grace", data={"do": "disable"})
    assert (await house.accounts.people.named(house.owner, "grace")).disabled
    await owner.post("/people/grace", data={"do": "remove"})
    assert "grace" not in {one.name for one in (await house.accounts.people.page(house.owner)).items}
    bad = await owner.post("/people", data={"name": "no spaces please", "role": "viewer"})
    assert bad.status_code == 422
    assert "no spaces please" in bad.text
    last = await owner.post("/people/admin", data={"do": "disable"})
    assert last.status_code == 422
    assert not (await house.accounts.people.named(house.owner, "admin")).disabled


async def test_a_token_is_shown_once_and_works_until_revoked(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    await publish(house, "hello", "1")
    fields = {"name": "CI", "scopes": ["read", "publish"], "apps": ["hello"], "environments": ["dev"], "days": "30"}
    made = await owner.post("/tokens", data=fields)
    secret = re.search(r'data-copy="(dxo_[^"]+)"', made.text)
    assert secret
    actor = await house.accounts.tokens.token(secret[1])
    assert (actor.scopes, actor.apps) == (frozenset({Scope.READ, Scope.PUBLISH}), frozenset({"hello"}))
    listing = (await owner.get("/tokens")).text
    assert secret[1] not in listing
    action = re.search(r'action="(/tokens/[^"]+/revoke)"', listing)
    assert action
    assert (await owner.post(action[1])).status_code == 303
    assert "revoked" in (await owner.get("/tokens")).text
    assert (await owner.post("/tokens", data={"name": "none", "days": "30"})).status_code == 422


async def test_a_token_for_logs_is_limited_to_streams(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    page = (await owner.get("/tokens")).text
    assert "logs:write" in page
    assert "Only these log streams" in page
    fields = {"name": "shipper", "scopes": ["logs:write"], "streams": "app-*, web-1", "days": "30"}
    made = await owner.post("/tokens", data=fields)
    secret = re.search(r'data-copy="(dxo_[^"]+)"', made.text)
    assert secret
    actor = await house.accounts.tokens.token(secret[1])
    assert (actor.scopes, actor.streams) == (frozenset({Scope.LOGS_WRITE}), frozenset({"app-*", "web-1"}))
    assert "logs of app-*, web-1" in (await owner.get("/tokens")).text
    wrong = await owner.post("/tokens", data={**fields, "streams": "UPPER"})
    assert wrong.status_code == 422
    assert "lowercase" in wrong.text


async def test_own_password_and_sessions(owner: httpx.AsyncClient) -> None:
    wrong = {"old": "not it", "new": "a-new-password-1", "again": "a-new-password-1"}
    assert (await owner.post("/profile/password", data=wrong)).status_code == 422
    unequal = {"old": "correct-horse-battery", "new": "a-new-password-1", "again": "another"}
    assert "differ" in (await owner.post("/profile/password", data=unequal)).text
    right = {"old": "correct-horse-battery", "new": "a-new-password-1", "again": "a-new-password-1"}
    assert (await owner.post("/profile/password", data=right)).status_code == 303
    assert "this one" in (await owner.get("/profile")).text


async def test_audit_filters(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    await publish(house, "hello", "1")
    assert "release.published" in (await owner.get("/audit?action=release.")).text
    assert "Nothing matches" in (await owner.get("/audit?actor=nobody-at-all")).text
    assert (await owner.get("/audit?since=not-a-day&cursor=%00")).status_code in (200, 400)


async def test_the_palette_knows_apps_and_releases(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    release = await publish(house, "hello", "1.0")
    entries = (await owner.get("/console/palette")).json()
    assert {"label": "hello", "where": "App", "href": "/apps/hello", "icon": "package"} in entries
    assert f"/releases/{release.id}" in {entry["href"] for entry in entries}


async def test_the_theme_is_drawn_by_the_server(owner: httpx.AsyncClient) -> None:
    assert "data-theme" not in (await owner.get("/")).text.split(">")[1]
    owner.cookies.set("dx_theme", "dark")
    assert '<html lang="en" data-theme="dark">' in (await owner.get("/")).text
    owner.cookies.set("dx_theme", '"><script>')
    assert '<html lang="en">' in (await owner.get("/")).text


@pytest.mark.parametrize("path", ["../manifest.json", "..%2f..%2fconfig.py", ".stamp", "%00", "nothing.js"])
async def test_assets_stay_inside(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/assets/{path}")).status_code in (400, 404)


async def test_going_back_twice_goes_two_steps_back_as_the_command_does(
    house: DemoHouse, owner: httpx.AsyncClient
) -> None:
    for version in ("1.0", "1.1", "1.2"):
        await publish(house, "hello", version)
    for version in ("1.1", "1.0"):
        asked = (await owner.get("/apps/hello/rollback?env=dev")).text
        assert f"Roll dev back to {version}" in asked
        await house.delivery.rollback(house.owner, "hello", "dev")
        assert await live(house, "hello", "dev") == version
    asked = (await owner.get("/apps/hello/rollback?env=dev")).text
    assert "Nothing to go back to" in asked
    assert "choose another above" in asked  # forward again is a choice, never what is offered


async def test_a_role_in_trouble_is_seen_on_the_home_page_with_its_reason(
    house: DemoHouse, owner: httpx.AsyncClient
) -> None:
    assert "not healthy" not in (await owner.get("/")).text
    house.roles.known["worker"] = RoleState(
        status="backoff", since=house.clock.now(), detail="exit status 1", restarts=4
    )
    for path in ("/", "/system"):
        text = (await owner.get(path)).text
        assert "exit status 1" in text, path
        assert "waits to restart" in text, path
        assert "dot bad" in text, path
