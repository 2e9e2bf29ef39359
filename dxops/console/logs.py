"""`/logs`: the shell of the log explorer. What it shows comes from `/api/logs` (frontend/src/logs); its whole state is
in its address, so the server draws the same page for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from litestar import Response, Router, get

from dxops.console.house import ConsoleHouse
from dxops.console.rendering import page
from dxops.console.requests import AnyRequest, reader

_DEFAULT = "http://127.0.0.1:9200"


def shipping(addresses: Mapping[str, str]) -> dict[str, str]:
    """What shippers are told: the address of the Elasticsearch API, its host and its port."""
    url = addresses.get("elastic_url", _DEFAULT)
    parts = urlsplit(url)
    return {
        "url": url,
        "host": parts.hostname or "127.0.0.1",
        "port": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "tls": "on" if parts.scheme == "https" else "off",
    }


def router(house: ConsoleHouse) -> Router:
    """`/logs`."""

    @get("/logs")
    async def logs(request: AnyRequest) -> Response[str]:
        reader(request)
        return page(request, "logs/logs.html", {"ship": shipping(house.installation.addresses())})

    return Router("/", route_handlers=[logs])
