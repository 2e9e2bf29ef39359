"""What the log explorer asks: histogram, lines, fields and their values, neighbours, patterns.

Every answer comes with the SQL that made it (`Asked.sql`), which the console shows. Caps: `seconds` a statement; the
most lines, values and buckets are bounded here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from dxops.base.errors import Refused
from dxops.rooms.logs.fields import TIME, base_name, literal, number_of, value_of
from dxops.rooms.logs.filters import Times
from dxops.rooms.logs.model import (
    Field,
    Histogram,
    Line,
    NumberStats,
    Pattern,
    Rows,
    Selection,
    TopValues,
    ValueCount,
    Window,
)
from dxops.rooms.logs.patterns_of_lines import MASKED, merge_masked
from dxops.rooms.logs.selecting import LINE_COLUMNS, line_of, where

T = TypeVar("T")

HOT: Final = frozenset({"level", "service", "host", "environment"})
MAX_LINES: Final = 10_000
MAX_BUCKETS: Final = 2_000
_SAMPLE: Final = 200_000
_STEPS_MS: Final = tuple(
    step
    for unit, counts in (
        (1, (1, 2, 5, 10, 20, 50, 100, 200, 500)),
        (1_000, (1, 2, 5, 10, 15, 30)),
        (60_000, (1, 2, 5, 10, 15, 30)),
        (3_600_000, (1, 2, 3, 6, 12)),
        (86_400_000, (1, 2, 7, 14, 30, 90, 365)),
    )
    for step in (unit * count for count in counts)
)


class Asked(msgspec.Struct, Generic[T], frozen=True):
    """An answer and the statement it came from."""

    answer: T
    sql: str


def interval_for(window: Window, buckets: int) -> int:
    """The round step, in milliseconds, that cuts the window into at most `buckets` parts."""
    wanted = max(1, window.width_ms) / max(1, buckets)
    return next((step for step in _STEPS_MS if step >= wanted), int(wanted) + 1)


class Explorer:
    """`id_of` makes the id of a document without one from its sequence number."""

    def __init__(self, store: Rows, times: Callable[[], Times], id_of: Callable[[int], str]) -> None:
        self._store = store
        self._times = times
        self._id_of = id_of

    async def _rows(self, sql: str) -> Sequence[Sequence[Any]]:
        return (await self._store.query(sql)).rows

    async def histogram(
        self, selection: Selection, *, buckets: int = 60, by: str | None = "level", interval_ms: int | None = None
    ) -> Asked[Histogram]:
        """Counts over the selection's window. `by` is one of `HOT`, a field, or None."""
        window = selection.window
        if window is None or window.width_ms <= 0:
            raise Refused("a histogram needs a time range", field="from")
        step = interval_ms or interval_for(window, buckets)
        first = window.start_ms // step * step
        count = -(-(window.end_ms - first) // step)
        if count > MAX_BUCKETS:
            raise Refused(f"{count} buckets; at most {MAX_BUCKETS}", field="interval", hint="choose a longer interval")
        split = "''" if by is None else f"toString({by})" if by in HOT else value_of(base_name(by))
        sql = (
            f"SELECT intDiv(toUnixTimestamp64Milli(ts) - {first}, {step}) AS bucket, {split} AS part, count() "  # noqa: S608
            f"FROM log_events WHERE {where(selection, self._times())} GROUP BY bucket, part"
        )
        series: dict[str, list[int]] = {}
        total = 0
        for bucket, part, documents in await self._rows(sql):
            series.setdefault(part, [0] * count)[bucket] += documents
            total += documents
        return Asked(
            Histogram(start_ms=first, interval_ms=step, series=_largest(series, 12, count), total=total),
            sql,
        )

    async def lines(
        self,
        selection: Selection,
        *,
        limit: int = 500,
        newest_first: bool = True,
        after: tuple[int, int] | None = None,
    ) -> Asked[list[Line]]:
        """Lines in order of time. `after` is (ts_ms, seq) of the last line of the page before."""
        if not 0 < limit <= MAX_LINES:
            raise Refused(f"limit must be 1 to {MAX_LINES}", field="limit")
        condition = where(selection, self._times())
        if after is not None:
            sign = "<" if newest_first else ">"
            ts = f"fromUnixTimestamp64Milli({int(after[0])}, 'UTC')"
            condition += f" AND ts {sign}= {ts} AND (ts, seq) {sign} ({ts}, {int(after[1])})"
        order = "DESC" if newest_first else "ASC"
        sql = (
            f"SELECT {LINE_COLUMNS} FROM log_events WHERE {condition} "  # noqa: S608
            f"ORDER BY ts {order}, seq {order} LIMIT {limit}"
        )
        return Asked([line_of(row, self._id_of) for row in await self._rows(sql)], sql)

    async def arrived(self, selection: Selection, after_seq: int, *, limit: int = 1000) -> list[Line]:
        """Lines that came in behind `after_seq`, in order of arrival: what a live tail shows next."""
        sql = (
            f"SELECT {LINE_COLUMNS} FROM log_events WHERE seq > {int(after_seq)} AND "  # noqa: S608
            f"{where(selection, self._times())} ORDER BY seq LIMIT {int(limit)}"
        )
        return [line_of(row, self._id_of) for row in await self._rows(sql)]

    async def last_seq(self) -> int:
        """The newest document's sequence number; 0 in an empty store."""
        rows = await self._rows("SELECT max(seq) FROM log_events")
        return int(rows[0][0]) if rows else 0

    async def around(self, ts_ms: int, seq: int, selection: Selection, *, count: int = 20) -> list[Line]:
        """`count` lines before and after a line, the line itself between them; the selection's window is left out."""
        free = msgspec.structs.replace(selection, window=None)
        before = await self.lines(free, limit=count, after=(ts_ms, seq))
        after = await self.lines(free, limit=count + 1, newest_first=False, after=(ts_ms, seq - 1))
        return [*reversed(before.answer), *after.answer]

    async def fields(self, selection: Selection) -> Asked[list[Field]]:
        """The fields that documents of these streams have on the window's days, most frequent first."""
        parts = []
        if selection.streams is not None:
            names = ", ".join(map(literal, selection.streams)) or "''"
            parts.append(f"stream IN ({names})")
        if selection.window is not None:
            parts.append(f"day >= toDate({selection.window.start_ms // 86_400_000})")
            parts.append(f"day <= toDate({selection.window.end_ms // 86_400_000})")
        sql = (
            "SELECT field, groupUniqArray(kind), sum(documents) AS n FROM log_shapes "  # noqa: S608
            "ARRAY JOIN fields AS field, kinds AS kind "
            f"WHERE {' AND '.join(parts) or '1'} GROUP BY field ORDER BY n DESC, field LIMIT 10000"
        )
        found = await self._rows(sql)
        return Asked([Field(name=name, kinds=tuple(sorted(kinds)), documents=n) for name, kinds, n in found], sql)

    async def top_values(self, selection: Selection, field: str, *, limit: int = 5) -> Asked[TopValues]:
        """The most frequent values, exact up to 200,000 documents, else of the newest so many."""
        value = f"toString({field})" if field in HOT else value_of(base_name(field))
        newest = (
            f"SELECT {value} AS v FROM log_events WHERE {where(selection, self._times())} "  # noqa: S608
            f"ORDER BY {TIME} DESC LIMIT {_SAMPLE}"
        )
        whole = f"SELECT count(), countIf(v != ''), uniqIf(v, v != '') FROM ({newest})"  # noqa: S608
        counts = (
            f"SELECT v, count() AS n FROM ({newest}) WHERE v != '' "  # noqa: S608
            f"GROUP BY v ORDER BY n DESC, v LIMIT {int(limit)}"
        )
        documents, having, distinct = (await self._store.query(whole)).rows[0]
        values = tuple(ValueCount(text, count) for text, count in await self._rows(counts))
        return Asked(
            TopValues(
                values=values, documents=documents, having=having, distinct=distinct, sampled=documents >= _SAMPLE
            ),
            counts,
        )

    async def numbers(self, selection: Selection, field: str) -> Asked[NumberStats]:
        """Least, greatest, mean and percentiles of the numbers in a field."""
        sql = (
            "SELECT count(n), min(n), max(n), avg(n), quantilesTDigest(0.5, 0.95, 0.99)(n) FROM ("  # noqa: S608
            f"SELECT {number_of(base_name(field))} AS n FROM log_events WHERE {where(selection, self._times())})"
        )
        count, least, greatest, mean, quantiles = (await self._store.query(sql)).rows[0]
        if not count:
            return Asked(NumberStats(count=0, least=None, greatest=None, mean=None, p50=None, p95=None, p99=None), sql)
        p50, p95, p99 = quantiles
        stats = NumberStats(count=count, least=least, greatest=greatest, mean=mean, p50=p50, p95=p95, p99=p99)
        return Asked(stats, sql)

    async def patterns(self, selection: Selection, *, limit: int = 100) -> Asked[list[Pattern]]:
        """Messages grouped by what is constant in them, most frequent first."""
        sql = (
            f"SELECT {MASKED} AS masked, count() AS n, toUnixTimestamp64Milli(min(ts)), "  # noqa: S608
            "toUnixTimestamp64Milli(max(ts)), argMax(substring(message, 1, 2000), ts), "
            "groupUniqArray(8)(toString(level)) "
            f"FROM log_events WHERE {where(selection, self._times())} AND message != '' "
            "GROUP BY masked ORDER BY n DESC LIMIT 5000"
        )
        rows: Sequence[Any] = await self._rows(sql)
        found = [
            Pattern(
                template=masked, count=n, first_ms=first, last_ms=last, example=example, levels=tuple(sorted(levels))
            )
            for masked, n, first, last, example, levels in rows
        ]
        return Asked(merge_masked(found)[:limit], sql)


def _largest(series: dict[str, list[int]], most: int, buckets: int) -> dict[str, list[int]]:
    """At most `most` series, the smaller ones together as `…`."""
    ordered = sorted(series.items(), key=lambda item: -sum(item[1]))
    kept = dict(ordered[:most])
    rest = ordered[most:]
    if rest:
        kept["…"] = [sum(counts[bucket] for _, counts in rest) for bucket in range(buckets)]
    return kept
