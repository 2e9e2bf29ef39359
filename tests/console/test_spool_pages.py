"""The spool's page, deciding about refused records, and the banner of every page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx

from dxops.base.spooled import RefusedBatch
from tests.console.conftest import enter
from tests.console.demo import DemoHouse


async def test_the_page_shows_counts_reasons_and_both_ways_out(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    text = (await owner.get("/system/spool")).text
    for shown in ("1,984,211", "1,200", "filebeat", "out of range for DateTime64", "Give all back", "12 · 0"):
        assert shown in text, shown
    assert text.count('<rect class="s1"') == 47
    piece = (await owner.get("/system/spool", headers={"hx-request": "true"})).text
    assert "<html" not in piece
    assert 'id="spool-live"' in piece
    record = (await owner.get("/system/spool/logs/records/51007")).text
    assert "&lt;b&gt;with markup&lt;/b&gt;" in record
    assert (await owner.get("/system/spool/logs/records/1")).status_code == 404


async def test_a_stream_that_waits_says_what_for(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    now = datetime.now(UTC)
    house.spool.refused = RefusedBatch(
        code="clickhouse_469", reason="the store refuses it: <b>constraint</b>", records=1_200, from_seq=77, tries=3,
        since=now - timedelta(seconds=65), next_try_at=now + timedelta(seconds=9),
        decided_at=now + timedelta(minutes=2),
    )  # fmt: skip
    text = (await owner.get("/system/spool")).text
    for shown in (
        "Refused 3 times",
        "&lt;b&gt;constraint",
        "clickhouse_469",
        "1,200 records",
        "Next try in",
        "number 77",
    ):
        assert shown in text, shown


async def test_an_empty_spool_says_how_to_fill_it(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    house.spool.empty = True
    text = (await owner.get("/system/spool")).text
    for shown in ("Nothing has arrived yet", "Not counted yet", "Nothing was refused"):
        assert shown in text, shown


async def test_giving_back_and_discarding_are_asked_for_first(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    asked = (await owner.get("/system/spool/logs/redrive")).text
    assert "3 records" in asked
    assert "in doubt" in asked
    sent = await owner.post("/system/spool/logs/redrive", data={"seq": "51007"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/system/spool?done=redriven")
    stale = await owner.post("/system/spool/logs/discard", data={"expected": "1"})
    assert stale.status_code == 422
    assert "there are 2 records now" in stale.text.lower()
    count = re.search(r'name="expected" value="(\d+)"', (await owner.get("/system/spool/logs/discard")).text)
    assert count is not None
    done = await owner.post("/system/spool/logs/discard", data={"expected": count[1]})
    assert done.headers["location"] == "/system/spool?done=discarded"
    assert house.spool.decided == [("redrive", [51_007]), ("discard", None)]
    assert (await owner.get("/system/spool/logs/burn")).status_code in (400, 404)


async def test_a_viewer_looks_and_does_not_decide(house: DemoHouse, client: httpx.AsyncClient) -> None:
    await enter(client, "jonas")
    page = await client.get("/system/spool")
    assert page.status_code == 200
    assert "Discard" not in page.text
    assert (await client.get("/system/spool/logs/discard")).status_code == 403
    assert (await client.post("/system/spool/logs/discard", data={"expected": "3"})).status_code == 403
    assert house.spool.decided == []


async def test_a_disk_that_fills_up_is_told_on_every_page(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    assert "nothing is taken in" not in (await owner.get("/people")).text
    house.spool.free_bytes = 1_000_000_000
    for path in ("/people", "/", "/system", "/console/troubles"):
        text = (await owner.get(path)).text
        assert "1,000 MB are free on the disk of the store" in text, path
        assert 'role="alert"' in text
