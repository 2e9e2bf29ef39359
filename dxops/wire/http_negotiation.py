"""The parts of RFC 9110 that a file server decides by: host, encodings, validators, ranges. Pure functions."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_QVALUE: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_ETAG: Final = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"\s*(?:,|$)')
_RANGE: Final = re.compile(r"\s*bytes\s*=\s*([0-9]*)\s*-\s*([0-9]*)\s*", re.IGNORECASE)

MAX_HOST: Final = 253


class HostName(msgspec.Struct, frozen=True):
    """A `Host`: `name` in lower case without port and without the trailing dot; `port` as written, or ""."""

    name: str
    port: str

    @property
    def is_address(self) -> bool:
        """True for an IP address instead of a name."""
        return self.name.startswith("[") or self.name.replace(".", "").isdigit()


def parse_host(value: str) -> HostName | None:
    """The host of a `Host` header or authority, or None for anything that is not one: user info, lists, spaces, names
    that are not A-labels (an IDN arrives as `xn--…`), ports that are not numbers, more than 253 characters."""
    if len(value) > MAX_HOST + 7:
        return None
    text = value.strip().lower()
    if text.startswith("["):
        inside, closed, rest = text[1:].partition("]")
        try:
            address = ipaddress.IPv6Address(inside)
        except ValueError:
            return None
        name, port = f"[{address.compressed}]", rest.removeprefix(":")
        if address.scope_id or not closed or (rest and not rest.startswith(":")):
            return None
    else:
        name, _, port = text.partition(":")
        name = name.removesuffix(".")
        if len(name) > MAX_HOST or not _HOST.fullmatch(name):
            return None
    if port and (not _PORT.fullmatch(port) or int(port) > 65535):
        return None
    return HostName(name, port)


@lru_cache(maxsize=512)
def parse_accept_encoding(header: str) -> dict[str, float]:
    """Coding to q-value; unreadable members are left out."""
    found: dict[str, float] = {}
    for member in header.lower().split(","):
        coding, *parameters = (part.strip() for part in member.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                quality = float(value) if _QVALUE.fullmatch(value.strip()) else 0.0
        if coding:
            found["gzip" if coding == "x-gzip" else coding] = quality
    return found


def choose_encoding(header: str | None, sizes: Sequence[tuple[str, int]]) -> str | None:
    """The coding to answer with, out of `sizes` (coding, bytes): the highest q, among equals the smallest body. None is
    identity, also where the client forbids even that: an answer that may be readable beats a 406."""
    if not header or not sizes:
        return None
    wanted = parse_accept_encoding(header)
    anything = wanted.get("*", 0.0)
    best: tuple[float, int, str] | None = None
    for coding, size in sizes:
        quality = wanted.get(coding, anything)
        if quality > 0 and (best is None or (-quality, size) < (-best[0], best[1])):
            best = (quality, size, coding)
    if best is None or best[0] < wanted.get("identity", 0.0):
        return None
    return best[2]


def parse_etags(header: str) -> list[tuple[bool, str]] | None:
    """`(is_weak, opaque)` of each entity tag, up to the first that is malformed; None for `*`."""
    if header.strip() == "*":
        return None
    tags: list[tuple[bool, str]] = []
    at = 0
    while match := _ETAG.match(header, at):
        tags.append((match[1] is not None, match[2]))
        at = match.end()
        if at >= len(header):
            break
    return tags


def none_match_hits(header: str, etag: str) -> bool:
    """True if `If-None-Match: header` names `etag` (with its quotes), by weak comparison: answer 304."""
    if header == etag:
        return True
    tags = parse_etags(header)
    return tags is None or any(opaque == etag[1:-1] for _, opaque in tags)


def if_range_holds(header: str | None, etag: str) -> bool:
    """True if a range may be answered: no `If-Range`, or the strong `etag` itself. A date never holds: we send none."""
    return header is None or header.strip() == etag


class ByteRange(msgspec.Struct, frozen=True):
    """Bytes `start` to `end`, `end` excluded."""

    start: int
    end: int


UNSATISFIABLE: Final = ByteRange(0, 0)


def parse_range(header: str, size: int) -> ByteRange | None:
    """The one range asked for; None to answer with the whole (another unit, malformed, several ranges);
    `UNSATISFIABLE` for 416."""
    match = _RANGE.fullmatch(header)
    if match is None or len(header) > 60 or not (match[1] or match[2]):
        return None
    if not match[1]:
        suffix = min(int(match[2]), size)
        return ByteRange(size - suffix, size) if suffix else UNSATISFIABLE
    start = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < start:
        return None
    if start >= size:
        return UNSATISFIABLE
    return ByteRange(start, min(last + 1, size))
