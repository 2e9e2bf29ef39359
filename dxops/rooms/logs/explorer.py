"""What the log explorer asks: histogram, lines, fields and their values, neighbours, patterns.

Every answer comes with the SQL that made it (`Asked.sql`), which the console shows. Every statement has caps of time,
memory and size; one that meets them is refused (`timeout`, `too_large`), never cut silently. The most lines, values and
buckets are bounded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dxops.base.beside import beside
from dxops.base.errors import Refused
from dxops.rooms.logs.columns import column_name
from dxops.rooms.logs.facts import Facts
from dxops.rooms.logs.fields import COLUMNS, base_name, value_of
from dxops.rooms.logs.model import Histogram, Line, Selection, Window
from dxops.rooms.logs.ordering import Key, behind, keys_of
from dxops.rooms.logs.planning import page_settings
from dxops.rooms.logs.selecting import LINE_COLUMNS, LINE_WIDTH, line_of, where
from dxops.rooms.logs.statements import Asked
from dxops.rooms.logs.times import Times
from dxops.rooms.logs.values import read_kinds, typed
from dxops.wire.es.errors import EsError
from dxops.wire.es.sorting import SortKey

MAX_LINES: Final = 10_000
MAX_BUCKETS: Final = 2_000
MAX_SERIES: Final = 12
COUNTED: Final = 10_000
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


class Found(msgspec.Struct, frozen=True):
    """A page of lines. `last` are the sort values behind which the next page begins, None on the last page. `total`
    is None where it was not asked for; `total_is_least`: there are at least so many."""

    lines: list[Line]
    last: tuple[Any, ...] | None
    total: int | None
    total_is_least: bool


def interval_for(window: Window, buckets: int) -> int:
    """The round step, in milliseconds, that cuts the window into at most `buckets` parts."""
    wanted = max(1, window.width_ms) / max(1, buckets)
    return next((step for step in _STEPS_MS if step >= wanted), int(wanted) + 1)


class Explorer(Facts):
    """Lines and histograms, and what `Facts` has."""

    async def histogram(
        self, selection: Selection, *, buckets: int = 60, by: str | None = "level", interval_ms: int | None = None
    ) -> Asked[Histogram]:
        """Counts over the selection's window. `by` is one of `columns.NAMES`, a field, or None."""
        window = selection.window
        if window is None or window.width_ms <= 0:
            raise Refused("a histogram needs a time range", field="from")
        step = interval_ms or interval_for(window, buckets)
        first = window.start_ms // step * step
        count = -(-(window.end_ms - first) // step)
        if count > MAX_BUCKETS:
            raise Refused(f"{count} buckets; at most {MAX_BUCKETS}", field="interval", hint="choose a longer interval")
        name = base_name(column_name(by)) if by else ""
        split = COLUMNS.get(name) or (value_of(name) if name else "''")
        sql = _counting(f"intDiv(toUnixTimestamp64Milli(ts) - {first}, {step})", split, where(selection, self._times()))
        series: dict[str, list[int]] = {}
        total = 0
        for bucket, part, documents in await self._rows(sql):
            series.setdefault(part, [0] * count)[bucket] += documents
            total += documents
        return Asked(Histogram(start_ms=first, interval_ms=step, series=series, total=total), sql)

    async def search(
        self,
        selection: Selection,
        *,
        limit: int = 500,
        sort: str = "",
        newest_first: bool = True,
        after: Sequence[Any] = (),
        count_to: int = COUNTED,
    ) -> Asked[Found]:
        """A page of lines by time or by a field, and how many there are: counted up to `count_to` (0: not at all).

        `after` is `Found.last` of the page before. Raises `Refused` for one of another order.
        """
        if not 0 < limit <= MAX_LINES:
            raise Refused(f"limit must be 1 to {MAX_LINES}", field="limit")
        times = self._times()
        field = column_name(sort or "@timestamp")
        kinds = await read_kinds(self._store, selection.streams, [field])
        keys = keys_of([SortKey(field, descending=newest_first, unmapped_type="keyword")], kinds)
        condition = where(selection, times)
        behind_ = f" AND {_behind(keys, after, times)}" if after else ""
        shown = ", ".join(key.shown for key in keys)
        sql = (
            f"SELECT {LINE_COLUMNS}, {shown} FROM log_events WHERE {condition}{behind_} "  # noqa: S608
            f"ORDER BY {', '.join(key.clause for key in keys)} LIMIT {limit + 1}"
        )
        async with beside(self._count(condition, count_to)) as counting:
            rows = await self._rows(sql, more=page_settings(selection.query))
            lines = [line_of(row[:LINE_WIDTH], self._id_of) for row in rows[:limit]]
            last = None
            if len(rows) > limit:
                raw = rows[limit - 1][LINE_WIDTH:]
                last = tuple(typed(key.kind, value) for key, value in zip(keys, raw, strict=True))
            if count_to and last is None and not after:
                return Asked(Found(lines, None, len(lines), False), sql)
            total = await counting
        if total is None:
            return Asked(Found(lines, last, None, False), sql)
        return Asked(Found(lines, last, min(total, count_to), total > count_to), sql)

    async def _count(self, condition: str, most: int) -> int | None:
        """How many rows fit, at most `most + 1`; not asked for with 0."""
        if not most:
            return None
        some = f"SELECT 1 FROM log_events WHERE {condition} LIMIT {int(most) + 1}"  # noqa: S608
        return int((await self._rows(f"SELECT count() FROM ({some})"))[0][0])  # noqa: S608

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
        rows = await self._rows(sql, more=page_settings(selection.query))
        return Asked([line_of(row, self._id_of) for row in rows], sql)

    async def arrived(
        self,
        selection: Selection,
        after_seq: int,
        *,
        to_seq: int | None = None,
        limit: int = 1000,
        newest: bool = False,
    ) -> list[Line]:
        """Lines that came in behind `after_seq` (up to `to_seq`), in order of arrival: what a live tail shows next.

        `limit` of them, from the oldest or the `newest` on.
        """
        condition = self._arrival(selection, after_seq, to_seq)
        order = "DESC" if newest else "ASC"
        sql = f"SELECT {LINE_COLUMNS} FROM log_events WHERE {condition} ORDER BY seq {order} LIMIT {int(limit)}"  # noqa: S608
        found = [line_of(row, self._id_of) for row in await self._rows(sql)]
        return found[::-1] if newest else found

    async def arrived_count(self, selection: Selection, after_seq: int, to_seq: int) -> int:
        """How many."""
        sql = f"SELECT count() FROM log_events WHERE {self._arrival(selection, after_seq, to_seq)}"  # noqa: S608
        return int((await self._rows(sql))[0][0])

    def _arrival(self, selection: Selection, after_seq: int, to_seq: int | None) -> str:
        until = "" if to_seq is None else f" AND seq <= {int(to_seq)}"
        return f"seq > {int(after_seq)}{until} AND {where(selection, self._times())}"

    async def last_seq(self, behind_seq: int = 0) -> int:
        """The newest document's sequence number, `behind_seq` where there is none beyond it."""
        rows = await self._rows(f"SELECT max(seq) FROM log_events WHERE seq > {int(behind_seq)}")  # noqa: S608
        return max(behind_seq, int(rows[0][0])) if rows else behind_seq

    async def line(self, streams: Sequence[str] | None, seq: int, ts_ms: int | None) -> Line | None:
        """One line by its sequence number; `ts_ms` finds it without looking everywhere."""
        window = None if ts_ms is None else Window(ts_ms, ts_ms + 1)
        condition = where(Selection(window=window, streams=None if streams is None else tuple(streams)), self._times())
        sql = f"SELECT {LINE_COLUMNS} FROM log_events WHERE {condition} AND seq = {int(seq)} LIMIT 1"  # noqa: S608
        rows = await self._rows(sql)
        return line_of(rows[0], self._id_of) if rows else None

    async def around(self, ts_ms: int, seq: int, selection: Selection, *, count: int = 20) -> list[Line]:
        """`count` lines before and after a line, the line itself between them; the selection's window is left out."""
        free = msgspec.structs.replace(selection, window=None)
        before = await self.lines(free, limit=count, after=(ts_ms, seq))
        after = await self.lines(free, limit=count + 1, newest_first=False, after=(ts_ms, seq - 1))
        return [*reversed(before.answer), *after.answer]


def _behind(keys: Sequence[Key], after: Sequence[Any], times: Times) -> str:
    try:
        if len(keys) != len(after):
            raise ValueError(len(after))
        return behind(keys, after, times)
    except (EsError, ValueError) as error:
        hint = "pass 'next' of the page before, with the same sort and order"
        raise Refused("not a cursor of this search", field="after", hint=hint) from error


def _counting(bucket: str, part: str, condition: str) -> str:
    """Rows (bucket, part, documents), the largest part first: of at most 12 parts, the others together as `…`. Put
    together by the store: a field may have as many values as there are documents."""
    counted = (
        f"SELECT {bucket} AS bucket, {part} AS part, count() AS n "  # noqa: S608
        f"FROM log_events WHERE {condition} GROUP BY bucket, part"
    )
    summed = f"SELECT *, sum(n) OVER (PARTITION BY part) AS size FROM ({counted})"  # noqa: S608
    placed = f"SELECT *, dense_rank() OVER (ORDER BY size DESC, part) AS place FROM ({summed})"  # noqa: S608
    return (
        f"SELECT bucket, if(place > {MAX_SERIES}, '…', toString(part)) AS shown, sum(n) FROM ({placed}) "  # noqa: S608
        "GROUP BY bucket, shown ORDER BY min(place), bucket"
    )
