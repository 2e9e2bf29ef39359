"""`kill -9` of ingest, loader and store under load: what was acknowledged is there once, with ids and without."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from tests.faults.spine import ROLES, Shipper, Spine, check, running_spine
from tests.harness import eventually

pytestmark = [pytest.mark.fault, pytest.mark.system]


@pytest.fixture(scope="module")
def spine() -> Iterator[Spine]:
    with running_spine("[spool]\nsegment_mb = 1\n") as running:
        yield running


def strike(spine: Spine, times: int) -> None:
    """Kill one role after another while shippers send; each time only after more was acknowledged, and loaded."""
    shippers = [
        Shipper(spine, f"{kind}{number}", f"kill-{kind}", with_ids=kind == "ids")
        for kind in ("ids", "plain")
        for number in range(3)
    ]
    for shipper in shippers:
        shipper.start()
    chance = random.Random(times)
    try:
        for number in range(times):
            more_acknowledged(shippers, 300)
            time.sleep(chance.random() * 0.3)
            role = ROLES[number % 3]
            spine.kill(role)
            spine.start(role)
    finally:
        for shipper in shippers:
            shipper.stop()
    spine.wait_drained(120)
    assert check(spine, shippers) > times * 300
    assert [each for each in shippers if each.doubtful], "no kill met a request under way"


def more_acknowledged(shippers: list[Shipper], count: int) -> None:
    before = sum(len(shipper.acknowledged) for shipper in shippers)
    eventually(lambda: sum(len(shipper.acknowledged) for shipper in shippers) > before + count, 60)


def test_nothing_acknowledged_is_lost_or_doubled(spine: Spine) -> None:
    strike(spine, 9)


@pytest.mark.slow
def test_a_hundred_kills_of_each(spine: Spine) -> None:
    strike(spine, 300)


def test_ingest_goes_on_while_the_store_is_away(spine: Spine) -> None:
    away(spine, 4.0)


@pytest.mark.slow
def test_ingest_goes_on_while_the_store_is_away_for_a_minute(spine: Spine) -> None:
    away(spine, 60.0)


def away(spine: Spine, for_s: float) -> None:
    """The answers come as if nothing was; what came meanwhile is there once the store is."""
    shippers = [Shipper(spine, f"away{number}", "away", with_ids=False) for number in range(2)]
    for shipper in shippers:
        shipper.start()
    eventually(lambda: all(shipper.acknowledged for shipper in shippers))
    spine.kill("store")
    begun = [len(shipper.acknowledged) for shipper in shippers]
    time.sleep(for_s)  # what is measured is what happens in this time
    meanwhile = [len(shipper.acknowledged) - before for shipper, before in zip(shippers, begun, strict=True)]
    for shipper in shippers:
        shipper.stop()
    assert min(meanwhile) > 100
    assert not any(shipper.doubtful or shipper.refused for shipper in shippers)
    assert max(shipper.longest_s for shipper in shippers) < 2.0
    assert not spine.drained()
    spine.start("store")
    spine.wait_drained()
    check(spine, shippers)
