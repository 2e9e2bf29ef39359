"""A credential that is limited to some streams, at the endpoints that change documents and run query languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dxops.rooms.logs.elastic.access import Caller, Secret
from tests.rooms.logs.serving import serving

pytestmark = pytest.mark.engine


class Switched:
    """Everybody is `caller`."""

    def __init__(self) -> None:
        self.caller = EVERYTHING

    async def find(self, secret: Secret) -> Caller | None:
        return self.caller


EVERYTHING = Caller(tenant="t", may_write=True, may_read=True)
LIMITED = Caller(tenant="t", may_write=True, may_read=True, streams=("mine*",), key_id="k")
WRITER = Caller(tenant="t", may_write=True, may_read=False)
QUERY: dict[str, Any] = {"query": {"match_all": {}}}


async def test_nothing_of_other_streams_is_read_or_changed(tmp_path: Path) -> None:
    callers = Switched()
    async with serving(tmp_path, callers=callers) as on:
        for index in ("mine-1", "other"):
            await on.ask("PUT", f"/{index}/_doc/1", {"secret": index}, 201)
        made = await on.ask("POST", "/other/_doc?refresh=true", {"secret": "other"}, 201)
        run = await on.ask("POST", "/other/_async_search?keep_on_completion=true", QUERY)
        table = await on.ask("POST", "/_query/async", {"query": "FROM other", "keep_on_completion": True})
        await on.ask("PUT", "/fresh/_doc/1", {"secret": "not loaded yet, maybe"}, 201)
        callers.caller = LIMITED
        assert (await on.ask("GET", "/mine-1/_doc/1"))["_source"] == {"secret": "mine-1"}
        assert (await on.ask("POST", "/_query", {"query": "FROM * | KEEP secret"}))["values"] == [["mine-1"]]
        assert (await on.ask("POST", "/_sql", {"query": 'SELECT secret FROM "*"'}))["rows"] == [["mine-1"]]
        refused = [
            ("GET", "/other/_doc/1", None), ("GET", f"/other/_doc/{made['_id']}", None), ("GET", "/fresh/_doc/1", None),
            ("GET", "/other/_source/1", None), ("POST", "/other/_update/1", {"doc": {}, "_source": True}),
            ("POST", "/_query", {"query": "FROM other"}), ("POST", "/_sql", {"query": "SELECT secret FROM other"}),
            ("POST", "/other/_delete_by_query", QUERY), ("POST", "/other/_update_by_query", QUERY),
            ("POST", "/_reindex", {"source": {"index": "other"}, "dest": {"index": "mine-2"}}),
            ("GET", f"/_async_search/{run['id']}", None), ("GET", f"/_query/async/{table['id']}", None),
            ("GET", "/other/_mapping/field/secret", None), ("POST", "/other/_explain/1", QUERY),
        ]  # fmt: skip
        for method, path, body in refused:
            answer = await on.client.request(method, path, json=body)
            assert answer.status_code in (400, 403, 404), (path, answer.text)
            assert b'"secret":"' not in answer.content, path
        found = await on.ask("POST", "/_mget", {"docs": [{"_index": "other", "_id": "1"}]})
        assert "_source" not in found["docs"][0]
        assert (await on.ask("POST", "/_all/_delete_by_query?refresh=true", QUERY))["deleted"] == 1
        callers.caller = EVERYTHING
        assert (await on.ask("POST", "/_query", {"query": "FROM other | STATS n = COUNT(*)"}))["values"] == [[2]]


async def test_no_text_of_a_query_language_becomes_sql(tmp_path: Path) -> None:
    callers = Switched()
    async with serving(tmp_path, callers=callers) as on:
        for index in ("mine-1", "other"):
            await on.ask("POST", f"/{index}/_doc?refresh=true", {"secret": index, "n": 1}, 201)
        callers.caller = LIMITED
        cut = " ASC NULLS "
        for text in (
            f'FROM mine-* | SORT CONCAT(secret, "{cut}") DESC | LIMIT 5 | WHERE n == 1 | KEEP secret',
            f'FROM mine-* | SORT CONCAT(secret, "{cut}") DESC | LIMIT 5 '
            '| WHERE secret != ", 1 AS c0 FROM log_events --" | KEEP secret',
            f'FROM mine-* | SORT CONCAT(secret, "{cut}DESC NULLS LAST") DESC, n | LIMIT 5 | EVAL m = n | KEEP secret',
        ):
            assert (await on.ask("POST", "/_query", {"query": text}))["values"] == [["mine-1"]], text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/a/_search", {"query": {"regexp": {"k": "(" * 3000 + "a" + ")" * 3000}}}),
        ("/a/_search", {"query": {"query_string": {"query": "n > 5"}}}),
        ("/_query", {"query": 'ROW n = 1 | EVAL x = BUCKET(n, "x", 1, 2)'}),
        ("/_query", {"query": 'ROW n = 1 | EVAL x = BUCKET(n, 5, "x", 2)'}),
        ("/_query", {"query": "ROW n = 1 | EVAL x = BUCKET(n, 1e999, 1, 2) | WHERE x == 0 | LIMIT 0 | KEEP y"}),
    ],
)
async def test_what_cannot_be_asked_is_said(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    async with serving(tmp_path, callers=Switched()) as on:
        await on.ask("POST", "/a/_doc?refresh=true", {"k": "v"}, 201)
        assert (await on.ask("POST", path, body, 400))["error"]["type"] != "exception"


async def test_who_may_only_write_sees_nothing(tmp_path: Path) -> None:
    callers = Switched()
    async with serving(tmp_path, callers=callers) as on:
        callers.caller = WRITER
        await on.ask("PUT", "/x/_doc/1", {"n": 1}, 201)
        changed = await on.ask("POST", "/x/_update/1?_source=true", {"doc": {"k": 1}})
        assert "get" not in changed
        reindex = {"source": {"index": "x"}, "dest": {"index": "y"}}
        for method, path, body in (
            ("GET", "/x/_doc/1", None), ("POST", "/_query", {"query": "FROM x"}), ("POST", "/_reindex", reindex),
            ("POST", "/x/_delete_by_query", QUERY), ("POST", "/x/_async_search", QUERY),
        ):  # fmt: skip
            await on.ask(method, path, body, 403)
