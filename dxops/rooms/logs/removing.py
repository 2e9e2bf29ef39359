"""Removing documents from the store, a day at a time. Every step can be cut off and taken again.

On a single server whole parts are dropped where nothing in them stays, which costs nothing; parts are named, so that
what arrives meanwhile is never among them. The rest is rewritten without what goes, a day's parts at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from dxops.base.errors import Refused
from dxops.rooms.logs.fields import literal, literals
from dxops.rooms.logs.usages import Store

log = logging.getLogger(__name__)

_STEP_S: Final = 300.0
_CHUNK: Final = 10_000
_GONE: Final = ("clickhouse_232", "clickhouse_235", "clickhouse_384", "clickhouse_649")
"""Of a part: no such part, being merged, already gone. The next look decides again."""


async def remove_day(store: Store, day: date, streams: Sequence[str], *, rewriting: bool = True) -> bool:
    """The documents of these streams that are dated this day; whether all are gone. Without `rewriting`, for which a
    full disk has no room, only those in parts that go as a whole. Raises `Unavailable`, `TooLarge`."""
    if not store.cluster:
        await _drop_parts(store, day, frozenset(streams))
    left = (
        await store.query(
            "SELECT count() FROM log_events WHERE toDate(ts) = {day:Date} "  # noqa: S608 - quoted literals
            f"AND stream IN ({literals(tuple(streams))})",
            {"day": day.isoformat()},
        )
    ).rows[0][0]
    if int(left) and rewriting:
        await _mutate(store, "log_events", f"stream IN ({literals(tuple(streams))})", partition=day)
    return rewriting or not int(left)


async def _drop_parts(store: Store, day: date, streams: frozenset[str]) -> None:
    sql = "SELECT _part, groupUniqArray(toString(stream)) FROM log_events WHERE toDate(ts) = {day:Date} GROUP BY _part"
    for part, inside in (await store.query(sql, {"day": day.isoformat()})).rows:
        if streams.issuperset(inside):
            try:
                await store.execute(f"ALTER TABLE log_events DROP PART {literal(part)}", timeout_s=_STEP_S)
            except Refused as error:
                if error.code not in _GONE:
                    raise
                log.info("a part was merged before it could be dropped", extra={"part": part})


async def forget_days(store: Store, gone: Iterable[tuple[date, Sequence[str]]]) -> None:
    """Take what is told of these streams' days out of `log_shapes` and `log_sizes`."""
    conditions = [
        f"(day = {literal(day.isoformat())} AND stream IN ({literals(tuple(streams))}))" for day, streams in gone
    ]
    for start in range(0, len(conditions), 200):
        condition = " OR ".join(conditions[start : start + 200])
        for table in ("log_shapes", "log_sizes"):
            await _mutate(store, table, condition)


async def remove_dead(store: Store, today: date, most_chunks: int = 20) -> tuple[int, int]:
    """Overwritten and deleted documents of days that are over, and numbers of those that are gone: how many of each.

    A number is forgotten only when a later look finds no such document, so that no search that is under way meets a
    document whose death was forgotten.
    """
    removed = forgotten = 0
    after = -1
    for _ in range(most_chunks):
        sql = "SELECT DISTINCT seq FROM log_dead WHERE toInt128(seq) > {after:Int64} ORDER BY seq LIMIT {most:UInt32}"
        chunk = [int(seq) for (seq,) in (await store.query(sql, {"after": after, "most": _CHUNK})).rows]
        if not chunk:
            break
        after = chunk[-1]
        numbers = ", ".join(map(str, chunk))
        rows = (
            await store.query(
                f"SELECT toDate(ts) AS d, groupArray(seq) FROM log_events WHERE seq IN ({numbers}) "  # noqa: S608
                "GROUP BY d ORDER BY d"
            )
        ).rows
        living = {int(seq) for _, seqs in rows for seq in seqs}
        if absent := [seq for seq in chunk if seq not in living]:
            await _mutate(store, "log_dead", f"seq IN ({', '.join(map(str, absent))})")
            forgotten += len(absent)
        for text, seqs in rows:
            day = date.fromisoformat(text)
            if day < today:
                await _mutate(store, "log_events", f"seq IN ({', '.join(map(str, seqs))})", partition=day)
                removed += len(seqs)
    return removed, forgotten


async def drop_day(store: Store, day: date) -> None:
    """Everything of a day, whatever it is: for a disk that is full. Needs no room itself."""
    name = f"log_events_local ON CLUSTER `{store.cluster}`" if store.cluster else "log_events"
    await store.execute(f"ALTER TABLE {name} DROP PARTITION {literal(day.isoformat())}", timeout_s=_STEP_S)


async def first_number(store: Store, stream: str) -> int:
    """The lowest number of a document that is left of a stream; behind the highest of all where none is."""
    sql = "SELECT countIf(stream = {stream:String}), minIf(seq, stream = {stream:String}), max(seq) FROM log_events"
    ((left, lowest, highest),) = (await store.query(sql, {"stream": stream})).rows
    return int(lowest) if int(left) else int(highest) + 1


async def _mutate(store: Store, table: str, condition: str, partition: date | None = None) -> None:
    name = f"{table}_local ON CLUSTER `{store.cluster}`" if store.cluster else table
    where = f" IN PARTITION {literal(partition.isoformat())}" if partition else ""
    settings = {
        "mutations_sync": 2 if store.cluster else 1,
        "max_execution_time": int(_STEP_S),
        "max_query_size": 4 << 20,
    }
    await store.execute(
        f"ALTER TABLE {name} DELETE{where} WHERE {condition}", settings=settings, timeout_s=_STEP_S + 10
    )
