"""The order of buckets."""

from __future__ import annotations

import math

from dxops.wire.es.agg_options import OrderKey
from dxops.wire.es.agg_path import KEY, value_at
from dxops.wire.es.agg_request import Aggregation
from dxops.wire.es.agg_results import Bucket


def ordered(buckets: list[Bucket], order: tuple[OrderKey, ...], subs: tuple[Aggregation, ...]) -> list[Bucket]:
    """By the keys of `order`, ties by key ascending. Buckets without a value are last."""
    keys = order if any(each.path == KEY for each in order) else (*order, OrderKey(KEY))
    for each in reversed(keys):
        valued = [(_sortable(bucket, each.path, subs), bucket) for bucket in buckets]
        there = [pair for pair in valued if pair[0] is not None]
        there.sort(key=lambda pair: pair[0], reverse=each.descending)  # type: ignore[arg-type,return-value]
        buckets = [bucket for _, bucket in there] + [bucket for value, bucket in valued if value is None]
    return buckets


def _sortable(bucket: Bucket, path: str, subs: tuple[Aggregation, ...]) -> float | str | None:
    if path == KEY:
        return bucket.key if isinstance(bucket.key, str | int | float) else None
    value = value_at(bucket, path, subs)
    return None if value is None or math.isnan(value) else value
