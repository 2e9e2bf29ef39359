"""What a browser is told and what is believed of it. Pure: headers in, decisions out.

Apps run on other ports of `localhost` and on `*.localhost`. Browsers count those as the same *site* as the console, so
`SameSite` cookies do travel; only the exact origin tells them apart.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = (
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    # `no-referrer` would make browsers send `Origin: null` with our own forms
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_HSTS = ("strict-transport-security", "max-age=31536000")

SAFE_METHODS = frozenset({"GET", "HEAD"})


def response_headers(*, hsts: bool) -> list[tuple[bytes, bytes]]:
    """Headers of every answer, as ASGI wants them. A handler's own value of the same name wins."""
    headers = [*_HEADERS, _HSTS] if hsts else [*_HEADERS]
    return [(name.encode(), value.encode()) for name, value in headers]


class Address(msgspec.Struct, frozen=True):
    """How a request addressed us: the origin in its browser's eyes, and whether that is TLS."""

    origin: str
    tls: bool


class HostRule:
    """Which `Host` headers are ours. Anything else may be an attacker's name pointing at this machine."""

    def __init__(self, hosts: Iterable[str], public_url: str = "") -> None:
        parts = urlsplit(public_url)
        default = {"http": 80, "https": 443}.get(parts.scheme)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        self._public = host if parts.port in (None, default) else f"{host}:{parts.port}"
        self._public_origin = f"{parts.scheme}://{self._public}"
        self._hosts = {"localhost", "127.0.0.1", "[::1]", *(host.lower() for host in hosts)}
        if host:
            self._hosts.add(host)

    def address(self, host: str, scheme: str) -> Address | None:
        """None for a host that is not ours, or is no host at all."""
        host = host.lower()
        if self._public and host == self._public:
            return Address(self._public_origin, self._public_origin.startswith("https:"))
        name, port = split_host(host)
        if name not in self._hosts or port is None:
            return None
        default = ":443" if scheme == "https" else ":80"
        return Address(f"{scheme}://{name}{'' if port == default else port}", scheme == "https")

    def is_public(self, address: Address) -> bool:
        """True for the configured public address over TLS: the only one for which browsers may be told to use nothing
        but TLS. Said for `localhost`, it would lock its user out of every other port of the machine."""
        return address.tls and address.origin == self._public_origin


def split_host(host: str) -> tuple[str, str | None]:
    """(`name`, `:port` or "") of a `Host` header; the port is None where the header is malformed."""
    name, port = host, ""
    if host.startswith("["):
        name, closed, rest = host.partition("]")
        if not closed or (rest and not rest.startswith(":")):
            return host, None
        name, port = name + closed, rest[1:]
    elif ":" in host:
        name, _, port = host.partition(":")
    if host.endswith(":") or (port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536)):
        return name, None
    return name, f":{port}" if port else ""


def listen_hosts(addresses: Iterable[str]) -> list[str]:
    """The host parts of listen addresses that clients may name; wildcards name nothing."""
    hosts = []
    for address in addresses:
        host = address.rpartition(":")[0]
        if not ipaddress.ip_address(host.strip("[]")).is_unspecified:
            hosts.append(host)
    return hosts


def cookie_refusal(method: str, headers: Mapping[str, str], origin: str) -> str | None:
    """Why a request's cookies must not speak for the person who owns them, or None.

    `headers` are lower-case. A request that changes something must prove that it comes from `origin`: by `Origin`, or
    where a browser sends none, by `Sec-Fetch-Site`. A read must not come from another origin's page, except as a link
    that a person follows (its page cannot see the answer).
    """
    sent = headers.get("origin")
    if sent is not None and sent != origin:
        return f"the request comes from {sent[:100]}, not from {origin}"
    site = headers.get("sec-fetch-site")
    if method in SAFE_METHODS:
        followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if site in (None, "same-origin", "none") or followed:
            return None
        return "the request comes from another origin's page"
    if site is not None and site != "same-origin":
        return "the request comes from another origin's page"
    if sent is None and site is None:
        return "the request does not say which page it comes from"
    return None


def client_ip(peer: str | None, forwarded: str | None, trusted: Iterable[str]) -> str | None:
    """Where a request came from: the nearest address in `X-Forwarded-For` that is not a trusted proxy's, if the peer
    is one; else the peer."""
    networks = [ipaddress.ip_network(network, strict=False) for network in trusted]
    at = peer
    for hop in reversed([] if forwarded is None else forwarded.split(",")):
        if not _within(at, networks):
            break
        try:
            at = str(ipaddress.ip_address(hop.strip()))
        except ValueError:
            break
    return at


def local_path(target: str | None, default: str = "/") -> str:
    """`target` if it is a path on this console, else `default`: a login page must not send people elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return default
    if (
        "\\" in target
        or any(ord(character) < 33 or ord(character) == 127 for character in target)
        or len(target) > 2000
    ):
        return default
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or parts.path == "/login" or parts.path.startswith("/login/"):
        return default
    return target


def _within(address: str | None, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        at = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return any(at in network for network in networks)
