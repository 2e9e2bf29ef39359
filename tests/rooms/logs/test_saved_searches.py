"""Saved searches in a real PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest

from dxops.base.actors import ROLE_SCOPES, SYSTEM, Actor, Role, Scope
from dxops.base.clock import ManualClock
from dxops.base.errors import Conflict, Forbidden, Missing, Refused
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts.model import AuditFilter
from dxops.rooms.logs import saved_repo as repo
from dxops.rooms.logs.saved import SavedSearches
from dxops.rooms.logs.saved_model import SearchToSave
from tests.app.web_house import make_accounts


def person(name: str, role: Role) -> Actor:
    return Actor(kind="person", id=f"per_{name}", name=name, scopes=ROLE_SCOPES[role])


VERA = person("vera", Role.VIEWER)
DEAN = person("dean", Role.DEVELOPER)
OLIVE = person("olive", Role.OWNER)
ERRORS = SearchToSave(name="Errors", params={"q": "level:error", "f": ['{"field":"a"}', "b"]})


async def test_a_search_is_kept_as_it_was_and_is_ones_own_until_it_is_shared(database: Database) -> None:
    accounts = make_accounts(database)
    saved = SavedSearches(database, accounts.audit, ManualClock())
    made = await saved.save(VERA, ERRORS)
    assert (made.by, made.mine, made.may_change, made.shared) == ("vera", True, True, False)
    assert await saved.one(VERA, made.id) == made
    assert [one.params for one in await saved.all(VERA)] == [ERRORS.params]
    assert await saved.all(DEAN) == []
    with pytest.raises(Missing):
        await saved.one(DEAN, made.id)
    changed = await saved.change(VERA, made.id, SearchToSave(name="All errors", params={"q": "x"}, shared=True))
    assert changed.id == made.id
    (seen,) = await saved.all(DEAN)
    assert (seen.name, seen.mine, seen.may_change, seen.params) == ("All errors", False, False, {"q": "x"})
    actions = [(line.action, line.subject) for line in (await accounts.audit.entries(SYSTEM, AuditFilter())).items]
    assert actions[:2] == [("search.changed", "All errors"), ("search.saved", "Errors")]


async def test_names_are_unique_for_an_owner(database: Database) -> None:
    saved = SavedSearches(database, make_accounts(database).audit, ManualClock())
    first = await saved.save(VERA, ERRORS)
    await saved.save(DEAN, ERRORS)
    with pytest.raises(Conflict) as refused:
        await saved.save(VERA, ERRORS)
    assert refused.value.field == "name"
    other = await saved.save(VERA, SearchToSave(name=" Other ", params={}))
    assert other.name == "Other"
    with pytest.raises(Conflict):
        await saved.change(VERA, other.id, ERRORS)
    assert (await saved.change(VERA, first.id, ERRORS)).name == "Errors"
    with pytest.raises(Refused):
        await saved.save(VERA, SearchToSave(name="  ", params={}))


async def test_a_limited_token_sees_what_is_its_own(database: Database) -> None:
    saved = SavedSearches(database, make_accounts(database).audit, ManualClock())
    shared = await saved.save(VERA, SearchToSave(name="Shared", params={"stream": "topsecret"}, shared=True))
    every = frozenset({Scope.READ, Scope.ADMIN})
    limited = Actor(kind="token", id="tok_1", name="t", scopes=every, streams=frozenset({"app-*"}))
    own = await saved.save(limited, ERRORS)
    assert await saved.all(limited) == [own]
    for change in (saved.one(limited, shared.id), saved.delete(limited, shared.id)):
        with pytest.raises(Missing):
            await change
    of_an_app = Actor(kind="token", id="tok_2", name="t", scopes=every, apps=frozenset({"hello"}))
    for use in (saved.all(of_an_app), saved.one(of_an_app, shared.id), saved.save(of_an_app, ERRORS)):
        with pytest.raises(Forbidden):
            await use


async def test_a_change_does_not_bring_back_what_is_deleted_meanwhile(database: Database) -> None:
    accounts = make_accounts(database)
    saved = SavedSearches(database, accounts.audit, ManualClock())
    made = await saved.save(VERA, ERRORS)
    deleting = asyncio.Event()

    async def delete() -> None:
        async with database.begin() as tx:
            await repo.find(tx, made.id, lock=True)
            deleting.set()
            await asyncio.sleep(0)
            await repo.delete(tx, made.id)

    async def change() -> None:
        await deleting.wait()
        with pytest.raises(Missing):
            await saved.change(VERA, made.id, ERRORS)

    await asyncio.gather(delete(), change())
    actions = [line.action for line in (await accounts.audit.entries(SYSTEM, AuditFilter())).items]
    assert "search.changed" not in actions


async def test_who_may_change_and_delete(database: Database) -> None:
    accounts = make_accounts(database)
    saved = SavedSearches(database, accounts.audit, ManualClock())
    shared = await saved.save(VERA, SearchToSave(name="Shared", params={}, shared=True))
    own = await saved.save(VERA, ERRORS)
    for change in (saved.delete(DEAN, shared.id), saved.change(DEAN, shared.id, ERRORS)):
        with pytest.raises(Forbidden):
            await change
    with pytest.raises(Missing):
        await saved.delete(DEAN, own.id)
    with pytest.raises(Forbidden):
        await saved.all(Actor(kind="token", id="tok_1", name="ci", scopes=frozenset({Scope.PUBLISH})))
    await saved.delete(OLIVE, shared.id)
    await saved.delete(VERA, own.id)
    assert await saved.all(VERA) == []
    with pytest.raises(Missing):
        await saved.delete(VERA, own.id)
    deleted = (await accounts.audit.entries(SYSTEM, AuditFilter())).items[1]
    assert (deleted.action, deleted.actor_name, deleted.detail["owner"]) == ("search.deleted", "olive", "vera")
