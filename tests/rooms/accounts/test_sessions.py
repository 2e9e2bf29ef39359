"""Login, throttling, and the life of a session, on a real database."""

from __future__ import annotations

import asyncio
import time

import pytest

from dxops.base.actors import SYSTEM, Actor, Role
from dxops.base.clock import ManualClock
from dxops.base.errors import Missing, Refused, Throttled, Unauthenticated
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts import rules
from dxops.rooms.accounts.config import AccountsConfig
from dxops.rooms.accounts.model import AuditFilter, SignedIn
from dxops.rooms.accounts.passwords import Passwords
from dxops.rooms.accounts.service import Accounts
from tests.app.web_house import PASSWORD, make_accounts


async def _ready(database: Database, clock: ManualClock | None = None) -> Accounts:
    accounts = make_accounts(database, clock)
    await accounts.bootstrap(PASSWORD)
    return accounts


async def _login(
    accounts: Accounts, password: str = PASSWORD, *, name: str = "admin", ip: str | None = "10.0.0.1"
) -> SignedIn:
    return await accounts.sessions.login(name, password, ip=ip, user_agent="Firefox")


async def _actor(accounts: Accounts, secret: str) -> Actor:
    return (await accounts.sessions.resume(secret)).actor


async def test_unknown_wrong_and_overlong_are_told_alike(database: Database) -> None:
    accounts = await _ready(database)
    said = set()
    for name, password in (
        ("nobody", PASSWORD),
        ("admin", "wrong"),
        ("admin", "x" * 100_000),
        ("", ""),
        ("a\x00b", "x"),
    ):
        with pytest.raises(Unauthenticated) as refused:
            await _login(accounts, password, name=name, ip=None)
        said.add((refused.value.code, refused.value.message))
    assert said == {("login_failed", "name or password is wrong")}


async def test_an_unknown_name_costs_as_much_work_as_a_wrong_password() -> None:
    passwords = Passwords(memory_kib=8192, passes=3)
    stored = await passwords.hash(PASSWORD)
    await passwords.matches(None, "warm")

    async def cost(hashed: str | None) -> float:
        took = []
        for _ in range(5):
            start = time.process_time()
            assert not await passwords.matches(hashed, "wrong")
            took.append(time.process_time() - start)
        return min(took)

    known, unknown = await cost(stored), await cost(None)
    assert 0.3 < unknown / known < 3  # without the decoy it is below 0.01


async def test_hashes_move_to_new_parameters_at_login(database: Database) -> None:
    await (await _ready(database)).people.page(SYSTEM)
    stronger = Accounts(database, AccountsConfig(), ManualClock(), passwords=Passwords(memory_kib=128, passes=2))
    await _login(stronger)
    from dxops.rooms.accounts import repo

    async with database.begin() as tx:
        row = await repo.person_by(tx, name="admin")
    assert row is not None
    assert "m=128,t=2,p=1" in row.password_hash
    await _login(stronger)


async def test_guessing_at_a_name_slows_down_and_recovers(database: Database) -> None:
    clock = ManualClock()
    accounts = await _ready(database, clock)
    for number in range(rules.NAME_LIMIT.free):
        with pytest.raises(Unauthenticated):
            await _login(accounts, "wrong", ip=f"10.0.{number}.1")
    with pytest.raises(Throttled) as throttled:
        await _login(accounts, ip="10.9.9.9")  # the right password too: else the answer tells
    assert 0 < throttled.value.retry_after_s <= 1
    clock.advance(1)
    with pytest.raises(Unauthenticated):
        await _login(accounts, "wrong", ip="10.0.99.1")
    with pytest.raises(Throttled) as throttled:
        await _login(accounts)
    assert 1 < throttled.value.retry_after_s <= 2
    clock.advance(2)
    await _login(accounts)
    for _ in range(rules.NAME_LIMIT.free - 1):
        with pytest.raises(Unauthenticated):
            await _login(accounts, "wrong", ip=None)
    await _login(accounts)  # a good login starts the count anew


async def test_one_address_guessing_at_many_names_slows_down(database: Database) -> None:
    clock = ManualClock()
    accounts = await _ready(database, clock)
    for number in range(rules.IP_LIMIT.free):
        with pytest.raises(Unauthenticated):
            await _login(accounts, "wrong", name=f"name{number}", ip="10.0.0.66")
    with pytest.raises(Throttled):
        await _login(accounts, ip="10.0.0.66")
    await _login(accounts, ip="10.0.0.67")
    clock.advance(3601)
    await _login(accounts, ip="10.0.0.66")


async def test_the_count_holds_across_processes_and_for_tries_side_by_side(
    database: Database, database_url: str
) -> None:
    accounts = await _ready(database)
    other_database = Database(database_url, pool_size=4)
    other = make_accounts(other_database)
    tries = [_login(which, "wrong", ip=None) for which in (accounts, other) * 10]
    results = await asyncio.gather(*tries, return_exceptions=True)
    looked_at = sum(isinstance(result, Unauthenticated) for result in results)
    assert looked_at == rules.NAME_LIMIT.free
    assert sum(isinstance(result, Throttled) for result in results) == 20 - looked_at
    await other_database.close()


