"""Content negotiation and the query parameters that every endpoint knows.

`Accept: application/vnd.elasticsearch+json; compatible-with=9` is answered with exactly that type, everything else with
`application/json`; cat answers text unless JSON is asked for. `human` and `error_trace` are accepted without effect.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

import msgspec
import orjson

from dxops.wire.elastic.errors import ElasticRefused, Fault, dumps, illegal_argument
from dxops.wire.elastic.filter_path import FilterPath, read_filter_path
from dxops.wire.elastic.names import read_flag

PRODUCT_HEADER: Final = ("X-Elastic-Product", "Elasticsearch")
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=UTF-8"
COMMON_PARAMETERS: Final = frozenset({"pretty", "human", "error_trace", "filter_path", "format"})

_VENDOR = re.compile(r"application/vnd\.elasticsearch\+json *; *compatible-with *= *\"?([789])\"?", re.ASCII | re.I)
_REQUEST = re.compile(r"application/(?:vnd\.elasticsearch\+)?(json|x-ndjson)", re.ASCII | re.I)


class Answering(msgspec.Struct, frozen=True, kw_only=True):
    """How to answer this caller. `compatible` is the version it asked for; `text` only ever for cat."""

    content_type: str
    compatible: int | None = None
    text: bool = False
    pretty: bool = False
    filter_path: FilterPath | None = None

    def encode(self, value: Any) -> bytes:
        """The body: filtered, keys in their order, without whitespace unless `pretty`."""
        if self.filter_path is not None:
            value = self.filter_path.apply(value)
        if not self.pretty:
            return dumps(value)
        return orjson.dumps(orjson.loads(dumps(value)), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def answering(accept: str, parameters: Mapping[str, str], *, cat: bool = False) -> Answering:
    """Raises `ElasticRefused` (400) for a `format` that is not spoken or a flag that is none."""
    vendor, text = None, cat
    for part in accept.split(","):
        kind = part.strip()
        if vendor is None:
            vendor = _VENDOR.fullmatch(kind)
    if cat:
        first = next((kind for part in accept.split(",") if _known(kind := part.strip().lower())), "*/*")
        text = "json" not in first
    form = parameters.get("format", "").lower()
    if form and form not in ("json", "text", "txt"):
        raise ElasticRefused(illegal_argument(f"format [{form[:60]}] is not supported; use json{' or text' * cat}"))
    if form:
        text = cat and form != "json"
    return Answering(
        content_type=TEXT if text else vendor[0] if vendor is not None else JSON,
        compatible=int(vendor[1]) if vendor is not None else None,
        text=text,
        pretty=read_flag("pretty", parameters.get("pretty", "false")),
        filter_path=read_filter_path(parameters.get("filter_path", "")),
    )


def request_kind(content_type: str) -> Literal["json", "ndjson"]:
    """What the body is labelled as; no label counts as JSON. Callers that read NDJSON take either.

    Raises `ElasticRefused` (406) for anything else, also because a form or plain text could come from any web page.
    """
    kind = content_type.partition(";")[0].strip()
    if not kind:
        return "json"
    match = _REQUEST.fullmatch(kind)
    if match is None:
        reason = f"Content-Type header [{content_type[:200]}] is not supported; use application/json"
        raise ElasticRefused(Fault(type="media_type_header_exception", reason=reason, status=406))
    return "ndjson" if "ndjson" in match[1].lower() else "json"


def check_parameters(path: str, parameters: Collection[str], known: Collection[str]) -> None:
    """Refuses what the endpoint does not know, naming all of it. Raises `ElasticRefused`."""
    unknown = sorted(set(parameters) - set(known) - COMMON_PARAMETERS)
    if unknown:
        names = ", ".join(f"[{name[:60]}]" for name in unknown[:20])
        plural = "s" if len(unknown) > 1 else ""
        raise ElasticRefused(
            illegal_argument(f"request [{path[:300]}] contains unrecognized parameter{plural}: {names}")
        )


def _known(kind: str) -> bool:
    name = kind.partition(";")[0].strip()
    return name in ("text/plain", "text/*", "*/*", JSON) or name.startswith("application/vnd.elasticsearch+json")
