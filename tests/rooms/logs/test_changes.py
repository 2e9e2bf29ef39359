"""Documents changed through port 9200: one by one, by queries, and through pipelines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dxops.rooms.logs.pipelines import IndexPipelines, MemoryPipelines
from dxops.rooms.logs.writing import Change
from tests.rooms.logs.serving import Server, serving

pytestmark = pytest.mark.engine

PIPELINES = MemoryPipelines(
    {
        "double": {"processors": [{"set": {"field": "seen", "value": True}}, {"drop": {"if": "ctx.n == 3"}}]},
        "moves": {"processors": [{"set": {"field": "_id", "value": "other"}}]},
    },
    {"stamped": IndexPipelines(default="double")},
)


async def filled(on: Server, index: str = "x", count: int = 10) -> None:
    lines: list[dict[str, Any]] = []
    for n in range(count):
        lines += [{"index": {"_index": index, **({"_id": f"d{n}"} if n % 2 else {})}}, {"n": n, "message": f"line {n}"}]
    assert not (await on.ask("POST", "/_bulk?refresh=wait_for", lines))["errors"]


async def sources(on: Server, index: str = "x") -> list[Any]:
    found = await on.ask("POST", f"/{index}/_search", {"size": 1000, "sort": ["n"]})
    return [hit["_source"] for hit in found["hits"]["hits"]]


async def test_bulk_updates_show_what_is_asked_for(tmp_path: Path) -> None:
    """The body's `_source` before the action's, before the URL's."""
    async with serving(tmp_path, loads=False) as on:
        for name in "1234":
            await on.ask("PUT", f"/new/_doc/{name}", {"n": 1, "k": 2, "m": 3}, 201)
        lines = [
            {"update": {"_index": "new", "_id": "1"}}, {"doc": {"n": 5}},
            {"update": {"_index": "new", "_id": "2", "_source": ["m", "k"]}}, {"doc": {"n": 5}},
            {"update": {"_index": "new", "_id": "3", "_source": True}}, {"doc": {"n": 5}, "_source": "k"},
            {"update": {"_index": "new", "_id": "4", "_source": False}}, {"doc": {"n": 5}},
            {"index": {"_index": "new", "_id": "5"}}, {"n": 9},
        ]  # fmt: skip
        body = "".join(json.dumps(line) + "\n" for line in lines)
        headers = {"content-type": "application/x-ndjson"}
        for query, first in (("_source=n", {"n": 5}), ("_source_excludes=n,m", {"k": 2}), ("", None)):
            answer = (await on.client.post(f"/_bulk?{query}", content=body, headers=headers)).json()
            assert not answer["errors"]
            shown = [(*item.values(),)[0].get("get", {}).get("_source") for item in answer["items"]]
            assert shown == [first, {"k": 2, "m": 3}, {"k": 2}, None, None], query
        wrong = '{"update":{"_index":"new","_id":"1","_source":7}}\n{"doc":{}}\n'
        assert (await on.client.post("/_bulk", content=wrong, headers=headers)).status_code == 400


async def test_documents_are_read_before_anything_loads_them(tmp_path: Path) -> None:
    async with serving(tmp_path, loads=False) as on:
        made = await on.ask("POST", "/new/_doc", {"n": 1}, 201)
        await on.ask("PUT", "/new/_doc/1", {"n": 2}, 201)
        assert (await on.ask("GET", f"/new/_doc/{made['_id']}"))["_source"] == {"n": 1}
        assert (await on.ask("GET", "/new/_source/1")) == {"n": 2}
        assert (await on.client.head("/new/_doc/1")).status_code == 200
        changed = await on.ask("POST", "/new/_update/1?_source=n", {"doc": {"n": 3, "k": 1}})
        assert (changed["result"], changed["get"]["_source"]) == ("updated", {"n": 3})
        assert (await on.ask("POST", "/new/_update/1", {"doc": {"n": 3}}))["result"] == "noop"
        missing = await on.ask("POST", "/new/_update/2", {"doc": {"n": 3}}, 404)
        assert missing["error"]["type"] == "document_missing_exception"
        assert await on.ask("POST", "/new/_update/2?refresh=false", {"doc": {}, "doc_as_upsert": True}, 201)
        await on.ask("POST", "/new/_update/1", {"script": "ctx._source.n++"}, 400)
        found = await on.ask("POST", "/new/_mget", {"ids": ["1", "2", "3", made["_id"]]})
        assert [each.get("_source") for each in found["docs"]] == [{"n": 3, "k": 1}, {}, None, {"n": 1}]
        await on.ask("DELETE", "/new/_doc/1")
        assert "_source" not in await on.ask("GET", "/new/_doc/1", status=404)
        await on.ask("GET", "/new/_doc/2?realtime=false", status=404)
        await on.ask("GET", "/never/_doc/2", status=404)
        await on.load()
        await on.ask("POST", "/_refresh")
        assert (await on.ask("GET", "/new/_doc/2?realtime=false"))["found"]
        assert (await on.ask("GET", f"/new/_doc/{made['_id']}"))["_source"] == {"n": 1}


