"""Values of the log room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from dxops.wire import query_tree as tree


class Answer(Protocol):
    """The answer to a SELECT: plain JSON values, integers exact."""

    @property
    def rows(self) -> Sequence[Sequence[Any]]: ...


class Rows(Protocol):
    """The column store, as this room asks it. SQL is made by `fields` and `filters`, never from a person's text."""

    @property
    def database(self) -> str: ...
    @property
    def cluster(self) -> str:
        """Its name, or nothing for a single server."""
        ...

    async def query(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        query_id: str | None = None,
    ) -> Answer:
        """The whole answer. Raises `Unavailable` while the store is away or busy, `TooLarge` when the query met a cap
        of time, memory or size, `Refused` for SQL that it does not take."""
        ...


class Window(msgspec.Struct, frozen=True):
    """A stretch of time in milliseconds since 1970: from `start_ms` to before `end_ms`."""

    start_ms: int
    end_ms: int

    @property
    def width_ms(self) -> int:
        return self.end_ms - self.start_ms


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which documents: of these streams (None: of all), in this window (None: ever), that match `query`.

    `hides_dead` is False only for a store in which nothing was ever overwritten or deleted.
    """

    query: tree.Node = tree.All()
    window: Window | None = None
    streams: tuple[str, ...] | None = None
    hides_dead: bool = True


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One document as it was sent, with what the store knows of it. `id` is never empty."""

    ts_ms: int
    seq: int
    received_ms: int
    stream: str
    id: str
    version: int
    level: str
    service: str
    host: str
    environment: str
    message: str
    source: bytes


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts in buckets of `interval_ms`, the first beginning at `start_ms`; `series` by value of the breakdown."""

    start_ms: int
    interval_ms: int
    series: Mapping[str, list[int]]
    total: int


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field that documents have. `kinds` of `text`, `number`, `boolean`, `list`, `inner`; more than one of them means
    that senders disagree. `documents` counts whole days, so it may exceed what a window holds."""

    name: str
    kinds: tuple[str, ...]
    documents: int


class ValueCount(msgspec.Struct, frozen=True):
    value: str
    count: int


class TopValues(msgspec.Struct, frozen=True, kw_only=True):
    """The most frequent values of a field among `documents` documents, `having` of which have it.

    `sampled` says that only the newest `documents` were looked at.
    """

    values: tuple[ValueCount, ...]
    documents: int
    having: int
    distinct: int
    sampled: bool


class NumberStats(msgspec.Struct, frozen=True, kw_only=True):
    """Of the numbers in a field: None where there is none."""

    count: int
    least: float | None
    greatest: float | None
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that differ only in variables. `template` has `<*>` where they differ."""

    template: str
    count: int
    first_ms: int
    last_ms: int
    example: str
    levels: tuple[str, ...]


class Patterns(msgspec.Struct, frozen=True, kw_only=True):
    """Most frequent first. `sampled`: of the newest lines, or the most frequent shapes, only."""

    patterns: tuple[Pattern, ...]
    sampled: bool


class StreamFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A stream. `documents` came in (overwritten ones count too); `bytes` is its share of each day's size on disk, by
    bytes as sent; `first_ms` and `last_ms` are the begin of its first day and the end of its last."""

    name: str
    documents: int
    bytes: int
    first_ms: int
    last_ms: int


class Inserts(Protocol):
    """The column store, as the loader fills it."""

    async def insert_native(
        self,
        table: str,
        data: bytes,
        *,
        token: str | None,
        columns: Sequence[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> int:
        """Store a Native block, durable on return, once however often this is called with the same token; the rows.

        Raises `Unavailable` when it may work later, `Refused` when the block itself is at fault.
        """
        ...