async def test_failed_logins_are_in_the_audit_log_without_what_was_typed(database: Database) -> None:
    accounts = await _ready(database)
    for name in ("admin", "my-password-typed-here"):
        with pytest.raises(Unauthenticated):
            await _login(accounts, "wrong", name=name)
    lines = (await accounts.audit.entries(SYSTEM, AuditFilter(action="session.refused"))).items
    assert [(line.actor_name, line.ip) for line in lines] == [("(unknown)", "10.0.0.1"), ("admin", "10.0.0.1")]


async def test_a_session_ends_by_idling(database: Database) -> None:
    clock = ManualClock()
    accounts = await _ready(database, clock)
    secret = (await _login(accounts)).secret
    for _ in range(3):
        clock.advance(11 * 3600)
        await accounts.sessions.resume(secret)
    clock.advance(12 * 3600)
    with pytest.raises(Unauthenticated, match="ended"):
        await accounts.sessions.resume(secret)


async def test_a_session_ends_by_age_however_busy(database: Database) -> None:
    clock = ManualClock()
    accounts = await _ready(database, clock)
    secret = (await _login(accounts)).secret
    for _ in range(14 * 24 - 1):
        clock.advance(3600)
        await accounts.sessions.resume(secret)
    clock.advance(3600)
    with pytest.raises(Unauthenticated, match="ended"):
        await accounts.sessions.resume(secret)


async def test_login_replaces_the_session_that_came_with_it(database: Database) -> None:
    accounts = await _ready(database)
    first = await _login(accounts)
    second = await accounts.sessions.login(
        "admin", PASSWORD, ip="10.0.0.1", user_agent="Firefox", replaces=first.secret
    )
    assert second.secret != first.secret
    with pytest.raises(Unauthenticated):
        await accounts.sessions.resume(first.secret)


async def test_people_list_and_end_their_own_sessions_only(database: Database) -> None:
    accounts = await _ready(database)
    await accounts.people.add(SYSTEM, "ada", role=Role.OWNER, password=PASSWORD)
    mine, second, hers = await _login(accounts), await _login(accounts), await _login(accounts, name="ada")
    actor = await _actor(accounts, mine.secret)
    listed = await accounts.sessions.own(actor, current=mine.session.id)
    assert {session.id: session.current for session in listed} == {mine.session.id: True, second.session.id: False}
    assert {(session.ip, session.user_agent) for session in listed} == {("10.0.0.1", "Firefox")}
    with pytest.raises(Missing):
        await accounts.sessions.revoke(actor, hers.session.id)
    await accounts.sessions.revoke(actor, second.session.id)
    with pytest.raises(Unauthenticated):
        await accounts.sessions.resume(second.secret)
    await accounts.sessions.resume(hers.secret)


async def test_logout_ends_the_session_itself(database: Database) -> None:
    accounts = await _ready(database)
    secret = (await _login(accounts)).secret
    await accounts.sessions.logout(secret)
    await accounts.sessions.logout(secret)
    with pytest.raises(Unauthenticated):
        await accounts.sessions.resume(secret)


async def test_changing_the_password_ends_every_session_but_the_new_one(database: Database) -> None:
    accounts = await _ready(database)
    mine, elsewhere = await _login(accounts), await _login(accounts)
    actor = await _actor(accounts, mine.secret)
    new = "a-quite-different-one"
    with pytest.raises(Refused, match="old password is wrong"):
        await accounts.sessions.change_password(actor, "wrong", new, ip=None, user_agent=None)
    with pytest.raises(Refused, match="at least 12"):
        await accounts.sessions.change_password(actor, PASSWORD, "short", ip=None, user_agent=None)
    fresh = await accounts.sessions.change_password(actor, PASSWORD, new, ip=None, user_agent=None)
    for secret in (mine.secret, elsewhere.secret):
        with pytest.raises(Unauthenticated):
            await accounts.sessions.resume(secret)
    await accounts.sessions.resume(fresh.secret)
    with pytest.raises(Unauthenticated):
        await _login(accounts)
    await _login(accounts, new)


async def test_guessing_the_old_password_is_throttled_too(database: Database) -> None:
    accounts = await _ready(database)
    actor = await _actor(accounts, (await _login(accounts)).secret)
    said = []
    for _ in range(rules.NAME_LIMIT.free + 1):
        with pytest.raises(Refused) as refused:
            await accounts.sessions.change_password(actor, "wrong", PASSWORD, ip=None, user_agent=None)
        said.append(type(refused.value))
    assert said == [Refused] * rules.NAME_LIMIT.free + [Throttled]


async def test_housekeeping_removes_what_is_over_and_nothing_else(database: Database) -> None:
    clock = ManualClock()
    accounts = await _ready(database, clock)
    await _login(accounts)
    with pytest.raises(Unauthenticated):
        await _login(accounts, "wrong", name="nobody")
    clock.advance(13 * 3600)
    live = await _login(accounts, ip="10.5.5.5")
    assert await accounts.housekeep() >= 3  # a session, a name, an address
    await accounts.sessions.resume(live.secret)
    assert await accounts.housekeep() == 0
