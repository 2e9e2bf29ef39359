"""Computed aggregations, before they are JSON.

Whoever runs the search makes these; `agg_finish` and `agg_encode` do the rest.

| requested | result |
|---|---|
| terms, composite | `Buckets`, in the order to show |
| histogram, date_histogram | `Buckets` in any order, empty ones left out |
| range, date_range, filters | `Buckets`, one per range or filter in the request's order, then the "other" bucket |
| filter, missing, global | `Single` |
| avg, min, max, sum, value_count, cardinality | `Value` |
| stats, extended_stats | `Stats` |
| percentiles, percentile_ranks | `PercentileValues`, in the order of the request's struct |
| top_hits | `Hits` |
| pipelines | none: they are computed here |
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from dxops.wire.query_tree import Scalar

Key: TypeAlias = Scalar | tuple[Scalar | None, ...] | None


class Bucket(msgspec.Struct, frozen=True):
    """`key`: a term; the start of an interval (dates in milliseconds); a composite's values; None for ranges and
    filters. `error` is how far `doc_count` may be too low."""

    key: Key
    doc_count: int
    subs: dict[str, Result] = {}
    error: int = 0


class Buckets(msgspec.Struct, frozen=True):
    """`other`: documents in terms that are not shown. `is_date`: keys are milliseconds to show as dates."""

    buckets: tuple[Bucket, ...]
    other: int = 0
    error: int = 0
    is_date: bool = False


class Single(msgspec.Struct, frozen=True):
    doc_count: int
    subs: dict[str, Result] = {}


class Value(msgspec.Struct, frozen=True):
    """One number; None where there was no value. `is_date`: milliseconds to show as a date too."""

    value: float | int | None
    is_date: bool = False


class Stats(msgspec.Struct, frozen=True):
    count: int
    min: float | None = None
    max: float | None = None
    sum: float = 0.0
    sum_of_squares: float = 0.0
    is_date: bool = False


class PercentileValues(msgspec.Struct, frozen=True):
    values: tuple[float | None, ...]
    is_date: bool = False


class Hits(msgspec.Struct, frozen=True):
    """`hits` as they go into the answer. `relation` `gte`: there are at least `total`."""

    total: int
    hits: tuple[dict[str, Any], ...]
    relation: str = "eq"


class Change(msgspec.Struct, frozen=True):
    """A derivative; `normalized` per unit of time."""

    value: float | None
    normalized: float | None = None


class Extreme(msgspec.Struct, frozen=True):
    """A max_bucket or min_bucket, and the keys of the buckets that have it."""

    value: float | None
    keys: tuple[str, ...]


Result: TypeAlias = Buckets | Single | Value | Stats | PercentileValues | Hits | Change | Extreme
