"""Names, labels, hosts, versions, rollback targets: pure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.base.errors import Refused
from dxops.rooms.delivery import rules
from dxops.rooms.delivery.config import AppConfig, DeliverySettings, EnvironmentConfig
from dxops.rooms.delivery.model import App, Deployment, Outcome, Reason

SETTINGS = DeliverySettings(domain="dxos.localhost", default_environment="dev")
RESERVED = rules.reserved_labels(SETTINGS)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def app(name: str, label: str) -> App:
    return App(name=name, label=label, created_at=NOW)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("composer", "composer"),
        ("Kai-Web", "kai-web"),
        ("example:app/tasks", "example-app-tasks"),
        ("kai_web", "kai-web"),
        ("a--b", "a-b"),
    ],
)
def test_a_label_is_the_name_as_a_dns_label(name: str, label: str) -> None:
    assert rules.host_label(name, set(), RESERVED) == label


def test_two_apps_with_one_slug_get_two_labels() -> None:
    first = rules.host_label("example:app/tasks", set(), RESERVED)
    second = rules.host_label("example/app:tasks", {first}, RESERVED)
    assert second.startswith("example-app-tasks-")
    assert second == rules.host_label("example/app:tasks", {first}, RESERVED)
    assert rules.host_label("example.app.tasks", {first, second}, RESERVED) not in {first, second}


@pytest.mark.parametrize("name", ["kube", "staging", "dev", "prod", "www", "ipfs", "ipns", "localhost", "KUBE", "dxos"])
def test_a_reserved_label_is_never_given(name: str) -> None:
    label = rules.host_label(name, set(), RESERVED)
    assert label not in RESERVED
    assert label.startswith(f"{name.lower()}-")


@given(st.text(min_size=1, max_size=rules.MAX_NAME), st.sets(st.sampled_from(["app", "a", "tasks", "x"])))
def test_every_name_gets_a_free_dns_label(name: str, taken: set[str]) -> None:
    label = rules.host_label(name, taken, RESERVED)
    assert label not in taken
    assert label not in RESERVED
    assert len(label) <= 63
    assert all(c in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in label)
    assert not label.startswith("-")
    assert not label.endswith("-")
    assert "--" not in label


@pytest.mark.parametrize(
    "name", ["", "..", "a/../b", "/abs", "a//b", "a/", ":a", "a\x00b", "a\nb", " a", "a\u202eb", "x" * 201, "a\\..\\b"]
)
def test_a_hostile_name_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        rules.check_app_name(name)


@pytest.mark.parametrize("name", ["a", "example:app/tasks", "Über", "x" * 200, "@scope/app"])
def test_a_plain_name_is_taken(name: str) -> None:
    assert rules.check_app_name(name) == name


def test_hosts_are_those_of_the_architecture() -> None:
    table = rules.hosts([app("composer", "composer")], SETTINGS)
    found = {name: (host.via, host.environment, host.app) for name, host in table.items()}
    assert found == {
        "composer.dxos.localhost": ("edge", "prod", "composer"),
        "composer.staging.dxos.localhost": ("edge", "staging", "composer"),
        "composer.dev.dxos.localhost": ("edge", "dev", "composer"),
        "composer.kube.dxos.localhost": ("origin", "prod", "composer"),
        "composer.staging.kube.dxos.localhost": ("origin", "staging", "composer"),
        "composer.dev.kube.dxos.localhost": ("origin", "dev", "composer"),
        "composer.localhost": ("local", "dev", "composer"),
        "kube.dxos.localhost": ("kube", "prod", None),
        "staging.kube.dxos.localhost": ("kube", "staging", None),
        "dev.kube.dxos.localhost": ("kube", "dev", None),
        "localhost": ("kube", "dev", None),
        "127.0.0.1": ("kube", "dev", None),
        "[::1]": ("kube", "dev", None),
    }


def test_an_environment_added_later_is_not_shadowed_by_an_app() -> None:
    more = DeliverySettings(
        domain="dxos.org",
        default_environment="prod",
        environments=(
            EnvironmentConfig(name="prod", branch="production", label=""),
            EnvironmentConfig(name="qa", branch="qa"),
        ),
    )
    assert rules.hosts([app("qa", "qa")], more)["qa.kube.dxos.org"].app is None


def test_urls_name_the_port_unless_it_is_the_scheme_s() -> None:
    assert rules.urls("a", SETTINGS.environments[2], SETTINGS) == (
        "http://a.dev.dxos.localhost:8080",
        "http://a.dev.kube.dxos.localhost:8080",
        "http://a.localhost:8080",
    )
    public = DeliverySettings(domain="dxos.org", default_environment="dev", public_scheme="https", public_port=443)
    assert rules.urls("a", public.environments[0], public) == ("https://a.dxos.org", "https://a.kube.dxos.org")


def test_the_version_is_declared_else_built_else_the_commit_else_the_content() -> None:
    record = {"build": {"version": "0.1.2"}}
    assert rules.version_of("1.0.0", record, "abcdef0123", "bafyxyz12345678") == "1.0.0"
    assert rules.version_of(None, record, "abcdef0123", "bafyxyz12345678") == "0.1.2"
    assert rules.version_of(None, {}, "abcdef0123", "bafyxyz12345678") == "abcdef01"
    assert rules.version_of(None, {"build": None}, None, "bafyxyz12345678") == "12345678"
    for hostile in ("../x", "a b", "a\n", "<b>", "v" * 129):
        with pytest.raises(Refused):
            rules.version_of(hostile, {}, None, "bafy")


def test_a_branch_has_its_environment() -> None:
    def named(branch: str) -> str | None:
        found = rules.environment_of_branch(branch, SETTINGS.environments)
        return found and found.name

    assert named("main") == "dev"
    assert named("refs/heads/production") == "prod"
    assert named("staging") == "staging"
    assert named("feature/x") is None
    assert named("HEAD") is None


def test_a_build_gets_the_environment_and_the_app_s_variables() -> None:
    config = AppConfig(sentry_dsn="dsn", segment_key="key", env={"A": "1", "B": "1"}, environments={"prod": {"B": "2"}})
    assert rules.build_env(config, SETTINGS.environments[0]) == {
        "DX_ENVIRONMENT": "production",
        "DX_SENTRY_DESTINATION": "dsn",
        "DX_TELEMETRY_API_KEY": "key",
        "A": "1",
        "B": "2",
    }
    assert rules.build_env(None, SETTINGS.environments[2]) == {"DX_ENVIRONMENT": "development"}


def steps(*moves: str) -> list[Deployment]:
    """`publish A`, `rollback A`, `reset`, `superseded A`, …"""
    history = []
    for move in moves:
        verb, _, release = move.partition(" ")
        outcome = Outcome(verb) if verb in ("superseded", "refused") else Outcome.DONE
        history.append(
            Deployment(
                id="dep",
                app="a",
                environment="dev",
                reason=Reason.PUBLISH if outcome is not Outcome.DONE else Reason(verb),
                outcome=outcome,
                actor="x",
                started_at=NOW,
                finished_at=NOW,
                to_release=release or None,
            )
        )
    return history


@pytest.mark.parametrize(
    ("moves", "target"),
    [
        ([], None),
        (["publish A"], None),
        (["publish A", "publish B"], "A"),
        (["publish A", "publish B", "publish C", "rollback B"], "A"),
        (["publish A", "publish B", "publish C", "rollback A"], None),
        (["publish A", "publish B", "rollback A", "publish D"], "A"),
        (["publish A", "publish B", "superseded X", "refused Y"], "A"),
        (["publish A", "publish B", "reset"], "B"),
        (["publish A", "publish B", "reset", "rollback B"], "A"),
        (["publish A", "publish B", "publish A"], "B"),
    ],
)
def test_a_rollback_goes_one_step_back(moves: list[str], target: str | None) -> None:
    assert rules.rollback_target(steps(*moves), {"A", "B", "C", "D"}) == target


def test_a_rollback_passes_over_what_was_given_up() -> None:
    assert rules.rollback_target(steps("publish A", "publish B", "publish C"), {"A", "C"}) == "A"
    assert rules.rollback_target(steps("publish A", "publish B"), {"B"}) is None


def test_health_is_of_both_links() -> None:
    assert rules.health_of([]) == "unknown"
    assert rules.health_of([True, True]) == "up"
    assert rules.health_of([True, False]) == "degraded"
    assert rules.health_of([False, False]) == "down"


def test_a_label_of_an_environment_may_not_hide_a_service() -> None:
    assert list(EnvironmentConfig(name="kube", branch="k").faults())
