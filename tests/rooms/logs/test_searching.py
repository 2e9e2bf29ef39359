"""Elasticsearch's searches on real rows in a real ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest

from dxops.rooms.logs.searching import Searcher, Target
from dxops.wire import query_tree as q
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.es.errors import EsError
from dxops.wire.es.search import parse_search
from tests.rooms.logs.local import LocalStore

NOON = 1_767_268_800_000  # 2026-01-01T12:00Z
IDS = AutoIds(b"0123456789abcdef")
APP = Target(("app",))


def document(n: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "@timestamp": f"2026-01-01T12:00:{n:02d}.000Z",
        "message": f"request {n} {'failed badly' if n % 5 == 0 else 'served'}",
        "level": "error" if n % 5 == 0 else "info",
        "took": n * 1.5,
        "status": 500 if n % 5 == 0 else 200,
        "ok": n % 5 != 0,
        "host": {"name": f"h{n % 3}"},
        "tags": ["a", "b"] if n % 2 else ["b"],
    }
    if n % 4 == 0:
        made["user"] = f"u{n:02d}"
    return made


@pytest.fixture(scope="module")
def store() -> Iterator[LocalStore]:
    with TemporaryDirectory() as directory:
        made = LocalStore(Path(directory))
        made.add([orjson.dumps(document(n)) for n in range(40)], [NOON + n * 1000 for n in range(40)], "app")
        made.add([b'{"message":  "spaces stay" ,"n":1e2}'], [NOON + 3_600_000], "other")
        yield made
        made.close()


@pytest.fixture
def searcher(store: LocalStore) -> Searcher:
    return Searcher(store, IDS, lambda: NOON + 60_000)


async def searched(searcher: Searcher, body: dict[str, Any], target: Target = APP) -> dict[str, Any]:
    found = await searcher.search(parse_search(body), target)
    answer: dict[str, Any] = orjson.loads(orjson.dumps(found.body))
    return answer


def numbers(answer: dict[str, Any]) -> list[int]:
    return [int(hit["_source"]["message"].split()[1]) for hit in answer["hits"]["hits"]]


async def test_hits_come_newest_first_and_whole(searcher: Searcher) -> None:
    answer = await searched(searcher, {"size": 3})
    assert numbers(answer) == [39, 38, 37]
    hit = answer["hits"]["hits"][0]
    assert (hit["_index"], hit["_id"], hit["_score"]) == ("app", IDS.id_of(40), 1.0)
    assert hit["_source"] == document(39)
    assert answer["hits"]["total"] == {"value": 40, "relation": "eq"}
    assert "sort" not in hit


@pytest.mark.parametrize(
    "histogram",
    [
        {"fixed_interval": "7s"},
        {"fixed_interval": "7s", "min_doc_count": 7},
        {"fixed_interval": "7s", "offset": "+3s"},
        {"calendar_interval": "minute", "time_zone": "Asia/Kathmandu"},
        {"fixed_interval": "10s", "hard_bounds": {"min": NOON + 10_000, "max": NOON + 19_000}},
        {"fixed_interval": "10s", "missing": 0, "keyed": True},
    ],
    ids=str,
)
async def test_a_histogram_over_the_time_counts_the_hits(searcher: Searcher, histogram: dict[str, Any]) -> None:
    aggs = {"errors": {"missing": {"field": "user"}}, "when": {"date_histogram": {"field": "@timestamp", **histogram}}}
    for query, count in (({"match_all": {}}, 40), ({"exists": {"field": "user"}}, 10)):
        body = {"size": 1, "query": query, "aggs": aggs}
        assert (await searched(searcher, body))["hits"]["total"] == {"value": count, "relation": "eq"}
        for most, told in ((True, (count, "eq")), (count, (count, "eq")), (count - 1, (count - 1, "gte"))):
            total = (await searched(searcher, {**body, "track_total_hits": most}))["hits"]["total"]
            assert (total["value"], total["relation"]) == told
        assert "total" not in (await searched(searcher, {**body, "track_total_hits": False}))["hits"]
    after = await searched(searcher, {"aggs": aggs, "post_filter": {"exists": {"field": "user"}}})
    assert after["hits"]["total"]["value"] == 10
    within = {"all": {"global": {}, "aggs": aggs}}
    assert (await searched(searcher, {"query": {"ids": {"values": []}}, "aggs": within}))["hits"]["total"]["value"] == 0


async def test_the_source_is_what_was_sent_byte_for_byte(searcher: Searcher) -> None:
    found = await searcher.search(parse_search({}), Target(("other",)))
    assert b'{"message":  "spaces stay" ,"n":1e2}' in orjson.dumps(found.body)


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ([{"@timestamp": "asc"}], [0, 1, 2]),
        ([{"took": "desc"}], [39, 38, 37]),
        (["host.name", {"took": "desc"}], [39, 36, 33]),
        ([{"host.name.keyword": "desc"}, "_doc"], [2, 5, 8]),
        ([{"user": {"order": "asc"}}, "took"], [0, 4, 8]),
        ([{"user": {"order": "asc", "missing": "_first"}}, "took"], [1, 2, 3]),
        ([{"user": {"order": "desc", "missing": "u99"}}, "took"], [1, 2, 3]),
        ([{"ok": "asc"}, "_doc"], [0, 5, 10]),
        (["_score", "_doc"], [0, 1, 2]),
        ([{"tags": {"order": "desc", "mode": "min"}}, "_shard_doc"], [0, 2, 4]),
        ([{"user": {"numeric_type": "long", "missing": 7}}, "_doc"], [0, 1, 2]),
        ([{"nowhere": {"unmapped_type": "long"}}, "_doc"], [0, 1, 2]),
    ],
    ids=str,
)
async def test_sorting(searcher: Searcher, sort: list[Any], first: list[int]) -> None:
    assert numbers(await searched(searcher, {"size": 3, "sort": sort})) == first


@pytest.mark.parametrize(
    "sort",
    [
        [{"@timestamp": "desc"}, "_shard_doc"],
        [{"took": "asc"}],
        ["host.name", "_doc"],
        [{"user": {"order": "desc", "missing": "_first"}}, "_shard_doc"],
        [{"user": "asc"}, {"took": "desc"}],
        [{"@timestamp": {"order": "asc", "format": "strict_date_optional_time"}}],
    ],
    ids=str,
)
async def test_search_after_goes_through_every_hit_once(searcher: Searcher, sort: list[Any]) -> None:
    body: dict[str, Any] = {"size": 7, "sort": sort}
    seen: list[int] = []
    while (answer := await searched(searcher, body))["hits"]["hits"]:
        seen += numbers(answer)
        body["search_after"] = answer["hits"]["hits"][-1]["sort"]
    whole = numbers(await searched(searcher, {"size": 100, "sort": sort}))
    assert seen == whole
    assert sorted(seen) == list(range(40))


async def test_sorting_by_a_field_that_no_document_has_is_refused(searcher: Searcher) -> None:
    with pytest.raises(EsError, match="No mapping found for"):
        await searched(searcher, {"sort": ["nowhere"]})


async def test_sort_values_are_typed(searcher: Searcher) -> None:
    sort = ["took", {"@timestamp": {"format": "yyyy-MM-dd"}}, "@timestamp", "level", "ok", "_score"]
    answer = await searched(searcher, {"size": 1, "sort": sort, "query": {"term": {"took": 1.5}}})
    assert answer["hits"]["hits"][0]["sort"] == [1.5, "2026-01-01", NOON + 1000, "info", True, 1.0]


async def test_total_hits(searcher: Searcher) -> None:
    async def total(**body: Any) -> Any:
        return (await searched(searcher, {"size": 0, **body}))["hits"].get("total")

    assert await total(track_total_hits=7) == {"value": 7, "relation": "gte"}
    assert await total(terminate_after=3) == {"value": 3, "relation": "eq"}
    assert (await searched(searcher, {"terminate_after": 3}))["terminated_early"] is True
    assert (await searched(searcher, {"terminate_after": 300}))["terminated_early"] is False
    assert await total(track_total_hits=True) == {"value": 40, "relation": "eq"}
    assert await total(track_total_hits=False) is None
    assert await total(query={"match": {"message": "failed"}}) == {"value": 8, "relation": "eq"}


async def test_post_filter_narrows_hits_and_not_aggregations(searcher: Searcher) -> None:
    body = {"post_filter": {"term": {"level": "error"}}, "size": 50, "aggs": {"n": {"value_count": {"field": "level"}}}}
    answer = await searched(searcher, body)
    assert sorted(numbers(answer)) == list(range(0, 40, 5))
    assert answer["aggregations"]["n"]["value"] == 40


async def test_collapse_keeps_the_first_of_each(searcher: Searcher) -> None:
    answer = await searched(searcher, {"collapse": {"field": "host.name"}, "sort": [{"took": "desc"}]})
    assert numbers(answer) == [39, 38, 37]
    assert answer["hits"]["hits"][1]["fields"] == {"host.name": ["h2"]}


async def test_shown_parts_of_a_hit(searcher: Searcher) -> None:
    body = {
        "size": 1, "query": {"bool": {"must": [{"match": {"message": "failed"}}, {"term": {"took": 7.5}}]}},
        "_source": ["host", "ok"], "version": True, "seq_no_primary_term": True,
        "fields": ["tags", "host.*", "level.keyword", {"field": "@timestamp", "format": "epoch_millis"}],
        "highlight": {"fields": {"*": {}}},
    }  # fmt: skip
    (hit,) = (await searched(searcher, body))["hits"]["hits"]
    assert hit["_source"] == {"ok": False, "host": {"name": "h2"}}
    assert (hit["_version"], hit["_seq_no"], hit["_primary_term"]) == (1, 6, 1)
    assert hit["fields"] == {
        "tags": ["a", "b"],
        "host.name": ["h2"],
        "level.keyword": ["error"],
        "@timestamp": [str(NOON + 5000)],
    }
    assert hit["highlight"]["message"] == ["request 5 <em>failed</em> badly"]


async def test_documents_without_an_id_are_found_by_the_one_they_were_given(searcher: Searcher) -> None:
    for query in ({"ids": {"values": [IDS.id_of(4), "other"]}}, {"term": {"_id": IDS.id_of(4)}}):
        assert numbers(await searched(searcher, {"query": query})) == [3]
    line = await searcher.get(["app"], IDS.id_of(4))
    assert line is not None
    assert line.seq == 4
    assert await searcher.get(["other"], IDS.id_of(4)) is None
    assert await searcher.get(["app"], "none") is None


async def test_counts(searcher: Searcher) -> None:
    assert await searcher.count(q.Term(("level",), ("error",)), APP) == 8
    assert await searcher.count(q.All(), Target(("app", "other"))) == 41
    assert await searcher.count(q.All(), Target(("app", "other"), upper_seq=10)) == 10
    assert await searcher.count(q.All(), Target(())) == 0
    assert await searcher.last_seq() == 41


async def test_a_window_too_large_is_refused(searcher: Searcher) -> None:
    with pytest.raises(EsError, match="Result window is too large"):
        await searched(searcher, {"from": 9_000, "size": 1_001})
