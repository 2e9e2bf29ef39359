"""Fields on which senders disagree: pages still reach every hit once, and groups still count every document."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest

from dxops.rooms.logs.searching import Searcher
from dxops.wire.es.search import parse_search
from tests.rooms.logs.local import LocalStore
from tests.rooms.logs.test_searching import APP, IDS, NOON

COUNT = 120
NUMBERS = (0, 1, -3, 2.5, 1e6, 7)
TEXTS = ("a", "b", "C", "[x]", "1", "true", "ü", "it's")
FIELDS = ("number", "text", "flag", "numbers", "texts", "mixed")


def value(chance: random.Random, field: str) -> Any:
    one = {
        "number": NUMBERS, "numbers": NUMBERS, "text": TEXTS, "texts": TEXTS, "flag": (True, False),
        "mixed": (*NUMBERS, *TEXTS, True),
    }[field]  # fmt: skip
    if field in ("numbers", "texts") and chance.random() < 0.5:
        return [chance.choice(one) for _ in range(chance.randint(0, 3))]
    return chance.choice(one)


def documents() -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [{"n": n, **{f: value(chance, f) for f in FIELDS if chance.random() < 0.75}} for n in range(COUNT)]


@pytest.fixture(scope="module")
def searcher() -> Iterator[Searcher]:
    with TemporaryDirectory() as directory:
        store = LocalStore(Path(directory))
        store.add([orjson.dumps(each) for each in documents()], [NOON + n % 5 * 1000 for n in range(COUNT)], "app")
        yield Searcher(store, IDS, lambda: NOON)
        store.close()


@pytest.mark.parametrize("missing", ["_first", "_last", 5])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("field", FIELDS)
async def test_pages_reach_every_hit_once(searcher: Searcher, field: str, order: str, missing: Any) -> None:
    sort = [{field: {"order": order, "missing": missing}}, {"@timestamp": "asc"}, "_shard_doc"]
    whole = (await searcher.search(parse_search({"size": 500, "sort": sort}), APP)).body["hits"]["hits"]
    body: dict[str, Any] = {"size": 50, "sort": sort}
    seen: list[str] = []
    while hits := (await searcher.search(parse_search(body), APP)).body["hits"]["hits"]:
        seen += [hit["_id"] for hit in hits]
        body["search_after"] = hits[-1]["sort"]
    assert seen == [hit["_id"] for hit in whole]
    assert len(set(seen)) == COUNT


def each(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [] if found is None else [found]


@pytest.mark.parametrize("field", FIELDS)
async def test_groups_count_every_document(searcher: Searcher, field: str) -> None:
    def shown(one: Any) -> Any:
        if isinstance(one, bool):
            return "true" if one else "false"
        return float(one) if field in ("number", "numbers") else str(one)

    wanted = Counter(one for found in documents() for one in {shown(one) for one in each(found.get(field))})
    missing = sum(not each(found.get(field)) for found in documents())
    aggs = {
        "terms": {"terms": {"field": field, "size": 100}},
        "missing": {"missing": {"field": field}},
        "pages": {"composite": {"size": 100, "sources": [{"v": {"terms": {"field": field, "missing_bucket": True}}}]}},
    }
    body = (await searcher.search(parse_search({"size": 0, "aggs": aggs}), APP)).body["aggregations"]
    got = {bucket.get("key_as_string", bucket["key"]): bucket["doc_count"] for bucket in body["terms"]["buckets"]}
    assert got == wanted
    assert body["missing"]["doc_count"] == missing
    assert sum(bucket["doc_count"] for bucket in body["pages"]["buckets"]) == sum(wanted.values()) + missing
