"""Lines of the access log: JSON documents under the names of the Elastic Common Schema. Pure.

A line is a head that differs with every request and a body that an answer from memory makes only once.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec
import orjson

_MAX_TEXT: Final = 1024
_MAX_KNOWN: Final = 4096


class Access(msgspec.Struct, frozen=True):
    """One answered request, but for what every request brings itself. `app` and what follows from it are "" for pages
    of ours."""

    host: str
    app: str
    environment: str
    release: str
    method: str
    path: str
    status: int
    size_bytes: int
    version: str = ""
    cid: str = ""
    via: str = ""


def body_of(access: Access, machine: str) -> str:
    """The line from its first constant field on, with the line's end. The query is left out: it may hold secrets."""
    status = access.status
    fields: dict[str, object] = {
        "log.level": "error" if status >= 500 else "warning" if status >= 400 else "info",
        "message": f"{access.method} {access.path[:_MAX_TEXT]} {status}",
        "http.request.method": access.method,
        "http.response.status_code": status,
        "http.response.body.bytes": access.size_bytes,
        "url.domain": access.host,
        "url.path": access.path[:_MAX_TEXT],
        "host.name": machine,
    }
    about = {
        "service.name": access.app,
        "service.environment": access.environment,
        "service.version": access.version,
        "dxops.release": access.release,
        "dxops.cid": access.cid,
        "dxops.via": access.via,
    }
    fields |= {name: value for name, value in about.items() if value}
    return _json(fields)[1:] + "\n"


def shortened(address: str) -> str:
    """A client's address without what names one household: /24 of IPv4, /48 of IPv6. "" for what is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return str(ip_network((found, 24 if found.version == 4 else 48), strict=False).network_address)


class Pieces:
    """A field as JSON by its raw value, remembered: what clients send repeats."""

    def __init__(self, name: str, shown: Callable[[str], str]) -> None:
        self._name = _json(name)
        self._shown = shown
        self._known: dict[str | None, str] = {None: ""}

    def of(self, raw: str | None) -> str:
        """`"name":"value",` or "" where there is nothing to show."""
        piece = self._known.get(raw)
        if piece is None:
            assert raw is not None
            text = self._shown(raw)[:_MAX_TEXT]
            piece = f"{self._name}:{_json(text)}," if text else ""
            if len(self._known) > _MAX_KNOWN:
                self._known = {None: ""}
            self._known[raw] = piece
        return piece


def without_port(client: str) -> str:
    """`10.0.0.1:5000` and `[::1]:5000` without the port."""
    return client.rpartition(":")[0].strip("[]") or client


def last_of(forwarded: str) -> str:
    """What the proxy next to us says in `X-Forwarded-For: client, proxy, proxy`: the others could be made up."""
    return forwarded.rpartition(",")[2].strip()


def without_query(url: str) -> str:
    """A referrer up to its path."""
    return url.partition("?")[0].partition("#")[0]


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # lone surrogates
        return msgspec.json.encode(value).decode()
