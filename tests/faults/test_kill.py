"""`kill -9` in the middle of `dxops publish`: afterwards a host serves the release before or the new one, whole."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.faults.strikes import ROLES, STAGES, Battle
from tests.harness import System, running_system

pytestmark = [pytest.mark.fault, pytest.mark.system]

_LONG_ROUNDS = 5


@pytest.fixture(scope="module")
def own() -> Iterator[System]:
    with running_system() as running:
        yield running


@pytest.fixture(scope="module")
def battle(own: System, tmp_path_factory: pytest.TempPathFactory) -> Battle:
    return Battle(own, tmp_path_factory.mktemp("releases"))


@pytest.mark.parametrize("victim", [*ROLES, "all"])
def test_killed_at_every_stage(battle: Battle, victim: str) -> None:
    strike_all(battle, victim, random.Random(f"kill {victim}"))


@pytest.mark.slow
def test_killed_at_every_stage_again_and_again(battle: Battle) -> None:
    for number in range(_LONG_ROUNDS):
        for victim in (*ROLES, "all"):  # `all` last: a new supervisor has forgotten how often its roles crashed
            strike_all(battle, victim, random.Random(f"kill {victim} {number}"))


def strike_all(battle: Battle, victim: str, chance: random.Random) -> None:
    """One kill at each stage. A delay may carry one stage into the next, but nobody gets past the lock that `Watch`
    holds: three of the four are sure to meet the server while it releases."""
    before = len(battle.hits)
    for stage in STAGES:
        battle.strike(victim, stage, chance)
    hits = battle.hits[before:]
    assert sum(hit != "upload" for hit in hits) >= 3, hits
    assert hits[2:] == ["transaction", "flip"], hits
    battle.settle()
