"""The same rows into the same tables, by chDB in one process alone: what the engine gives at best.

`python -m benchmarks._log_raw DOCUMENTS`. The blocks are made before the clock starts; inserts are on disk when they
return, as the store's are. Prints JSON: rows, seconds, CPU seconds (merges in the background included).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from array import array
from pathlib import Path

from benchmarks.realistic_logs import RealisticLogs
from dxops.engines.clickhouse.config import ClickHouseConfig
from dxops.engines.clickhouse.ddl import render
from dxops.engines.clickhouse.embedded import EmbeddedClickHouse
from dxops.engines.clickhouse.migrate import migrations
from dxops.rooms.logs.rows import RowMaker, Rows
from dxops.rooms.logs.schema import EVENT_COLUMNS, SHAPE_COLUMNS
from dxops.wire.logs.frame import LogFrame

BATCH = 50_000
DAY_MS = 86_400_000


def blocks(documents: int) -> list[Rows]:
    start_ms = int(time.time() * 1000) // DAY_MS * DAY_MS - DAY_MS
    lines = RealisticLogs(3).lines(documents, start_ms=start_ms, end_ms=start_ms + DAY_MS)
    maker, made, base = RowMaker(), [], 1
    while base <= documents:
        batch = [line for _, line in zip(range(min(BATCH, documents + 1 - base)), lines, strict=False)]
        step = DAY_MS / documents
        frame = LogFrame(
            indices=tuple(dict.fromkeys(stream for stream, _ in batch)),
            times_ms=array("q", [start_ms + int((base - 1 + index) * step) for index in range(len(batch))]),
            documents=[document for _, document in batch],
        )
        made.append(maker.rows([(base, frame.times_ms[-1], frame)]))
        base += len(batch)
    return made


def main(documents: int) -> None:
    made = blocks(documents)
    with tempfile.TemporaryDirectory(prefix="dxops-bench-") as home:
        engine = EmbeddedClickHouse(Path(home), ClickHouseConfig())
        engine.open()
        handle = engine.handle()
        for migration in migrations():
            for statement in render(migration.steps):
                handle.query(statement)
        begun, spent = time.monotonic(), time.process_time()
        for rows in made:
            for table, columns, data in (
                ("log_events", EVENT_COLUMNS, rows.events),
                ("log_shapes", SHAPE_COLUMNS, rows.shapes),
            ):
                insert = handle.insert(f"INSERT INTO {table} ({', '.join(columns)})", "Native")
                insert.append(data)
                insert.finish()
        print(json.dumps([documents, time.monotonic() - begun, time.process_time() - spent]), flush=True)
        handle.close()
        engine.close()
    os._exit(0)  # the engine's threads need no goodbye


if __name__ == "__main__":
    main(int(sys.argv[1]))
