"""`_cat` tables: aligned text or JSON, with `h`, `v`, `s`, `bytes`, `time`, `format` and `help`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from dxops.wire.elastic.errors import ElasticRefused, illegal_argument
from dxops.wire.elastic.names import read_flag
from dxops.wire.name_patterns import name_matches

Cell = str | int | float | None
Kind = Literal["text", "number", "bytes", "ms"]

PARAMETERS: Final = frozenset({"h", "v", "s", "bytes", "time", "help", "local", "master_timeout"})

_BYTES: Final = {"b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30}
_MORE_BYTES: Final = {"t": 1 << 40, "tb": 1 << 40, "p": 1 << 50, "pb": 1 << 50}
_MS: Final = {"nanos": 1e-6, "micros": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6, "d": 8.64e7}


class Column(msgspec.Struct, frozen=True):
    """One column. A column that is not `default` shows only when `h` asks for it."""

    name: str
    kind: Kind = "text"
    aliases: tuple[str, ...] = ()
    about: str = ""
    default: bool = True


class Table(msgspec.Struct, frozen=True):
    """Rows map column names to raw values (bytes as bytes, times as ms); an absent cell is None."""

    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Cell]]


def as_text(table: Table, parameters: Mapping[str, str]) -> str:
    """Lines that end in a newline. Raises `ElasticRefused` for a unit or a sort key that is not known."""
    if read_flag("help", parameters.get("help", "false")):
        abouts = [[column.name, "|", ",".join(column.aliases) or "-", "|", column.about] for column in table.columns]
        return _aligned(abouts, [])
    columns, lines = _cells(table, parameters)
    texts = [["" if cell is None else cell for cell in line] for line in lines]
    if read_flag("v", parameters.get("v", "false")):
        texts.insert(0, [name for name, _ in columns])
    return _aligned(texts, [place for place, (_, column) in enumerate(columns) if column.kind != "text"])


def as_values(table: Table, parameters: Mapping[str, str]) -> list[dict[str, str | None]]:
    """One object per row; as in the original, every value is a text or null."""
    columns, lines = _cells(table, parameters)
    return [dict(zip((name for name, _ in columns), line, strict=True)) for line in lines]


def _cells(table: Table, parameters: Mapping[str, str]) -> tuple[list[tuple[str, Column]], list[list[str | None]]]:
    columns = _chosen(table.columns, parameters.get("h", ""))
    size = _unit("bytes", parameters.get("bytes", ""), _BYTES | _MORE_BYTES)
    span = _unit("time", parameters.get("time", ""), _MS)
    rows = _sorted(table, parameters.get("s", ""))
    return columns, [[_cell(column.kind, row.get(column.name), size, span) for _, column in columns] for row in rows]


def _chosen(columns: Sequence[Column], wanted: str) -> list[tuple[str, Column]]:
    """(the name as it was asked for, the column). Names that no column has are left out, as in the original."""
    if not wanted:
        return [(column.name, column) for column in columns if column.default]
    chosen: list[tuple[str, Column]] = []
    for name in wanted.split(",")[:200]:
        name = name.strip()
        if "*" in name:
            chosen += [(column.name, column) for column in columns if name_matches(name, column.name)]
        else:
            chosen += [(name, column) for column in columns if name == column.name or name in column.aliases]
    return chosen


def _sorted(table: Table, keys: str) -> list[Mapping[str, Cell]]:
    rows = list(table.rows)
    for key in reversed([key.strip() for key in keys.split(",") if key.strip()]):
        name, _, order = key.partition(":")
        column = next((column for column in table.columns if name == column.name or name in column.aliases), None)
        if column is None or order not in ("", "asc", "desc"):
            raise ElasticRefused(illegal_argument(f"Unable to sort by unknown sort key `{key[:60]}`"))
        # absent cells sort as the smallest
        rows.sort(key=lambda row, of=column.name: _rank(row.get(of)), reverse=order == "desc")  # type: ignore[misc]
    return rows


def _rank(cell: Cell) -> tuple[int, Any]:
    if cell is None:
        return 0, 0
    return (2, cell) if isinstance(cell, str) else (1, cell)


def _unit(name: str, text: str, units: Mapping[str, float]) -> float | None:
    if text and text not in units:
        raise ElasticRefused(
            illegal_argument(f"{name} has the unknown unit [{text[:60]}]; use one of {', '.join(units)}")
        )
    return units[text] if text else None


def _cell(kind: Kind, value: Cell, size: float | None, span: float | None) -> str | None:
    if value is None or isinstance(value, str) or kind not in ("bytes", "ms"):
        return value if value is None else str(value)
    if kind == "bytes":
        return human_bytes(value) if size is None else str(int(value // size))
    return human_ms(value) if span is None else str(int(value / span))


def human_bytes(value: float) -> str:
    """`230b`, `1.2kb`, `5gb`."""
    for unit, name in ((50, "pb"), (40, "tb"), (30, "gb"), (20, "mb"), (10, "kb")):
        if value >= 1 << unit:
            return f"{value / (1 << unit):.1f}".removesuffix(".0") + name
    return f"{int(value)}b"


def human_ms(value: float) -> str:
    """`12ms`, `1.5s`, `3m`, `2d`."""
    for name in ("d", "h", "m", "s"):
        if value >= _MS[name]:
            return f"{value / _MS[name]:.1f}".removesuffix(".0") + name
    return f"{value:g}ms"


def _aligned(lines: list[list[str]], right: Sequence[int]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    pad = [str.rjust if place in right else str.ljust for place in range(len(widths))]
    return "".join(
        " ".join(how(cell, width) for how, cell, width in zip(pad, line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )
