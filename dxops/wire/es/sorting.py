"""`sort` of a search request."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dxops.wire.es.body import Body, json_kind
from dxops.wire.es.errors import PARSING, EsError, unsupported
from dxops.wire.query_tree import Scalar

SCORE: Final = "_score"
DOC: Final = "_doc"
SHARD_DOC: Final = "_shard_doc"
MAX_KEYS: Final = 32

_MODES: Final = ("min", "max", "sum", "avg", "median")


class SortKey(msgspec.Struct, frozen=True):
    """`field` may be `_score` (all are equal), `_doc` or `_shard_doc` (the store's own order).

    `missing` is `_last`, `_first` or the value that stands in. `mode` picks one of an array's values; "" is the least
    when ascending and the greatest when descending. `format` is that of a date in the answer's `sort`.
    """

    field: str
    descending: bool = False
    missing: Scalar = "_last"
    unmapped_type: str = ""
    mode: str = ""
    format: str = ""
    numeric_type: str = ""


def parse_sort(value: Any) -> tuple[SortKey, ...]:
    """`"f"`, `{"f": "desc"}`, `{"f": {options}}` or an array of these."""
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_KEYS:
        raise EsError(PARSING, f"[sort] has {len(items)} keys; at most {MAX_KEYS} are allowed", key="sort")
    keys: list[SortKey] = []
    for item in items:
        if isinstance(item, str):
            keys.append(_key(item, {}))
        elif isinstance(item, dict):
            keys += [_key(name, options) for name, options in item.items()]
        else:
            raise EsError(PARSING, f"[sort] must be names or objects, found {json_kind(item)}", key="sort")
    return tuple(keys)


def parse_sort_parameter(text: str) -> tuple[SortKey, ...]:
    """The URL's `sort=a:desc,b`."""
    keys: list[SortKey] = []
    for part in text.split(","):
        name, colon, order = part.rpartition(":")
        keys.append(_key(name, order) if colon and order in ("asc", "desc") else _key(part, {}))
    return tuple(keys)


def _key(name: str, value: Any) -> SortKey:
    if name in ("_script", "_geo_distance"):
        raise unsupported(f"[sort] by [{name}]", "sort by a field", name)
    body = Body("sort", {"order": value} if isinstance(value, str) else value)
    order = body.choice("order", ("asc", "desc"), "desc" if name == SCORE else "asc")
    missing = body.take("missing")
    if missing is not None and not isinstance(missing, str | int | float | bool):
        raise body.wrong("missing", "_last, _first or a value", missing)
    mode = body.choice("mode", _MODES, "min") if "mode" in body else ""
    key = SortKey(
        name,
        order == "desc",
        "_last" if missing is None else missing,
        body.text("unmapped_type", "") or "",
        mode,
        body.text("format", "") or "",
        body.text("numeric_type", "") or "",
    )
    nested = body.take("nested")
    if isinstance(nested, dict) and set(nested) - {"path"}:
        raise unsupported("[nested] of [sort] beyond [path]", "array elements are not documents of their own", "nested")
    body.accept("ignore_unmapped")
    body.close()
    return key
