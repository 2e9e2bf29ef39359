"""Every fault of a file at once, with its line."""

from __future__ import annotations

import pytest

from dxops.app.settings import Settings
from dxops.base.config import parse_config
from dxops.base.errors import ConfigFaults


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigFaults) as caught:
        parse_config(text, Settings)
    return [str(fault) for fault in caught.value.faults]


def test_an_empty_file_is_the_defaults() -> None:
    settings = parse_config("", Settings)
    assert [environment.name for environment in settings.environments] == ["prod", "staging", "dev"]
    assert settings.apps_port == 8080


def test_all_faults_at_once_with_lines() -> None:
    text = "\n".join(
        [
            'domian = "x"',  # 1
            "[listen]",  # 2
            'apps = "nowhere"',  # 3
            "[content]",  # 4
            'grace_hours = "soon"',  # 5
            "add_pin_days = -1",  # 6
            "[[environments]]",  # 7
            'name = "Prod"',  # 8
            'branch = "main"',  # 9
            "[[environments]]",  # 10
            'name = "b"',  # 11
        ]
    )
    found = faults_of(text)
    assert found == [
        "line 1: domian: unknown key; did you mean 'domain'?",
        "line 3: listen.apps: 'nowhere' is not an address like 127.0.0.1:8000",
        "line 5: content.grace_hours: Expected `float`, got `str`",
        "line 8: environments.0.name: must be a DNS label of at most 32 characters: a-z, 0-9 and -",
        "line 10: environments.1.branch: required",
    ]


def test_rules_that_span_sections() -> None:
    assert faults_of('default_environment = "nope"') == [
        "line 1: default_environment: 'nope' is not one of prod, staging, dev"
    ]


def test_broken_toml_says_where() -> None:
    assert "line 1" in faults_of("domain = = 1")[0]


def test_values_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_URL", "postgresql://u@h/d")
    assert parse_config('[postgres]\nurl = "env:SOME_URL"', Settings).postgres.url == "postgresql://u@h/d"
    assert faults_of('[postgres]\nurl = "env:NOT_SET_ANYWHERE"') == [
        "line 2: postgres.url: the environment variable NOT_SET_ANYWHERE is not set"
    ]
