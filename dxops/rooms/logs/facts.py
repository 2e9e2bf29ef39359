"""What lines have in common: their fields, the values of a field, patterns of messages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from dxops.rooms.logs.columns import NAMES, column_name
from dxops.rooms.logs.fields import COLUMNS, TIME, base_name, literal, literals, number_of, value_of
from dxops.rooms.logs.hot import names_of
from dxops.rooms.logs.model import Field, NumberStats, Pattern, Patterns, Selection, StreamFacts, TopValues, ValueCount
from dxops.rooms.logs.patterns_of_lines import MASKED, merge_masked
from dxops.rooms.logs.selecting import where
from dxops.rooms.logs.sizes import sizes
from dxops.rooms.logs.statements import Asked, Statements, capped
from dxops.rooms.logs.values import read_kinds, texts

MAX_FIELDS: Final = 10_000
_SAMPLE: Final = 200_000
_MOST_MASKED: Final = 5_000


class Facts(Statements):
    """Answers over a selection."""

    async def fields(self, selection: Selection) -> Asked[list[Field]]:
        """The fields that documents of these streams have on the window's days, most frequent first."""
        sql = (
            "SELECT field, groupUniqArray(kind), sum(documents) AS n FROM log_shapes "  # noqa: S608
            "ARRAY JOIN fields AS field, kinds AS kind "
            f"WHERE {_shapes(selection)} GROUP BY field ORDER BY n DESC, field LIMIT {MAX_FIELDS}"
        )
        found = await self._rows(sql)
        return Asked([Field(name=name, kinds=tuple(sorted(kinds)), documents=n) for name, kinds, n in found], sql)

    async def columns(self, selection: Selection) -> list[Field]:
        """The four columns of `columns.NAMES`, as fields, where any document has one."""
        counts = ", ".join(f"sumIf(documents, hasAny(fields, [{literals(names_of(name))}]))" for name in NAMES)
        (found,) = await self._rows(f"SELECT {counts} FROM log_shapes WHERE {_shapes(selection)}")  # noqa: S608
        return [Field(name=name, kinds=("text",), documents=n) for name, n in zip(NAMES, found, strict=True) if n]

    async def streams(self, names: Sequence[str] | None) -> list[StreamFacts]:
        """The streams (of these names) that have got documents, by name."""
        with capped():
            found = await sizes(self._store, names)
        return [
            StreamFacts(
                name=name, documents=size.documents, bytes=size.size_bytes, first_ms=size.first_ms, last_ms=size.end_ms
            )
            for name, size in found.streams.items()
        ]

    async def top_values(
        self, selection: Selection, field: str, *, prefix: str = "", limit: int = 5
    ) -> Asked[TopValues]:
        """The most frequent values (that begin with `prefix`, case apart), exact up to 200,000 documents, else of the
        newest so many. Every element of an array counts."""
        name = column_name(field)
        kinds = await read_kinds(self._store, selection.streams, [] if name in COLUMNS else [name])
        arrays = name not in COLUMNS and kinds.has_arrays(name)
        value = texts(name, kinds) if arrays else value_of(base_name(name))
        newest = (
            f"SELECT {value} AS v FROM log_events WHERE {where(selection, self._times())} "  # noqa: S608
            f"ORDER BY {TIME} DESC LIMIT {_SAMPLE}"
        )
        has = "notEmpty(v)" if arrays else "v != ''"
        each = f"SELECT arrayJoin(v) AS v FROM ({newest})" if arrays else newest  # noqa: S608
        fits = f"startsWith(lowerUTF8(v), {literal(prefix.lower())})" if prefix else "v != ''"
        distinct = "uniqArrayIf" if arrays else "uniqIf"
        whole = f"SELECT count(), countIf({has}), {distinct}(v, {has}) FROM ({newest})"  # noqa: S608
        counts = f"SELECT v, count() AS n FROM ({each}) WHERE {fits} GROUP BY v ORDER BY n DESC, v LIMIT {int(limit)}"  # noqa: S608
        whole_rows, rows = await asyncio.gather(self._rows(whole), self._rows(counts))
        documents, having, different = whole_rows[0]
        return Asked(
            TopValues(
                values=tuple(ValueCount(text, count) for text, count in rows),
                documents=documents,
                having=having,
                distinct=different,
                sampled=documents >= _SAMPLE,
            ),
            counts,
        )

    async def has_numbers(self, selection: Selection, field: str) -> bool:
        """Whether any document has a number in it."""
        if column_name(field) in COLUMNS:
            return False
        kinds = await read_kinds(self._store, selection.streams, [field])
        return "number" in kinds.of.get(base_name(field), frozenset())

    async def numbers(self, selection: Selection, field: str) -> Asked[NumberStats]:
        """Least, greatest, mean and percentiles of the numbers in a field."""
        sql = (
            "SELECT count(n), min(n), max(n), avg(n), quantilesTDigest(0.5, 0.95, 0.99)(n) FROM ("  # noqa: S608
            f"SELECT {number_of(base_name(field))} AS n FROM log_events WHERE {where(selection, self._times())})"
        )
        count, least, greatest, mean, quantiles = (await self._rows(sql))[0]
        if not count:
            return Asked(NumberStats(count=0, least=None, greatest=None, mean=None, p50=None, p95=None, p99=None), sql)
        p50, p95, p99 = quantiles
        stats = NumberStats(count=count, least=least, greatest=greatest, mean=mean, p50=p50, p95=p95, p99=p99)
        return Asked(stats, sql)

    async def patterns(self, selection: Selection, *, limit: int = 100) -> Asked[Patterns]:
        """Messages grouped by what is constant in them, most frequent first; of at most 200,000 newest documents."""
        newest = (
            "SELECT ts, level, message FROM log_events "  # noqa: S608
            f"WHERE {where(selection, self._times())} AND message != '' ORDER BY ts DESC LIMIT {_SAMPLE}"
        )
        sql = (
            f"SELECT {MASKED} AS masked, count() AS n, toUnixTimestamp64Milli(min(ts)), "  # noqa: S608
            "toUnixTimestamp64Milli(max(ts)), argMax(substring(message, 1, 2000), ts), "
            "groupUniqArray(8)(toString(level)) "
            f"FROM ({newest}) GROUP BY masked ORDER BY n DESC LIMIT {_MOST_MASKED}"
        )
        rows: Sequence[Any] = await self._rows(sql)
        found = [
            Pattern(
                template=masked, count=n, first_ms=first, last_ms=last, example=example, levels=tuple(sorted(levels))
            )
            for masked, n, first, last, example, levels in rows
        ]
        seen = sum(pattern.count for pattern in found)
        sampled = seen >= _SAMPLE or len(found) >= _MOST_MASKED
        merged = await asyncio.to_thread(merge_masked, found)  # a second of work where no two lines are alike
        return Asked(Patterns(patterns=tuple(merged[:limit]), sampled=sampled), sql)


def _shapes(selection: Selection) -> str:
    """The rows of `log_shapes` that a selection's streams and days have, whatever its query."""
    parts = []
    if selection.streams is not None:
        parts.append(f"stream IN ({literals(selection.streams)})" if selection.streams else "0")
    if selection.window is not None:
        parts.append(f"day >= toDate({selection.window.start_ms // 86_400_000})")
        parts.append(f"day <= toDate({selection.window.end_ms // 86_400_000})")
    return " AND ".join(parts) or "1"
