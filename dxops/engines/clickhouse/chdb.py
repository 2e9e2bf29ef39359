"""The one module that knows chDB: opening it, and what a handle on it can do. Everything here blocks.

It uses the extension's own connection rather than `chdb.session`: that one loses the last part of a streamed answer
(totals) and cannot tell a part without rows from the end. Facts of chDB 26.9 that shaped this (measured):

- A handle serialises its queries and keeps SET and USE: one fresh handle per request costs 0.6 ms and inherits nothing.
- Each part of a streamed answer is a whole answer of its format, header included.
- A stream left open on a handle makes its next query empty: close the handle.
- Nothing may fork once it is open. A query still running when the interpreter ends crashes it: see `EngineError`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from dxops.wire.clickhouse_http import code_of

_NO_SPACE: Final = 243


class EngineError(Exception):
    """ClickHouse refused or failed. `code` is its number, `text` its words."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.code = code_of(text)


class Part(msgspec.Struct, frozen=True):
    """An answer, or a part of one: encoded `data`, its rows, and what was read from storage for it."""

    data: bytes
    rows: int
    read_rows: int
    read_bytes: int


class Written(msgspec.Struct, frozen=True):
    """What an insert wrote, materialised views included."""

    rows: int
    bytes: int


class Stream:
    """An answer that is read as it is made. Ends the query when closed early."""

    def __init__(self, connection: Any, result: Any) -> None:
        self._connection = connection
        self._result = result
        self._open = True

    def fetch(self) -> Part | None:
        """The next part, None at the end. Raises `EngineError`."""
        if not self._open:
            return None
        with _engine_errors():
            found = self._connection.streaming_fetch_result(self._result)
        part = None if found is None else _part(found)
        if part is None or part.rows == 0:  # a last part without rows holds totals, or the header of nothing
            self._open = False
        return part if part is not None and part.data else None

    def close(self) -> None:
        """End the query. May take until its current block is done. Idempotent."""
        if self._open:
            self._open = False
            with contextlib.suppress(RuntimeError):
                self._connection.streaming_cancel_query(self._result)


class Insert:
    """An insert under way: `append` bytes of its format, then `finish` or `cancel`."""

    def __init__(self, connection: Any, sql: str, input_format: str) -> None:
        self._connection = connection
        self._inserter = connection.send_insert(sql, input_format)
        self._open = True

    def append(self, data: bytes) -> None:
        """Raises `EngineError` for data that does not parse; the insert is over then."""
        with _engine_errors():
            self._connection.insert_append(self._inserter, data)

    def finish(self) -> Written:
        """Commit. Raises `EngineError`, but not for all that fails: see `Store.verify`."""
        self._open = False
        with _engine_errors():
            result = self._connection.insert_done(self._inserter)
        return Written(result.rows_written(), result.bytes_written())

    def cancel(self) -> None:
        """Give up what is not committed. Idempotent."""
        if self._open:
            self._open = False
            with contextlib.suppress(RuntimeError):
                self._connection.insert_cancel(self._inserter)


class Handle:
    """One connection. Not for two threads at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def query(self, sql: str, output_format: str = "TSV", params: Mapping[str, str] | None = None) -> Part:
        """The whole answer. Raises `EngineError`."""
        with _engine_errors():
            return _part(self._connection.query(sql, output_format, params=dict(params or {})))

    def stream(self, sql: str, output_format: str, params: Mapping[str, str]) -> Stream:
        """For SELECT and its like. Errors may come as late as `fetch`."""
        with _engine_errors():
            result = self._connection.send_query(sql, output_format, params=dict(params))
        return Stream(self._connection, result)

    def insert(self, sql: str, input_format: str) -> Insert:
        """`sql` ends before FORMAT and VALUES. Raises `EngineError`."""
        with _engine_errors():
            return Insert(self._connection, sql, input_format)

    def statements(self, sql: str) -> tuple[int, bool]:
        """How many statements there are (0 where they do not parse), and whether they only read."""
        found = self._connection.classify_query(sql)
        return int(found["statement_count"]), found["query_class"].name == "READ_ONLY"

    def backup(self, database: str, path: Path) -> None:
        """Write a database into a new archive below an allowed directory. Raises `EngineError`."""
        with _engine_errors():
            self._connection.backup_database(database, str(path))

    def restore(self, database: str, path: Path) -> None:
        """Make a database from such an archive. Raises `EngineError`."""
        with _engine_errors():
            self._connection.restore_database(database, str(path))

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()


def connect(data: Path, config: Path) -> Handle:
    """A handle on the data at a path. The first one opens the engine, the last one to close shuts it.

    Raises `EngineError`; when another process holds the path, its text says only "Error initializing EmbeddedServer".
    """
    from chdb import _chdb  # 0.2 s and 200 MB: nobody but the store pays for it

    opens: Any = _chdb  # its type stubs leave out the connection
    with _engine_errors():
        return Handle(opens.connect(f"{data}?config-file={config}"))


def _part(result: Any) -> Part:
    if result.has_error():
        raise EngineError(str(result.error_message()))
    data = result.bytes()
    return Part(data or b"", result.rows_read(), result.storage_rows_read(), result.storage_bytes_read())


class _engine_errors:
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RuntimeError):
            raise EngineError(str(error)) from None