async def test_deleting_by_query(tmp_path: Path) -> None:
    async with serving(tmp_path) as on:
        await filled(on)
        query = {"query": {"range": {"n": {"lt": 6}}}}
        answer = await on.ask("POST", "/x/_delete_by_query?refresh=true&scroll_size=4", {**query, "max_docs": 5})
        assert (answer["deleted"], answer["total"], answer["batches"], answer["failures"]) == (5, 5, 2, [])
        assert [each["n"] for each in await sources(on)] == [5, 6, 7, 8, 9]
        assert (await on.ask("GET", "/x/_doc/d1", status=404))["found"] is False
        await on.ask("PUT", "/x/_create/d1", {"n": 1}, 201)
        await on.ask("POST", "/x/_delete_by_query", {}, 400)
        await on.ask("POST", "/x/_delete_by_query", {"query": {"match_all": {}}, "slice": {}}, 400)
        await on.ask("POST", "/nope/_delete_by_query", query, 404)
        answer = await on.ask("POST", "/x/_delete_by_query?q=n:>7&refresh=true")
        assert answer["deleted"] == 2


async def test_conflicts_stop_it_or_are_counted(tmp_path: Path) -> None:
    async with serving(tmp_path) as on:
        await filled(on, count=4)
        stored = await on.writes.writing.current.get(["x"], "d1")
        assert stored is not None
        await on.ask("PUT", "/x/_doc/d1", {"n": 100})
        conflicts, _ = await on.writes.writing.change([Change(stored, b"", 0, 0)], tenant="t")
        assert conflicts == {0}
        held = on.writes.writing.change

        async def later(changes: Any, *, tenant: str) -> Any:
            await on.ask("PUT", "/x/_doc/d3", {"n": 300})
            return await held(changes, tenant=tenant)

        on.writes.writing.change = later  # type: ignore[method-assign]
        await on.ask("POST", "/_refresh")
        every = {"query": {"match_all": {}}}
        answer = await on.ask("POST", "/x/_delete_by_query", every, 409)
        assert (answer["deleted"], answer["version_conflicts"], answer["failures"][0]["id"]) == (3, 1, "d3")
        await on.ask("POST", "/_refresh")
        answer = await on.ask("POST", "/x/_delete_by_query?conflicts=proceed", every)
        assert (answer["deleted"], answer["version_conflicts"]) == (0, 1)
        assert (await on.ask("GET", "/x/_doc/d3"))["_version"] == 3


async def test_writing_again_by_query(tmp_path: Path) -> None:
    async with serving(tmp_path, pipelines=PIPELINES) as on:
        await filled(on, count=5)
        before = (await on.ask("POST", "/x/_search", {"sort": ["n"], "fields": ["@timestamp"]}))["hits"]["hits"]
        answer = await on.ask("POST", "/x/_update_by_query?refresh=true")
        assert (answer["updated"], answer["total"]) == (5, 5)
        answer = await on.ask("POST", "/x/_update_by_query?refresh=true&pipeline=double")
        assert (answer["updated"], answer["noops"]) == (4, 1)
        found = (await on.ask("POST", "/x/_search", {"sort": ["n"], "version": True, "fields": ["@timestamp"]}))[
            "hits"
        ]["hits"]
        assert [each["_source"].get("seen") for each in found] == [True, True, True, None, True]
        assert [each["_version"] for each in found] == [3, 3, 3, 2, 3]
        assert [each["_id"] for each in found] == [each["_id"] for each in before]
        assert [each["fields"] for each in found] == [each["fields"] for each in before]
        answer = await on.ask("POST", "/x/_update_by_query?pipeline=moves", status=400)
        assert "use _reindex" in answer["failures"][0]["cause"]["reason"]
        answer = await on.ask("POST", "/x/_update_by_query?pipeline=nope", status=400)
        assert "does not exist" in answer["failures"][0]["cause"]["reason"]


