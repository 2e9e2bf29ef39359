"""The OpenAPI document of the real house: every route that answers below `/api` is in it, described."""

from __future__ import annotations

from pathlib import Path

from litestar.routes import HTTPRoute

from dxops.app.data import DataDirectory
from dxops.app.house import House
from dxops.app.settings import Settings
from dxops.app.web import make_litestar
from dxops.app.web_docs import document
from dxops.engines.postgres.config import PostgresConfig

NOWHERE = PostgresConfig(url="postgresql://nobody@127.0.0.1:1/none")  # making the routes opens nothing
UNLISTED = ("/api/openapi.json", "/api/docs", "/api/schema")


def test_every_api_route_is_described(tmp_path: Path) -> None:
    app = make_litestar(House(DataDirectory(tmp_path), Settings(postgres=NOWHERE)))
    described = document(app)["paths"]
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or not route.path.startswith("/api/") or route.path.startswith(UNLISTED):
            continue
        for handler, _ in route.route_handler_map.values():
            for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                where = f"{method} {route.path_format}"
                operation = described.get(route.path_format, {}).get(method.lower())
                assert operation, f"{where} is not in the document"
                assert operation.get("summary"), f"{where} has no summary"
                assert operation.get("tags"), f"{where} has no tag"


def test_every_operation_says_what_it_takes_and_answers(tmp_path: Path) -> None:
    described = document(make_litestar(House(DataDirectory(tmp_path), Settings(postgres=NOWHERE))))
    for path, item in described["paths"].items():
        for method, operation in item.items():
            where = f"{method.upper()} {path}"
            assert operation.get("description"), f"{where} is not explained"
            assert operation["summary"][-1] != ".", f"{where}: a summary is a title"
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), f"{where}: {parameter['name']} is not explained"
                assert parameter.get("schema"), f"{where}: {parameter['name']} has no type"
            good = {status: answer for status, answer in operation["responses"].items() if status[0] == "2"}
            assert len(good) == 1, f"{where} answers {sorted(good)}"
            for status, answer in good.items():
                assert "document follows" not in answer["description"], where
                shapes = [content.get("schema") for content in answer.get("content", {}).values()]
                assert status == "204" or shapes, f"{where} has no answer's shape"
                if "application/json" in answer.get("content", {}):
                    assert shapes[0], f"{where} answers JSON of no shape"
            for status in ("4XX", "5XX"):
                schema = operation["responses"][status]["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}, where
            if method in ("post", "put", "patch") and "requestBody" in operation:
                content = operation["requestBody"]["content"]
                assert all(one.get("schema") for one in content.values()), f"{where}: a body of no shape"
    error = described["components"]["schemas"]["ErrorBody"]
    assert "error" in error["properties"]


def test_streams_say_their_type(tmp_path: Path) -> None:
    paths = document(make_litestar(House(DataDirectory(tmp_path), Settings(postgres=NOWHERE))))["paths"]
    assert set(paths["/api/runs/{run_id}/log"]["get"]["responses"]["200"]["content"]) == {"text/event-stream"}
    assert set(paths["/api/content/car"]["post"]["requestBody"]["content"]) == {"application/vnd.ipld.car"}
