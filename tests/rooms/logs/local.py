"""A ClickHouse in this process with the log room's tables, for tests of its SQL."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

from chdb import session

from dxops.engines.clickhouse.client import Rows
from dxops.engines.clickhouse.ddl import render
from dxops.engines.clickhouse.migrate import migrations
from dxops.rooms.logs.rows import RowMaker
from dxops.rooms.logs.schema import EVENT_COLUMNS, SHAPE_COLUMNS, SIZE_COLUMNS
from dxops.wire.logs.frame import LogFrame


class LocalStore:
    """The port `Rows`, and `add` for documents."""

    def __init__(self, path: Path) -> None:
        self._session = session.Session(str(path))
        self._maker = RowMaker()
        self.next_seq = 1
        self._session.query("CREATE DATABASE logs ENGINE = Atomic")
        self._session.query("USE logs")
        for migration in migrations():
            for statement in render(migration.steps):
                self._session.query(statement)

    async def query(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        query_id: str | None = None,
    ) -> Rows:
        answer = self._session.query(sql + " SETTINGS output_format_json_quote_64bit_integers = 0", "JSONCompact")
        found = json.loads(answer.bytes())
        return Rows([column["name"] for column in found["meta"]], [], found["data"])

    def add(self, documents: Sequence[bytes], times_ms: Sequence[int], stream: str = "logs") -> int:
        """Insert; the sequence number of the first."""
        frame = LogFrame(indices=(stream,), times_ms=array("q", times_ms), documents=list(documents))
        base = self.next_seq
        made = self._maker.rows([(base, max(times_ms), frame)])
        for table, columns, data in (
            ("log_events", EVENT_COLUMNS, made.events),
            ("log_shapes", SHAPE_COLUMNS, made.shapes),
            ("log_sizes", SIZE_COLUMNS, made.sizes),
        ):
            insert = self._session.send_insert(f"INSERT INTO {table} ({', '.join(columns)})", "Native")
            insert.append(data)
            insert.finish()
        self.next_seq += len(documents)
        return base

    async def insert_native(
        self,
        table: str,
        data: bytes,
        *,
        token: str | None,
        columns: Sequence[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> int:
        known = f" SETTINGS insert_deduplication_token = '{token}'" if token else ""  # else equal blocks count once
        insert = self._session.send_insert(f"INSERT INTO {table} ({', '.join(columns)}){known}", "Native")
        insert.append(data)
        insert.finish()
        return 0

    database = "logs"
    cluster = ""

    async def execute(self, sql: str, *, timeout_s: float | None = None) -> None:
        self._session.query(sql)

    def close(self) -> None:
        self._session.close()
