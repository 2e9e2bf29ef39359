"""Keys of buckets as answers show them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dxops.wire.es.agg_buckets import DateHistogram, Histogram
from dxops.wire.es.agg_request import Spec
from dxops.wire.es.agg_results import Bucket, Buckets
from dxops.wire.es.date_format import format_ms
from dxops.wire.es.number_format import number_format
from dxops.wire.es.zones import zone


def key_text(spec: Spec, is_date: bool, key: Any) -> str | None:
    """`key_as_string`, or None where the answer has none."""
    format: str | None = getattr(spec, "format", None)
    if isinstance(spec, DateHistogram):
        return format_ms(int(key), format, zone(spec.time_zone))
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        if is_date:
            return format_ms(int(key), format, dt.UTC)
        if format:
            return number_format(format).write(key)
    return None


def plain_key(spec: Spec, key: Any) -> Any:
    """`key`: booleans are 1 and 0, a histogram's keys have a point, dates are whole milliseconds."""
    if isinstance(spec, DateHistogram):
        return int(key)
    if isinstance(spec, Histogram):
        return float(key)
    return int(key) if isinstance(key, bool) else key


def shown_key(spec: Spec, result: Buckets, bucket: Bucket) -> str:
    """What names a bucket in `keys` of max_bucket, and in keyed answers."""
    text = key_text(spec, result.is_date, bucket.key)
    return str(plain_key(spec, bucket.key)) if text is None else text
