"""Ready-made views of our own logs: searches that the explorer offers beside those that people saved.

Their parameters are those of the page `/logs`, as in a saved search: `q`, `lang`, `from`, `to`, `stream` and `f`
(repeated: a list here), `cols`, `sort`, `order`, `tab`, `by`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import msgspec
import orjson

from dxops.rooms.logs.saved_model import Saved
from dxops.wire.logs.own import ACCESS_STREAM, ROLES_STREAM

_SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)
Params = Mapping[str, str | list[str]]
_ACCESS_COLUMNS: Final = (
    "service.name,service.environment,http.request.method,url.path,http.response.status_code,event.duration,"
    "http.response.body.bytes,service.version"
)


class View(msgspec.Struct, frozen=True):
    """A search that everybody has. `id` is stable and no saved search has it."""

    id: str
    name: str
    about: str
    params: Params


def filtered(field: str, value: str) -> str:
    """One `f`: the field is this value."""
    return orjson.dumps({"field": field, "op": "is", "value": value}).decode()


VIEWS: Final = (
    View(
        "dxops-access",
        "App access",
        "Every answered request of the app hosts, with app, environment, release and status.",
        {"stream": [ACCESS_STREAM], "from": "now-1h", "cols": _ACCESS_COLUMNS, "by": "http.response.status_code"},
    ),
    View(
        "dxops-access-failed",
        "Failed requests",
        "What the app hosts answered with 400 and above.",
        {
            "stream": [ACCESS_STREAM],
            "q": "http.response.status_code >= 400",
            "from": "now-24h",
            "cols": _ACCESS_COLUMNS,
            "by": "http.response.status_code",
        },
    ),
    View(
        "dxops-access-slow",
        "Slow requests",
        "Requests of the app hosts that took longer than a tenth of a second, the slowest first.",
        {
            "stream": [ACCESS_STREAM],
            "q": "event.duration >= 100000000",
            "from": "now-24h",
            "cols": _ACCESS_COLUMNS,
            "sort": "event.duration",
            "by": "service.name",
        },
    ),
    View(
        "dxops-errors",
        "Errors of dxops",
        "What the roles of this installation logged as errors, with their tracebacks.",
        {
            "stream": [ROLES_STREAM],
            "q": "log.level: (error or critical or fatal or panic)",
            "from": "now-7d",
            "cols": "service.name,message,dxops.reason",
            "by": "service.name",
        },
    ),
    View(
        "dxops-roles",
        "Roles of dxops",
        "Everything that the roles of this installation log.",
        {"stream": [ROLES_STREAM], "from": "now-24h", "cols": "log.level,service.name,message", "by": "level"},
    ),
)


def ready_made() -> list[Saved]:
    """As saved searches, for who shows those."""
    return [
        Saved(
            id=view.id,
            name=view.name,
            params=dict(view.params),
            by="dxops",
            at=_SINCE,
            shared=True,
            mine=False,
            may_change=False,
        )
        for view in VIEWS
    ]


def of_app(app: str, environment: str | None = None) -> Params:
    """The access log of one app, in one environment or all."""
    filters = [filtered("service.name", app)]
    if environment is not None:
        filters.append(filtered("service.environment", environment))
    columns = _ACCESS_COLUMNS.removeprefix("service.name,")
    return {"stream": [ACCESS_STREAM], "f": filters, "from": "now-24h", "cols": columns, "by": "service.environment"}


def address(params: Params) -> str:
    """The page `/logs` with these parameters."""
    return f"/logs?{urlencode(params, doseq=True)}"
