"""Metric aggregations as columns of a statement, and its rows as their results."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from dxops.rooms.logs.fields import base_name, is_time
from dxops.rooms.logs.values import Kinds, number, numbers, text, texts
from dxops.wire.es.agg_metrics import ExtendedStats, Metric, PercentileRanks, Percentiles
from dxops.wire.es.agg_request import Aggregation
from dxops.wire.es.agg_results import PercentileValues, Result, Stats, Value

_TEXT_METRICS: Final = ("value_count", "cardinality")


class Column(msgspec.Struct, frozen=True):
    """A metric: `input` per row, `outputs` per group, and what is made of them."""

    name: str
    input: str
    outputs: tuple[str, ...]
    result: Callable[[Sequence[Any]], Result]


class Columns(msgspec.Struct, frozen=True):
    columns: tuple[Column, ...]

    @property
    def inputs(self) -> list[str]:
        """For the statement that reads the rows; never empty."""
        return [f"{each.input} AS x{place}" for place, each in enumerate(self.columns)]

    @property
    def names(self) -> list[str]:
        count = sum(len(each.outputs) for each in self.columns)
        return [f"m{place}" for place in range(count)]

    @property
    def outputs(self) -> list[str]:
        """For the statement that groups them."""
        found = [each.format(x=f"x{place}") for place, column in enumerate(self.columns) for each in column.outputs]
        return [f"{each} AS m{place}" for place, each in enumerate(found)]

    def results(self, row: Sequence[Any]) -> dict[str, Result]:
        """`row` are the values of `names`."""
        found: dict[str, Result] = {}
        at = 0
        for each in self.columns:
            found[each.name] = each.result(row[at : at + len(each.outputs)])
            at += len(each.outputs)
        return found


def columns_of(metrics: Sequence[Aggregation], kinds: Kinds) -> Columns:
    """Only aggregations that are metrics, `top_hits` apart."""
    return Columns(tuple(_column(each, kinds) for each in metrics))


class _Form(msgspec.Struct, frozen=True):
    """How aggregate functions take their input: arrays of values, or one that may be NULL."""

    arrays: bool

    @property
    def count(self) -> str:
        return "sum(length({x}))" if self.arrays else "count({x})"

    def of(self, function: str, parameters: str = "") -> str:
        """A call; `parameters` with their parentheses."""
        return f"{function}{'Array' if self.arrays else ''}{parameters}({{x}})"


def _column(of: Aggregation, kinds: Kinds) -> Column:
    spec = of.spec
    assert isinstance(spec, Metric | ExtendedStats | Percentiles | PercentileRanks)
    is_date = is_time(base_name(spec.field))
    form = _Form(kinds.has_arrays(spec.field))
    if isinstance(spec, Metric) and spec.kind in _TEXT_METRICS:
        words = (texts if form.arrays else text)(spec.field, kinds, spec.missing)
        output = form.count if spec.kind == "value_count" else form.of("uniqCombined64")
        return Column(of.name, words, (output,), lambda row: Value(int(row[0] or 0)))
    values = (numbers if form.arrays else number)(spec.field, kinds, spec.missing)
    range_ = (form.count, form.of("min"), form.of("max"), form.of("sum"))
    match spec:
        case Metric(kind="stats"):
            return Column(of.name, values, range_, lambda row: _stats(row, is_date))
        case ExtendedStats():
            squares = "sum(arraySum(arrayMap(e -> e * e, {x})))" if form.arrays else "sum({x} * {x})"
            return Column(of.name, values, (*range_, squares), lambda row: _stats(row, is_date))
        case Metric(kind="avg"):
            return Column(of.name, values, (form.count, form.of("sum")), lambda row: _average(row, is_date))
        case Metric(kind="sum"):
            return Column(of.name, values, (form.of("sum"),), lambda row: Value(_number(row[0]) or 0.0))
        case Metric(kind=kind):
            return Column(of.name, values, (form.count, form.of(kind)), lambda row: _one(row, is_date))
        case Percentiles(percents=percents):
            levels = ", ".join(repr(percent / 100) for percent in percents)
            # the digest counts in 32-bit floats, which are two minutes wide for times of today
            function = "quantilesExactInclusive" if is_date else "quantilesTDigest"
            outputs = (form.count, form.of(function, f"({levels})"))
            return Column(of.name, values, outputs, lambda row: _percentiles(row, len(percents), is_date))
    below = "sum(arrayCount(e -> e <= {value!r}, {{x}}))" if form.arrays else "countIf({{x}} <= {value!r})"
    return Column(of.name, values, (form.count, *(below.format(value=each) for each in spec.values)), _ranks)


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _one(row: Sequence[Any], is_date: bool) -> Value:
    return Value(_number(row[1]) if row[0] else None, is_date)


def _average(row: Sequence[Any], is_date: bool) -> Value:
    total = _number(row[1])
    return Value(total / int(row[0]) if row[0] and total is not None else None, is_date)


def _stats(row: Sequence[Any], is_date: bool) -> Stats:
    if not row[0]:
        return Stats(0, is_date=is_date)
    squares = _number(row[4]) if len(row) > 4 else 0.0
    return Stats(int(row[0]), _number(row[1]), _number(row[2]), _number(row[3]) or 0.0, squares or 0.0, is_date)


def _percentiles(row: Sequence[Any], count: int, is_date: bool) -> PercentileValues:
    if not row[0]:
        return PercentileValues((None,) * count, is_date)
    return PercentileValues(tuple(_number(value) for value in row[1]), is_date)


def _ranks(row: Sequence[Any]) -> PercentileValues:
    total = int(row[0])
    return PercentileValues(tuple(100.0 * int(value) / total if total else None for value in row[1:]))
