"""Aggregations on the log store, level by level: one statement for a bucket aggregation and the metrics in it.

A statement groups by the keys of all levels above and its own, and reads on only what the levels above kept. What it
finds becomes `wire.es.agg_results`; empty buckets, pipelines and JSON are made there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dxops.rooms.logs.bucket_keys import Step, step_of
from dxops.rooms.logs.fields import base_name, is_time, literal
from dxops.rooms.logs.hits import hit_of, sort_values
from dxops.rooms.logs.metric_columns import Columns, columns_of
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.ordering import keys_of
from dxops.rooms.logs.selecting import LINE_COLUMNS, LINE_WIDTH, line_of
from dxops.rooms.logs.times import Times
from dxops.rooms.logs.values import Kinds
from dxops.rooms.logs.working import Check, Workers
from dxops.wire.es.agg_buckets import MAX_BUCKETS, DateHistogram, Filter, Global, Missing, Terms, TopHits
from dxops.wire.es.agg_metrics import ExtendedStats, Metric, PercentileRanks, Percentiles
from dxops.wire.es.agg_order import ordered
from dxops.wire.es.agg_request import Aggregation
from dxops.wire.es.agg_results import Bucket, Buckets, Hits, Result, Single
from dxops.wire.es.errors import EsError
from dxops.wire.query_tree import Node

Parent = tuple[Any, ...]
Levels = dict[Parent, dict[str, Result]]

_CANDIDATES: Final = 10_000  # of terms in the order of a metric: the most frequent so many are compared
_MAX_NAMED: Final = 5_000
_METRICS: Final = Metric | ExtendedStats | Percentiles | PercentileRanks


class Level(msgspec.Struct, frozen=True):
    """Buckets whose insides are wanted: `keys` as SQL, and how many documents each has by its values.

    `named` restricts rows to these buckets, as a condition on `k0`, `k1`…
    """

    condition: str
    keys: tuple[str, ...]
    counts: Mapping[Parent, int]
    named: tuple[str, ...] = ()


def counts_all(aggregations: Sequence[Aggregation]) -> str | None:
    """The name of an aggregation whose buckets hold each of the search's documents once: every document has a time."""
    for each in aggregations:
        if isinstance(each.spec, DateHistogram) and is_time(base_name(each.spec.field)):
            return each.name
    return None


