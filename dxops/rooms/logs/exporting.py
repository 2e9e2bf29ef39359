"""Lines as files: NDJSON, or CSV that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final, Literal

import msgspec
import orjson

from dxops.base.errors import DxopsError, Refused
from dxops.rooms.logs.explorer import Explorer
from dxops.rooms.logs.model import Line, Selection
from dxops.rooms.logs.showing import on_one_line
from dxops.wire.elastic.times import format_ms
from dxops.wire.es.fields import flatten

MAX_LINES: Final = 1_000_000
MAX_COLUMNS: Final = 100
DEFAULT_COLUMNS: Final = ("time", "level", "service", "host", "message")
_PAGE: Final = 2_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_OF_LINE: Final = frozenset(
    {"id", "seq", "stream", "time", "level", "service", "host", "environment", "message", "source"}
)
_ALIASES: Final = {"@timestamp": "time", "_index": "stream", "_id": "id", "_source": "source"}


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """`columns` are for CSV, in order: those of a line, or fields of its document."""

    format: Literal["csv", "ndjson"]
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    limit: int = 100_000


def read_columns(text: str) -> tuple[str, ...]:
    """A comma list. Raises `Refused`."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if len(names) > MAX_COLUMNS:
        raise Refused(f"at most {MAX_COLUMNS} columns", field="columns")
    return names or DEFAULT_COLUMNS


async def exported(
    explorer: Explorer, selection: Selection, wanted: Export, *, newest_first: bool
) -> AsyncGenerator[bytes, None]:
    """The file, a page of lines at a time: the next is asked for when this one is taken. What fails half way is said in
    a last line, since the status is out by then."""
    if wanted.format == "csv":
        yield csv_rows([wanted.columns], escape=False)
    after: tuple[Any, ...] = ()
    left = wanted.limit
    while left > 0:
        try:
            found = (
                await explorer.search(
                    selection, limit=min(_PAGE, left), newest_first=newest_first, after=after, count_to=0
                )
            ).answer
        except DxopsError as error:
            yield _cut_off(wanted, error)
            return
        if wanted.format == "csv":
            yield csv_rows([csv_cells(line, wanted.columns) for line in found.lines])
        else:
            yield b"".join(ndjson(line) for line in found.lines)
        left -= len(found.lines)
        if found.last is None:
            return
        after = found.last


def ndjson(line: Line) -> bytes:
    """`{"@timestamp", "_index", "_id", "_source"}` on a line; the document exactly as it was sent."""
    head = orjson.dumps({"@timestamp": format_ms(line.ts_ms), "_index": line.stream, "_id": line.id})
    return head[:-1] + b',"_source":' + on_one_line(line.source) + b"}\n"


def csv_cells(line: Line, columns: Sequence[str]) -> list[str]:
    """The values of columns; several of a field in `; `, JSON where a value is an object."""
    flat: dict[str, list[Any]] | None = None
    cells = []
    for column in columns:
        name = _ALIASES.get(column, column)
        if name in _OF_LINE:
            cells.append(_of_line(line, name))
            continue
        if flat is None:
            flat = flatten(orjson.loads(line.source))
        cells.append("; ".join(_text(value) for value in flat.get(name, [])))
    return cells


def csv_rows(rows: Sequence[Sequence[str]], *, escape: bool = True) -> bytes:
    """RFC 4180. A cell that a spreadsheet would run as a formula gets an apostrophe before it; numbers stay."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([[_safe(cell) for cell in row] for row in rows] if escape else rows)
    return out.getvalue().encode("utf-8", "replace")


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.strip() == cell


def _of_line(line: Line, name: str) -> str:
    if name == "time":
        return format_ms(line.ts_ms)
    if name == "source":
        return on_one_line(line.source).decode("utf-8", "replace")
    return str(getattr(line, name))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _cut_off(wanted: Export, error: DxopsError) -> bytes:
    if wanted.format == "csv":
        return csv_rows([[f"the export ended here: {error.message}"]])
    return orjson.dumps({"error": {"code": error.code, "message": error.message, "hint": error.hint}}) + b"\n"
