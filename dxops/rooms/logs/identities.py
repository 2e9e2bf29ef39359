"""Which document an id names now: what `create`, `update`, `delete` and `if_seq_no` are decided by.

Kept in SQLite beside the spool and written from the spool (`apply` of every frame, in order), so it is never ahead of
what is durable and a crash costs nothing but reading some frames again. Ids that were forgotten do not come back by
that: which documents they were of is kept. Only documents whose sender gave an id are here.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from dxops.wire.logs.frame import LogFrame

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS identities (
    key BLOB PRIMARY KEY,
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    alive INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS streams (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS erased (stream INTEGER NOT NULL, from_seq INTEGER NOT NULL, before_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS applied (one INTEGER PRIMARY KEY CHECK (one = 1), next_seq INTEGER NOT NULL);
"""
_CHUNK: Final = 500


class Known(msgspec.Struct, frozen=True):
    """The newest operation on an id. `alive` is False after a deletion."""

    seq: int
    version: int
    alive: bool


class Identities:
    """Blocks; several threads take turns. Raises `sqlite3.Error` when the disk fails."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")  # may lose its end, which the spool gives again
        self._database.executescript(_SCHEMA)
        self._turn = threading.Lock()
        self._streams = dict(self._database.execute("SELECT name, id FROM streams"))
        self._erased: dict[int, list[tuple[int, int]]] = {}
        for stream, first, end in self._database.execute("SELECT stream, from_seq, before_seq FROM erased"):
            self._erased.setdefault(stream, []).append((first, end))

    @property
    def next_seq(self) -> int:
        """Everything before is applied."""
        with self._turn:
            row = self._database.execute("SELECT next_seq FROM applied").fetchone()
        return int(row[0]) if row else 0

    def find(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        """(stream, id) to what is known; absent where nothing is."""
        keys = {_key(stream, name): (stream, name) for stream, name in wanted}
        found: dict[tuple[str, str], Known] = {}
        every = list(keys)
        for start in range(0, len(every), _CHUNK):
            chunk = every[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            with self._turn:
                rows = self._database.execute(
                    f"SELECT key, seq, version, alive FROM identities WHERE key IN ({marks})",  # noqa: S608 - marks only
                    chunk,
                ).fetchall()
            for key, seq, version, alive in rows:
                found[keys[key]] = Known(seq, version, bool(alive))
        return found

    def apply(self, frames: Iterable[tuple[int, LogFrame]], next_seq: int) -> None:
        """Frames by the number of their first operation, in order; all before `next_seq`. Again is harmless."""
        with self._turn:
            self._apply(frames, next_seq)

    def _apply(self, frames: Iterable[tuple[int, LogFrame]], next_seq: int) -> None:
        rows = []
        erased_end = max((end for spans in self._erased.values() for _, end in spans), default=0)
        for base, frame in frames:
            if frame.ids is None:
                continue
            again = base < erased_end  # it may have been read before
            for index, name in enumerate(frame.ids):
                if name and not (again and self._is_erased(frame, index, base + index)):
                    stream = frame.indices[0 if frame.index_of is None else frame.index_of[index]]
                    version = 1 if frame.versions is None else frame.versions[index]
                    alive = bool(frame.documents[index])
                    rows.append((_key(stream, name), self._stream(stream), base + index, version, alive))
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany(
                "INSERT INTO identities VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "seq = excluded.seq, version = excluded.version, alive = excluded.alive WHERE excluded.seq > seq",
                rows,
            )
            self._database.execute(
                "INSERT INTO applied VALUES (1, ?) "
                "ON CONFLICT (one) DO UPDATE SET next_seq = max(next_seq, excluded.next_seq)",
                (next_seq,),
            )
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise

    def _is_erased(self, frame: LogFrame, index: int, seq: int) -> bool:
        stream = self._streams.get(frame.indices[0 if frame.index_of is None else frame.index_of[index]])
        return stream is not None and any(first <= seq < end for first, end in self._erased.get(stream, ()))

    def forget(self, stream: str, before_seq: int | None = None, from_seq: int = 0) -> int:
        """Drop a stream's ids: documents from `from_seq` to before `before_seq` (None: all that there are now) were
        deleted, or expired. How many."""
        known = self._streams.get(stream)
        if known is None:
            return 0
        end = self.next_seq if before_seq is None else before_seq
        with self._turn:
            others = [span for span in self._erased.get(known, []) if span[0] < from_seq or span[1] > end]
            self._database.execute("BEGIN IMMEDIATE")
            try:
                done = self._database.execute(
                    "DELETE FROM identities WHERE stream = ? AND seq >= ? AND seq < ?", (known, from_seq, end)
                )
                self._database.execute(
                    "DELETE FROM erased WHERE stream = ? AND from_seq >= ? AND before_seq <= ?", (known, from_seq, end)
                )
                self._database.execute("INSERT INTO erased VALUES (?, ?, ?)", (known, from_seq, end))
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._erased[known] = [*others, (from_seq, end)]
            return done.rowcount

    def close(self) -> None:
        self._database.close()

    def _stream(self, name: str) -> int:
        known = self._streams.get(name)
        if known is None:
            self._database.execute("INSERT OR IGNORE INTO streams (name) VALUES (?)", (name,))
            row = self._database.execute("SELECT id FROM streams WHERE name = ?", (name,)).fetchone()
            known = self._streams[name] = int(row[0])
        return known


def _key(stream: str, name: str) -> bytes:
    return blake2b(f"{stream}\0{name}".encode(), digest_size=16).digest()
