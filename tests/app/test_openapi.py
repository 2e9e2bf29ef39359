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
UNLISTED = ("/api/openapi.json", "/api/docs", "/api/docs.css", "/api/schema")


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
