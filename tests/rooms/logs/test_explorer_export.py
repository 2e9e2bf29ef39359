"""Exports: every line once, in pages, in a form that spreadsheets and programs read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import orjson
import pytest

from dxops.base.clock import ManualClock
from dxops.base.errors import Unavailable
from dxops.rooms.logs.explorer import Explorer
from dxops.rooms.logs.exporting import Export, csv_rows, exported
from dxops.rooms.logs.model import Selection
from dxops.rooms.logs.times import Times
from tests.rooms.logs.local import LocalStore
from tests.rooms.logs.served import explorer_client

NOON = 1_767_268_800_000
COUNT = 4_500  # more than two pages


@pytest.fixture(scope="module")
def store() -> Iterator[LocalStore]:
    with TemporaryDirectory() as directory:
        made = LocalStore(Path(directory))
        documents = [
            orjson.dumps({"message": f"=cmd {n}", "n": -n, "tags": ["a", "b"], "o": [{"x": 1}]}) for n in range(COUNT)
        ]
        made.add(documents, [NOON + n // 3 for n in range(COUNT)], "big")
        made.add([b'{"message": "two\\nlines, \\"quoted\\"",\r\n "n": 1}'], [NOON], "odd")
        yield made
        made.close()


@pytest.fixture
async def client(store: LocalStore) -> AsyncIterator[httpx.AsyncClient]:
    async with explorer_client(store, ManualClock(datetime.fromtimestamp(NOON / 1000 + 60, UTC))) as made:
        yield made


async def test_ndjson_has_every_line_once(client: httpx.AsyncClient) -> None:
    answer = await client.get("/export", params={"stream": "big", "order": "asc"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="logs.ndjson"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["_source"]["n"] for line in lines] == [-n for n in range(COUNT)]
    assert list(lines[0]) == ["@timestamp", "_index", "_id", "_source"]
    assert (lines[0]["@timestamp"], lines[0]["_index"]) == ("2026-01-01T12:00:00.000Z", "big")


async def test_a_document_with_line_breaks_stays_on_one_line(client: httpx.AsyncClient) -> None:
    answer = await client.get("/export", params={"stream": "odd"})
    assert answer.content.count(b"\n") == 1
    assert answer.json()["_source"] == {"message": 'two\nlines, "quoted"', "n": 1}


async def test_csv_is_read_back_and_runs_no_formula(client: httpx.AsyncClient) -> None:
    parameters = {
        "format": "csv",
        "columns": "@timestamp, message,n,tags,o.x,none",
        "order": "asc",
        "stream": ["big", "odd"],
    }
    answer = await client.get("/export", params=parameters)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["@timestamp", "message", "n", "tags", "o.x", "none"]
    assert rows[1] == ["2026-01-01T12:00:00.000Z", "'=cmd 0", "0", "a; b", "1", ""]
    assert rows[2][2] == "-1"
    assert ["2026-01-01T12:00:00.000Z", 'two\nlines, "quoted"', "1", "", "", ""] in rows
    assert len(rows) == COUNT + 2


async def test_the_limit_is_kept(client: httpx.AsyncClient) -> None:
    for limit in (1, 2_000, 2_001):
        answer = await client.get("/export", params={"stream": "big", "limit": limit})
        assert len(answer.text.splitlines()) == limit
    assert (await client.get("/export", params={"limit": 1_000_001})).status_code == 400
    assert (await client.get("/export", params={"columns": "a," * 101})).json()["error"]["field"] == "columns"
    assert (await client.get("/export", params={"query": "a:("})).json()["error"]["code"] == "bad_query"


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_run(cell: str) -> None:
    assert next(csv.reader(io.StringIO(csv_rows([[cell]]).decode(), newline=""))) == [f"'{cell}"]


@pytest.mark.parametrize("cell", ["-1", "+1.5e3", "a=b", "", "1-2", "ünï", "-inf"])
def test_what_it_would_not(cell: str) -> None:
    assert next(csv.reader(io.StringIO(csv_rows([[cell]]).decode(), newline="")), [""]) == [cell]


async def test_the_next_page_is_asked_for_when_this_one_is_taken_and_a_failure_is_said(store: LocalStore) -> None:
    class Failing:
        asked = 0

        async def query(self, sql, params=None, *, settings=None, query_id=None):  # type: ignore[no-untyped-def]
            self.asked += 1
            if self.asked > 1:
                raise Unavailable("the store is away")
            return await store.query(sql)

    failing = Failing()
    explorer = Explorer(failing, lambda: Times(lambda *_: None), str)
    pieces = exported(explorer, Selection(), Export(format="ndjson"), newest_first=True)
    first = await anext(pieces)
    assert (first.count(b"\n"), failing.asked) == (2_000, 1)
    assert json.loads(await anext(pieces))["error"]["message"] == "the store is away"
    assert [piece async for piece in pieces] == []