class Aggregator:
    """Of one search. `settings` cap each statement."""

    def __init__(
        self,
        store: Rows,
        kinds: Kinds,
        times: Times,
        now_ms: int,
        id_of: Callable[[int], str],
        settings: Mapping[str, object],
        whole: bool = True,
        *,
        workers: Workers,
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._times = times
        self._now_ms = now_ms
        self._id_of = id_of
        self._settings = settings
        self._whole = whole
        self._workers = workers

    async def run(
        self, aggregations: Sequence[Aggregation], condition: str, everything: str, query: Node
    ) -> dict[str, Result]:
        """`condition` selects the search's documents, `everything` those of the searched streams (for `global`)."""
        root = Level(condition, (), {(): 0})
        found = (await self._level(root, aggregations, everything, query)).get((), {})
        metrics = [each for each in aggregations if isinstance(each.spec, _METRICS)]
        if metrics:
            columns = columns_of(metrics, self._kinds)
            sql = (
                f"SELECT {', '.join(columns.outputs)} FROM "  # noqa: S608 - made of quoted literals
                f"(SELECT {', '.join(columns.inputs)} FROM log_events WHERE {condition})"
            )
            found = {**found, **columns.results((await self._rows(sql))[0])}
        return found

    async def _level(self, level: Level, aggregations: Sequence[Aggregation], everything: str, query: Node) -> Levels:
        """The results of bucket and hit aggregations, by parent bucket."""
        found: Levels = {parent: {} for parent in level.counts}
        for each in aggregations:
            if isinstance(each.spec, TopHits):
                results: Mapping[Parent, Result] = await self._top_hits(each.spec, level, query)
            elif each.is_bucket:
                inside = (
                    msgspec.structs.replace(level, condition=everything) if isinstance(each.spec, Global) else level
                )
                results = await self._buckets(each, inside, everything, query)
            else:
                continue
            for parent, result in results.items():
                found[parent][each.name] = result
        return found

    async def _buckets(self, of: Aggregation, level: Level, everything: str, query: Node) -> dict[Parent, Result]:
        depth = len(level.keys)
        step = await step_of(of, level.condition, self._kinds, self._times, self._now_ms, self._rows)
        columns = columns_of([each for each in of.subs if isinstance(each.spec, _METRICS)], self._kinds)
        by_metric = isinstance(of.spec, Terms) and any(key.path not in ("_count", "_key") for key in of.spec.order)
        limit = _CANDIDATES if by_metric else step.size
        rows = await self._rows(self._sql(level, step, columns, limit))
        if len(rows) > MAX_BUCKETS:
            reason = f"Trying to create too many buckets. Must be less than or equal to: [{MAX_BUCKETS}]"
            raise EsError("too_many_buckets_exception", reason)
        width = depth + len(step.keys)
        rows = [row for row in rows if tuple(row[:depth]) in level.counts]
        counts = {tuple(row[:width]): int(row[width]) for row in rows}
        deeper: Levels = {}
        if counts and any(each.is_bucket or isinstance(each.spec, TopHits) for each in of.subs):
            inner = Level(
                level.condition, (*level.keys, *step.keys), counts, (*level.named, *_named(step, depth, rows))
            )
            deeper = await self._level(inner, of.subs, everything, query)
        grouped: dict[Parent, list[tuple[Bucket, Any]]] = {parent: [] for parent in level.counts}
        totals: dict[Parent, int] = {}
        for row in rows:
            parent, own = tuple(row[:depth]), tuple(row[depth:width])
            subs = {**columns.results(row[width + 2 :]), **deeper.get(tuple(row[:width]), {})}
            grouped[parent].append((Bucket(step.key(own), int(row[width]), subs), own[0]))
            totals[parent] = int(row[width + 1])
        return {parent: self._made(of, step, buckets, totals.get(parent, 0)) for parent, buckets in grouped.items()}

    def _sql(self, level: Level, step: Step, columns: Columns, limit: int) -> str:
        keys = (*level.keys, *step.keys)
        names = [f"k{place}" for place in range(len(keys))]
        own = names[len(level.keys) :]
        parents = names[: len(level.keys)]
        inner = ", ".join([*(f"{key} AS {name}" for key, name in zip(keys, names, strict=True)), *columns.inputs])
        condition = [*level.named, *step.conditions(own)]
        outputs = ", ".join([*names, "count() AS n", *columns.outputs])
        grouped = (
            f"SELECT {outputs} FROM (SELECT {inner} FROM log_events WHERE {level.condition}) "  # noqa: S608
            f"WHERE {' AND '.join(condition) or '1'} GROUP BY {', '.join(names)} HAVING n >= {step.least}"
        )
        over = f"PARTITION BY {', '.join(parents)}" if parents else ""
        shown = ", ".join([*names, "n", f"sum(n) OVER ({over}) AS total", *columns.names])
        cut = f"LIMIT {limit} BY {', '.join(parents)}" if limit and parents else ""
        most = limit if limit and not parents else MAX_BUCKETS + 1
        return f"SELECT {shown} FROM ({grouped}) ORDER BY {', '.join(step.order(own))} {cut} LIMIT {most}"  # noqa: S608

    def _made(self, of: Aggregation, step: Step, found: list[tuple[Bucket, Any]], total: int) -> Result:
        spec = of.spec
        if step.slots:
            slots = {int(raw): bucket for bucket, raw in found}
            buckets = tuple(slots.get(place) or Bucket(None, 0) for place in range(step.slots))
            if isinstance(spec, Filter | Missing | Global):
                return Single(buckets[0].doc_count, buckets[0].subs)
            return Buckets(buckets)
        plain = [bucket for bucket, _ in found]
        if isinstance(spec, Terms):
            plain = ordered(plain, spec.order, of.subs)[: spec.size] if step.by_path else plain
            return Buckets(tuple(plain), total - sum(each.doc_count for each in plain), is_date=step.is_date)
        return Buckets(tuple(plain))

    async def _top_hits(self, spec: TopHits, level: Level, query: Node) -> dict[Parent, Result]:
        hits = spec.hits
        depth = len(level.keys)
        names = [f"k{place}" for place in range(depth)]
        keys = keys_of(hits.sort, self._kinds)
        inner = ", ".join(["*", *(f"{key} AS {name}" for key, name in zip(level.keys, names, strict=True))])
        by = f"BY {', '.join(names)}" if names else ""
        outputs = ", ".join([*names, LINE_COLUMNS, *(key.shown for key in keys)])
        total = 0 if depth else int((await self._rows(f"SELECT count() FROM log_events WHERE {level.condition}"))[0][0])  # noqa: S608
        rows: Sequence[Sequence[Any]] = []
        if hits.size:
            rows = await self._rows(
                f"SELECT {outputs} FROM (SELECT {inner} FROM log_events WHERE {level.condition}) "  # noqa: S608
                f"WHERE {' AND '.join(level.named) or '1'} ORDER BY {', '.join(key.clause for key in keys)} "
                f"LIMIT {hits.size} OFFSET {hits.from_} {by}"
            )

        def made(check: Check) -> dict[Parent, list[dict[str, Any]]]:
            grouped: dict[Parent, list[dict[str, Any]]] = {parent: [] for parent in level.counts}
            for row in rows:
                check()
                parent = tuple(row[:depth])
                if parent not in grouped:
                    continue
                line = line_of(row[depth : depth + LINE_WIDTH], self._id_of)
                raw = row[depth + LINE_WIDTH :]
                sort = sort_values(keys[: len(hits.sort)], raw[: len(hits.sort)]) if hits.sort else None
                grouped[parent].append(hit_of(line, hits, query, sort, whole=self._whole))
            return grouped

        grouped = await self._workers.run(made)
        return {
            parent: Hits(level.counts[parent] if depth else total, tuple(found)) for parent, found in grouped.items()
        }

    async def _rows(self, sql: str) -> Sequence[Sequence[Any]]:
        return (await self._store.query(sql, settings=self._settings)).rows


def _named(step: Step, depth: int, rows: Sequence[Sequence[Any]]) -> list[str]:
    """Conditions that leave the rows of the buckets found, where others were cut off."""
    if not step.size:
        return []
    found = []
    for place in range(depth, depth + len(step.keys)):
        values = {row[place] for row in rows}
        if len(values) > _MAX_NAMED:
            continue
        listed = ", ".join(_literal(value) for value in values if value is not None)
        part = f"k{place} IN ({listed})" if listed else "0"
        found.append(f"({part} OR k{place} IS NULL)" if None in values else part)
    return found


def _literal(value: Any) -> str:
    return literal(value) if isinstance(value, str) else repr(value)
