"""A store with sizes to show: streams of thirty days, answered as `Keeping` asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from dxops.base.errors import Unavailable

_GROWTH = {"logs-composer-prod": 900, "logs-kube": 640, "access-edge": 1400, "filebeat-9.1.0": 260, "audit": 12}


class Found(msgspec.Struct, frozen=True):
    """Rows."""

    rows: Sequence[Sequence[Any]]


class DemoStore:
    """`sizes.Store` for reading. `away` makes it fail, `empty` forget everything."""

    database = "dxops"
    cluster = ""

    def __init__(self) -> None:
        self.away = self.empty = False

    async def query(
        self, sql: str, params: Mapping[str, object] | None = None, *, settings: Mapping[str, object] | None = None
    ) -> Found:
        if self.away:
            raise Unavailable("ClickHouse does not answer", hint="see `dxops status`")
        if self.empty:
            return Found([])
        today = datetime.now(UTC).date()
        rows = [
            [
                stream,
                (today - timedelta(days=back)).isoformat(),
                2000 * size + back,
                size * 1_000_000 * (9 + back % 5) // 11,
            ]
            for stream, size in _GROWTH.items()
            for back in range(29, -1, -1)
            if stream != "audit" or back % 3 == 0
        ]
        if "log_sizes" in sql:
            return Found(rows)
        days: dict[str, list[int]] = {}
        for _, day, documents, size in rows:
            days.setdefault(day, [0, 0])
            days[day][0] += documents
            days[day][1] += size // 7
        return Found([[day, *sums] for day, sums in days.items()])

    async def execute(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        raise AssertionError("pages change nothing in the store")


class NoIds:
    async def forget(self, stream: str, before_seq: int | None) -> int:
        return 0
