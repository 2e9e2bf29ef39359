"""The fields whose kinds a search needs to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dxops.wire.es.agg_buckets import Composite, TopHits
from dxops.wire.es.agg_request import Aggregation
from dxops.wire.es.search import SearchRequest
from dxops.wire.es.sorting import DOC, SCORE, SHARD_DOC, SortKey

_NO_FIELDS = frozenset({DOC, SCORE, SHARD_DOC})


def used_fields(request: SearchRequest) -> set[str]:
    """Names as they are in the request."""
    found = set(_sorted_by(request.hits.sort)) | set(_aggregated(request.aggregations))
    if request.collapse is not None:
        found.add(request.collapse.field)
    return found


def _sorted_by(sort: Iterable[SortKey]) -> Iterator[str]:
    return (key.field for key in sort if key.field not in _NO_FIELDS)


def _aggregated(aggregations: Iterable[Aggregation]) -> Iterator[str]:
    for each in aggregations:
        spec = each.spec
        if isinstance(spec, Composite):
            yield from (source.values.field for source in spec.sources)
        elif isinstance(spec, TopHits):
            yield from _sorted_by(spec.hits.sort)
        elif field := getattr(spec, "field", ""):
            yield field
        yield from _aggregated(each.subs)
