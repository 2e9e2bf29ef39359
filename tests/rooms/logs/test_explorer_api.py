"""`/api/logs` on real rows in a real ClickHouse: what it finds, what it says, what it refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from dxops.base.actors import Actor, Scope
from dxops.base.clock import ManualClock
from dxops.rooms.logs.model import Selection
from dxops.rooms.logs.service import Logs
from dxops.wire.elastic.names import Known
from tests.rooms.logs.local import LocalStore
from tests.rooms.logs.served import VIEWER, explorer_client

NOON = 1_767_268_800_000
NOW = datetime.fromtimestamp(NOON / 1000 + 60, UTC)


def document(n: int) -> dict[str, Any]:
    return {
        "message": f"user {n} logged in from 10.0.0.{n}",
        "log": {"level": "WARNING" if n % 4 == 0 else "info"},
        "n": n,
        "tags": ["odd", "any"] if n % 2 else ["even"],
        "service": {"name": "api" if n % 3 else "web"},
    }


@pytest.fixture(scope="module")
def store() -> Iterator[LocalStore]:
    with TemporaryDirectory() as directory:
        made = LocalStore(Path(directory))
        made.add([orjson.dumps(document(n)) for n in range(60)], [NOON + 1000 * n for n in range(60)], "app-logs")
        made.add([b'{"msg": "other",\n "big": 12345678901234567890}'], [NOON + 30_500], "other-logs")
        yield made
        made.close()


@pytest.fixture
async def client(store: LocalStore) -> AsyncIterator[httpx.AsyncClient]:
    async with explorer_client(store, ManualClock(NOW)) as made:
        yield made


async def got(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(client: httpx.AsyncClient, path: str, **parameters: Any) -> dict[str, Any]:
    answer = await client.get(path, params=parameters)
    assert answer.status_code >= 400, answer.text
    return {"status": answer.status_code, **answer.json()["error"]}


def numbers(found: dict[str, Any]) -> list[int]:
    return [line["source"]["n"] for line in found["items"]]


async def test_pages_go_through_every_line_once_in_any_order(client: httpx.AsyncClient) -> None:
    for order, sort in (("desc", ""), ("asc", ""), ("desc", "n"), ("asc", "service.name"), ("asc", "level")):
        seen: list[str] = []
        after = None
        while True:
            found = await got(
                client,
                "/search",
                limit=23,
                order=order,
                sort=sort,
                stream="app-*",
                **({"after": after} if after else {}),
            )
            seen += [line["seq"] for line in found["items"]]
            after = found["next"]
            if after is None:
                break
        assert len(seen) == len(set(seen)) == 60, (order, sort)
    assert numbers(await got(client, "/search", sort="n", order="asc", limit=3, query="n:*")) == [0, 1, 2]


async def test_the_total_is_exact_or_says_that_it_is_not(client: httpx.AsyncClient) -> None:
    found = await got(client, "/search", limit=5)
    assert (found["total"], found["total_relation"]) == (61, "eq")
    found = await got(client, "/search", limit=5, count=10)
    assert (found["total"], found["total_relation"]) == (10, "gte")
    found = await got(client, "/search", limit=5, count=0)
    assert found["total"] is None
    found = await got(client, "/search", limit=500, query="message:user", count=10)
    assert (found["total"], found["total_relation"], found["next"]) == (60, "eq", None)


async def test_a_line_is_the_document_as_it_was_sent(client: httpx.AsyncClient) -> None:
    answer = await client.get("/search", params={"stream": "other-logs"})
    assert '"source":{"msg": "other",  "big": 12345678901234567890}' in answer.text
    line = answer.json()["items"][0]
    assert (line["time"], line["message"], line["stream"]) == ("2026-01-01T12:00:30.500Z", "other", "other-logs")
    assert line["seq"] == "61"


@pytest.mark.parametrize(
    ("query", "lang", "count"),
    [
        ("level:warning", "kql", 15),
        ("level:WARN or level:fatal", "kql", 15),
        ("not level:warn", "kql", 46),
        ("level:w*", "kql", 15),
        ("level:*", "kql", 60),
        ("log.level:WARNING", "kql", 15),
        ("service:web and level:info", "kql", 15),
        ("host:*", "kql", 0),
        ("LEVEL:warn", "kql", 0),
        ("level:(WARNING OR error)", "lucene", 15),
        ("NOT level:warn", "lucene", 46),
        ("_exists_:level", "lucene", 60),
        ("   ", "lucene", 61),
    ],
)
async def test_level_service_host_and_environment_mean_their_columns(
    client: httpx.AsyncClient, query: str, lang: str, count: int
) -> None:
    assert (await got(client, "/search", query=query, lang=lang))["total"] == count


@pytest.mark.parametrize(
    ("pill", "count"),
    [
        ({"op": "is", "field": "level", "value": "warn"}, 15),
        ({"op": "is_not", "field": "level", "value": "warn"}, 46),
        ({"op": "is", "field": "tags", "value": "odd"}, 30),
        ({"op": "one_of", "field": "n", "values": [1, 2, "3"]}, 3),
        ({"op": "not_one_of", "field": "n", "values": [1, 2, 3]}, 58),
        ({"op": "exists", "field": "msg"}, 1),
        ({"op": "not_exists", "field": "msg"}, 60),
        ({"op": "range", "field": "n", "gte": 10, "lt": 20}, 10),
        ({"op": "not_range", "field": "n", "gte": 10}, 11),
        ({"op": "range", "field": "@timestamp", "gte": "2026-01-01T12:00:59Z"}, 1),
        ({"op": "is", "field": "message", "value": "user 7 logged in from 10.0.0.7"}, 1),
        ({"op": "is", "field": "it's", "value": "' OR 1=1 --"}, 0),
    ],
)
async def test_filters(client: httpx.AsyncClient, pill: dict[str, Any], count: int) -> None:
    assert (await got(client, "/search", filter=json.dumps(pill)))["total"] == count


async def test_filters_and_query_hold_together(client: httpx.AsyncClient) -> None:
    pills = [json.dumps({"field": "tags", "op": "is", "value": tag}) for tag in ("odd", "any")]
    assert (await got(client, "/search", filter=pills, query="n < 10"))["total"] == 5


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"from": "now-30s"}, 31),
        ({"from": "2026-01-01T12:00:10Z", "to": "2026-01-01T12:00:20Z"}, 10),
        ({"from": str(NOON + 10_000), "to": str(NOON + 20_000)}, 10),
        ({"from": "now/d", "to": "now/d"}, 61),
        ({"from": "2026-01-01", "to": "2026-01-01"}, 61),
        ({"from": "2026-01-01T13:00", "to": "2026-01-01T14:00", "tz": "Europe/Berlin"}, 61),
        ({"from": "now-1d/d", "to": "now-1d/d"}, 0),
        ({"stream": "other*"}, 1),
        ({"stream": ["app-logs", "other-logs"]}, 61),
        ({"stream": "-app-*"}, 1),
        ({"stream": "nothing"}, 0),
        ({"stream": "*,-other-logs"}, 60),
    ],
)
async def test_times_and_streams(client: httpx.AsyncClient, parameters: dict[str, Any], count: int) -> None:
    assert (await got(client, "/search", **parameters))["total"] == count


async def test_what_to_highlight(client: httpx.AsyncClient) -> None:
    found = await got(client, "/search", query='message:"logged in" and level:warn and not api and us*')
    assert found["terms"] == [
        {"field": "message", "text": "logged in", "prefix": False},
        {"field": "level", "text": "warn", "prefix": False},
        {"field": None, "text": "us", "prefix": True},
    ]


@pytest.mark.parametrize(
    ("query", "lang", "position", "length"),
    [
        ("level:(a or", "kql", 11, 0),
        ('message:"open', "kql", 13, 0),
        ("a b:c d:e", "kql", 7, 1),
        ("level:[1 TO", "lucene", 6, 2),
        ("a AND", "lucene", 5, 0),
    ],
)
async def test_a_query_that_cannot_be_read_says_where(
    client: httpx.AsyncClient, query: str, lang: str, position: int, length: int
) -> None:
    for path in ("/search", "/histogram", "/tail"):
        error = await refused(client, path, query=query, lang=lang)
        assert (error["status"], error["code"], error["field"]) == (400, "bad_query", "query")
        assert (error["position"], error["length"]) == (position, length), error


async def test_what_the_store_cannot_be_asked_is_a_fault_of_the_query(client: httpx.AsyncClient) -> None:
    error = await refused(client, "/search", query="message:/a~b/", lang="lucene")
    assert (error["status"], error["code"], error["field"]) == (400, "bad_query", "query")
    assert "position" not in error


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "now", "to": "now-1m"}, "from"),
        ({"tz": "Mars/Base"}, "tz"),
        ({"filter": "nonsense"}, "filter"),
        ({"filter": '{"field": "a", "op": "is"}'}, "filter"),
        ({"filter": '{"field": "a", "op": "range"}'}, "filter"),
        ({"filter": '{"field": "", "op": "exists"}'}, "filter"),
        ({"after": "bm9uc2Vuc2U"}, "after"),
        ({"after": "W10"}, "after"),
        ({"limit": 10_001}, "limit"),
        ({"lang": "sql"}, "lang"),
    ],
)
async def test_what_is_refused_names_the_parameter(
    client: httpx.AsyncClient, parameters: dict[str, Any], field: str
) -> None:
    error = await refused(client, "/search", **parameters)
    assert (error["status"], error["field"]) == (400, field), error


async def test_a_cursor_belongs_to_its_order(client: httpx.AsyncClient) -> None:
    cursor = (await got(client, "/search", limit=5))["next"]
    error = await refused(client, "/search", limit=5, order="asc", after=cursor)
    assert (error["status"], error["field"]) == (400, "after")


async def test_a_histogram(client: httpx.AsyncClient) -> None:
    found = await got(client, "/histogram", **{"from": "now-1m"}, buckets=6)
    assert (found["start_ms"], found["interval_ms"], found["total"]) == (NOON, 10_000, 61)
    assert found["series"]["warn"] == [3, 2, 3, 2, 3, 2]
    assert list((await got(client, "/histogram", by=""))["series"]) == [""]
    assert set((await got(client, "/histogram", by="service.name"))["series"]) == {"api", "web", ""}
    assert (await refused(client, "/histogram", interval_ms=1))["field"] == "interval"


async def test_fields_begin_with_the_columns(client: httpx.AsyncClient) -> None:
    found = {field["name"]: field for field in (await got(client, "/fields"))["items"]}
    assert [name for name, field in found.items() if field["column"]] == ["level", "service"]
    assert (found["n"]["kinds"], found["n"]["documents"], found["n"]["conflict"]) == (["number"], 60, False)
    only = (await got(client, "/fields", stream="other-logs"))["items"]
    assert {field["name"] for field in only} == {"big", "msg"}


async def test_values_of_a_field(client: httpx.AsyncClient) -> None:
    found = await got(client, "/fields/level/values")
    assert found["values"] == [{"value": "info", "count": 45}, {"value": "warn", "count": 15}]
    assert (found["documents"], found["having"], found["distinct"], found["sampled"]) == (61, 60, 2, False)
    assert found["numbers"] is None
    found = await got(client, "/fields/tags/values")
    assert {each["value"]: each["count"] for each in found["values"]} == {"even": 30, "odd": 30, "any": 30}
    found = await got(client, "/fields/service.name/values", prefix="A", query="n < 3")
    assert found["values"] == [{"value": "api", "count": 2}]
    found = (await got(client, "/fields/n/values"))["numbers"]
    assert (found["count"], found["least"], found["greatest"]) == (60, 0, 59)
    assert (await got(client, "/fields/a%2Fb/values"))["values"] == []


async def test_patterns_have_a_query_that_finds_their_lines(client: httpx.AsyncClient) -> None:
    found = await got(client, "/patterns", stream="app-logs")
    (pattern,) = found["items"]
    assert (pattern["template"], pattern["count"], found["sampled"]) == ("user <*> logged in from <*>", 60, False)
    assert (await got(client, "/search", query=pattern["query"]))["total"] == 60


async def test_lines_around_a_line(client: httpx.AsyncClient) -> None:
    found = await got(client, "/around", stream="app-logs", ts_ms=NOON + 20_000, seq="21", count=3)
    assert numbers(found) == [17, 18, 19, 20, 21, 22, 23]
    assert found["at"] == 3
    found = await got(client, "/around", stream="app-logs", ts_ms=NOON + 20_500, seq="999", count=1)
    assert found["at"] is None


async def test_the_address_of_a_line(client: httpx.AsyncClient) -> None:
    line = await got(client, "/lines/app-logs/21", ts_ms=NOON + 20_000)
    assert line["source"]["n"] == 20
    assert await got(client, "/lines/app-logs/21") == line
    for path in ("/lines/app-logs/99999", "/lines/other-logs/21", "/lines/none/21"):
        error = await refused(client, path)
        assert (error["status"], error["code"]) == (404, "missing")
        assert "retention" in error["hint"]


async def test_who_may_not_read_sees_nothing(store: LocalStore) -> None:
    paths = ("/search", "/histogram", "/fields", "/fields/n/values", "/patterns", "/tail", "/lines/app-logs/21")
    limited = msgspec.structs.replace(VIEWER, apps=frozenset({"hello"}))
    for actor, status in ((None, 401), (msgspec.structs.replace(VIEWER, scopes=frozenset()), 403), (limited, 403)):
        async with explorer_client(store, ManualClock(NOW), actor) as client:
            for path in paths:
                assert (await client.get(path)).status_code == status, path


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("kql", "lev", ("field", "level", "level:", [0, 3])),
        ("kql", "LOG", ("field", "log.level", "log.level:", [0, 3])),
        ("kql", "level", ("operator", ":", ":", [5, 5])),
        ("kql", "n ", ("operator", ">=", " >= ", [2, 2])),
        ("kql", "level:", ("value", "info", "info", [6, 6])),
        ("kql", "level:W", ("value", "warn", "warn", [6, 7])),
        ("kql", "service:(api or w", ("value", "web", "web", [16, 17])),
        ("kql", "level:warn ", ("keyword", "and", "and ", [11, 11])),
        ("kql", "level:warn o", ("keyword", "or", "or ", [11, 12])),
        ("lucene", "serv", ("field", "service", "service:", [0, 4])),
        ("lucene", "-lev", ("field", "level", "level:", [1, 4])),
        ("lucene", "service:(api OR w", ("value", "web", "web", [16, 17])),
        ("lucene", "level:warn A", ("keyword", "AND", "AND ", [11, 12])),
        ("lucene", "n", ("operator", ":>=", ":>=", [1, 1])),
    ],
)
async def test_completion(client: httpx.AsyncClient, lang: str, text: str, expected: tuple[object, ...]) -> None:
    items = (await got(client, "/complete", lang=lang, text=text, cursor=len(text)))["items"]
    assert expected in [(item["kind"], item["label"], item["insert"], item["replace"]) for item in items], items
    assert all(item["about"] for item in items)


async def test_what_is_completed_can_be_read(store: LocalStore) -> None:
    names = ["a b", "and", "x:y", 'q"q', "not", "-dash", "s*r", "back\\slash", "(p)", "ünï", "OR"]
    store.add([orjson.dumps({"odd": name}) for name in names], [NOON - 5 * 86_400_000] * len(names), "odd-values")
    where = {"stream": "odd-values", "from": "now-6d", "to": "now-4d"}
    async with explorer_client(store, ManualClock(NOW)) as client:
        for lang in ("kql", "lucene"):
            items = (await got(client, "/complete", lang=lang, text="odd:", **where))["items"]
            assert {item["label"] for item in items} == set(names)
            for item in items:
                found = await got(client, "/search", lang=lang, query="odd:" + item["insert"], **where)
                assert item["label"] in [line["source"]["odd"] for line in found["items"]], (lang, item)


class OneAlias:
    async def known(self) -> Known:
        return Known(indices=[], aliases={"all-of-them": ("app-logs", "other-logs"), "some": ()})


LIMITED = Actor(kind="token", id="t", name="shop", scopes=frozenset({Scope.LOGS_READ}), streams=frozenset({"other-*"}))


async def test_a_limited_token_sees_its_streams_and_no_others_anywhere(store: LocalStore) -> None:
    clock = ManualClock(NOW)
    logs = Logs(store, b"k" * 32, clock, OneAlias())
    async with explorer_client(store, clock, LIMITED, logs) as client:
        for streams in ([], ["*"], ["all-of-them"], ["app-logs", "other-logs"], ["-nothing"]):
            found = await got(client, "/search", stream=streams)
            assert [line["stream"] for line in found["items"]] == ["other-logs"], streams
        assert (await got(client, "/search", stream="app-logs"))["total"] == 0
        assert (await got(client, "/search", query="_index:app-logs"))["total"] == 0
        assert (await got(client, "/histogram"))["total"] == 1
        assert {field["name"] for field in (await got(client, "/fields"))["items"]} == {"big", "msg"}
        assert (await got(client, "/fields/n/values"))["having"] == 0
        assert (await got(client, "/fields/n/values", stream="app-logs"))["numbers"] is None
        assert [each["template"] for each in (await got(client, "/patterns"))["items"]] == ["other"]
        around = await got(client, "/around", stream="app-logs", ts_ms=NOON + 20_000, seq="21")
        assert around["items"] == []
        assert (await client.get("/lines/app-logs/21")).status_code == 404
        assert [each["name"] for each in (await got(client, "/streams"))["items"]] == ["other-logs"]
        assert (await client.get("/export")).text.count("\n") == 1
        assert (await got(client, "/complete", text="tag"))["items"] == []
        assert (await got(client, "/complete", text="service.name:"))["items"] == []
    for names in ((), ("*",), ("app-logs",), ("all-of-them", "app-*")):
        node = await logs.reach.arriving(LIMITED, names)
        for line in await logs.explorer.arrived(Selection(query=node), 0):
            assert line.stream == "other-logs", names


async def test_an_alias_stands_for_its_streams(store: LocalStore) -> None:
    clock = ManualClock(NOW)
    logs = Logs(store, b"k" * 32, clock, OneAlias())
    async with explorer_client(store, clock, VIEWER, logs) as client:
        assert (await got(client, "/search", stream="all-of-them"))["total"] == 61
        assert (await got(client, "/search", stream="all-of-*"))["total"] == 61
        error = await refused(client, "/search", stream="some")
        assert (error["status"], error["field"]) == (400, "stream")
    node = await logs.reach.arriving(VIEWER, ["all-of-them"])
    assert len(await logs.explorer.arrived(Selection(query=node), 0)) == 61


async def test_what_was_overwritten_is_not_shown(store: LocalStore) -> None:
    where = {"from": "now-11d", "to": "now-9d"}
    first = store.add([b'{"n":1}', b'{"n":2}'], [NOON - 10 * 86_400_000] * 2, "dead-logs")
    async with explorer_client(store, ManualClock(NOW)) as client:
        assert (await got(client, "/search", **where))["total"] == 2
    store._session.query(f"INSERT INTO log_dead VALUES ({first})")
    async with explorer_client(store, ManualClock(NOW)) as client:
        found = await got(client, "/search", **where)
        assert (found["total"], numbers(found)) == (1, [2])
        assert (await got(client, "/histogram", **where))["total"] == 1
