"""`_query` and `_sql` over HTTP: shapes, formats, cursors, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rooms.logs.serving import serving
from tests.rooms.logs.test_esql import document

pytestmark = pytest.mark.engine


async def test_over_http(tmp_path: Path) -> None:
    async with serving(tmp_path) as on:
        lines: list[dict[str, Any]] = []
        for n in range(25):
            lines += [{"index": {"_index": f"app-{n % 2}"}}, document(n)]
        await on.ask("POST", "/_bulk?refresh=true", lines)
        body = {"query": "FROM app-* | STATS c = COUNT(*) BY status | SORT status"}
        answer = await on.ask("POST", "/_query", body)
        assert answer["columns"] == [{"name": "c", "type": "long"}, {"name": "status", "type": "double"}]
        assert answer["values"] == [[20, 200], [5, 500]]
        assert (await on.ask("POST", "/_query", {**body, "columnar": True}))["values"] == [[20, 5], [200, 500]]
        assert await on.ask("POST", "/_query?format=csv", body) == "c,status\r\n20,200\r\n5,500\r\n"
        answer = await on.ask("POST", "/_query", {**body, "filter": {"term": {"host.name": "h1"}}})
        assert answer["values"] == [[7, 200], [1, 500]]
        for wrong in ("FROM nope", "FROM app-0 | WHERE wat == 1", 'FROM app-0 | GROK message "x"', "FRUM x"):
            answer = await on.ask("POST", "/_query", {"query": wrong}, 400)
            assert answer["error"]["type"] in ("verification_exception", "parsing_exception")
        await on.ask("POST", "/_query", {"query": "FROM app-0", "wat": 1}, 400)
        kept = await on.ask("POST", "/_query/async", {**body, "keep_on_completion": True})
        assert (await on.ask("GET", f"/_query/async/{kept['id']}"))["values"] == [[20, 200], [5, 500]]
        await on.ask("DELETE", f"/_query/async/{kept['id']}")
        await on.ask("GET", f"/_query/async/{kept['id']}", status=404)

        sql = {"query": 'SELECT took FROM "app-*" ORDER BY took DESC', "fetch_size": 10}
        page = await on.ask("POST", "/_sql", sql)
        assert page["columns"] == [{"name": "took", "type": "double"}]
        seen = [row[0] for row in page["rows"]]
        await on.ask("POST", "/_bulk?refresh=true", [{"index": {"_index": "app-1"}}, document(99)])
        while "cursor" in page:
            page = await on.ask("POST", "/_sql", {"cursor": page["cursor"]})
            seen += [row[0] for row in page["rows"]]
        assert seen == [n / 2 for n in reversed(range(25))]
        assert (await on.ask("POST", "/_sql?format=txt", {"query": 'SELECT COUNT(*) AS n FROM "app-*"'})).split() == [
            "n", "--", "26"
        ]  # fmt: skip
        first = await on.ask("POST", "/_sql", {"query": 'SELECT * FROM "app-*"', "fetch_size": 1})
        assert (await on.ask("POST", "/_sql/close", {"cursor": first["cursor"]}))["succeeded"]
        await on.ask("POST", "/_sql/close", {"cursor": "x"}, 400)
        await on.ask("POST", "/_sql/translate", sql, 400)
        await on.ask("POST", "/_sql", {}, 400)
