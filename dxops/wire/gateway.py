"""The IPFS HTTP gateways as pure functions: paths and hosts to targets, formats, CAR parameters, ranges, headers.

Sources: the path, subdomain and trustless gateway specifications of IPFS; RFC 9110 for ranges and validators.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import msgspec

from dxops.base.errors import DxopsError, Refused

IMMUTABLE: Final = "public, max-age=29030400, immutable"
MAX_PATH_BYTES: Final = 16_384

_BYTES = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_ENTITY_BYTES = re.compile(r"(-?\d{1,18}):(-?\d{1,18}|\*)", re.ASCII)
_SUBDOMAIN = re.compile(r"([a-z0-9-]{1,200})\.(ipfs|ipns)\.(.+)", re.ASCII)


class NotAcceptable(DxopsError):
    """The content cannot be given in the format asked for (406)."""

    default_code = "not_acceptable"


class Unsatisfiable(DxopsError):
    """A range outside the content (416)."""

    default_code = "range_unsatisfiable"


class Format(StrEnum):
    """What is asked for; `UNIXFS` is the file or listing itself."""

    UNIXFS = ""
    RAW = "raw"
    CAR = "car"
    TAR = "tar"
    DAG_JSON = "dag-json"
    DAG_CBOR = "dag-cbor"
    JSON = "json"
    CBOR = "cbor"
    IPNS_RECORD = "ipns-record"


MEDIA_TYPES: Final[dict[Format, str]] = {
    Format.RAW: "application/vnd.ipld.raw",
    Format.CAR: "application/vnd.ipld.car",
    Format.TAR: "application/x-tar",
    Format.DAG_JSON: "application/vnd.ipld.dag-json",
    Format.DAG_CBOR: "application/vnd.ipld.dag-cbor",
    Format.JSON: "application/json",
    Format.CBOR: "application/cbor",
    Format.IPNS_RECORD: "application/vnd.ipfs.ipns-record",
}
_BY_MEDIA_TYPE: Final = {media: format for format, media in MEDIA_TYPES.items()}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """`/ipfs/<name>/<segments…>`: `segments` are decoded once; `slash` tells whether the path ended with `/`."""

    namespace: str
    name: str
    segments: tuple[str, ...]
    slash: bool

    @property
    def path(self) -> str:
        """The content path with every segment escaped, as it stands in a URL."""
        return "/" + "/".join([self.namespace, self.name, *map(escape, self.segments)])


class Subdomain(msgspec.Struct, frozen=True):
    """`<label>.<namespace>.<base>`; `base` keeps the port."""

    label: str
    namespace: str
    base: str


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """The negotiated format, the `Accept` parameters that came with it, and whether `?format=` named it."""

    format: Format
    parameters: dict[str, str]
    by_query: bool


class CarWish(msgspec.Struct, frozen=True, kw_only=True):
    """`scope` is `all`, `entity` or `block`; `entity_bytes` is (from, to), `to` None for `*`, negatives from the end;
    `dups` tells whether repeated blocks are wanted."""

    scope: str
    entity_bytes: tuple[int, int | None] | None
    dups: bool

    @property
    def tag(self) -> str:
        """What sets this CAR apart from others of the same root, for the ETag."""
        span = "" if self.entity_bytes is None else f".{self.entity_bytes[0]}_{_star(self.entity_bytes[1])}"
        return f"car.{self.scope}{span}{'.dups' if self.dups else ''}"


def _star(value: int | None) -> str:
    return "end" if value is None else str(value)


def escape(segment: str) -> str:
    """A path segment for a URL; whatever the name holds, it stays one segment."""
    return quote(segment.encode("utf-8", "surrogateescape"), safe="!$&'()*+,;=:@-._~")


def target_of(raw_path: bytes) -> Target | None:
    """The target of `/ipfs/…` or `/ipns/…` as it came on the wire; None for any other path.

    Raises `Refused` for an empty name, NUL, an escaped slash in a segment, or a path over 16 KiB. Empty segments are
    dropped; `.` and `..` are kept as names: nothing is ever resolved against the outside.
    """
    if len(raw_path) > MAX_PATH_BYTES:
        raise Refused(f"the path is over {MAX_PATH_BYTES} bytes", code="path_too_long")
    head, *rest = raw_path.split(b"/")[1:] or [b""]
    namespace = head.decode("ascii", "replace")
    if namespace not in ("ipfs", "ipns"):
        return None
    segments = [_segment(part) for part in rest if part]
    if not segments:
        raise Refused(f"name the content: /{namespace}/<cid>[/path]", code="no_cid")
    return Target(
        namespace=namespace, name=segments[0], segments=tuple(segments[1:]), slash=rest[-1] == b"" and len(rest) > 1
    )


def segments_of(raw_path: bytes) -> tuple[tuple[str, ...], bool]:
    """(segments, trailing slash) of a path below a subdomain's root. Raises `Refused` as `target_of`."""
    target = target_of(b"/ipfs/x" + raw_path)
    assert target is not None
    return target.segments, target.slash


def _segment(part: bytes) -> str:
    text = unquote_to_bytes(part).decode("utf-8", "surrogateescape")
    if "/" in text or "\0" in text:
        raise Refused("a path segment may hold neither '/' nor NUL", code="bad_path")
    return text


