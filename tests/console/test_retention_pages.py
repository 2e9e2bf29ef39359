"""Retention: what is shown, the estimate before it is set, and who may set it."""

from __future__ import annotations

import httpx
import pytest

from dxops.base.errors import Refused
from dxops.console.plots import HEIGHT, WIDTH, stacked
from dxops.console.retention import limits_of, said
from dxops.rooms.logs.retention import Limits
from tests.console.conftest import enter
from tests.console.demo import DemoHouse


async def test_sizes_rules_and_money_are_shown(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    text = (await owner.get("/logs/retention")).text
    for shown in ("access-edge", "filebeat-9.1.0", "EUR", "everything", "grows", "Nothing is set", "14 %"):
        assert shown in text, shown
    assert text.index("access-edge</strong>") < text.index("logs-kube</strong>")
    by_name = (await owner.get("/logs/retention?sort=stream")).text
    assert by_name.index("audit</strong>") < by_name.index("logs-kube</strong>")
    assert (await owner.get("/logs/retention?sort=nonsense")).status_code == 200


async def test_an_estimate_comes_before_the_setting(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    htmx = {"hx-request": "true", "hx-target": "estimate"}
    piece = (await owner.get("/logs/retention/set?pattern=logs-*&days=9", headers=htmx)).text
    assert "<form" not in piece
    assert "2 streams: logs-composer-prod, logs-kube" in piece
    assert "Removed after ten minutes" in piece
    wrong = (await owner.get("/logs/retention/set?pattern=logs-*&days=soon", headers=htmx)).text
    assert "is not a number of days" in wrong
    none = (await owner.get("/logs/retention/set?pattern=other&gb=2", headers=htmx)).text
    assert "No stream that is there follows it" in none
    assert (await owner.get("/logs/retention/set?pattern=logs-*")).status_code == 200

    sent = await owner.post("/logs/retention/set", data={"pattern": "logs-*", "days": "9", "gb": ""})
    assert sent.headers["location"] == "/logs/retention?done=retention-set"
    (setting,) = (await house.keeping.overview()).settings
    assert (setting.pattern, setting.limits, setting.set_by) == ("logs-*", Limits(days=9), "admin")
    text = (await owner.get("/logs/retention?done=retention-set")).text
    assert "9 days" in text
    assert " go</span>" in text
    refused = await owner.post("/logs/retention/set", data={"pattern": "a b", "days": "9"})
    assert refused.status_code == 422
    gone = await owner.post("/logs/retention/set", data={"pattern": "logs-*", "do": "unset"})
    assert gone.headers["location"] == "/logs/retention?done=retention-unset"
    assert (await house.keeping.overview()).settings == []


async def test_viewers_look_and_a_store_that_is_away_says_so(house: DemoHouse, client: httpx.AsyncClient) -> None:
    await enter(client, "jonas")
    assert "Set by pattern" not in (await client.get("/logs/retention")).text
    assert (await client.get("/logs/retention/set?pattern=a")).status_code == 403
    assert (await client.post("/logs/retention/set", data={"pattern": "a", "days": "1"})).status_code == 403
    house.clock.advance(60)
    house.store.empty = True
    assert "No logs yet" in (await client.get("/logs/retention")).text
    house.clock.advance(60)
    house.store.away = True
    away = await client.get("/logs/retention")
    assert away.status_code == 503
    assert "does not answer" in away.text


@pytest.mark.parametrize(
    ("days", "gb", "found"),
    [
        ("", "", Limits()),
        ("7", "0,5", Limits(days=7, bytes=500_000_000)),
        ("0", " 20 ", Limits(days=0, bytes=20_000_000_000)),
    ],
)
def test_forms_are_read(days: str, gb: str, found: Limits) -> None:
    assert limits_of({"days": days, "gb": gb}) == found


@pytest.mark.parametrize(
    ("days", "gb"), [("-1", ""), ("1.5", ""), ("9" * 9, ""), ("", "0"), ("", "nan"), ("", "1e400")]
)
def test_nonsense_is_refused(days: str, gb: str) -> None:
    with pytest.raises(Refused):
        limits_of({"days": days, "gb": gb})


def test_limits_in_words() -> None:
    assert said(Limits(days=1, bytes=1_500_000_000, documents=5)) == "1 day, 1.5 GB, 5 documents"
    assert (said(Limits()), said(Limits(days=0))) == ("everything", "today only")


def test_bars_stay_in_their_box_and_stand_on_each_other() -> None:
    columns = stacked(["a", "b"], [[3, 1], [0, 0]])
    lower, upper = columns[0].bars
    assert (lower.y + lower.height, upper.y, upper.y + upper.height) == (HEIGHT, 0, lower.y)
    assert columns[1].bars == ()
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for column in columns for bar in column.bars)
