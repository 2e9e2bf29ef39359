"""People, tokens, the audit log and first start, on a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from dxops.base.actors import SYSTEM, Actor, Role, Scope
from dxops.base.clock import ManualClock
from dxops.base.errors import Conflict, Forbidden, Missing, Refused, Unauthenticated
from dxops.base.ids import new_secret
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts import repo
from dxops.rooms.accounts.model import AuditFilter, PersonChange
from dxops.rooms.accounts.service import Accounts
from tests.app.web_house import PASSWORD, make_accounts


async def _owner(accounts: Accounts) -> Actor:
    await accounts.bootstrap(PASSWORD)
    return await _signed_in(accounts, "admin", PASSWORD)


async def _signed_in(accounts: Accounts, name: str, password: str) -> Actor:
    signed_in = await accounts.sessions.login(name, password, ip="10.0.0.9", user_agent="test")
    return (await accounts.sessions.resume(signed_in.secret, ip="10.0.0.9")).actor


async def _developer(accounts: Accounts, owner: Actor) -> Actor:
    await accounts.people.add(owner, "dev", role=Role.DEVELOPER, password=PASSWORD)
    return await _signed_in(accounts, "dev", PASSWORD)


async def test_first_start_makes_one_owner_once(database: Database) -> None:
    accounts = make_accounts(database)
    password = await accounts.bootstrap()
    assert password is not None
    assert await accounts.bootstrap() is None
    actor = await _signed_in(accounts, "admin", password)
    assert actor.scopes == set(Scope)


async def test_secrets_are_stored_as_hashes_only(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    made = await accounts.tokens.create(owner, "ci", [Scope.READ])
    session = await accounts.sessions.login("admin", PASSWORD, ip=None, user_agent=None)
    async with database.begin() as tx:
        rows = (
            await tx.execute(
                text(
                    "SELECT (SELECT string_agg(t::text, '') FROM accounts.tokens t)"
                    " || (SELECT string_agg(s::text, '') FROM accounts.sessions s)"
                    " || (SELECT string_agg(a::text, '') FROM accounts.audit a)"
                    " || (SELECT string_agg(p::text, '') FROM accounts.people p)"
                )
            )
        ).scalar_one()
    for secret in (PASSWORD, made.secret, session.secret):
        assert secret not in rows
    assert "$argon2id$" in rows
    assert made.token.prefix == made.secret[:8]


async def test_names_and_mail_addresses_are_unique_and_checked(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    await accounts.people.add(owner, "Ada ", role=Role.VIEWER, email="ada@example.org")
    for name, email, error in (
        ("ada", None, Conflict),
        ("bob", "ADA@example.org", Conflict),
        ("../x", None, Refused),
        ("bob", "nonsense", Refused),
    ):
        with pytest.raises(error):
            await accounts.people.add(owner, name, role=Role.VIEWER, email=email)
    with pytest.raises(Refused, match="at least 12"):
        await accounts.people.add(owner, "bob", role=Role.VIEWER, password="short")
    assert [person.name for person in (await accounts.people.page(owner)).items] == ["ada", "admin"]


async def test_only_owners_manage_people(database: Database) -> None:
    accounts = make_accounts(database)
    developer = await _developer(accounts, await _owner(accounts))
    for call in (
        accounts.people.add(developer, "x", role=Role.OWNER),
        accounts.people.change(developer, "dev", PersonChange(role=Role.OWNER)),
        accounts.people.remove(developer, "admin"),
        accounts.people.reset_password(developer, "admin"),
    ):
        with pytest.raises(Forbidden):
            await call


async def test_the_last_owner_stays(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    for change in (PersonChange(role=Role.VIEWER), PersonChange(disabled=True)):
        with pytest.raises(Conflict, match="last owner"):
            await accounts.people.change(owner, "admin", change)
    with pytest.raises(Conflict, match="last owner"):
        await accounts.people.remove(owner, "admin")
    await accounts.people.add(owner, "second", role=Role.OWNER)
    await accounts.people.change(owner, "admin", PersonChange(role=Role.VIEWER))
    with pytest.raises(Conflict, match="last owner"):
        await accounts.people.remove(SYSTEM, "second")


async def test_two_owners_cannot_remove_each_other_at_once(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    second = (await accounts.people.add(owner, "second", role=Role.OWNER)).person
    async with database.begin() as first:
        await repo.remove_person(first, second.id)
        removing = asyncio.create_task(accounts.people.remove(owner, "admin"))
        while not removing.done() and not await _someone_waits(database):
            await asyncio.sleep(0.01)
    with pytest.raises(Conflict, match="last owner"):
        await removing
    assert [person.name for person in (await accounts.people.page(SYSTEM)).items] == ["admin"]


async def _someone_waits(database: Database) -> bool:
    async with database.begin() as tx:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'accounts.people'::regclass"
        return bool((await tx.execute(text(waiting))).scalar_one())


async def test_a_disabled_person_is_out_at_once_with_sessions_and_tokens(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    developer = await _developer(accounts, owner)
    token = await accounts.tokens.create(developer, "mine", [Scope.READ])
    session = await accounts.sessions.login("dev", PASSWORD, ip=None, user_agent=None)
    await accounts.people.change(owner, "dev", PersonChange(disabled=True))
    accounts.tokens.forget()
    with pytest.raises(Unauthenticated):
        await accounts.sessions.resume(session.secret)
    with pytest.raises(Unauthenticated):
        await accounts.tokens.token(token.secret)
    with pytest.raises(Unauthenticated, match="name or password is wrong"):
        await accounts.sessions.login("dev", PASSWORD, ip=None, user_agent=None)


async def test_a_reset_password_ends_sessions_and_works(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    await _developer(accounts, owner)
    session = await accounts.sessions.login("dev", PASSWORD, ip=None, user_agent=None)
    fresh = (await accounts.people.reset_password(owner, "dev")).password
    assert fresh is not None
    with pytest.raises(Unauthenticated):
        await accounts.sessions.resume(session.secret)
    await _signed_in(accounts, "dev", fresh)


async def test_a_token_acts_within_its_scopes_and_limits(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    made = await accounts.tokens.create(owner, "ci", [Scope.PUBLISH], apps=["hello"], environments=["dev", "staging"])
    actor = await accounts.tokens.token(made.secret, ip="10.1.1.1")
    assert (actor.kind, actor.ip, actor.id) == ("token", "10.1.1.1", made.token.id)
    assert actor.may(Scope.PUBLISH, app="hello", environment="dev")
    assert not actor.may(Scope.PUBLISH, app="hello", environment="prod")
    assert not actor.may(Scope.PUBLISH, app="other", environment="dev")
    assert not actor.may(Scope.READ)


async def test_nobody_gives_away_more_than_they_have(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    developer = await _developer(accounts, owner)
    with pytest.raises(Forbidden):
        await accounts.tokens.create(developer, "x", [Scope.ADMIN])
    narrow = await accounts.tokens.create(owner, "narrow", [Scope.READ, Scope.ADMIN], apps=["hello"])
    actor = await accounts.tokens.token(narrow.secret)
    with pytest.raises(Forbidden, match="other"):
        await accounts.tokens.create(actor, "x", [Scope.READ], apps=["other"])
    child = await accounts.tokens.create(actor, "child", [Scope.READ])
    assert child.token.apps == ("hello",)
    assert child.token.owner == "admin"
    for bad in ("", "x" * 101, "a\x00b"):
        with pytest.raises(Refused):
            await accounts.tokens.create(owner, bad, [Scope.READ])
    with pytest.raises(Refused):
        await accounts.tokens.create(owner, "none", [])


async def test_a_token_shrinks_with_its_person(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    developer = await _developer(accounts, owner)
    made = await accounts.tokens.create(developer, "mine", [Scope.READ, Scope.PUBLISH])
    await accounts.people.change(owner, "dev", PersonChange(role=Role.VIEWER))
    accounts.tokens.forget()
    assert (await accounts.tokens.token(made.secret)).scopes == {Scope.READ}


async def test_a_token_expires_to_the_second(database: Database) -> None:
    clock = ManualClock()
    accounts = make_accounts(database, clock)
    owner = await _owner(accounts)
    end = clock.now() + timedelta(seconds=10)
    made = await accounts.tokens.create(owner, "short", [Scope.READ, Scope.ADMIN], expires_at=end)
    actor = await accounts.tokens.token(made.secret)
    assert (await accounts.tokens.create(actor, "child", [Scope.READ])).token.expires_at == end
    clock.advance(9)
    await accounts.tokens.token(made.secret)
    clock.advance(1)
    with pytest.raises(Unauthenticated, match="expired"):
        await accounts.tokens.token(made.secret)
    with pytest.raises(Refused, match="past"):
        await accounts.tokens.create(owner, "late", [Scope.READ], expires_at=end)


async def test_last_use_is_written_at_most_once_a_minute(database: Database) -> None:
    clock = ManualClock()
    accounts = make_accounts(database, clock)
    owner = await _owner(accounts)
    made = await accounts.tokens.create(owner, "ci", [Scope.READ])
    seen = []
    for _ in range(13):
        await accounts.tokens.token(made.secret)
        (token,) = (await accounts.tokens.page(owner)).items
        seen.append(token.last_used_at)
        clock.advance(6)
    assert len(set(seen)) == 2


async def test_revocation_reaches_other_processes(database: Database, database_url: str) -> None:
    here, other_database = make_accounts(database), Database(database_url, pool_size=2)
    there = make_accounts(other_database)
    owner = await _owner(here)
    made = await here.tokens.create(owner, "ci", [Scope.READ])
    watching = asyncio.create_task(there.watch())
    try:
        while not there.tokens._changes:  # the first notification says that it listens
            await asyncio.sleep(0.01)
        await there.tokens.token(made.secret)
        assert there.tokens._known
        await here.tokens.revoke(owner, made.token.id)
        async with asyncio.timeout(4):  # below the cache's own five seconds, whose clock stands still here
            while there.tokens._known:
                await asyncio.sleep(0.01)
        with pytest.raises(Unauthenticated, match="revoked"):
            await there.tokens.token(made.secret)
    finally:
        watching.cancel()
        await other_database.close()


async def test_without_notifications_a_revoked_token_ends_within_seconds(database: Database, database_url: str) -> None:
    clock, other_database = ManualClock(), Database(database_url, pool_size=2)
    here, there = make_accounts(database, clock), make_accounts(other_database, clock)
    owner = await _owner(here)
    made = await here.tokens.create(owner, "ci", [Scope.READ])
    await there.tokens.token(made.secret)
    await here.tokens.revoke(owner, made.token.id)
    await there.tokens.token(made.secret)
    clock.advance(5)
    with pytest.raises(Unauthenticated):
        await there.tokens.token(made.secret)
    await other_database.close()


async def test_people_see_and_revoke_their_own_tokens_owners_all(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    developer = await _developer(accounts, owner)
    others = await accounts.tokens.create(owner, "others", [Scope.READ])
    mine = await accounts.tokens.create(developer, "mine", [Scope.READ])
    assert [token.name for token in (await accounts.tokens.page(developer)).items] == ["mine"]
    assert {token.name for token in (await accounts.tokens.page(owner)).items} == {"mine", "others"}
    with pytest.raises(Missing):
        await accounts.tokens.revoke(developer, others.token.id)
    await accounts.tokens.revoke(developer, mine.token.id)
    await accounts.tokens.revoke(owner, mine.token.id)
    with pytest.raises(Unauthenticated):
        await accounts.tokens.token(mine.secret)


async def test_the_token_cache_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dxops.rooms.accounts.tokens._CACHED", 2)
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    for number in range(4):
        made = await accounts.tokens.create(owner, f"t{number}", [Scope.READ])
        await accounts.tokens.token(made.secret)
    assert len(accounts.tokens._known) == 2
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await accounts.tokens.token(new_secret("dxo"))
    assert len(accounts.tokens._known) == 2


async def test_own_tokens_are_ensured_replaced_and_stay_revoked(database: Database) -> None:
    accounts = make_accounts(database)
    first, second = new_secret("dxo"), new_secret("dxo")
    for _ in range(2):
        assert await accounts.ensure_token("api", first, [Scope.READ, Scope.ADMIN])
    assert (await accounts.tokens.token(first)).name == "api"
    assert len((await accounts.tokens.page(SYSTEM)).items) == 1
    assert await accounts.ensure_token("api", first, [Scope.READ], environments=["dev"])
    actor = await accounts.tokens.token(first)
    assert (actor.scopes, actor.environments) == ({Scope.READ}, {"dev"})
    assert await accounts.ensure_token("api", second, [Scope.READ])
    with pytest.raises(Unauthenticated):
        await accounts.tokens.token(first)
    await accounts.tokens.revoke(SYSTEM, (await accounts.tokens.token(second)).id)
    assert not await accounts.ensure_token("api", second, [Scope.READ])


async def test_the_audit_log_can_only_grow(database: Database) -> None:
    accounts = make_accounts(database)
    await _owner(accounts)
    for statement in (
        "UPDATE accounts.audit SET actor_name = 'x'",
        "DELETE FROM accounts.audit",
        "DELETE FROM accounts.audit WHERE false",
        "TRUNCATE accounts.audit",
    ):
        with pytest.raises(Exception, match="append-only"):
            async with database.begin() as tx:
                await tx.execute(text(statement))


async def test_an_audit_line_stands_or_falls_with_its_transaction(database: Database) -> None:
    accounts = make_accounts(database)

    async def fails() -> None:
        async with database.begin() as tx:
            await accounts.audit.record(tx, SYSTEM, "release.promoted", "hello@prod")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert (await accounts.audit.entries(SYSTEM, AuditFilter())).items == []


async def test_the_audit_log_pages_and_filters(database: Database) -> None:
    clock = ManualClock()
    accounts = make_accounts(database, clock)
    for number in range(7):
        async with database.begin() as tx:
            subject = f"app{number % 2}@prod"
            await accounts.audit.record(
                tx, SYSTEM, f"release.{'flip' if number < 5 else 'drop'}", subject, {"n": number}
            )
        clock.advance(60)
    seen, cursor = [], None
    while True:
        page = await accounts.audit.entries(SYSTEM, AuditFilter(), cursor=cursor, limit=3)
        seen += [entry.detail["n"] for entry in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1, 0]

    async def numbers(wanted: AuditFilter) -> list[object]:
        return [entry.detail["n"] for entry in (await accounts.audit.entries(SYSTEM, wanted)).items]

    assert await numbers(AuditFilter(subject="app1@")) == [5, 3, 1]
    assert await numbers(AuditFilter(action="release.d")) == [6, 5]
    assert await numbers(AuditFilter(action="release_")) == []
    assert await numbers(AuditFilter(actor="nobody")) == []
    start = ManualClock().now()
    window = AuditFilter(since=start + timedelta(seconds=60), until=start + timedelta(seconds=180))
    assert await numbers(window) == [2, 1]
    for bad in ("x", "\x1f", "YWJj", "LTE"):
        with pytest.raises(Refused, match="cursor"):
            await accounts.audit.entries(SYSTEM, AuditFilter(), cursor=bad)


async def test_what_is_done_is_in_the_audit_log(database: Database) -> None:
    accounts = make_accounts(database)
    owner = await _owner(accounts)
    made = await accounts.tokens.create(owner, "ci", [Scope.READ])
    await accounts.people.add(owner, "ada", role=Role.VIEWER)
    await accounts.people.change(owner, "ada", PersonChange(role=Role.DEVELOPER))
    await accounts.people.remove(owner, "ada")
    await accounts.tokens.revoke(owner, made.token.id)
    lines = (await accounts.audit.entries(owner, AuditFilter(actor="admin"))).items
    assert [line.action for line in lines] == [
        "token.revoked",
        "person.removed",
        "person.changed",
        "person.added",
        "token.created",
        "session.opened",
    ]
    assert {line.ip for line in lines} == {"10.0.0.9"}
