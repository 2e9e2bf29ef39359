"""Tables as text: CSV (RFC 4180), TSV and aligned columns, as `_sql` and `_query` answer them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from dxops.wire.elastic.errors import ElasticRefused, illegal_argument

CONTENT_TYPES: Final = {
    "csv": "text/csv; charset=utf-8; header=present",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
_ACCEPTED: Final = {"text/csv": "csv", "text/tab-separated-values": "tsv", "text/plain": "txt"}
_MAX_WIDTH: Final = 2_000


def table_format(format_: str, accept: str) -> str:
    """`json`, `csv`, `tsv` or `txt`; the parameter wins. Raises `ElasticRefused`."""
    if format_:
        if format_ not in ("json", *CONTENT_TYPES):
            raise ElasticRefused(
                illegal_argument(f"format [{format_[:60]}] is not supported; use json, csv, tsv or txt")
            )
        return format_
    for part in accept.split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in _ACCEPTED:
            return _ACCEPTED[kind]
        if "json" in kind or kind == "*/*":
            break
    return "json"


def table_text(format_: str, names: Sequence[str], rows: Sequence[Sequence[Any]], *, delimiter: str = ",") -> str:
    """The whole table. `delimiter` is CSV's. Raises `ElasticRefused` for one that cannot be."""
    texts = [[_text(value) for value in row] for row in rows]
    if format_ == "csv":
        if len(delimiter) != 1 or delimiter in '"\r\n\t':
            raise ElasticRefused(
                illegal_argument("[delimiter] must be one character, and none of quote, tab and newline")
            )
        return "".join(delimiter.join(_csv(cell, delimiter) for cell in row) + "\r\n" for row in [list(names), *texts])
    if format_ == "tsv":
        return "".join("\t".join(map(_tsv, row)) + "\n" for row in [list(names), *texts])
    widths = [
        max([len(name), *(min(len(row[place]), _MAX_WIDTH) for row in texts)]) for place, name in enumerate(names)
    ]
    head = "|".join(name.center(width) for name, width in zip(names, widths, strict=True))
    line = "+".join("-" * width for width in widths)
    body = ["|".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in texts]
    return "\n".join([head, line, *body]) + "\n"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    return str(value)


def _csv(cell: str, delimiter: str) -> str:
    if any(char in cell for char in ('"', delimiter, "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _tsv(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
