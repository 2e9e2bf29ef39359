"""Bars as the server draws them: values to places in a box. Pure; the macros of `plots.html` write the SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

WIDTH: Final = 600.0
HEIGHT: Final = 120.0
_GAP: Final = 0.18  # of a column, free between it and the next


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A rectangle in a box of 600 by 120, counted from its upper left; `series` counts from 1."""

    x: float
    y: float
    width: float
    height: float
    series: int


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What stands over one place of the axis. `label` says it in words; `x` and `width` are the whole column's."""

    label: str
    x: float
    width: float
    bars: tuple[Bar, ...]


def beside(labels: Sequence[str], rows: Sequence[Sequence[float | None]]) -> list[Column]:
    """Several values side by side in each column; None draws nothing."""
    highest = max((value for row in rows for value in row if value), default=0.0) or 1.0
    step = WIDTH / max(1, len(rows))
    columns = []
    for place, (label, row) in enumerate(zip(labels, rows, strict=True)):
        width = step * (1 - _GAP) / max(1, len(row))
        left = step * (place + _GAP / 2)
        bars = tuple(
            _bar(left + width * which, width, 0.0, value / highest, which + 1)
            for which, value in enumerate(row)
            if value
        )
        columns.append(Column(label=label, x=round(step * place, 2), width=round(step, 2), bars=bars))
    return columns


def stacked(labels: Sequence[str], rows: Sequence[Sequence[float]]) -> list[Column]:
    """Several values one upon the other in each column."""
    highest = max((sum(row) for row in rows), default=0.0) or 1.0
    step = WIDTH / max(1, len(rows))
    columns = []
    for place, (label, row) in enumerate(zip(labels, rows, strict=True)):
        bars, below = [], 0.0
        for which, value in enumerate(row):
            if value:
                share = value / highest
                bars.append(_bar(step * (place + _GAP / 2), step * (1 - _GAP), below, share, which + 1))
                below += share
        columns.append(Column(label=label, x=round(step * place, 2), width=round(step, 2), bars=tuple(bars)))
    return columns


def _bar(x: float, width: float, below: float, share: float, series: int) -> Bar:
    height = max(HEIGHT * share, 1.0)  # what is there is seen
    return Bar(
        x=round(x, 2),
        y=round(HEIGHT - HEIGHT * below - height, 2),
        width=round(width, 2),
        height=round(height, 2),
        series=series,
    )
