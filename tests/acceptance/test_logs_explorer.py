"""The log explorer's API and `dxops logs` on a running system: what goes to port 9200 is found and followed."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.harness import System, eventually

pytestmark = pytest.mark.system

STREAM = "explored-logs"


def bulk(system: System, documents: list[dict[str, Any]], stream: str = STREAM) -> None:
    """Acknowledged on return."""
    body = "".join(f'{{"create":{{"_index":"{stream}"}}}}\n{json.dumps(each)}\n' for each in documents)
    password = (system.data / "secrets" / "elastic_password").read_text().strip()
    answer = httpx.post(
        f"http://{system.listen['elastic']}/_bulk",
        content=body,
        headers={"content-type": "application/x-ndjson"},
        auth=("elastic", password),
        timeout=40,
    )
    assert not answer.json()["errors"], answer.text


@contextmanager
def client(system: System) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {system.api_token}"}
    with httpx.Client(base_url=f"http://{system.listen['console']}/api/logs", headers=headers, timeout=40) as made:
        yield made


@pytest.fixture(scope="module")
def sent(system: System) -> System:
    bulk(system, [{"message": f"order {n} paid", "log.level": "WARN" if n % 2 else "info", "n": n} for n in range(40)])
    with client(system) as api:
        eventually(lambda: api.get("/search", params={"stream": STREAM}).json()["total"] == 40)
    return system


def test_search_and_histogram(sent: System) -> None:
    with client(sent) as api:
        found = api.get("/search", params={"query": "level:warn and n < 10", "stream": "explored-*"}).json()
        assert sorted(line["source"]["n"] for line in found["items"]) == [1, 3, 5, 7, 9]
        bars = api.get("/histogram", params={"stream": STREAM, "query": "order"}).json()
        assert {level: sum(counts) for level, counts in bars["series"].items()} == {"info": 20, "warn": 20}
        (stream,) = [each for each in api.get("/streams").json()["items"] if each["name"] == STREAM]
        assert stream["documents"] == 40
        assert stream["bytes"] > 0
        line = found["items"][0]
        assert api.get(f"/lines/{STREAM}/{line['seq']}", params={"ts_ms": line["ts_ms"]}).json() == line


def test_an_export_of_the_whole_stream(sent: System) -> None:
    with client(sent) as api:
        answer = api.get("/export", params={"stream": STREAM, "format": "csv", "columns": "n,level"})
        rows = list(csv.reader(io.StringIO(answer.text)))
        assert sorted(int(row[0]) for row in rows[1:]) == list(range(40))


def test_a_search_that_would_run_for_ever_is_ended(sent: System) -> None:
    with client(sent) as api:
        for query in ("message:/(((((a*)*)*)*)*)*b/", "message:/" + "(x?){400}" + "/"):
            answer = api.get("/search", params={"query": query, "lang": "lucene", "stream": STREAM})
            assert answer.status_code in (200, 400, 413), answer.text
            assert answer.elapsed.total_seconds() < 25
            if answer.status_code != 200:
                assert answer.json()["error"]["code"] in ("bad_query", "timeout", "too_large")


def test_the_time_from_acknowledgement_to_a_live_tail(sent: System) -> None:
    took: list[float] = []
    with client(sent) as api, api.stream("GET", "/tail", params={"query": "fresh", "stream": STREAM}) as answer:
        lines = answer.iter_lines()
        next(line for line in lines if line.startswith("event: state"))
        for _ in range(5):
            bulk(sent, [{"message": "a fresh line"}])
            acknowledged = time.monotonic()
            next(line for line in lines if line.startswith("event: lines"))
            took.append(time.monotonic() - acknowledged)
    assert sorted(took)[2] < 1.0, took


def test_lines_in_the_terminal(sent: System) -> None:
    text = sent.dxops(
        "logs", "order and level:warn", "--stream", STREAM, "--limit", "3", "--columns", "level,n,message"
    )
    assert text.splitlines()[-1].startswith("warn\t")
    assert len(text.splitlines()) == 3
    objects = [json.loads(line) for line in sent.dxops("logs", "n:7", "--stream", STREAM, "--json").splitlines()]
    assert [each["source"]["n"] for each in objects] == [7]
    assert "n\tnumber\t40" in sent.dxops("logs", "--fields", "--stream", STREAM)
    assert "warn\t20" in sent.dxops("logs", "order", "--values", "level", "--stream", STREAM)
    counted = [
        row.split("\t")[1] for row in sent.dxops("logs", "order", "--histogram", "--stream", STREAM).splitlines()
    ]
    assert sum(map(int, counted[1:])) == 40


def test_a_query_that_cannot_be_read_shows_where(sent: System) -> None:
    done = sent.try_dxops("logs", "level:(warn or ")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[:3] == [
        "error: Expected a value, found the end",
        "  level:(warn or ",
        "                 ^",
    ]
    assert sent.try_dxops("logs", "--lang", "sql").returncode == 1


def test_following_shows_what_was_there_and_what_arrives(sent: System) -> None:
    command = [sys.executable, "-m", "dxops.app", "logs", "followed", "--stream", STREAM, "-f", "--json"]
    bulk(sent, [{"message": "followed before", "k": 0}])
    with client(sent) as api:
        eventually(lambda: api.get("/search", params={"stream": STREAM, "query": "followed"}).json()["total"] == 1)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DXOPS_")}
    process = subprocess.Popen(
        [*command, "--data", str(sent.data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["source"]["k"] == 0
        for n in range(1, 6):
            bulk(sent, [{"message": "followed after", "k": n}, {"message": "something else", "k": n}])
        seen = [json.loads(process.stdout.readline())["source"]["k"] for _ in range(5)]
        assert seen == [1, 2, 3, 4, 5]
    finally:
        process.terminate()
        process.communicate(timeout=10)
