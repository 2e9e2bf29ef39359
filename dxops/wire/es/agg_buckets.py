"""Bucket aggregations as requested."""

from __future__ import annotations

from typing import ClassVar, Final, TypeAlias

import msgspec

from dxops.wire.es.agg_options import Bounds, OrderKey
from dxops.wire.es.hits import HitsRequest
from dxops.wire.es.rounding import Rounding
from dxops.wire.es.zones import zone
from dxops.wire.query_tree import Node, Scalar

BY_KEY: Final = (OrderKey("_key"),)
BY_COUNT: Final = (OrderKey("_count", True),)
MAX_BUCKETS: Final = 65_536


class DateHistogram(msgspec.Struct, frozen=True, tag=True):
    """Buckets of a calendar `unit` (y q M w d h m s) or of `size_ms`. Bounds are dates, not yet resolved."""

    kind: ClassVar[str] = "date_histogram"
    field: str
    unit: str = ""
    size_ms: int = 0
    time_zone: str = "UTC"
    offset_ms: int = 0
    format: str | None = None
    min_doc_count: int = 0
    extended_bounds: Bounds | None = None
    hard_bounds: Bounds | None = None
    keyed: bool = False
    order: tuple[OrderKey, ...] = BY_KEY
    missing: Scalar | None = None

    @property
    def rounding(self) -> Rounding:
        return Rounding(zone(self.time_zone), self.unit, self.size_ms, self.offset_ms)


class Histogram(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "histogram"
    field: str
    interval: float
    offset: float = 0
    format: str | None = None
    min_doc_count: int = 0
    extended_bounds: Bounds | None = None
    hard_bounds: Bounds | None = None
    keyed: bool = False
    order: tuple[OrderKey, ...] = BY_KEY
    missing: Scalar | None = None


class Terms(msgspec.Struct, frozen=True, tag=True):
    """`include` and `exclude` are exact values; `*_pattern` Lucene regular expressions ("" is none)."""

    kind: ClassVar[str] = "terms"
    field: str
    size: int = 10
    order: tuple[OrderKey, ...] = BY_COUNT
    min_doc_count: int = 1
    missing: Scalar | None = None
    include: tuple[Scalar, ...] | None = None
    exclude: tuple[Scalar, ...] = ()
    include_pattern: str = ""
    exclude_pattern: str = ""
    format: str | None = None
    show_error: bool = False


class RangeBucket(msgspec.Struct, frozen=True):
    """From `from_` up to `to` (excluded); None is open. Dates are not yet resolved."""

    key: str | None = None
    from_: str | int | float | None = None
    to: str | int | float | None = None


class Ranges(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "range"
    field: str
    ranges: tuple[RangeBucket, ...]
    keyed: bool = False
    missing: Scalar | None = None
    format: str | None = None


class DateRanges(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "date_range"
    field: str
    ranges: tuple[RangeBucket, ...]
    keyed: bool = False
    missing: Scalar | None = None
    format: str | None = None
    time_zone: str = "UTC"


class Filter(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "filter"
    query: Node


class Filters(msgspec.Struct, frozen=True, tag=True):
    """`names` is empty for anonymous filters. `other_key` "" : no bucket for the rest."""

    kind: ClassVar[str] = "filters"
    queries: tuple[Node, ...]
    names: tuple[str, ...] = ()
    other_key: str = ""
    keyed: bool = True


class Missing(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "missing"
    field: str


class Global(msgspec.Struct, frozen=True, tag=True):
    """Every document of the searched indices, whatever the query."""

    kind: ClassVar[str] = "global"


class CompositeSource(msgspec.Struct, frozen=True):
    """One part of a composite key."""

    name: str
    values: Terms | Histogram | DateHistogram
    descending: bool = False
    missing_bucket: bool = False
    missing_first: bool | None = None  # None: first when ascending, last when descending


class Composite(msgspec.Struct, frozen=True, tag=True):
    """`after` is the `after_key` of the page before, in the sources' order; empty on the first page."""

    kind: ClassVar[str] = "composite"
    sources: tuple[CompositeSource, ...]
    size: int = 10
    after: tuple[Scalar | None, ...] = ()


class TopHits(msgspec.Struct, frozen=True, tag=True):
    kind: ClassVar[str] = "top_hits"
    hits: HitsRequest


BucketSpec: TypeAlias = (
    DateHistogram | Histogram | Terms | Ranges | DateRanges | Filter | Filters | Missing | Global | Composite
)
