"""A ClickHouse in this process with the log room's tables, for tests of its SQL."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chdb import session

from dxops.rooms.logs.rows import RowMaker
from dxops.rooms.logs.schema import EVENT_COLUMNS, TABLES
from dxops.wire.logs.frame import LogFrame


class LocalStore:
    """The port `Rows`, and `add` for documents."""

    def __init__(self, path: Path) -> None:
        self._session = session.Session(str(path))
        self._maker = RowMaker()
        self.next_seq = 1
        self._session.query("CREATE DATABASE logs ENGINE = Atomic")
        for statement in TABLES:
            self._session.query(statement)

    async def rows(
        self, sql: str, *, seconds: float = 30.0, memory_mb: int = 0, max_rows: int = 0
    ) -> Sequence[Sequence[Any]]:
        answer = self._session.query(sql + " SETTINGS output_format_json_quote_64bit_integers = 0", "JSONCompact")
        return list(json.loads(answer.bytes())["data"])

    def add(self, documents: Sequence[bytes], times_ms: Sequence[int], stream: str = "logs") -> int:
        """Insert; the sequence number of the first."""
        frame = LogFrame(indices=(stream,), times_ms=array("q", times_ms), documents=list(documents))
        base = self.next_seq
        made = self._maker.rows([(base, max(times_ms), frame)])
        for table, columns, data in (("events", EVENT_COLUMNS, made.events), ("shapes", "", made.shapes)):
            insert = self._session.send_insert(f"INSERT INTO logs.{table} {columns}", "Native")
            insert.append(data)
            insert.finish()
        self.next_seq += len(documents)
        return base

    def clear(self) -> None:
        for table in ("events", "shapes", "dead"):
            self._session.query(f"TRUNCATE TABLE logs.{table}")

    def close(self) -> None:
        self._session.close()