def subdomain_of(host: str) -> Subdomain | None:
    """The parts of `<label>.ipfs.<base>` (case-insensitive), or None. Raises `Refused` for a label over 63 bytes."""
    found = _SUBDOMAIN.fullmatch(host.lower())
    if not found:
        return None
    if len(found[1]) > 63:
        raise Refused("a DNS label has at most 63 characters; use base36 or the path gateway", code="label_too_long")
    return Subdomain(found[1], found[2], found[3])


def uri_redirect(query: str) -> str | None:
    """The path for `/ipfs/?uri=ipfs://…` (what a registered protocol handler calls). None without `uri`.

    Raises `Refused` for any other scheme.
    """
    uri = dict(parse_qsl(query)).get("uri")
    if uri is None:
        return None
    scheme, _, rest = uri.partition("://")
    if scheme.lower() not in ("ipfs", "ipns") or not rest or rest.startswith("/"):
        raise Refused("uri must start with ipfs:// or ipns://", field="uri")
    path, mark, tail = rest.partition("?")
    target = f"/{scheme.lower()}/" + quote(path, safe="/!$&'()*+,;=:@-._~%")
    return target + "?" + quote(tail, safe="=&%+") if mark else target


def negotiate(query: dict[str, str], accept: str) -> Wish:
    """The format: `?format=` wins, then the first IPLD or TAR type named in `Accept`, else UnixFS.

    Raises `Refused` for an unknown `?format=`.
    """
    named = query.get("format")
    offers = [_offer(part) for part in accept.split(",")]
    if named is not None:
        try:
            wanted = Format(named)
        except ValueError:
            wanted = Format.UNIXFS
        if wanted is Format.UNIXFS:
            known = ", ".join(format.value for format in Format if format)
            raise Refused(f"format '{named[:40]}' is not known; known are {known}", field="format")
        parameters = next((given for media, given in offers if media == MEDIA_TYPES[wanted]), {})
        return Wish(format=wanted, parameters=parameters, by_query=True)
    for media, given in offers:
        if media in _BY_MEDIA_TYPE and given.get("q") not in ("0", "0.0"):
            return Wish(format=_BY_MEDIA_TYPE[media], parameters=given, by_query=False)
    return Wish(format=Format.UNIXFS, parameters={}, by_query=False)


def _offer(part: str) -> tuple[str, dict[str, str]]:
    media, *parameters = part.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return media.strip().lower(), {name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs}


def car_wish(query: dict[str, str], parameters: dict[str, str]) -> CarWish:
    """CAR parameters; the query wins over `Accept`. Raises `Refused` (400) for malformed, `NotAcceptable` for
    unsupported ones."""
    version = query.get("car-version", parameters.get("version", "1"))
    if version != "1":
        raise NotAcceptable(
            f"CAR version {version[:20]} is not supported", hint="ask for version 1", field="car-version"
        )
    order = query.get("car-order", parameters.get("order", "dfs"))
    if order not in ("dfs", "unk"):
        raise NotAcceptable(f"CAR order '{order[:20]}' is not supported", hint="ask for dfs", field="car-order")
    dups = query.get("car-dups", parameters.get("dups", "n"))
    if dups not in ("y", "n"):
        raise Refused("car-dups must be y or n", field="car-dups")
    span = _entity_bytes(query["entity-bytes"]) if "entity-bytes" in query else None
    scope = query.get("dag-scope", "all" if span is None else "entity")
    if scope not in ("all", "entity", "block"):
        raise Refused("dag-scope must be all, entity or block", field="dag-scope")
    if span is not None:
        scope = "entity"
    return CarWish(scope=scope, entity_bytes=span, dups=dups == "y")


def _entity_bytes(text: str) -> tuple[int, int | None]:
    found = _ENTITY_BYTES.fullmatch(text)
    if not found:
        raise Refused("entity-bytes must be like 0:1023, -1024:* or 499:-1000", field="entity-bytes")
    start, end = int(found[1]), None if found[2] == "*" else int(found[2])
    if end is not None and (start < 0) == (end < 0) and end < start:
        raise Refused("entity-bytes ends before it starts", field="entity-bytes")
    return start, end


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """A single `Range` as [start, end), or None to send everything (no header, several ranges, another unit).

    Raises `Unsatisfiable` when it lies outside.
    """
    found = _BYTES.fullmatch((header or "").replace(" ", ""))
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start = int(found[1])
        end = min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise Unsatisfiable(f"the content has {size} bytes", field="Range")
    return start, end


def etag_matches(if_none_match: str | None, etag: str) -> bool:
    """Weak comparison of `If-None-Match` with our ETag."""
    if not if_none_match:
        return False
    ours = etag.removeprefix("W/")
    return any(given.strip().removeprefix("W/") in (ours, "*") for given in if_none_match.split(","))


def disposition(filename: str, *, attachment: bool) -> str:
    """`Content-Disposition` with an ASCII fallback and the real name per RFC 5987."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    kind = "attachment" if attachment else "inline"
    if plain == filename:
        return f'{kind}; filename="{plain}"'
    encoded = quote(filename.encode("utf-8", "replace"), safe="")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def header_text(value: str) -> str:
    """A value that may stand in a header whatever it was: anything but visible ASCII is percent-encoded."""
    return quote(value.encode("utf-8", "surrogateescape"), safe="!$&'()*+,;=:@-._~/%?#[]")
