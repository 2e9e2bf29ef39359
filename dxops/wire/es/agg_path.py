"""`buckets_path` and metric orders: `_count`, `avg_x`, `stats.max`, `pct[95]`, `filtered>avg_x`, `by_host['a']>n`."""

from __future__ import annotations

import math
import re
from typing import Final

from dxops.wire.es.agg_metrics import PercentileRanks, Percentiles
from dxops.wire.es.agg_request import Aggregation
from dxops.wire.es.agg_results import (
    Bucket,
    Buckets,
    Change,
    Extreme,
    PercentileValues,
    Result,
    Single,
    Stats,
    Value,
)
from dxops.wire.es.errors import ILLEGAL, EsError

COUNT: Final = "_count"
KEY: Final = "_key"
BUCKET_COUNT: Final = "_bucket_count"

_STEP: Final = re.compile(r"([^\[\]>]+?)(?:\[['\"]?([^\]]*?)['\"]?\])?(?:\.([^.\[\]>]+(?:\.[0-9]+)?))?")


def first_name(path: str) -> str:
    """The aggregation that a path begins with (`stats.max>…` begins with `stats`); "" for `_count` and `_key`."""
    head = re.split(r"[>.\[]", path, maxsplit=1)[0].strip()
    return "" if head in (COUNT, KEY) else head


def value_at(bucket: Bucket | Single, path: str, subs: tuple[Aggregation, ...]) -> float | None:
    """The number at `path` below `bucket`, None where it has none. Raises `EsError` for a path that leads nowhere."""
    if path == COUNT:
        return bucket.doc_count
    if path == KEY:
        key = bucket.key if isinstance(bucket, Bucket) else None
        return float(key) if isinstance(key, int | float) else None
    head, _, rest = path.partition(">")
    named = {each.name: each for each in subs}
    name, bracket, dotted = head.strip(), None, None
    if name not in named:
        found = _STEP.fullmatch(name)
        if found is None or found[1] not in named:
            known = ", ".join(named) or "none"
            raise EsError(ILLEGAL, f"No aggregation found for path [{path}]; there are: {known}", key="buckets_path")
        name, bracket, dotted = found.groups()
    result = bucket.subs.get(name)
    if result is None:
        return None
    return _within(result, named[name], bracket or dotted, rest, path)


def _within(result: Result, of: Aggregation, part: str | None, rest: str, path: str) -> float | None:
    if isinstance(result, Single):
        return value_at(result, rest or part or COUNT, of.subs)
    if isinstance(result, Buckets):
        if part == BUCKET_COUNT or rest == BUCKET_COUNT:
            return len(result.buckets)
        names: tuple[str, ...] = getattr(of.spec, "names", ())
        for index, bucket in enumerate(result.buckets):
            shown = names[index] if index < len(names) else bucket.key
            if part is not None and str(shown) == part:
                return value_at(bucket, rest or COUNT, of.subs)
        if part is not None:
            return None
        raise EsError(
            ILLEGAL, f"[{path}] leads to several buckets; name one as in {of.name}['key']", key="buckets_path"
        )
    if rest:
        raise EsError(ILLEGAL, f"[{path}] leads below the metric [{of.name}]", key="buckets_path")
    return _metric(result, of, part, path)


def _metric(result: Result, of: Aggregation, part: str | None, path: str) -> float | None:
    match result:
        case Value(value) | Extreme(value):
            return value
        case Change():
            return result.normalized if part == "normalized_value" else result.value
        case Stats():
            shown = stats_of(result, getattr(of.spec, "sigma", 2.0))
            if part not in shown:
                reason = f"[{path}] must name one of {', '.join(shown)} of [{of.name}]"
                raise EsError(ILLEGAL, reason, key="buckets_path")
            return shown[part]
        case PercentileValues(values):
            spec = of.spec
            asked = (
                spec.percents
                if isinstance(spec, Percentiles)
                else spec.values
                if isinstance(spec, PercentileRanks)
                else ()
            )
            for percent, value in zip(asked, values, strict=True):
                if part is not None and _same(part, percent):
                    return value
    raise EsError(ILLEGAL, f"[{path}] must name one value of [{of.name}]", key="buckets_path")


def _same(text: str, number: float) -> bool:
    try:
        return float(text) == number
    except ValueError:
        return False


def stats_of(stats: Stats, sigma: float = 2.0) -> dict[str, float | None]:
    """Everything that stats and extended_stats show, by name. Without values they are None, sums 0."""
    count = stats.count
    shown: dict[str, float | None] = {
        "count": count,
        "min": stats.min,
        "max": stats.max,
        "avg": stats.sum / count if count else None,
        "sum": stats.sum,
        "sum_of_squares": stats.sum_of_squares if count else None,
    }
    names = ("variance", "variance_population", "variance_sampling")
    if not count:
        return shown | dict.fromkeys((*names, "std_deviation", "std_deviation_population", "std_deviation_sampling"))
    spread = max(stats.sum_of_squares - stats.sum * stats.sum / count, 0.0)
    population, sampling = spread / count, spread / (count - 1) if count > 1 else math.nan
    deviation, sample_deviation = math.sqrt(population), math.sqrt(sampling)
    average = stats.sum / count
    return shown | {
        **dict(zip(names, (population, population, sampling), strict=True)),
        "std_deviation": deviation,
        "std_deviation_population": deviation,
        "std_deviation_sampling": sample_deviation,
        "std_upper": average + sigma * deviation,
        "std_lower": average - sigma * deviation,
        "std_upper_population": average + sigma * deviation,
        "std_lower_population": average - sigma * deviation,
        "std_upper_sampling": average + sigma * sample_deviation,
        "std_lower_sampling": average - sigma * sample_deviation,
    }