async def test_reindexing_keeps_ids_and_leaves_the_originals(tmp_path: Path) -> None:
    async with serving(tmp_path, pipelines=PIPELINES) as on:
        await filled(on)
        body = {
            "source": {"index": "x", "query": {"range": {"n": {"gte": 2}}}, "_source": ["n"]},
            "dest": {"index": "y", "pipeline": "double"},
        }
        answer = await on.ask("POST", "/_reindex?refresh=true", body)
        assert (answer["created"], answer["noops"], answer["total"]) == (7, 1, 8)
        assert [each["n"] for each in await sources(on, "y")] == [2, 4, 5, 6, 7, 8, 9]
        assert (await sources(on, "y"))[0] == {"n": 2, "seen": True}
        assert len(await sources(on)) == 10
        mine = (await on.ask("POST", "/x/_search", {"query": {"term": {"n": 4}}}))["hits"]["hits"][0]["_id"]
        assert (await on.ask("GET", f"/y/_doc/{mine}"))["_source"] == {"n": 4, "seen": True}
        create = {**body, "dest": {"index": "y", "op_type": "create"}, "conflicts": "proceed"}
        answer = await on.ask("POST", "/_reindex?refresh=true", create)
        assert (answer["created"], answer["version_conflicts"]) == (1, 7)
        for wrong in ({"dest": {"index": "x"}}, {"dest": {"index": "Y"}}, {"script": {"source": "x"}}, {"source": {}}):
            await on.ask("POST", "/_reindex", {**body, **wrong}, 400)


async def test_tasks_can_be_watched_and_cancelled(tmp_path: Path) -> None:
    async with serving(tmp_path) as on:
        await filled(on)
        query = {"query": {"match_all": {}}}
        path = "/x/_delete_by_query?wait_for_completion=false&scroll_size=2&requests_per_second=20"
        task = (await on.ask("POST", path, query))["task"]
        running = await on.ask("GET", "/_tasks?detailed=true&actions=*byquery")
        assert running["nodes"]["n1"]["tasks"][task]["description"] == "delete-by-query [x]"
        done = await on.ask("GET", f"/_tasks/{task}?wait_for_completion=true")
        assert (done["completed"], done["response"]["deleted"]) == (True, 10)
        assert done["response"]["requests_per_second"] == 20
        await filled(on)
        path = path.replace("=20", "=1")
        task = (await on.ask("POST", path, query))["task"]
        while not (await on.ask("GET", f"/_tasks/{task}"))["task"]["status"]["deleted"]:
            await asyncio.sleep(0.01)
        await on.ask("POST", f"/_tasks/{task}/_cancel")
        ended = await on.ask("GET", f"/_tasks/{task}")
        assert (ended["completed"], ended["task"]["cancelled"], ended["task"]["status"]["deleted"]) == (True, True, 2)
        await on.ask("GET", "/_tasks/n1:99", status=404)


@pytest.mark.parametrize("path", ["/x/_update_by_query", "/x/_delete_by_query"])
async def test_what_cannot_be_done_says_so(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path) as on:
        await filled(on, count=1)
        answer = await on.ask("POST", path, {"query": {"match_all": {}}, "script": {"source": "x"}}, 400)
        assert "scripts" in answer["error"]["reason"]
        for wrong in ("?sort=n:asc", "?wat=1", "?max_docs=0", "?conflicts=perhaps", "?requests_per_second=0"):
            await on.ask("POST", path + wrong, {"query": {"match_all": {}}}, 400)
