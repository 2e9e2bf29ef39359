"""The body of `_msearch`: pairs of lines, a header and a search. One bad search does not spoil the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from dxops.wire.es.body import Body
from dxops.wire.es.errors import ILLEGAL, PARSING, EsError
from dxops.wire.es.search import SearchRequest, parse_search

MAX_SEARCHES: Final = 1_000
_HEADER: Final = (
    "preference",
    "routing",
    "search_type",
    "request_cache",
    "ccs_minimize_roundtrips",
    "allow_partial_search_results",
    "max_concurrent_shard_requests",
    "ignore_throttled",
)


class MsearchItem(msgspec.Struct, frozen=True):
    """One search: `request`, or the `error` that answers it. Empty `indices` are those of the URL."""

    indices: tuple[str, ...]
    request: SearchRequest | None
    error: EsError | None = None
    ignore_unavailable: bool = False
    allow_no_indices: bool = True
    expand_wildcards: str = "open"


def parse_msearch(data: bytes, parameters: Mapping[str, str] | None = None) -> tuple[MsearchItem, ...]:
    """`parameters` of the URL apply to every search. Raises `EsError` where the lines are no pairs."""
    lines = [line for line in data.replace(b"\r\n", b"\n").split(b"\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise EsError("action_request_validation_exception", "Validation Failed: 1: no requests added;")
    if len(lines) % 2:
        raise EsError(ILLEGAL, f"The msearch request has a header without a search in line {len(lines)}")
    if len(lines) > 2 * MAX_SEARCHES:
        raise EsError(ILLEGAL, f"The msearch request has more than {MAX_SEARCHES} searches")
    return tuple(_item(lines[at], lines[at + 1], at + 1, parameters) for at in range(0, len(lines), 2))


def _item(head: bytes, search: bytes, line: int, parameters: Mapping[str, str] | None) -> MsearchItem:
    header = Body("msearch header", _json(head, line) if head.strip() else {})
    indices = [name for key in ("index", "indices") for text in header.strings(key) for name in text.split(",")]
    expand = header.strings("expand_wildcards")
    item = MsearchItem(
        tuple(name for name in indices if name),
        None,
        None,
        header.boolean("ignore_unavailable", False),
        header.boolean("allow_no_indices", True),
        ",".join(expand) or "open",
    )
    header.accept(*_HEADER)
    header.close()
    try:
        return msgspec.structs.replace(item, request=parse_search(_json(search, line + 1), parameters))
    except EsError as error:
        return msgspec.structs.replace(item, error=error)


def _json(line: bytes, number: int) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise EsError(PARSING, f"[{number}:{error.colno}] is not JSON: {error.msg}") from error
