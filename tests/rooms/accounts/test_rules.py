"""The room's decisions, without anything around them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.base.actors import Role, Scope
from dxops.rooms.accounts import rules
from dxops.rooms.accounts.names import name_fault

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", ["a", "ada", "ada.l-0_x", "x" * 63])
def test_good_names(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize("name", ["", "Ada", "-a", "a-", "a b", "a/b", "..", "a\n", "é", "x" * 64])
def test_bad_names(name: str) -> None:
    assert name_fault(name)


@pytest.mark.parametrize(
    "email", ["", "ada", "@x", "a@", "a b@x.org", "a@b@c", "a@-x.org", "a@x.org\n", "a" * 65 + "@x.org"]
)
def test_bad_mail_addresses(email: str) -> None:
    assert rules.email_fault(email)


def test_passwords() -> None:
    assert rules.password_fault("correct-horse-battery", "ada") is None
    for bad in ("short", "aaaaaaaaaaaaaa", "adalovelace123", "x" * 300):
        assert rules.password_fault(bad, "adalovelace"), bad
    assert rules.normal_password("ﬁne") == b"fine"


def test_waits_double_and_end() -> None:
    waits = [rules.wait_s(failures, rules.Limit(3, 60.0)) for failures in range(1, 12)]
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert rules.wait_s(10**9, rules.IP_LIMIT) == 900


def test_an_ipv6_network_counts_as_one() -> None:
    keys = [set(rules.throttle_keys("Ada", ip)) for ip in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1")]
    assert keys[0] == keys[1] != keys[2]
    assert rules.throttle_keys("ada", "::ffff:10.0.0.1").keys() == rules.throttle_keys("ADA", "10.0.0.1").keys()


def test_sessions_end_by_idling_and_by_age() -> None:
    def over(seen_hours_ago: float, hours_left: float) -> bool:
        seen, end = NOW - timedelta(hours=seen_hours_ago), NOW + timedelta(hours=hours_left)
        return rules.session_over(NOW, seen_at=seen, expires_at=end, idle_s=3600)

    assert not over(0.9, 1)
    assert over(1, 1)
    assert over(0.1, 0)


def test_a_token_never_may_more_than_its_person() -> None:
    wanted = [Scope.READ, Scope.ADMIN, Scope.PUBLISH]
    assert rules.token_scopes(wanted, Role.VIEWER) == {Scope.READ}
    assert rules.token_scopes(wanted, None) == set(wanted)


@given(asked=st.none() | st.lists(st.sampled_from("abcd")), allowed=st.none() | st.frozensets(st.sampled_from("abcd")))
def test_limits_never_widen(asked: list[str] | None, allowed: frozenset[str] | None) -> None:
    try:
        given_limit = rules.narrowed(asked, allowed)
    except ValueError:
        assert asked is not None
        assert allowed is not None
        assert set(asked) - allowed
        return
    if allowed is not None:
        assert given_limit is not None
        assert set(given_limit) <= allowed
    if asked is not None:
        assert set(given_limit or ()) == set(asked)


def test_the_strongest_mapped_role_holds() -> None:
    roles = {"ops": "owner", "web": "developer"}
    assert rules.mapped_role(["web", "ops", 7], roles) is Role.OWNER
    assert rules.mapped_role("web", roles) is Role.DEVELOPER
    assert rules.mapped_role({"ops": 1}, roles) is None


@given(st.text())
def test_names_from_providers_are_names_or_nothing(text: str) -> None:
    name = rules.safe_name(text)
    assert name == "" or name_fault(name) is None
