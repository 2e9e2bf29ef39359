"""Ready-made views are searches that the explorer's page can show."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from dxops.rooms.logs.views import VIEWS, address, of_app
from dxops.wire import kql

_PARAMETERS = {"q", "lang", "from", "to", "stream", "f", "cols", "sort", "order", "tab", "by", "live"}


def test_views_parse_and_have_names_of_their_own() -> None:
    assert len({view.id for view in VIEWS}) == len({view.name for view in VIEWS}) == len(VIEWS)
    for view in VIEWS:
        assert set(view.params) <= _PARAMETERS
        kql.parse(str(view.params.get("q", "")))


def test_the_logs_of_an_app_are_an_address() -> None:
    parts = urlsplit(address(of_app("@a/b c", "dev")))
    given = parse_qs(parts.query)
    assert parts.path == "/logs"
    assert given["stream"] == ["dxops-access"]
    assert [json.loads(text) for text in given["f"]] == [
        {"field": "service.name", "op": "is", "value": "@a/b c"},
        {"field": "service.environment", "op": "is", "value": "dev"},
    ]
